"""scale-readers and delete-instance: adding and removing readers while the cluster serves."""

from __future__ import annotations

import time
from collections.abc import Sequence

from auroractl.core import identifiers, topology
from auroractl.core.addresses import AddressPlan
from auroractl.core.errors import AuroraError, InvalidClusterState, InvalidParameterValue, QuotaExceeded, UsageError
from auroractl.core.model import Instance, Phase, Wanted
from auroractl.core.operations import OperationKind, OperationRecord
from auroractl.engine import sql
from auroractl.process.files import remove_tree
from auroractl.services import events, failover, following, operations, placement
from auroractl.services.concurrency import side_by_side
from auroractl.services.context import Context
from auroractl.services.endpoint_process import RoutingOverride
from auroractl.services.operations import Plan, Progress, Rehearsed, Step, new_record

_COPIES_AT_ONCE = 2
_FOLLOW_TIMEOUT_S = 60.0
_DRAIN_POLL_S = 0.1


def scale_readers(
    context: Context, name: str, *, to: int | None, add: int | None, remove: int | None, progress: Progress
) -> tuple[list[str], list[str]]:
    """Change the number of readers and return the names of those added and of those removed.

    Exactly one of `to`, `add` and `remove` is given. Raises UsageError otherwise, InvalidParameterValue or
    QuotaExceeded for a number that cannot be, InvalidClusterState where the cluster is stopped or busy.
    """
    context.require_running(name)
    readers = [instance for instance in context.repository.instances(name) if not instance.is_writer]
    target = _target(len(readers), to, add, remove)
    if target > len(readers):
        return _add(context, name, target - len(readers), progress), []
    if target < len(readers):
        leaving = topology.removal_order(readers)[: len(readers) - target]
        return [], _remove(context, name, [reader.identifier for reader in leaving], progress)
    return [], []


def _target(current: int, to: int | None, add: int | None, remove: int | None) -> int:
    if sum(value is not None for value in (to, add, remove)) != 1:
        raise UsageError("Say exactly one of --to, --add and --remove.", "For example: --to 3")
    if to is not None:
        return identifiers.readers(to)
    change = add if add is not None else -(remove or 0)
    if (add if add is not None else remove or 0) < 0:
        raise InvalidParameterValue("A number of readers to add or remove cannot be negative.", "")
    if current + change > identifiers.READERS_MAX:
        raise QuotaExceeded(
            f"A cluster has at most {identifiers.READERS_MAX} readers; this one has {current}.",
            f"At most {identifiers.READERS_MAX - current} more can be added",
        )
    if current + change < 0:
        raise InvalidParameterValue(
            f"There are only {current} readers to remove.", f"Remove at most {current}, or use --to 0"
        )
    return current + change


def delete_instance(context: Context, identifier: str, progress: Progress) -> None:
    """Delete an instance. For the writer a reader is promoted first, as on AWS.

    Raises InstanceNotFound; InvalidClusterState for the only instance of a cluster.
    """
    instance = context.instance(identifier)
    context.require_running(instance.cluster)
    if instance.is_writer:
        if len(context.repository.instances(instance.cluster)) == 1:
            raise InvalidClusterState(
                f"DBInstance {instance.identifier} is the only instance of DBCluster {instance.cluster}.",
                f"Delete the whole cluster: auroractl delete-cluster {instance.cluster}",
            )
        try:
            failover.failover(context, instance.cluster, None, progress)
        except Rehearsed as rehearsed:
            rehearsed.steps += [
                step.name for step in _plan_remove(_Readers(context, instance.cluster, [identifier])).steps
            ]
            raise
    _remove(context, instance.cluster, [instance.identifier], progress, OperationKind.DELETE_INSTANCE)


def _add(context: Context, name: str, count: int, progress: Progress) -> list[str]:
    def prepare() -> OperationRecord:
        context.require_running(name)
        cluster = context.cluster(name)
        existing = context.repository.instances(name)
        made = placement.new_instances(
            context,
            cluster,
            existing,
            count,
            plan=AddressPlan(cluster.address_block, cluster.port),
            with_writer=False,
            taken_names={instance.identifier for instance in context.repository.instances()},
        )
        names = [instance.identifier for instance in made]
        record = new_record(context, OperationKind.SCALE_READERS, name, {"Add": names})
        context.repository.begin_operation(record)
        context.repository.add_instances(made)
        return record

    record = operations.perform(context, OperationKind.SCALE_READERS, name, prepare=prepare, progress=progress)
    return list(record.arguments["Add"])


