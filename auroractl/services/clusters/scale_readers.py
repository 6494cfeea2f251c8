"""scale-readers: adding and removing readers while the cluster serves."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from auroractl.core import identifiers, topology
from auroractl.core.addresses import AddressPlan
from auroractl.core.errors import InvalidClusterState, InvalidParameterValue, QuotaExceeded, UsageError
from auroractl.core.operation_kinds import OperationKind
from auroractl.core.operations import OperationRecord
from auroractl.runtime.managed_cluster import ManagedCluster
from auroractl.runtime.tickets import Ticket
from auroractl.services.clusters.readers import Readers, plan_add, plan_remove
from auroractl.services.instances import address_allocation
from auroractl.services.operations import runner
from auroractl.services.operations.runner import Plan, new_record


def scale_readers(
    cluster: ManagedCluster, *, to: int | None, add: int | None, remove: int | None
) -> tuple[list[str], list[str]]:
    """Change the number of readers, and return the names of added and removed ones.

    Exactly one of `to`, `add` and `remove` is given. Raises UsageError otherwise, InvalidParameterValue or
    QuotaExceeded for a number that cannot be, InvalidClusterState where the cluster is stopped, busy or without a writer.
    """
    cluster.require_running()
    # The first instance is the writer.
    cluster.writer()
    readers = [instance for instance in cluster.instances() if not instance.is_writer]
    target = _target(len(readers), to, add, remove)
    if target > len(readers):
        return _add(cluster, target - len(readers)), []
    if target < len(readers):
        leaving = topology.removal_order(readers)[: len(readers) - target]
        return [], remove_readers(cluster, [reader.identifier for reader in leaving])
    return [], []


def _target(current: int, to: int | None, add: int | None, remove: int | None) -> int:
    if sum(value is not None for value in (to, add, remove)) != 1:
        raise UsageError("Give exactly one of --to, --add and --remove.", "For example: --to 3")
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


def _add(cluster: ManagedCluster, count: int) -> list[str]:
    def prepare() -> OperationRecord:
        cluster.require_running()
        cluster.writer()
        row = cluster.row()
        existing = cluster.instances()
        coming = cluster.locks.all_coming()
        own = {each.identifier for each in (*existing, *coming) if each.cluster == cluster.name}
        require_room(cluster.name, own, count)
        made = address_allocation.new_instances(
            cluster,
            row,
            existing,
            count,
            plan=AddressPlan(row.address_block, row.port),
            with_writer=False,
            taken_names={each.identifier for each in (*cluster.repository.instances(), *coming)},
        )
        names = [instance.identifier for instance in made]
        record = new_record(cluster, OperationKind.SCALE_READERS, {"Add": names})
        cluster.repository.begin_operation(record)
        cluster.repository.add_instances(made)
        return record

    record = runner.perform(cluster, OperationKind.SCALE_READERS, prepare=prepare)
    return list(record.arguments["Add"])


def require_room(cluster: str, instances: Collection[str], count: int) -> None:
    """Raise QuotaExceeded if a cluster that has or awaits these instances cannot get `count` more."""
    room = identifiers.READERS_MAX + 1 - len(instances)
    if count > room:
        raise QuotaExceeded(
            f"A cluster has at most {identifiers.READERS_MAX + 1} instances; DBCluster {cluster} has {len(instances)} with "
            "those that are being created.",
            f"At most {room} more can be added",
        )


def remove_readers(
    cluster: ManagedCluster,
    leaving: Sequence[str],
    kind: OperationKind = OperationKind.SCALE_READERS,
    ticket: Ticket | None = None,
) -> list[str]:
    """Remove readers in one operation and return their names. Raises InvalidClusterState if one has become the writer."""

    def prepare() -> OperationRecord:
        cluster.require_running()
        for identifier in leaving:
            if cluster.instance(identifier).is_writer:
                raise InvalidClusterState(f"DBInstance {identifier} has become the writer.", "Repeat the command")
        record = new_record(cluster, kind, {"Remove": list(leaving)})
        cluster.repository.begin_operation(record)
        return record

    record = runner.perform(cluster, kind, prepare=prepare, ticket=ticket)
    return list(record.arguments["Remove"])


def plan(cluster: ManagedCluster, record: OperationRecord) -> Plan:
    """Return the steps of an operation that adds or removes readers."""
    if "Add" in record.arguments:
        return plan_add(Readers(cluster, record.arguments["Add"]))
    return plan_remove(Readers(cluster, record.arguments["Remove"]))


runner.PLANNERS[OperationKind.SCALE_READERS] = plan
