"""The objects of a volume as immutable values, and their observations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from auroractl.core.volume.faults import Fault
from auroractl.core.volume.quorum import COPIES, Membership, Quorum, read_quorum, write_quorum

_NAME_STEM_LENGTH_MAX = 45


class NodeKind(StrEnum):
    """A full node keeps WAL and recovery images, a tail node only WAL (SIGMOD 2018, section 4.2)."""

    FULL = "full"
    TAIL = "tail"


class NodeState(StrEnum):
    """The observed state of a storage node."""

    AVAILABLE = "available"
    CATCHING_UP = "catching-up"
    REPAIRING = "repairing"
    """It lacks WAL that its peers hold and is being filled from them."""
    DOWN = "down"
    """It has no process, or its folder cannot be used."""
    UNREACHABLE = "unreachable"
    """Its process is alive but acknowledges nothing."""


@dataclass(frozen=True, slots=True)
class StorageNode:
    """A storage node's row."""

    identifier: str
    cluster: str
    availability_zone: str
    kind: NodeKind
    membership: Membership
    created_at: datetime
    damage_found: int = 0
    """Number of damaged or missing segments found so far."""
    damage_repaired: int = 0


@dataclass(frozen=True, slots=True)
class StorageVolume:
    """A volume's row: its growth settings."""

    cluster: str
    auto_grow: bool
    max_capacity_bytes: int
    increment_bytes: int
    headroom_percent: int
    group_bytes: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Growth:
    """One change of the allocation, in protection groups."""

    at: datetime
    groups_before: int
    groups_after: int
    used_bytes: int


@dataclass(frozen=True, slots=True)
class NodeObservation:
    """An observation of a storage node, and its time."""

    at: datetime
    pid: int | None = None
    suspended: bool = False
    streaming: bool = False
    """True if the writer is streaming to it, and it has all WAL except what is in transit."""
    catching_up: bool = False
    received_lsn: int | None = None
    flushed_lsn: int | None = None
    """How far it is known to have flushed; for a node that is gone, the last known position."""
    lag_bytes: int | None = None
    lag_s: float | None = None
    """How long the oldest WAL that it has not acknowledged has been waiting."""
    held_bytes: int | None = None
    """Size of its folder's contents."""
    repairing: str = ""
    """The repair in progress; empty if there is none."""
    missing_segments: int = 0
    """Segments that its peers hold and it does not, or that are damaged beyond repair."""
    detail: str = ""
    """The reason why it is not available, in the system's words."""


@dataclass(frozen=True, slots=True)
class VolumeSnapshot:
    """Rows and observations of one volume at one time."""

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
        """Return the observation of a node; an empty one before the first observation."""
        return self.observed.get(node.identifier) or NodeObservation(
            at=self.volume.created_at, detail="not observed yet"
        )

    def state(self, node: StorageNode) -> NodeState:
        """Return the state of a node."""
        return node_state(self.seen(node), self.node_timeout_s)

    @property
    def write_quorum(self) -> Quorum:
        """Return the quorum that a commit needs."""
        return write_quorum((node.identifier, node.membership) for node in self.nodes)

    @property
    def read_quorum(self) -> Quorum:
        """Return the quorum that recovery needs."""
        return read_quorum((node.identifier, node.membership) for node in self.nodes)

    @property
    def writable(self) -> frozenset[str]:
        """Return the nodes that acknowledge."""
        return frozenset(each.identifier for each in self.nodes if acknowledges(self.seen(each), self.node_timeout_s))

    @property
    def readable(self) -> frozenset[str]:
        """Return the nodes from which recovery could read: their folders exist and are not known to lack anything."""
        return frozenset(
            node.identifier
            for node in self.nodes
            if not self.held_down(node) and not self.seen(node).missing_segments and _holds_log(self.seen(node))
        )

    def held_down(self, node: StorageNode) -> bool:
        """Return whether an injected fault keeps the node from running."""
        return self._fault(node) is not None

    def _fault(self, node: StorageNode) -> Fault | None:
        targets = {node.identifier, node.availability_zone}
        return next((fault for fault in self.faults if fault.target in targets), None)

    def reason(self, node: StorageNode) -> str:
        """Return why a node is not available: an injected fault, otherwise the current repair or observation."""
        seen, fault = self.seen(node), self._fault(node)
        if fault is not None:
            return str(fault)
        return seen.repairing or seen.detail

    @property
    def write_quorum_held(self) -> bool:
        """Return whether commits are acknowledged."""
        return self.write_quorum.met_by(self.writable)

    @property
    def allocated_bytes(self) -> int:
        """Return the size of the allocation."""
        return min(self.groups * self.volume.group_bytes, self.volume.max_capacity_bytes)


def _holds_log(seen: NodeObservation) -> bool:
    """Judge by the contents of its folder, or by its acknowledgements before the folder was first examined."""
    return seen.streaming or bool(seen.flushed_lsn if seen.held_bytes is None else seen.held_bytes)


def acknowledges(seen: NodeObservation, timeout_s: float) -> bool:
    """Return whether a node takes part in the write quorum: the writer streams to it and it acknowledges in time."""
    return seen.pid is not None and not seen.suspended and seen.streaming and (seen.lag_s or 0.0) <= timeout_s


def node_state(seen: NodeObservation, timeout_s: float) -> NodeState:
    """Derive the state of a node from its observation."""
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
    """Place six nodes: in each zone one full and one tail."""
    kinds = (NodeKind.FULL, NodeKind.TAIL)
    places = [(zone, kind) for kind in kinds for zone in zones]
    assert len(places) == COPIES
    return [
        StorageNode(node_name(cluster, number), cluster, zone, kind, Membership.VOTER, at)
        for number, (zone, kind) in enumerate(places, 1)
    ]


def node_name(cluster: str, number: int) -> str:
    """Return a storage node's identifier, short enough for PostgreSQL's application_name (63 bytes)."""
    return f"{cluster[:_NAME_STEM_LENGTH_MAX].rstrip('-')}-storage-{number}"


@dataclass(frozen=True, slots=True)
class ScrubReport:
    """The result of one pass over the finished segments of a volume."""

    segments: int
    read_bytes: int
    damaged: Mapping[str, int] = field(default_factory=dict)
    """Damaged or missing copies by node."""
    repaired: Mapping[str, int] = field(default_factory=dict)
    beyond_repair: tuple[str, ...] = ()
    """Segments without a trustworthy copy."""
    duration_s: float = 0.0