def _remove(
    context: Context,
    name: str,
    leaving: Sequence[str],
    progress: Progress,
    kind: OperationKind = OperationKind.SCALE_READERS,
) -> list[str]:
    def prepare() -> OperationRecord:
        context.require_running(name)
        for identifier in leaving:
            if context.instance(identifier).is_writer:
                raise InvalidClusterState(f"DBInstance {identifier} has become the writer.", "Repeat the command")
        record = new_record(context, kind, name, {"Remove": list(leaving)})
        context.repository.begin_operation(record)
        return record

    record = operations.perform(context, kind, name, prepare=prepare, progress=progress)
    return list(record.arguments["Remove"])


def _plan(context: Context, record: OperationRecord) -> Plan:
    if "Add" in record.arguments:
        return _plan_add(_Readers(context, record.cluster, record.arguments["Add"]))
    return _plan_remove(_Readers(context, record.cluster, record.arguments["Remove"]))


def _plan_add(readers: _Readers) -> Plan:
    steps = [
        Step(f"Copy the data to {readers.words}", readers.copy, undo=readers.remove),
        Step("Start them", readers.start),
        Step("Wait until they follow the writer", readers.wait),
        Step("Mark them available", readers.available),
    ]
    return Plan(steps, point_of_no_return="Mark them available")


def _plan_remove(readers: _Readers) -> Plan:
    steps = [
        Step(f"Take {readers.words} from the endpoints", readers.drain),
        Step("Let running statements end", readers.wait_idle),
        Step("Stop and remove", readers.remove),
        Step("Update the endpoints", readers.removed),
    ]
    return Plan(steps, point_of_no_return=steps[0].name)


class _Readers:
    def __init__(self, context: Context, cluster: str, names: Sequence[str]) -> None:
        self._context = context
        self._cluster = cluster
        self._names = list(names)
        self.words = names[0] if len(names) == 1 else f"{len(names)} readers"

    def _rows(self) -> list[Instance]:
        """Those that still have a row: an operation that is picked up again finds some gone."""
        return [each for each in self._context.repository.instances(self._cluster) if each.identifier in self._names]

    def copy(self) -> None:
        source = self._context.writer_address(self._cluster)
        for reader in self._rows():
            self._context.installation.server(reader).abort()
        rows = self._rows()
        side_by_side(
            following.copy_from_writer,
            [(self._context, reader, source) for reader in rows],
            workers_max=_COPIES_AT_ONCE,
        )

    def start(self) -> None:
        writer = self._context.writer(self._cluster)
        side_by_side(following.start_reader, [(self._context, reader, writer) for reader in self._rows()])

    def wait(self) -> None:
        writer = self._context.writer(self._cluster)
        for reader in self._rows():
            following.wait_following(self._context, reader, writer, _FOLLOW_TIMEOUT_S)

    def available(self) -> None:
        rows = self._rows()
        side_by_side(self._context.observer.refresh, [(reader,) for reader in rows])
        for reader in rows:
            self._context.repository.update_instance(reader.identifier, phase=Phase.NONE)
        self._context.publish_routes(self._cluster)
        for reader in rows:
            events.record(
                self._context, self._cluster, events.INSTANCE_CREATED, reader.identifier, "DB instance created"
            )

    def drain(self) -> None:
        for reader in self._rows():
            self._context.repository.update_instance(reader.identifier, phase=Phase.DELETING, wanted=Wanted.RUNNING)
        self._context.route(self._cluster, RoutingOverride(draining=self._names))

    def wait_idle(self) -> None:
        """Aurora gives running statements three minutes when an instance is deleted; idle sessions get none."""
        deadline = time.monotonic() + self._context.settings.drain_timeout_s
        while time.monotonic() < deadline and any(map(self._busy, self._rows())):
            time.sleep(_DRAIN_POLL_S)

    def _busy(self, reader: Instance) -> bool:
        try:
            with sql.session(reader.address, self._context.installation.secrets.admin) as connection:
                return sql.active_statements(connection) > 0
        except AuroraError:
            return False

    def remove(self) -> None:
        rows = self._rows()
        self._context.route(self._cluster, RoutingOverride(without=self._names))
        side_by_side(self._remove_one, [(reader,) for reader in rows])
        self._context.route(self._cluster, None)

    def _remove_one(self, reader: Instance) -> None:
        """No clean stop: its data goes with it."""
        self._context.installation.server(reader).abort()
        remove_tree(self._context.home.cluster(self._cluster).instance(reader.identifier).folder)
        self._context.repository.delete_instance(reader.identifier)

    def removed(self) -> None:
        self._context.publish_routes(self._cluster)
        for name in self._names:
            events.record(self._context, self._cluster, events.INSTANCE_DELETED, name, "DB instance deleted")


operations.PLANNERS[OperationKind.SCALE_READERS] = _plan
operations.PLANNERS[OperationKind.DELETE_INSTANCE] = _plan
