"""Handlers of requests that inject faults."""

from __future__ import annotations

from collections.abc import Mapping

from auroractl.api.requests import faults as requests
from auroractl.runtime.managed_cluster import ManagedCluster
from auroractl.services.faults import impairments, injection
from auroractl.services.faults.injection import Injected
from auroractl.supervisor.handlers.call import Call, Handler
from auroractl.supervisor.results import FaultInjected


def _running(call: Call, request: requests.FaultRequest | requests.DnsLag) -> ManagedCluster:
    cluster = call.cluster(request.cluster)
    cluster.require_running()
    return cluster


def _result(cluster: ManagedCluster, done: Injected) -> FaultInjected:
    return FaultInjected(cluster.name, done.target, done.message)


def crash_storage_node(call: Call, request: requests.CrashStorageNode) -> FaultInjected:
    """Kill a storage node."""
    cluster = _running(call, request)
    return _result(cluster, injection.crash_storage_node(cluster, request.target, request.duration_s))


def hang_storage_node(call: Call, request: requests.HangStorageNode) -> FaultInjected:
    """Freeze a storage node."""
    cluster = _running(call, request)
    return _result(cluster, injection.hang_storage_node(cluster, request.target, request.duration_s))


def wipe_storage_node(call: Call, request: requests.WipeStorageNode) -> FaultInjected:
    """Remove all data of a storage node."""
    cluster = _running(call, request)
    return _result(cluster, injection.wipe_storage_node(cluster, request.target))


def corrupt_segment(call: Call, request: requests.CorruptSegment) -> FaultInjected:
    """Damage segments of a storage node."""
    cluster = _running(call, request)
    done = injection.corrupt_segment(cluster, request.target, how=request.how, count=request.count, seed=request.seed)
    return _result(cluster, done)


def crash_instance(call: Call, request: requests.CrashInstance) -> FaultInjected:
    """Kill an instance."""
    cluster = _running(call, request)
    return _result(cluster, injection.crash_instance(cluster, request.target))


def hang_instance(call: Call, request: requests.HangInstance) -> FaultInjected:
    """Freeze an instance."""
    cluster = _running(call, request)
    return _result(cluster, injection.hang_instance(cluster, request.target))


def replica_lag(call: Call, request: requests.ReplicaLag) -> FaultInjected:
    """Delay a reader's replay."""
    cluster = _running(call, request)
    done = impairments.lag_reader(cluster, request.target, request.delay_ms, request.duration_s)
    return _result(cluster, done)


def partition_instance(call: Call, request: requests.PartitionInstance) -> FaultInjected:
    """Cut a reader off from the writer."""
    cluster = _running(call, request)
    return _result(cluster, impairments.partition_reader(cluster, request.target, request.duration_s))


def slow_endpoint(call: Call, request: requests.SlowEndpoint) -> FaultInjected:
    """Delay an endpoint's requests."""
    cluster = _running(call, request)
    done = impairments.slow_endpoint(cluster, request.target, request.delay_ms, request.duration_s)
    return _result(cluster, done)


def refuse_endpoint(call: Call, request: requests.RefuseEndpoint) -> FaultInjected:
    """Refuse new connections to an endpoint."""
    cluster = _running(call, request)
    return _result(cluster, impairments.refuse_endpoint(cluster, request.target, request.duration_s))


def dns_lag(call: Call, request: requests.DnsLag) -> FaultInjected:
    """Delay what DNS answers."""
    cluster = _running(call, request)
    return _result(cluster, impairments.lag_dns(cluster, request.delay_ms, request.duration_s))


def az_outage(call: Call, request: requests.AzOutage) -> FaultInjected:
    """Take an Availability Zone down."""
    cluster = _running(call, request)
    return _result(cluster, injection.az_outage(cluster, request.target, request.duration_s))


def end_fault(call: Call, request: requests.EndFault) -> FaultInjected:
    """End an injected fault."""
    cluster = _running(call, request)
    return _result(cluster, injection.restore(cluster, request.target))


HANDLERS: Mapping[str, Handler] = {
    "crash-storage-node": crash_storage_node,
    "hang-storage-node": hang_storage_node,
    "wipe-storage-node": wipe_storage_node,
    "corrupt-segment": corrupt_segment,
    "crash-instance": crash_instance,
    "hang-instance": hang_instance,
    "replica-lag": replica_lag,
    "partition-instance": partition_instance,
    "slow-endpoint": slow_endpoint,
    "refuse-endpoint": refuse_endpoint,
    "dns-lag": dns_lag,
    "az-outage": az_outage,
    "end-fault": end_fault,
}
