"""The nouns of a volume as immutable values, and what was observed of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from auroractl.core.faults import Fault
from auroractl.core.quorum import COPIES, Membership, Quorum, read_quorum, write_quorum

_NAME_STEM_LENGTH_MAX = 45


class NodeKind(StrEnum):
    """A full node keeps log and page images, a tail node the log only (SIGMOD 2018, section 4.2)."""

    FULL = "full"
    TAIL = "tail"


class NodeState(StrEnum):
    """What is seen of a storage node."""

    AVAILABLE = "available"
    CATCHING_UP = "catching-up"
    REPAIRING = "repairing"
    """It lacks log that its peers hold and is being filled from them."""
    DOWN = "down"
    """It has no process, or its folder cannot be used."""
    UNREACHABLE = "unreachable"
    """Its process lives and acknowledges nothing."""


@dataclass(frozen=True, slots=True)
class StorageNode:
    """A storage node as its row says."""

    identifier: str
    cluster: str
    availability_zone: str
    kind: NodeKind
    membership: Membership
    created_at: datetime
    damage_found: int = 0
    """Damaged or missing segments that were noticed so far."""
    damage_repaired: int = 0


@dataclass(frozen=True, slots=True)
class StorageVolume:
    """A volume as its row says: how it may grow."""

    cluster: str
    auto_grow: bool
    max_capacity_bytes: int
    increment_bytes: int
    headroom_percent: int
    group_bytes: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Growth:
    """One change of what is allocated, in protection groups."""

    at: datetime
    groups_before: int
    groups_after: int
    used_bytes: int


@dataclass(frozen=True, slots=True)
class NodeObservation:
    """What was seen of a storage node, and when."""

    at: datetime
    pid: int | None = None
    suspended: bool = False
    streaming: bool = False
    """The writer is sending to it, and it has the log of the moment but for what is on the way."""
    catching_up: bool = False
    received_lsn: int | None = None
    flushed_lsn: int | None = None
    """How far it is known to have flushed; of one that is gone, as far as it was known last."""
    lag_bytes: int | None = None
    lag_s: float | None = None
    """For how long the oldest log that it has not acknowledged has been waiting."""
    held_bytes: int | None = None
    """What its folder holds."""
    repairing: str = ""
    """What is being repaired; empty where nothing is."""
    missing_segments: int = 0
    """Segments that its peers hold and it does not, or that are damaged beyond repair."""
    detail: str = ""
    """Why it is not available, in the system's words."""


@dataclass(frozen=True, slots=True)
class VolumeSnapshot:
    """Rows and observations of one volume at one moment."""

    volume: StorageVolume
    nodes: tuple[StorageNode, ...]
    observed: Mapping[str, NodeObservation]
    groups: int
    history: tuple[Growth, ...] = ()
    faults: tuple[Fault, ...] = ()
    quorum_lost_since: datetime | None = None
    full_since: datetime | None = None
    waiting_commits: int = 0
    used_bytes: int | None = None
    node_timeout_s: float = 2.0

    def seen(self, node: StorageNode) -> NodeObservation:
        """The observation of a node; an empty one where it has not been looked at yet."""
        return self.observed.get(node.identifier) or NodeObservation(
            at=self.volume.created_at, detail="not observed yet"
        )

    def state(self, node: StorageNode) -> NodeState:
        """The state of a node."""
        return node_state(self.seen(node), self.node_timeout_s)

    @property
    def write_quorum(self) -> Quorum:
        """What a commit needs."""
        return write_quorum((node.identifier, node.membership) for node in self.nodes)

    @property
    def read_quorum(self) -> Quorum:
        """What recovery needs."""
        return read_quorum((node.identifier, node.membership) for node in self.nodes)

    @property
    def writable(self) -> frozenset[str]:
        """The nodes that acknowledge."""
        return frozenset(each.identifier for each in self.nodes if acknowledges(self.seen(each), self.node_timeout_s))

    @property
    def readable(self) -> frozenset[str]:
        """The nodes from which recovery could read: their folders are there and lack nothing that is known."""
        return frozenset(
            node.identifier
            for node in self.nodes
            if not self.held_down(node) and not self.seen(node).missing_segments and _holds_log(self.seen(node))
        )

    def held_down(self, node: StorageNode) -> bool:
        """Whether an injected fault keeps the node from running."""
        return self._fault(node) is not None

    def _fault(self, node: StorageNode) -> Fault | None:
        targets = {node.identifier, node.availability_zone}
        return next((fault for fault in self.faults if fault.target in targets), None)

    def reason(self, node: StorageNode) -> str:
        """Why a node is not available: the injected fault that holds it, else what is being repaired or was seen."""
        seen, fault = self.seen(node), self._fault(node)
        if fault is not None:
            return str(fault)
        return seen.repairing or seen.detail

    @property
    def write_quorum_held(self) -> bool:
        """Whether commits are acknowledged."""
        return self.write_quorum.met_by(self.writable)

    @property
    def allocated_bytes(self) -> int:
        """What is allocated."""
        return min(self.groups * self.volume.group_bytes, self.volume.max_capacity_bytes)


def _holds_log(seen: NodeObservation) -> bool:
    """By what its folder holds; by what it acknowledged where nobody has looked into the folder yet."""
    return seen.streaming or bool(seen.flushed_lsn if seen.held_bytes is None else seen.held_bytes)


def acknowledges(seen: NodeObservation, timeout_s: float) -> bool:
    """Whether a node takes part in the write quorum: the writer sends to it and hears from it in time."""
    return seen.pid is not None and not seen.suspended and seen.streaming and (seen.lag_s or 0.0) <= timeout_s


def node_state(seen: NodeObservation, timeout_s: float) -> NodeState:
    """The state of a node from what was seen of it."""
    if seen.pid is None:
        return NodeState.REPAIRING if seen.repairing else NodeState.DOWN
    if seen.suspended:
        return NodeState.UNREACHABLE
    if seen.repairing or seen.missing_segments:
        return NodeState.REPAIRING
    if seen.streaming:
        return NodeState.AVAILABLE if (seen.lag_s or 0.0) <= timeout_s else NodeState.UNREACHABLE
    return NodeState.CATCHING_UP if seen.catching_up else NodeState.UNREACHABLE


def place_nodes(cluster: str, zones: tuple[str, str, str], at: datetime) -> list[StorageNode]:
    """Six nodes: in each zone one full and one tail."""
    kinds = (NodeKind.FULL, NodeKind.TAIL)
    places = [(zone, kind) for kind in kinds for zone in zones]
    assert len(places) == COPIES
    return [
        StorageNode(node_name(cluster, number), cluster, zone, kind, Membership.VOTER, at)
        for number, (zone, kind) in enumerate(places, 1)
    ]


def node_name(cluster: str, number: int) -> str:
    """A storage node's identifier; short enough for PostgreSQL's application_name (63 bytes)."""
    return f"{cluster[:_NAME_STEM_LENGTH_MAX].rstrip('-')}-storage-{number}"


@dataclass(frozen=True, slots=True)
class ScrubReport:
    """What one pass over the finished segments of a volume found."""

    segments: int
    read_bytes: int
    damaged: Mapping[str, int] = field(default_factory=dict)
    """Damaged or missing copies by node."""
    repaired: Mapping[str, int] = field(default_factory=dict)
    beyond_repair: tuple[str, ...] = ()
    """Segments of which no copy can be trusted."""
    duration_s: float = 0.0
