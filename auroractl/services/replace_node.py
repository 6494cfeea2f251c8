"""replace-storage-node: another node takes the place of one, while writes go on.

Each stage is safe beside the one before it, whichever of the two a process still goes by (core/quorum.py): the new node
is filled while it counts for nothing; then writes need five of the seven; then the new one votes in place of the old.
"""

from __future__ import annotations

import time
from dataclasses import replace

from auroractl.core.errors import TimedOut
from auroractl.core.operations import OperationKind, OperationRecord
from auroractl.core.quorum import Membership
from auroractl.core.storage import NodeState, StorageNode, node_name
from auroractl.process.files import remove_tree
from auroractl.services import events, operations, storage_nodes
from auroractl.services.context import Context
from auroractl.services.faults import find_node
from auroractl.services.growth import require_volume
from auroractl.services.operations import Plan, Progress, Step, new_record

_FILL_TIMEOUT_S = 3600.0
_POLL_S = 0.1


def replace_storage_node(context: Context, cluster: str, node: str, progress: Progress) -> tuple[str, str]:
    """Replace a storage node, dead or alive, by a new one in its Availability Zone; returns the old and the new name.

    Raises NotFound, InvalidClusterState where the cluster is stopped or busy, TimedOut where the new node is not
    complete within an hour (it is removed again then).
    """
    context.require_running(cluster)
    record = operations.perform(
        context,
        OperationKind.REPLACE_STORAGE_NODE,
        cluster,
        prepare=lambda: _prepare(context, cluster, node),
        progress=progress,
    )
    return record.arguments["Old"], record.arguments["New"]


def _prepare(context: Context, cluster: str, node: str) -> OperationRecord:
    require_volume(context, cluster)
    old = find_node(context, cluster, node)
    names = {each.identifier for each in context.repository.storage_nodes(cluster)}
    number = 1 + max(int(name.rpartition("-")[2]) for name in names)
    arguments = {"Old": old.identifier, "New": node_name(cluster, number)}
    record = new_record(context, OperationKind.REPLACE_STORAGE_NODE, cluster, arguments)
    context.repository.begin_operation(record)
    return record


def _plan(context: Context, record: OperationRecord) -> Plan:
    work = _Replacement(context, record.cluster, record.arguments["Old"], record.arguments["New"])
    vote = f"Let {work.new} vote in place of {work.old}"
    steps = [
        Step(f"Add {work.new}", work.add, undo=work.remove_new),
        Step(f"Fill {work.new} from its peers", work.fill),
        Step("Wait for five of seven", work.join, undo=work.unjoin),
        Step(vote, work.vote),
        Step(f"Remove {work.old}", work.remove_old),
    ]
    return Plan(steps, point_of_no_return=vote)


class _Replacement:
    def __init__(self, context: Context, cluster: str, old: str, new: str) -> None:
        self._context = context
        self._cluster = cluster
        self.old = old
        self.new = new

    def _nodes(self) -> dict[str, StorageNode]:
        return {node.identifier: node for node in self._context.repository.storage_nodes(self._cluster)}

    def add(self) -> None:
        old = self._nodes()[self.old]
        node = replace(
            old,
            identifier=self.new,
            membership=Membership.LEARNER,
            created_at=self._context.now(),
            damage_found=0,
            damage_repaired=0,
        )
        self._context.repository.add_storage_node(node)
        self._context.installation.make_node_folder(node)
        storage_nodes.start_node(self._context, node)

    def fill(self) -> None:
        """Complete means: it is sent the log of the moment, and lacks nothing that its peers hold."""
        deadline = time.monotonic() + _FILL_TIMEOUT_S
        keeper = self._context.keepers.of(self._cluster)
        while True:
            keeper.tick()
            self._context.observer.refresh(self._context.writer(self._cluster))
            snapshot = require_volume(self._context, self._cluster)
            node = self._nodes()[self.new]
            if snapshot.state(node) is NodeState.AVAILABLE:
                return
            if time.monotonic() > deadline:
                raise TimedOut(f"{self.new} was not complete within {_FILL_TIMEOUT_S:g} s.", snapshot.seen(node).detail)
            time.sleep(_POLL_S)

    def join(self) -> None:
        self._context.repository.set_membership(self._cluster, {self.new: Membership.JOINING})
        storage_nodes.apply_quorum(self._context, self._cluster)

    def unjoin(self) -> None:
        self._context.repository.set_membership(self._cluster, {self.new: Membership.LEARNER})
        storage_nodes.apply_quorum(self._context, self._cluster)

    def vote(self) -> None:
        memberships = {self.new: Membership.VOTER, self.old: Membership.LEAVING}
        self._context.repository.set_membership(self._cluster, memberships)
        storage_nodes.apply_quorum(self._context, self._cluster)

    def remove_new(self) -> None:
        self._remove(self.new)

    def remove_old(self) -> None:
        self._remove(self.old)
        message = f"{self.new} has taken the place of {self.old}"
        events.record(self._context, self._cluster, events.STORAGE_NODE, self.new, message)

    def _remove(self, name: str) -> None:
        node = self._nodes().get(name)
        if node is None:
            return
        with self._context.volume_memory(self._cluster).nodes_lock:
            self._context.repository.delete_storage_node(self._cluster, name)
            self._context.repository.delete_fault(self._cluster, name)
            receiver = self._context.installation.receiver(node)
            receiver.kill()
        remove_tree(receiver.folder)
        self._context.installation.past_folder(node).remove()
        with self._context.volume_memory(self._cluster).backtrack.images_lock:
            self._context.installation.image_folder(node).wipe()
        for path in (receiver.lock, receiver.log):
            path.unlink(missing_ok=True)


operations.PLANNERS[OperationKind.REPLACE_STORAGE_NODE] = _plan
