"""What the supervisor remembers of a volume between two looks, and what it sees of its nodes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import RLock

from auroractl.core.backtrack import BacktrackReach, PageImage, Retention
from auroractl.core.storage import NodeObservation, StorageNode
from auroractl.core.wal import SEGMENT_BYTES, Segment, segment_at
from auroractl.process.liveness import suspended
from auroractl.services.image_use import ImageUse
from auroractl.services.installation import Installation
from auroractl.services.observer import Observer


@dataclass(slots=True)
class NodeCondition:
    """What the keeper found in a node's folder."""

    held_bytes: int | None = None
    missing_segments: int = 0
    repairing: str = ""
    unusable: str = ""
    """Why its folder cannot be used."""


@dataclass(slots=True)
class BacktrackMemory:
    """What is known of how far a cluster can be brought back."""

    known: bool = False
    """Whether anybody knows what is needed; until then nothing may be given up."""
    images: tuple[PageImage, ...] = ()
    retention: Retention = field(default_factory=lambda: Retention(None))
    earliest: datetime | None = None
    shrunk: bool = False
    """The disk budget keeps the window smaller than it should be."""
    suspects: set[tuple[str, str]] = field(default_factory=set)
    """Images (node, identifier) that were found to be damaged."""
    pins: dict[str, datetime] = field(default_factory=dict)
    """Moments that must stay in reach while something works with them."""
    in_use: set[str] = field(default_factory=set)
    """Folders of copies and searches that something works with."""
    use: ImageUse = field(default_factory=ImageUse)
    images_lock: RLock = field(default_factory=RLock)
    """Held while an image is copied and while images are given up."""
    log_bytes: int = 0
    image_bytes: int = 0
    log_bytes_per_hour: int | None = None
    image_bytes_per_hour: int | None = None
    replay_bytes_per_s: int = 50_000_000
    """By the last recovery to a moment; a guess before the first."""

    def decide(self, retention: Retention, *, over_budget: bool) -> None:
        """Note what is needed from now on.

        While there is no image, all log is: the first one is made from the cluster's beginning, if all log since then is
        there when it is ready. Beyond the disk budget it is given up nevertheless.
        """
        self.retention, self.earliest = retention, retention.earliest
        self.known = retention.earliest is not None or over_budget

    def reach(self) -> BacktrackReach:
        """What is told of it."""
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
        """The number of the oldest segment of the current history that is needed; 0 where all are."""
        needed = [segment_at(lsn) for lsn in self.retention.first_lsn.values() if lsn]
        return min(needed, default=0) if self.known else 0

    def needs(self, segment: Segment) -> bool:
        """Whether a segment of a history that was left behind is needed."""
        first = self.retention.first_lsn.get(segment.timeline)
        return not self.known or (first is not None and segment.end > first)


@dataclass(slots=True)
class VolumeMemory:
    """One per cluster."""

    nodes_lock: RLock = field(default_factory=RLock)
    """Held while storage nodes are started, and while they are taken from a writer."""
    folders_lock: RLock = field(default_factory=RLock)
    """Held while what lies in the nodes' folders is looked through, filled, pruned or sorted."""
    conditions: dict[str, NodeCondition] = field(default_factory=dict)
    flushed_lsn: dict[str, int] = field(default_factory=dict)
    """How far each node is known to have flushed; it must never be found to have less."""
    quorum_lost_since: datetime | None = None
    full_since: datetime | None = None
    backtrack: BacktrackMemory = field(default_factory=BacktrackMemory)

    def condition(self, node: str) -> NodeCondition:
        """What is known of a node's folder."""
        return self.conditions.setdefault(node, NodeCondition())


def observe_nodes(
    installation: Installation, observer: Observer, memory: VolumeMemory, nodes: Sequence[StorageNode]
) -> dict[str, NodeObservation]:
    """Look at the processes of storage nodes, and take what the writer said of them when it was last asked."""
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
    frozen = pid is not None and suspended(pid)
    return NodeObservation(
        at=datetime.now(UTC),
        pid=pid,
        suspended=frozen,
        streaming=progress is not None and progress.state == "streaming",
        catching_up=progress is not None and progress.state in {"catchup", "startup"},
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
