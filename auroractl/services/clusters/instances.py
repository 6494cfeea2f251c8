"""create-instance and delete-instance, including the first and the last instance of a cluster.

Concurrent requests for one cluster are queued. Whether an instance becomes the writer or a reader, and whether a deleted
one is the last, is decided when its turn comes.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from auroractl.api.requests.instances import CreateInstance
from auroractl.core import identifiers, topology
from auroractl.core.address import Address
from auroractl.core.addresses import AddressPlan
from auroractl.core.errors import (
    AuroraError,
    InstanceAlreadyExists,
    InvalidClusterState,
    InvalidInstanceState,
    InvalidParameterValue,
    QuotaExceeded,
)
from auroractl.core.model import Instance, Phase
from auroractl.core.operation_kinds import OperationKind
from auroractl.core.operations import OperationRecord
from auroractl.core.parameters.model import GroupKind
from auroractl.runtime.managed_cluster import ManagedCluster
from auroractl.runtime.parameters import chosen_settings
from auroractl.runtime.runtime import Runtime
from auroractl.runtime.tickets import Ticket, require_no_other
from auroractl.services.clusters import failover, scale_readers
from auroractl.services.clusters.attachment import (
    OnlyInstance,
    has_base,
    require_base,
    require_no_base,
    require_no_data,
    require_one_filesystem,
)
from auroractl.services.clusters.readers import Readers, plan_add, plan_remove
from auroractl.services.operations import queue, runner
from auroractl.services.operations.runner import Plan, Rehearsed, new_record
from auroractl.services.parameters import groups, trial


def create_instance(cluster: ManagedCluster, request: CreateInstance) -> str:
    """Create an instance and return its identifier. The first of a cluster is its writer and takes the volume's data.

    Raises InvalidParameterValue, InstanceAlreadyExists, QuotaExceeded, Cancelled, InvalidClusterState if the cluster is
    stopped or held by an operation for which requests are not queued, and the error of a failed step after undoing all.
    """

    def make(tickets: Collection[Ticket]) -> Ticket:
        announced = _announced(cluster, request, tickets)
        return queue.ticket(cluster, OperationKind.CREATE_INSTANCE, announced)

    with queue.in_turn(cluster, make, lambda ticket: {"Instance": _of(ticket).identifier}) as ticket:
        runner.perform(
            cluster,
            OperationKind.CREATE_INSTANCE,
            prepare=lambda: _prepare_creation(cluster, _of(ticket)),
            ticket=ticket,
        )
    return _of(ticket).identifier


def _of(ticket: Ticket) -> Instance:
    assert ticket.instance is not None
    return ticket.instance


def _announced(cluster: ManagedCluster, request: CreateInstance, tickets: Collection[Ticket]) -> Instance:
    """Return the requested instance as a reader; its role and address are decided when its turn comes."""
    cluster.require_running()
    row = cluster.row()
    coming = [each.instance for each in tickets if each.instance and each.instance.phase is Phase.CREATING]
    taken = {each.identifier for each in (*cluster.repository.instances(), *coming)}
    own = [*cluster.instances(), *(each for each in coming if each.cluster == cluster.name)]
    tier = identifiers.promotion_tier(request.promotion_tier)
    group = _group(cluster, request.parameter_group)
    if request.availability_zone not in {None, *row.availability_zones}:
        raise InvalidParameterValue(
            f"AvailabilityZone {request.availability_zone} is not one of DBCluster {cluster.name}.",
            f"Choose one of {', '.join(row.availability_zones)}, or leave it out",
        )
    if request.instance is None:
        name = next(topology.instance_names(cluster.name, taken))
    else:
        name = identifiers.identifier("DBInstanceIdentifier", request.instance)
        require_no_other(tickets, name, creating=True)
        if name in taken:
            raise InstanceAlreadyExists(name)
    if len({each.identifier for each in own}) > identifiers.READERS_MAX:
        raise QuotaExceeded(
            f"A cluster has at most {identifiers.READERS_MAX + 1} instances.",
            f"Delete one first: auroractl delete-instance {own[-1].identifier}",
        )
    return Instance(
        identifier=name,
        cluster=cluster.name,
        availability_zone=request.availability_zone or topology.availability_zone(row.availability_zones, own),
        is_writer=False,
        promotion_tier=tier,
        address=_free_address(cluster, [each.address for each in own]),
        created_at=cluster.now(),
        phase=Phase.CREATING,
        parameter_group=group,
    )


def _group(cluster: ManagedCluster, name: str | None) -> str:
    """Return the stored name of the requested DB parameter group, whose values have been tried."""
    group = groups.resolve(cluster.runtime, GroupKind.INSTANCE, name, cluster.row().engine_version)
    settings = chosen_settings(cluster.repository, GroupKind.INSTANCE, group)
    if settings:
        trial.tried(
            cluster.runtime, cluster.installation.engine_of(cluster.name), {**cluster.chosen_parameters(), **settings}
        )
    return group


def _free_address(cluster: ManagedCluster, taken: Collection[Address]) -> Address:
    row = cluster.row()
    return next(AddressPlan(row.address_block, row.port).instances(taken))


def _prepare_creation(cluster: ManagedCluster, announced: Instance) -> OperationRecord:
    name = announced.identifier
    cluster.require_running()
    if cluster.repository.instance(name) is not None:
        raise InstanceAlreadyExists(name)
    rows = cluster.instances()
    scale_readers.require_room(cluster.name, [each.identifier for each in rows], 1)
    first = not rows
    if first:
        require_base(cluster)
        require_no_data(cluster, announced)
        require_one_filesystem(cluster)
    taken = [each.address for each in rows]
    address = _free_address(cluster, taken) if announced.address in taken else announced.address
    record = new_record(cluster, OperationKind.CREATE_INSTANCE, {"Instance": name, "First": first})
    cluster.repository.begin_operation(record)
    try:
        cluster.repository.add_instances([replace(announced, is_writer=first, address=address)])
    except AuroraError as error:
        runner.abandon(cluster, record, error.message)
        raise
    return record


def _plan_creation(cluster: ManagedCluster, record: OperationRecord) -> Plan:
    name = record.arguments["Instance"]
    if record.arguments["First"]:
        return OnlyInstance(cluster, name).coming()
    return plan_add(Readers(cluster, [name]))


def delete_instance(runtime: Runtime, identifier: str) -> None:
    """Delete an instance. For the writer a reader is promoted first, as on AWS; the last leaves its data with the volume.

    Raises InstanceNotFound; InvalidInstanceState if it is being created or deleted, or is the last one and its data is
    gone; InvalidClusterState if the cluster is stopped, no reader can be promoted, or the cluster is held by an
    operation for which requests are not queued; Cancelled.
    """
    instance = runtime.instance(identifier)
    cluster = ManagedCluster(runtime, instance.cluster)
    cluster.require_running()

    def writes() -> bool:
        """The writer is deleted after all that wait, so that no other instance is promoted to be deleted next."""
        row = cluster.repository.instance(instance.identifier)
        return row is not None and row.is_writer

    def make(tickets: Collection[Ticket]) -> Ticket:
        require_no_other(tickets, instance.identifier)
        shown = replace(instance, phase=Phase.DELETING)
        made = queue.ticket(cluster, OperationKind.DELETE_INSTANCE, shown)
        made.yields = writes
        return made

    with queue.in_turn(cluster, make, lambda _: {"Remove": [instance.identifier]}) as ticket:
        _delete(cluster, instance.identifier, ticket)


def _delete(cluster: ManagedCluster, identifier: str, ticket: Ticket) -> None:
    instance = cluster.instance(identifier)
    if instance.is_writer and len(cluster.instances()) == 1:
        runner.perform(
            cluster,
            OperationKind.DELETE_INSTANCE,
            prepare=lambda: _prepare_last(cluster, identifier),
            ticket=ticket,
        )
        return
    if instance.is_writer:
        try:
            failover.failover(cluster, None, ticket=ticket)
        except Rehearsed as rehearsed:
            rehearsed.steps += [step.name for step in plan_remove(Readers(cluster, [identifier])).steps]
            raise
    scale_readers.remove_readers(cluster, [identifier], OperationKind.DELETE_INSTANCE, ticket)


def _prepare_last(cluster: ManagedCluster, identifier: str) -> OperationRecord:
    instance = cluster.instance(identifier)
    cluster.require_running()
    if len(cluster.instances()) != 1:
        raise InvalidClusterState(f"DBCluster {cluster.name} has other instances by now.", "Repeat the command")
    if cluster.installation.server(instance).has_data():
        require_one_filesystem(cluster, instance)
        require_no_base(cluster)
    elif not has_base(cluster):
        raise InvalidInstanceState(
            f"The data directory of {identifier}, the only instance of DBCluster {cluster.name}, is gone or incomplete.",
            f"Delete the whole cluster: auroractl delete-cluster {cluster.name}",
        )
    record = new_record(cluster, OperationKind.DELETE_INSTANCE, {"Last": identifier})
    cluster.repository.begin_operation(record)
    return record


def _plan_deletion(cluster: ManagedCluster, record: OperationRecord) -> Plan:
    if "Last" in record.arguments:
        return OnlyInstance(cluster, record.arguments["Last"]).going()
    return plan_remove(Readers(cluster, record.arguments["Remove"]))


runner.PLANNERS[OperationKind.CREATE_INSTANCE] = _plan_creation
runner.PLANNERS[OperationKind.DELETE_INSTANCE] = _plan_deletion
