"""What the supervisor does about what it sees: one table.

The comment of the row that applies is what is logged and what becomes the event.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from auroractl.core.model import ClusterSnapshot, Instance, Phase, RunningOperation, Wanted
from auroractl.core.operations import OperationKind

ENDPOINT_PROCESS = "endpoint-process"
_NODE_WITHIN_S = 10.0


class Subject(StrEnum):
    """What is watched."""

    ENDPOINT_PROCESS = "endpoint process"
    WRITER = "writer"
    READER = "reader"
    STORAGE_NODE = "storage node"


class Observed(StrEnum):
    """What a look at it showed."""

    WELL = "well"
    GONE = "gone"
    NO_ROOM = "no room"
    """Gone, and its disk is full: there is no rule for it, because starting it cannot work before there is room."""
    DETACHED = "detached"
    """A reader that answers but has not been streaming from the writer for `detached_after_s`."""


class Action(StrEnum):
    """What the supervisor does."""

    START_ENDPOINT_PROCESS = "start endpoint process"
    START_INSTANCE = "start instance"
    REJOIN_READER = "rejoin reader"
    START_STORAGE_NODE = "start storage node"
    GIVE_UP = "give up"


@dataclass(frozen=True, slots=True)
class Rule:
    """One row: what is seen of what, whether the restarts are used up, what it means, what is done."""

    subject: Subject
    observed: Observed
    exhausted: bool
    comment: str
    action: Action


RULES: tuple[Rule, ...] = (
    Rule(Subject.ENDPOINT_PROCESS, Observed.GONE, False, "The endpoint process ended; it is started again.", Action.START_ENDPOINT_PROCESS),
    Rule(Subject.ENDPOINT_PROCESS, Observed.GONE, True, "The endpoint process keeps ending; it is left alone until the cluster is started again.", Action.GIVE_UP),
    Rule(Subject.WRITER, Observed.GONE, False, "The writer ended; it is restarted in place.", Action.START_INSTANCE),
    Rule(Subject.WRITER, Observed.GONE, True, "The writer cannot be kept running; it is left alone until a failover or a start of the cluster.", Action.GIVE_UP),
    Rule(Subject.READER, Observed.GONE, False, "The reader ended; it is restarted.", Action.START_INSTANCE),
    Rule(Subject.READER, Observed.GONE, True, "The reader cannot be kept running; it is left alone until it is rebooted or the cluster is started again.", Action.GIVE_UP),
    Rule(Subject.READER, Observed.DETACHED, False, "Read replica has been disconnected from the writer instance; it is made to follow again.", Action.REJOIN_READER),
    Rule(Subject.READER, Observed.DETACHED, True, "The reader cannot be made to follow the writer; it is left alone until it is rebooted.", Action.GIVE_UP),
    Rule(Subject.STORAGE_NODE, Observed.GONE, False, "The storage node ended; it is started again.", Action.START_STORAGE_NODE),
    Rule(Subject.STORAGE_NODE, Observed.GONE, True, "The storage node keeps ending; it is tried again and again.", Action.START_STORAGE_NODE),
)  # fmt: skip
_OWNERS_OF_NODES = frozenset(
    {
        OperationKind.CREATE_CLUSTER, OperationKind.DELETE_CLUSTER, OperationKind.START_CLUSTER,
        OperationKind.STOP_CLUSTER, OperationKind.FAILOVER,
    }
)  # fmt: skip
"""Operations that start and end storage nodes themselves; during all others the supervisor goes on doing so."""
_TABLE = {(rule.subject, rule.observed, rule.exhausted): rule for rule in RULES}


@dataclass(frozen=True, slots=True)
class Decision:
    """A rule that applies to a named thing."""

    name: str
    rule: Rule


@dataclass(frozen=True, slots=True)
class RestartLimits:
    """Bounds within which something that keeps ending is restarted."""

    restarts_max: int = 5
    within_s: float = 300.0
    detached_after_s: float = 10.0

    def node_due(self, restarts: list[datetime], now: datetime) -> bool:
        """Whether a storage node may be tried again: at once, then after 0.25, 0.5, 1, 2, 2, ... seconds.

        Never given up: the write quorum may wait for it.
        """
        recent = [moment for moment in restarts if moment > now - timedelta(seconds=_NODE_WITHIN_S)]
        return not recent or now - recent[-1] >= timedelta(seconds=min(2.0, 0.25 * 2 ** (len(recent) - 1)))

    def due(self, restarts: list[datetime], now: datetime) -> bool:
        """Whether the next restart may be tried: at once, then after 1, 2, 4, ... seconds since the last one."""
        recent = [moment for moment in restarts if moment > now - timedelta(seconds=self.within_s)]
        return not recent or now - recent[-1] >= timedelta(seconds=2 ** (len(recent) - 1))

    def exhausted(self, restarts: list[datetime], now: datetime) -> bool:
        """Whether the restarts within the last `within_s` seconds use up the bound."""
        since = now - timedelta(seconds=self.within_s)
        return sum(moment > since for moment in restarts) >= self.restarts_max


def decide(
    snapshot: ClusterSnapshot,
    *,
    limits: RestartLimits,
    restarts: Mapping[str, list[datetime]],
    detached_since: Mapping[str, datetime],
) -> list[Decision]:
    """The rows that apply to a cluster now.

    `restarts` holds the moments of earlier restarts, `detached_since` the moment since when a reader has not been
    streaming, both by name. While an operation runs the operation owns the instances and only the endpoint process
    is looked after. What was given up (`snapshot.failed`) is not decided again.
    """
    if snapshot.cluster.wanted is not Wanted.RUNNING or snapshot.cluster.phase in {
        Phase.CREATING,
        Phase.DELETING,
        Phase.STOPPING,
    }:
        return []
    findings: list[tuple[str, Subject, Observed]] = []
    if snapshot.endpoint_process.pid is None:
        findings.append((ENDPOINT_PROCESS, Subject.ENDPOINT_PROCESS, Observed.GONE))
    if snapshot.volume is not None and snapshot.writing and nodes_are_free(snapshot.operation):
        findings += [
            (node.identifier, Subject.STORAGE_NODE, Observed.GONE)
            for node in snapshot.volume.nodes
            if snapshot.volume.seen(node).pid is None and not snapshot.volume.held_down(node)
        ]
    if snapshot.operation is None:
        for instance in snapshot.instances:
            subject = Subject.WRITER if instance.is_writer else Subject.READER
            findings.append((instance.identifier, subject, _observed(snapshot, instance, limits, detached_since)))
    decisions = []
    for name, subject, observed in findings:
        earlier = restarts.get(name, [])
        rule = _TABLE.get((subject, observed, limits.exhausted(earlier, snapshot.at)))
        due = limits.node_due if subject is Subject.STORAGE_NODE else limits.due
        if rule is not None and name not in snapshot.failed and due(earlier, snapshot.at):
            decisions.append(Decision(name, rule))
    return decisions


def nodes_are_free(operation: RunningOperation | None) -> bool:
    """Whether the supervisor, and not a running operation, decides about storage nodes."""
    return operation is None or operation.kind not in _OWNERS_OF_NODES


def _observed(
    snapshot: ClusterSnapshot, instance: Instance, limits: RestartLimits, detached_since: Mapping[str, datetime]
) -> Observed:
    if instance.wanted is not Wanted.RUNNING or snapshot.in_outage(instance.availability_zone):
        return Observed.WELL
    seen = snapshot.seen(instance.identifier)
    if seen.pid is None:
        return Observed.NO_ROOM if seen.disk_full else Observed.GONE
    since = detached_since.get(instance.identifier)
    if since is not None and snapshot.at - since > timedelta(seconds=limits.detached_after_s):
        return Observed.DETACHED
    return Observed.WELL
