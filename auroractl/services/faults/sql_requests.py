"""Faults that clients ask for in SQL, with Aurora's functions."""

from __future__ import annotations

import logging
import math
import random
import time
from collections.abc import Collection

from auroractl.core.errors import AuroraError, InvalidInstanceState, InvalidParameterValue
from auroractl.core.model import Instance
from auroractl.core.volume.faults import ALL_DISKS, FaultKind, disk_of
from auroractl.core.volume.model import StorageNode
from auroractl.engine import aurora_faults, sql
from auroractl.engine.aurora_faults import Asked, FaultAsked
from auroractl.runtime import events
from auroractl.runtime.managed_cluster import ManagedCluster
from auroractl.services.faults import impairments, injection
from auroractl.services.instances import replication

log = logging.getLogger(__name__)

_APART_S = 1.0
_STATEMENT_TIMEOUT_S = 5.0
_INSTANCE = "instance"
_DISPATCHER = "dispatcher"
_NODE = "node"
_END_SENDERS = (
    "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_replication"
    " WHERE usename = 'rdsrepladmin' AND application_name = ANY(%s)"
)


def is_asked(cluster: ManagedCluster, instance: Instance) -> bool:
    """Return whether a function of an instance asks for a fault."""
    return aurora_faults.is_asked(cluster.paths.instance(instance.identifier).data)


def carry_out(cluster: ManagedCluster, instance: Instance) -> None:
    """Inject the fault that a function of an instance asks for, and answer."""
    data = cluster.paths.instance(instance.identifier).data
    try:
        asked = aurora_faults.take(data)
    except OSError as error:
        log.warning("%s: the request of a function cannot be read: %s", instance.identifier, error)
        return
    if asked is None:
        return
    try:
        _require_pause(cluster)
        _inject(cluster, cluster.instance(instance.identifier), asked)
    except AuroraError as error:
        aurora_faults.answer(data, asked, error.message, error.hint)
    else:
        aurora_faults.answer(data, asked)


def _require_pause(cluster: ManagedCluster) -> None:
    now_s, before_s = time.monotonic(), cluster.memory.aurora.injected_s
    if now_s - before_s < _APART_S:
        raise InvalidParameterValue("A fault was injected less than a second ago.", "Ask again in a second")
    cluster.memory.aurora.injected_s = now_s


def _inject(cluster: ManagedCluster, instance: Instance, asked: FaultAsked) -> None:
    match asked.kind:
        case Asked.CRASH:
            _crash(cluster, instance, asked.target)
        case Asked.REPLICA_FAILURE:
            _fail_readers(cluster, asked)
        case Asked.DISK_FAILURE:
            _fail_nodes(cluster, asked)
        case Asked.DISK_CONGESTION:
            _congest(cluster, asked)


def _crash(cluster: ManagedCluster, instance: Instance, what: str) -> None:
    """Crash an instance, or the processes that send the writer's WAL to the storage nodes.

    A crashed writer is restarted in place, because on Aurora no failover occurs. Its sending processes end with it.
    """
    if what == _DISPATCHER:
        _end_senders(cluster)
    elif what in {_INSTANCE, _NODE}:
        injection.crash_instance(cluster, instance.identifier)
        if instance.is_writer:
            replication.start_writer(cluster, instance)
            cluster.observer.refresh(instance)
            events.record(cluster, events.REPAIR, instance.identifier, "The crashed writer was restarted in place.")
            cluster.publish_routes()
    else:
        raise InvalidParameterValue(f"{what!r:.30} cannot crash.", "Crash the instance, the dispatcher or the node")


def _end_senders(cluster: ManagedCluster) -> None:
    writer, nodes = cluster.writer(), [node.identifier for node in cluster.storage_nodes()]
    with sql.session(cluster.installation.access(writer), statement_timeout_s=_STATEMENT_TIMEOUT_S) as connection:
        connection.execute(_END_SENDERS, [nodes])
    injection.done(cluster, writer.identifier, "Processes that send WAL to the storage nodes ended", None)


def _fail_readers(cluster: ManagedCluster, asked: FaultAsked) -> None:
    """Cut readers off from the writer for a share of an interval: replication is one stream, without parts to block."""
    if asked.target:
        readers = [asked.target]
    else:
        readers = [each.identifier for each in cluster.instances() if not each.is_writer]
    if not readers:
        raise InvalidInstanceState(
            f"DBCluster {cluster.name} has no reader.", f"Add one: auroractl scale-readers {cluster.name} 1"
        )
    lasts_s = asked.seconds * asked.percentage / 100
    _require_free(cluster, readers)
    for reader in readers if lasts_s else ():
        impairments.partition_reader(cluster, reader, lasts_s)


def _fail_nodes(cluster: ManagedCluster, asked: FaultAsked) -> None:
    """Make one storage node fail for a share of an interval, or some of those of a protection group."""
    nodes = _nodes(cluster, asked)
    if asked.is_disk:
        failing, lasts_s = random.sample(nodes, math.ceil(len(nodes) * asked.percentage / 100)), float(asked.seconds)
    else:
        failing, lasts_s = [nodes[asked.index]], asked.seconds * asked.percentage / 100
    _require_free(cluster, [node.identifier for node in failing])
    for node in failing if lasts_s else ():
        injection.crash_storage_node(cluster, node.identifier, lasts_s)


def _nodes(cluster: ManagedCluster, asked: FaultAsked) -> list[StorageNode]:
    """Return the storage nodes of a cluster. Raises InvalidParameterValue for an index that is too high."""
    nodes, volume = cluster.storage_nodes(), cluster.repository.volume_rows(cluster.name)
    count = (volume.groups if volume is not None else 0) if asked.is_disk else len(nodes)
    if asked.index >= count:
        what = "protection group" if asked.is_disk else "storage node"
        raise InvalidParameterValue(
            f"There is no {what} with index {asked.index}; the highest is {count - 1}.",
            "Count them: SELECT * FROM aurora_show_volume_status()",
        )
    return nodes


def _congest(cluster: ManagedCluster, asked: FaultAsked) -> None:
    """Make a share of the writes of one storage node late, or of all copies of a protection group."""
    nodes = _nodes(cluster, asked)
    target = ALL_DISKS if asked.is_disk else disk_of(nodes[asked.index].identifier)
    _require_free(
        cluster,
        [ALL_DISKS, target] if not asked.is_disk else [ALL_DISKS, *(disk_of(each.identifier) for each in nodes)],
    )
    if not (asked.percentage and asked.maximum):
        return
    fault = injection.begin(
        cluster,
        FaultKind.DISK_CONGESTION,
        target,
        float(asked.seconds),
        math.ceil(asked.maximum),
        delay_min_ms=min(asked.minimum, asked.maximum),
        percentage=asked.percentage,
    )
    what = "all storage nodes" if asked.is_disk else nodes[asked.index].identifier
    message = f"{asked.percentage:g}% of the writes of {what} are {asked.minimum:g} to {asked.maximum:g} ms late"
    injection.done(cluster, target, message, fault)


def _require_free(cluster: ManagedCluster, targets: Collection[str]) -> None:
    """Refuse to replace an injected fault: the shorter one of a client would end it."""
    for fault in cluster.faults():
        if fault.target in targets:
            raise InvalidInstanceState(
                f"{fault.target} has an injected fault already.",
                f"End it first: auroractl inject-fault restore {fault.target}",
            )
