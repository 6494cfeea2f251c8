"""replace-storage-node: replace a storage node with a new one while writes continue.

Each membership is compatible with the one before, so that processes may apply it at different times
(core/volume/quorum.py). The new node is filled without a vote. Then writes need five of seven nodes. Then the new node
votes instead of the old one.
"""

from __future__ import annotations

from dataclasses import replace

from auroractl.core.operation_kinds import OperationKind
from auroractl.core.operations import OperationRecord
from auroractl.core.volume.model import NodeState, StorageNode, node_name
from auroractl.core.volume.quorum import Membership
from auroractl.runtime import events
from auroractl.runtime.managed_cluster import ManagedCluster
from auroractl.services.operations import runner
from auroractl.services.operations.runner import Plan, Step, new_record
from auroractl.services.volume import storage_nodes
from auroractl.services.volume.lookup import find_node, require_volume
from auroractl.system.files import remove_tree
from auroractl.system.waiting import wait_until

_FILL_TIMEOUT_S = 3600.0
_POLL_S = 0.1


def replace_storage_node(cluster: ManagedCluster, node: str) -> tuple[str, str]:
    """Replace a storage node, dead or alive, with a new one in its Availability Zone; return both names.

    Raises NotFound, InvalidClusterState if the cluster is stopped or busy, TimedOut if the new node is not complete
    within an hour; it is then removed again.
    """
    cluster.require_running()
    record = runner.perform(
        cluster,
        OperationKind.REPLACE_STORAGE_NODE,
        prepare=lambda: _prepare(cluster, node),
    )
    return record.arguments["Old"], record.arguments["New"]


def _prepare(cluster: ManagedCluster, node: str) -> OperationRecord:
    require_volume(cluster)
    # The new node is filled while a writer sends to it.
    cluster.writer()
    old = find_node(cluster, node)
    names = {each.identifier for each in cluster.storage_nodes()}
    number = 1 + max(int(name.rpartition("-")[2]) for name in names)
    arguments = {"Old": old.identifier, "New": node_name(cluster.name, number)}
    record = new_record(cluster, OperationKind.REPLACE_STORAGE_NODE, arguments)
    cluster.repository.begin_operation(record)
    return record


def _plan(cluster: ManagedCluster, record: OperationRecord) -> Plan:
    work = _Replacement(cluster, record.arguments["Old"], record.arguments["New"])
    vote = f"Let {work.new} vote in place of {work.old}"
    steps = [
        Step(f"Add {work.new}", work.add, undo=work.remove_new),
        Step(f"Fill {work.new} from its peers", work.fill),
        Step("Raise the write quorum to five of seven", work.join, undo=work.unjoin),
        Step(vote, work.vote),
        Step(f"Remove {work.old}", work.remove_old),
    ]
    return Plan(steps, point_of_no_return=vote)


class _Replacement:
    def __init__(self, cluster: ManagedCluster, old: str, new: str) -> None:
        self._cluster = cluster
        self.old = old
        self.new = new

    def _nodes(self) -> dict[str, StorageNode]:
        return {node.identifier: node for node in self._cluster.storage_nodes()}

    def add(self) -> None:
        old = self._nodes()[self.old]
        node = replace(
            old,
            identifier=self.new,
            membership=Membership.LEARNER,
            created_at=self._cluster.now(),
            damage_found=0,
            damage_repaired=0,
        )
        self._cluster.repository.add_storage_node(node)
        self._cluster.installation.make_node_folder(node)
        storage_nodes.start_node(self._cluster, node)

    def fill(self) -> None:
        """Wait until the node is complete: it receives current WAL and lacks no segment of its peers."""
        keeper = self._cluster.runtime.wal_keepers.of(self._cluster.name)

        def incomplete() -> str:
            keeper.tick()
            self._cluster.observer.refresh(self._cluster.writer())
            snapshot = self._cluster.volume_snapshot()
            assert snapshot is not None
            node = self._nodes()[self.new]
            state = snapshot.state(node)
            return "" if state is NodeState.AVAILABLE else f"it is {state} {snapshot.reason(node)}".strip()

        wait_until(f"{self.new} was not complete", incomplete, _FILL_TIMEOUT_S, _POLL_S)

    def join(self) -> None:
        self._cluster.repository.set_membership(self._cluster.name, {self.new: Membership.JOINING})
        storage_nodes.apply_quorum(self._cluster)

    def unjoin(self) -> None:
        self._cluster.repository.set_membership(self._cluster.name, {self.new: Membership.LEARNER})
        storage_nodes.apply_quorum(self._cluster)

    def vote(self) -> None:
        memberships = {self.new: Membership.VOTER, self.old: Membership.LEAVING}
        self._cluster.repository.set_membership(self._cluster.name, memberships)
        storage_nodes.apply_quorum(self._cluster)

    def remove_new(self) -> None:
        self._remove(self.new)

    def remove_old(self) -> None:
        self._remove(self.old)
        message = f"{self.new} has replaced {self.old}"
        events.record(self._cluster, events.STORAGE_NODE, self.new, message)

    def _remove(self, name: str) -> None:
        node = self._nodes().get(name)
        if node is None:
            return
        with self._cluster.memory.volume.nodes_lock:
            self._cluster.repository.delete_storage_node(self._cluster.name, name)
            self._cluster.repository.delete_fault(self._cluster.name, name)
            receiver = self._cluster.installation.receiver(node)
            receiver.kill()
        remove_tree(receiver.folder)
        self._cluster.installation.past_folder(node).remove()
        with self._cluster.memory.volume.backtrack.images_lock:
            self._cluster.installation.image_folder(node).wipe()
        for path in (receiver.lock, receiver.log):
            path.unlink(missing_ok=True)


runner.PLANNERS[OperationKind.REPLACE_STORAGE_NODE] = _plan
