"""delete-cluster: remove all processes, files, addresses and rows."""

from __future__ import annotations

from auroractl.core.errors import InvalidParameterCombination
from auroractl.core.model import Phase, Wanted
from auroractl.core.operation_kinds import OperationKind
from auroractl.core.operations import OperationRecord
from auroractl.engine.server import Server, end_all_below
from auroractl.runtime import events
from auroractl.runtime.managed_cluster import ManagedCluster
from auroractl.runtime.parallel import side_by_side
from auroractl.services.operations import runner
from auroractl.services.operations.cancel import cancel_creation, dismiss_all
from auroractl.services.operations.runner import Plan, Step, new_record
from auroractl.services.volume import storage_nodes
from auroractl.system.file_credentials import as_self
from auroractl.system.files import remove_tree


def delete_cluster(cluster: ManagedCluster) -> None:
    """Delete a cluster with all its data; a running creation is cancelled.

    Raises ClusterNotFound, InvalidParameterCombination under deletion protection (AWS's code for it), and
    InvalidClusterState if another operation is in progress.
    """
    _require_unprotected(cluster)
    cancel_creation(cluster)
    if cluster.repository.cluster(cluster.name) is None:
        return
    runner.perform(cluster, OperationKind.DELETE_CLUSTER, prepare=lambda: _prepare(cluster))


def _require_unprotected(cluster: ManagedCluster) -> None:
    if cluster.row().deletion_protection:
        raise InvalidParameterCombination(
            "Cannot delete protected Cluster, please disable deletion protection and try again.",
            f"auroractl modify-cluster {cluster.name} --no-deletion-protection",
        )


def _prepare(cluster: ManagedCluster) -> OperationRecord:
    _require_unprotected(cluster)
    record = new_record(cluster, OperationKind.DELETE_CLUSTER, {})
    cluster.repository.begin_operation(record)
    dismiss_all(cluster, "the cluster is being deleted")
    return record


def _plan(cluster: ManagedCluster, _record: OperationRecord) -> Plan:
    folder = cluster.paths.folder

    def mark() -> None:
        if cluster.repository.cluster(cluster.name) is not None:
            cluster.repository.update_cluster(cluster.name, wanted=Wanted.DELETED, phase=Phase.DELETING)

    def end_processes() -> None:
        # Wait for a node that the watch loop may be starting; afterwards it starts none.
        storage_nodes.fence_nodes(cluster)
        cluster.runtime.image_keepers.end(cluster.name)
        cluster.runtime.wal_keepers.end(cluster.name)
        cluster.endpoint_process().stop()
        servers = [cluster.installation.server(instance) for instance in cluster.instances()]
        side_by_side(Server.abort, [(server,) for server in servers])
        end_all_below(folder)

    def remove_files() -> None:
        with as_self():
            remove_tree(folder)
            remove_tree(cluster.runtime.home.cluster_sockets(cluster.name))

    def remove_rows() -> None:
        cluster.repository.delete_cluster(cluster.name)
        cluster.forget()
        cluster.observer.forget_cluster(cluster.name)
        events.record(cluster, events.CLUSTER_DELETED, cluster.name, "DB cluster deleted")

    steps = [
        Step("Mark the cluster as being deleted", mark),
        Step("Stop its processes", end_processes),
        Step("Remove its files", remove_files),
        Step("Remove it from the state", remove_rows),
    ]
    return Plan(steps, point_of_no_return=steps[0].name)


runner.PLANNERS[OperationKind.DELETE_CLUSTER] = _plan
