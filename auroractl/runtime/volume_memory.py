"""The supervisor's in-memory state of a volume, and observations of its nodes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import RLock

from auroractl.core.restore.retention import BacktrackReach, RecoveryImage, Retention
from auroractl.core.volume.model import NodeObservation, StorageNode
from auroractl.core.wal.segments import SEGMENT_BYTES, Segment, segment_at
from auroractl.runtime.image_leases import ImageUse
from auroractl.runtime.installation import Installation
from auroractl.runtime.observer import Observer
from auroractl.system.liveness import suspended


@dataclass(slots=True)
class NodeCondition:
    """The keeper's findings in a node's folder.

    None of it survives a restart of the supervisor. The log keeper's first round lists the folder again.
    """

    held_bytes: int | None = None
    """After a restart: None until the first round."""
    missing_segments: int = 0
    """After a restart: 0 until the first round."""
    repairing: str = ""
    """The repair in progress. After a restart: empty; what is still missing is repaired by the first round."""
    unusable: str = ""
    """Why its folder cannot be used. After a restart: empty until the first round."""


@dataclass(slots=True)
class BacktrackMemory:
    """How far a cluster can be backtracked.

    None of it survives a restart of the supervisor, and nothing is pruned before the first decision on retention. What
    must survive, the pins, is in the database (state/backtracks.py).
    """

    looked: bool = False
    """True once the keeper has looked at the existing images and WAL. After a restart: False until its first round."""
    known: bool = False
    """True once the required images and WAL are known; nothing may be pruned before. After a restart: False."""
    images: tuple[RecoveryImage, ...] = ()
    """After a restart: read from the manifests by the first round."""
    retention: Retention = field(default_factory=lambda: Retention(None))
    """After a restart: decided by the first round, from images, eras and pins."""
    earliest: datetime | None = None
    """After a restart: None until the first round."""
    shrunk: bool = False
    """True if the disk budget keeps the window smaller than configured. After a restart: told once more."""
    suspects: set[tuple[str, str]] = field(default_factory=set)
    """Images (node, identifier) that were found to be damaged. After a restart: found again when they are read."""
    in_use: set[str] = field(default_factory=set)
    """Folders of copies and searches in use. After a restart: none, as their users ended with the supervisor."""
    use: ImageUse = field(default_factory=ImageUse)
    """After a restart: no leases, as their holders ended with the supervisor."""
    images_lock: RLock = field(default_factory=RLock)
    """Held while an image is copied and while images are pruned. After a restart: free."""
    log_bytes: int = 0
    """After a restart: measured by the first round."""
    image_bytes: int = 0
    """After a restart: measured by the first round."""
    log_bytes_per_hour: int | None = None
    """After a restart: None until it has been measured for a few seconds."""
    image_bytes_per_hour: int | None = None
    """After a restart: None until it has been measured for a few seconds."""
    replay_bytes_per_s: int = 50_000_000
    """From the last recovery to a point in time. After a restart: this estimate, until the first one."""

    def decide(self, retention: Retention, *, over_budget: bool) -> None:
        """Record what is required from now on.

        While there is no image, all WAL is required: the first image is made from the cluster's beginning, if all WAL
        since then still exists when it is ready. Beyond the disk budget WAL is pruned nevertheless.
        """
        self.retention, self.earliest = retention, retention.earliest
        self.known = retention.earliest is not None or over_budget
        self.looked = True

    def reach(self) -> BacktrackReach:
        """Return the reach for reports."""
        return BacktrackReach(
            self.earliest,
            self.log_bytes,
            self.image_bytes,
            self.log_bytes_per_hour,
            self.image_bytes_per_hour,
            self.images,
        )

    @property
    def floor(self) -> int:
        """Return the number of the oldest required segment of the current history; 0 if all are."""
        needed = [segment_at(lsn) for lsn in self.retention.first_lsn.values() if lsn]
        return min(needed, default=0) if self.known else 0

    def needs(self, segment: Segment) -> bool:
        """Return whether a segment of an abandoned history is required."""
        first = self.retention.first_lsn.get(segment.timeline)
        return not self.known or (first is not None and segment.end > first)


@dataclass(slots=True)
class VolumeMemory:
    """The in-memory state of one cluster's volume.

    None of it survives a restart of the supervisor; the locks are free then, because only its threads hold them.
    """

    nodes_lock: RLock = field(default_factory=RLock)
    """Held while storage nodes are started or fenced."""
    folders_lock: RLock = field(default_factory=RLock)
    """Held while the contents of the nodes' folders are listed, filled, pruned or sorted."""
    growth_lock: RLock = field(default_factory=RLock)
    """Held from the decision about the allocation until it is carried out: the watch loop and a command may both decide."""
    conditions: dict[str, NodeCondition] = field(default_factory=dict)
    """By node. After a restart: found again by the log keeper's first round."""
    flushed_lsn: dict[str, int] = field(default_factory=dict)
    """How far each node is known to have flushed. A node must never turn out to have less.

    After a restart: unknown until the writer's next answer.
    """
    congested: set[str] = field(default_factory=set)
    """Storage nodes that are suspended again and again for less than a tenth of a second. After a restart: by the fault."""
    quorum_lost_since: datetime | None = None
    """After a restart: counted from the first observation without a quorum."""
    full_since: datetime | None = None
    """After a restart: from the first evaluation that finds the volume full."""
    backtrack: BacktrackMemory = field(default_factory=BacktrackMemory)
    """After a restart: observed again; the pins are in the database."""

    def condition(self, node: str) -> NodeCondition:
        """Return the findings about a node's folder."""
        return self.conditions.setdefault(node, NodeCondition())


