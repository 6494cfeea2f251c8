"""Handlers of requests about instances."""

from __future__ import annotations

from collections.abc import Mapping

from auroractl.api.requests import instances as requests
from auroractl.api.verbs import VERBS
from auroractl.core.operations import OperationRecord
from auroractl.runtime.managed_cluster import ManagedCluster
from auroractl.runtime.runtime import Runtime
from auroractl.services.clusters import instances, modify, power
from auroractl.services.observation import describe
from auroractl.supervisor.handlers.call import Call, EarlyHandler, Handler
from auroractl.supervisor.results import Document, InstanceChanged, InstanceDeleted


def create_instance(call: Call, request: requests.CreateInstance) -> InstanceChanged:
    """create-instance."""
    cluster = call.cluster(request.cluster)
    return InstanceChanged(instances.create_instance(cluster, request))


def creating(_cluster: ManagedCluster, record: OperationRecord, request: requests.CreateInstance) -> InstanceChanged:
    """Build the early answer of create-instance, which may still wait for its turn."""
    return InstanceChanged(record.arguments["Instance"], VERBS[request.verb].instance_status)


def delete_instance(call: Call, request: requests.DeleteInstance) -> InstanceDeleted:
    """delete-instance."""
    found = _current(call.runtime, request.instance)
    instances.delete_instance(call.runtime, request.instance)
    return found


def deleting(cluster: ManagedCluster, _record: OperationRecord, request: requests.DeleteInstance) -> InstanceDeleted:
    """Build the early answer of delete-instance."""
    return _current(cluster.runtime, request.instance)


def _current(runtime: Runtime, identifier: str) -> InstanceDeleted:
    instance = runtime.instance(identifier)
    return InstanceDeleted(ManagedCluster(runtime, instance.cluster).snapshot(), instance)


def reboot_instance(call: Call, request: requests.RebootInstance) -> InstanceChanged:
    """reboot-instance."""
    power.reboot_instance(call.runtime, request.instance)
    return InstanceChanged(request.instance)


def rebooting(_cluster: ManagedCluster, _record: OperationRecord, request: requests.RebootInstance) -> InstanceChanged:
    """Build the early answer of reboot-instance."""
    return InstanceChanged(request.instance, VERBS[request.verb].instance_status)


def modify_instance(call: Call, request: requests.ModifyInstance) -> InstanceChanged:
    """modify-instance."""
    modify.modify_instance(
        call.runtime,
        request.instance,
        promotion_tier=request.promotion_tier,
        parameter_group=request.parameter_group,
    )
    return InstanceChanged(request.instance)


def describe_instances(call: Call, request: requests.DescribeInstances) -> Document:
    """describe-instances."""
    return {"DBInstances": describe.describe_instances(call.runtime, request.cluster, request.instance)}


def connection(call: Call, request: requests.Connection) -> Document:
    """Return the connection parameters."""
    return describe.connection(call.runtime, request.cluster, request.role, request.instance)


HANDLERS: Mapping[str, Handler] = {
    "create-instance": create_instance,
    "delete-instance": delete_instance,
    "reboot-instance": reboot_instance,
    "modify-instance": modify_instance,
    "describe-instances": describe_instances,
    "connection": connection,
}
EARLY: Mapping[str, EarlyHandler] = {
    "create-instance": creating,
    "delete-instance": deleting,
    "reboot-instance": rebooting,
}
