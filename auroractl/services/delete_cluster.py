"""delete-cluster: leaves no process, file, address or row."""

from __future__ import annotations

from auroractl.core.errors import InvalidParameterCombination
from auroractl.core.model import Phase, Wanted
from auroractl.core.operations import OperationKind, OperationRecord
from auroractl.engine.server import Server, end_all_below
from auroractl.process.files import remove_tree
from auroractl.services import events, operations, storage_nodes
from auroractl.services.concurrency import side_by_side
from auroractl.services.context import Context
from auroractl.services.operations import Plan, Progress, Step, new_record


def delete_cluster(context: Context, name: str, progress: Progress) -> None:
    """Delete a cluster with all its data.

    Raises ClusterNotFound, InvalidParameterCombination under deletion protection (AWS's code for it), and
    InvalidClusterState where another operation is in progress.
    """
    operations.perform(
        context, OperationKind.DELETE_CLUSTER, name, prepare=lambda: _prepare(context, name), progress=progress
    )


def _prepare(context: Context, name: str) -> OperationRecord:
    if context.cluster(name).deletion_protection:
        raise InvalidParameterCombination(
            "Cannot delete protected Cluster, please disable deletion protection and try again.",
            f"auroractl modify-cluster {name} --no-deletion-protection",
        )
    record = new_record(context, OperationKind.DELETE_CLUSTER, name, {})
    context.repository.begin_operation(record)
    return record


def _plan(context: Context, record: OperationRecord) -> Plan:
    name = record.cluster
    folder = context.home.cluster(name).folder

    def mark() -> None:
        if context.repository.cluster(name) is not None:
            context.repository.update_cluster(name, wanted=Wanted.DELETED, phase=Phase.DELETING)

    def end_processes() -> None:
        # Waits for a node that the watch loop is just starting; after this it starts none.
        storage_nodes.take_away(context, name)
        context.image_keepers.end(name)
        context.keepers.end(name)
        context.endpoint_process(name).stop()
        servers = [context.installation.server(instance) for instance in context.repository.instances(name)]
        side_by_side(Server.abort, [(server,) for server in servers])
        end_all_below(folder)

    def remove_rows() -> None:
        context.repository.delete_cluster(name)
        context.forget(name)
        events.record(context, name, events.CLUSTER_DELETED, name, "DB cluster deleted")

    steps = [
        Step("Mark the cluster as being deleted", mark),
        Step("End its processes", end_processes),
        Step("Remove its files", lambda: remove_tree(folder)),
        Step("Forget it", remove_rows),
    ]
    return Plan(steps, point_of_no_return=steps[0].name)


operations.PLANNERS[OperationKind.DELETE_CLUSTER] = _plan