def observe_nodes(
    installation: Installation, observer: Observer, memory: VolumeMemory, nodes: Sequence[StorageNode]
) -> dict[str, NodeObservation]:
    """Observe the processes of storage nodes, and merge the writer's latest answer about them."""
    return {node.identifier: _observe(installation, observer, memory, node) for node in nodes}


def _observe(
    installation: Installation, observer: Observer, memory: VolumeMemory, node: StorageNode
) -> NodeObservation:
    receiver = installation.receiver(node)
    condition = memory.condition(node.identifier)
    pid = receiver.pid()
    answer = observer.writer_answer(node.cluster)
    progress = answer.standbys.get(node.identifier) if answer and pid is not None else None
    if pid is not None:
        observer.watch_exit(pid)
    flushed = progress.flushed_lsn if progress else None
    if flushed is not None:
        memory.flushed_lsn[node.identifier] = max(flushed, memory.flushed_lsn.get(node.identifier, 0))
    frozen = pid is not None and node.identifier not in memory.congested and suspended(pid)
    return NodeObservation(
        at=datetime.now(UTC),
        pid=pid,
        suspended=frozen,
        streaming=progress is not None and progress.state == "streaming" and not progress.awaiting,
        catching_up=progress is not None and (progress.awaiting or progress.state in {"catchup", "startup"}),
        received_lsn=progress.received_lsn if progress else None,
        flushed_lsn=memory.flushed_lsn.get(node.identifier) if flushed is None else flushed,
        lag_bytes=max(0, answer.lsn - flushed) if answer and flushed is not None else None,
        lag_s=answer.waiting_s(flushed) if answer and flushed is not None else None,
        held_bytes=condition.held_bytes,
        repairing=condition.repairing,
        missing_segments=condition.missing_segments,
        detail=_detail(installation, node, condition, pid, frozen=frozen),
    )


def _detail(
    installation: Installation, node: StorageNode, condition: NodeCondition, pid: int | None, *, frozen: bool
) -> str:
    if frozen:
        return "its process is suspended"
    if pid is not None:
        return ""
    if condition.unusable:
        return condition.unusable
    try:
        if installation.log_folder(node).free_bytes() < 2 * SEGMENT_BYTES:
            return f"its disk is full ({installation.log_folder(node).path})"
    except OSError as error:
        return f"its folder cannot be used: {error.strerror}"
    return installation.receiver(node).last_words() or "there is no process"
