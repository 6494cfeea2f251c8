"""What the supervisor does about what it sees: one table.

The comment of the row that applies is what is logged and what becomes the event.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from auroractl.core.model import ClusterSnapshot, Instance, InstanceObservation, Phase, RunningOperation, Wanted
from auroractl.core.operations import OperationKind

ENDPOINT_PROCESS = "endpoint-process"
_NODE_WITHIN_S = 10.0


class Subject(StrEnum):
    """What is watched."""

    ENDPOINT_PROCESS = "endpoint process"
    WRITER = "writer"
    """A writer whose place a reader could take."""
    LONE_WRITER = "lone writer"
    """A writer whose place nobody can take: no reader answers, or too few storage nodes can be read."""
    READER = "reader"
    STORAGE_NODE = "storage node"
    HELD_INSTANCE = "held instance"
    """An instance of a cluster that an operation holds."""


BESIDE_OPERATIONS = frozenset({Subject.ENDPOINT_PROCESS, Subject.STORAGE_NODE, Subject.HELD_INSTANCE})
"""Looked after whatever operation holds the cluster."""


class Observed(StrEnum):
    """What a look at it showed."""

    WELL = "well"
    GONE = "gone"
    OUT = "out"
    """Gone, and an outage of its Availability Zone keeps it so."""
    NO_ROOM = "no room"
    """Gone, and its disk is full: starting it cannot work before there is room."""
    SUSPENDED = "suspended"
    """Its process has been stopped by a signal for `suspended_after_s`."""
    SILENT = "silent"
    """Its process lives and has not answered for `silent_after_s`."""
    STALLED = "stalled"
    """It answers, and its disk has taken no log for `stalled_after_s` although processes wait for that."""
    DETACHED = "detached"
    """A reader that answers but has not been streaming from the writer for `detached_after_s`."""


class Action(StrEnum):
    """What the supervisor does."""

    START_ENDPOINT_PROCESS = "start endpoint process"
    FAIL_OVER = "fail over"
    START_INSTANCE = "start instance"
    RESTART_INSTANCE = "restart instance"
    END_INSTANCE = "end instance"
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
    Rule(Subject.WRITER, Observed.GONE, False, "The writer ended; a reader is promoted.", Action.FAIL_OVER),
    Rule(Subject.WRITER, Observed.GONE, True, "The writer keeps ending; it is left alone until a failover or a start of the cluster.", Action.GIVE_UP),
    Rule(Subject.WRITER, Observed.OUT, False, "The writer's Availability Zone is out; a reader in another one is promoted.", Action.FAIL_OVER),
    Rule(Subject.WRITER, Observed.OUT, True, "The writer's Availability Zone is out again; the cluster is left alone until a failover or a start of the cluster.", Action.GIVE_UP),
    Rule(Subject.WRITER, Observed.NO_ROOM, False, "The writer ended because its disk is full; a reader whose disk has room is promoted.", Action.FAIL_OVER),
    Rule(Subject.WRITER, Observed.NO_ROOM, True, "The writer's disk is full again; it is left alone until a failover or a start of the cluster.", Action.GIVE_UP),
    Rule(Subject.WRITER, Observed.SUSPENDED, False, "The writer's process is suspended; it is ended and a reader is promoted.", Action.FAIL_OVER),
    Rule(Subject.WRITER, Observed.SUSPENDED, True, "The writer is suspended again; it is left alone until a failover or a start of the cluster.", Action.GIVE_UP),
    Rule(Subject.WRITER, Observed.SILENT, False, "The writer does not answer; it is ended and a reader is promoted.", Action.FAIL_OVER),
    Rule(Subject.WRITER, Observed.SILENT, True, "The writer does not answer again; it is left alone until a failover or a start of the cluster.", Action.GIVE_UP),
    Rule(Subject.WRITER, Observed.STALLED, False, "The writer's disk takes no writes; it is ended and a reader is promoted.", Action.FAIL_OVER),
    Rule(Subject.WRITER, Observed.STALLED, True, "The writer's disk takes no writes again; it is left alone until a failover or a start of the cluster.", Action.GIVE_UP),
    Rule(Subject.LONE_WRITER, Observed.GONE, False, "The writer ended and no reader can take its place; it is restarted in place.", Action.START_INSTANCE),
    Rule(Subject.LONE_WRITER, Observed.GONE, True, "The writer cannot be kept running; it is left alone until a failover or a start of the cluster.", Action.GIVE_UP),
    Rule(Subject.LONE_WRITER, Observed.SUSPENDED, False, "The writer's process is suspended and no reader can take its place; it is ended and restarted in place.", Action.RESTART_INSTANCE),
    Rule(Subject.LONE_WRITER, Observed.SUSPENDED, True, "The writer's process is suspended again; it is left alone until a start of the cluster.", Action.GIVE_UP),
    Rule(Subject.READER, Observed.GONE, False, "The reader ended; it is restarted.", Action.START_INSTANCE),
    Rule(Subject.READER, Observed.GONE, True, "The reader cannot be kept running; it is left alone until it is rebooted, the writer is another or the cluster is started again.", Action.GIVE_UP),
    Rule(Subject.READER, Observed.SUSPENDED, False, "The reader's process is suspended; it is ended and restarted.", Action.RESTART_INSTANCE),
    Rule(Subject.READER, Observed.SUSPENDED, True, "The reader's process is suspended again; it is left alone until it is rebooted.", Action.GIVE_UP),
    Rule(Subject.READER, Observed.DETACHED, False, "Read replica has been disconnected from the writer instance; it is made to follow again.", Action.REJOIN_READER),
    Rule(Subject.READER, Observed.DETACHED, True, "The reader cannot be made to follow the writer; it is left alone until it is rebooted or the writer is another.", Action.GIVE_UP),
    Rule(Subject.STORAGE_NODE, Observed.GONE, False, "The storage node ended; it is started again.", Action.START_STORAGE_NODE),
    Rule(Subject.STORAGE_NODE, Observed.GONE, True, "The storage node keeps ending; it is tried again and again.", Action.START_STORAGE_NODE),
    Rule(Subject.HELD_INSTANCE, Observed.SUSPENDED, False, "The process of an instance is suspended; it is ended, so that the operation that waits for it goes on or fails.", Action.END_INSTANCE),
    Rule(Subject.HELD_INSTANCE, Observed.SUSPENDED, True, "The process of an instance is suspended again; it is ended, so that the operation that waits for it goes on or fails.", Action.END_INSTANCE),
)  # fmt: skip
WITHOUT_RULE: frozenset[tuple[Subject, Observed]] = frozenset(
    {
        # Its process is there; a crash recovery may take its time, and ending it would only begin it anew.
        (Subject.LONE_WRITER, Observed.SILENT),
        (Subject.READER, Observed.SILENT),
        # Starting it anew would wait for the same disk.
        (Subject.LONE_WRITER, Observed.STALLED),
        # Waited for: nothing could be started before the zone or the room is back.
        (Subject.LONE_WRITER, Observed.OUT),
        (Subject.READER, Observed.OUT),
        (Subject.LONE_WRITER, Observed.NO_ROOM),
        (Subject.READER, Observed.NO_ROOM),
    }
)
"""What is seen and left alone on purpose; `status` tells it."""
_OWNERS_OF_NODES = frozenset(
    {
        OperationKind.CREATE_CLUSTER, OperationKind.DELETE_CLUSTER, OperationKind.START_CLUSTER,
        OperationKind.STOP_CLUSTER, OperationKind.FAILOVER, OperationKind.BACKTRACK,
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
class Limits:
    """Bounds within which something that keeps ending is restarted, and how long a state must last to count."""

    restarts_max: int = 5
    within_s: float = 300.0
    detached_after_s: float = 10.0
    suspended_after_s: float = 1.0
    silent_after_s: float = 4.0
    stalled_after_s: float = 10.0

    def node_due(self, restarts: Sequence[float], now_s: float) -> bool:
        """Whether a storage node may be tried again: at once, then after 0.25, 0.5, 1, 2, 2, ... seconds.

        Never given up: the write quorum may wait for it.
        """
        recent = [moment_s for moment_s in restarts if moment_s > now_s - _NODE_WITHIN_S]
        return not recent or now_s - recent[-1] >= min(2.0, 0.25 * 2 ** (len(recent) - 1))

    def due(self, restarts: Sequence[float], now_s: float) -> bool:
        """Whether the next restart may be tried: at once, then after 1, 2, 4, ... seconds since the last one."""
        recent = [moment_s for moment_s in restarts if moment_s > now_s - self.within_s]
        return not recent or now_s - recent[-1] >= 2 ** (len(recent) - 1)

    def exhausted(self, restarts: Sequence[float], now_s: float) -> bool:
        """Whether the restarts within the last `within_s` seconds use up the bound."""
        return sum(moment_s > now_s - self.within_s for moment_s in restarts) >= self.restarts_max


@dataclass(slots=True)
class History:
    """What was seen and done before, by name; moments in seconds of the monotonic clock, which nobody can change."""

    restarts: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    since: dict[tuple[str, Observed], float] = field(default_factory=dict)
    """Since when an instance has been suspended, silent or detached."""
    writer_pid: int | None = None
    """The server that was the writer when one was last seen."""

    def note(self, snapshot: ClusterSnapshot, now_s: float) -> None:
        """Take over what is seen now."""
        for instance in snapshot.instances:
            seen = snapshot.seen(instance.identifier)
            lasting = {
                Observed.SUSPENDED: seen.suspended,
                Observed.SILENT: seen.pid is not None and not seen.accepting and not seen.suspended,
                Observed.DETACHED: snapshot.writing
                and not instance.is_writer
                and seen.accepting
                and not seen.following
                and not snapshot.cut_off(instance.identifier)
                and snapshot.operation is None,
            }
            for observed, holds in lasting.items():
                if holds:
                    self.since.setdefault((instance.identifier, observed), now_s)
                else:
                    self.since.pop((instance.identifier, observed), None)

    def writer_is_new(self, snapshot: ClusterSnapshot) -> bool:
        """Whether another server than before is the writer: readers that could not follow that one may follow this."""
        seen = next((snapshot.seen(each.identifier) for each in snapshot.instances if each.is_writer), None)
        if seen is None or not seen.accepting or seen.pid == self.writer_pid:
            return False
        known, self.writer_pid = self.writer_pid is not None, seen.pid
        return known

    def forget_durations(self) -> None:
        """After the supervisor itself stood still: what it last saw says nothing about the time between."""
        self.since.clear()

    def lasts(self, name: str, observed: Observed, longer_than_s: float, now_s: float) -> bool:
        """Whether a state has lasted for longer than a time."""
        since_s = self.since.get((name, observed))
        return since_s is not None and now_s - since_s > longer_than_s


def decide(snapshot: ClusterSnapshot, *, limits: Limits, history: History, now_s: float) -> list[Decision]:
    """The rows that apply to a cluster now, on a monotonic clock.

    While an operation runs the operation owns the instances, and only the endpoint process and, where it leaves them
    alone, the storage nodes are looked after; an instance that is suspended is ended, because nothing would answer the
    operation. What was given up (`snapshot.failed`) is not decided again, and of a
    cluster whose automation is paused nothing is.
    """
    if (
        snapshot.cluster.automation_paused
        or snapshot.cluster.wanted is not Wanted.RUNNING
        or snapshot.cluster.phase in {Phase.CREATING, Phase.DELETING, Phase.STOPPING}
    ):
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
    findings += [
        (instance.identifier, _subject(snapshot, instance), _observed(snapshot, instance, limits, history, now_s))
        for instance in snapshot.instances
    ]
    decisions = []
    for name, subject, observed in findings:
        earlier = history.restarts.get(name, [])
        rule = _TABLE.get((subject, observed, limits.exhausted(earlier, now_s)))
        due = limits.node_due if subject is Subject.STORAGE_NODE else limits.due
        if rule is not None and name not in snapshot.failed and due(earlier, now_s):
            decisions.append(Decision(name, rule))
    return decisions


def nodes_are_free(operation: RunningOperation | None) -> bool:
    """Whether the supervisor, and not a running operation, decides about storage nodes."""
    return operation is None or operation.kind not in _OWNERS_OF_NODES


def promotable(snapshot: ClusterSnapshot) -> list[Instance]:
    """The readers that could be promoted now: they answer, and no full disk, outage or partition is in the way."""
    return [reader for reader in snapshot.readers if _could_write(snapshot, reader, snapshot.seen(reader.identifier))]


def _could_write(snapshot: ClusterSnapshot, reader: Instance, seen: InstanceObservation) -> bool:
    return (
        reader.wanted is Wanted.RUNNING
        and seen.accepting
        and not seen.disk_full
        and not snapshot.in_outage(reader.availability_zone)
        and not snapshot.cut_off(reader.identifier)
    )


def _subject(snapshot: ClusterSnapshot, instance: Instance) -> Subject:
    if snapshot.operation is not None:
        return Subject.HELD_INSTANCE
    if not instance.is_writer:
        return Subject.READER
    volume = snapshot.volume
    readable = volume is not None and volume.read_quorum.met_by(volume.readable)
    return Subject.WRITER if readable and promotable(snapshot) else Subject.LONE_WRITER


def _observed(
    snapshot: ClusterSnapshot, instance: Instance, limits: Limits, history: History, now_s: float
) -> Observed:
    if instance.wanted is not Wanted.RUNNING:
        return Observed.WELL
    seen = snapshot.seen(instance.identifier)
    if snapshot.in_outage(instance.availability_zone):
        return Observed.OUT if seen.pid is None else Observed.WELL
    if seen.pid is None:
        return Observed.NO_ROOM if seen.disk_full else Observed.GONE
    for observed, longer_than_s in (
        (Observed.SUSPENDED, limits.suspended_after_s),
        (Observed.SILENT, limits.silent_after_s),
        (Observed.DETACHED, limits.detached_after_s),
    ):
        if history.lasts(instance.identifier, observed, longer_than_s, now_s):
            return observed
    return Observed.STALLED if seen.stalled_s > limits.stalled_after_s else Observed.WELL
