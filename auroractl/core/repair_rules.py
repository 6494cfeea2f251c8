"""The supervisor's reactions to observations, in one table.

The comment of the matching row is logged and becomes the event.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from auroractl.core.model import ClusterSnapshot, Instance, InstanceObservation, Phase, RunningOperation, Wanted
from auroractl.core.operation_kinds import OperationKind

ENDPOINT_PROCESS = "endpoint-process"
_NODE_WITHIN_S = 10.0


class Subject(StrEnum):
    """The observed subject."""

    ENDPOINT_PROCESS = "endpoint process"
    WRITER = "writer"
    """A writer that a reader could replace."""
    LONE_WRITER = "lone writer"
    """A writer that cannot be replaced: no reader answers, or too few storage nodes can be read."""
    READER = "reader"
    STORAGE_NODE = "storage node"
    HELD_INSTANCE = "held instance"
    """An instance of a cluster that an operation holds."""


BESIDE_OPERATIONS = frozenset({Subject.ENDPOINT_PROCESS, Subject.STORAGE_NODE, Subject.HELD_INSTANCE})
"""Maintained even while an operation holds the cluster."""


class Observed(StrEnum):
    """The observed state."""

    WELL = "well"
    GONE = "gone"
    OUT = "out"
    """Gone, and kept down by an outage of its Availability Zone."""
    NO_ROOM = "no room"
    """Gone, and its disk is full: it cannot start before space is freed."""
    DISPLACED = "displaced"
    """Gone, and another process uses its address: it cannot start before that process ends."""
    SUSPENDED = "suspended"
    """Its process has been stopped by a signal for `suspended_after_s`."""
    SILENT = "silent"
    """Its process is alive and has not answered for `silent_after_s`."""
    STALLED = "stalled"
    """It answers, but its disk has stored no WAL for `stalled_after_s` although processes wait for it."""
    DETACHED = "detached"
    """A reader that answers but has not been streaming from the writer for `detached_after_s`."""


class Action(StrEnum):
    """The supervisor's action."""

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
    """One row: subject, state, whether the restarts are used up, meaning, action."""

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
    Rule(Subject.WRITER, Observed.DISPLACED, False, "The writer ended and another process uses its address; a reader is promoted.", Action.FAIL_OVER),
    Rule(Subject.WRITER, Observed.DISPLACED, True, "The writer ended and another process uses its address again; it is left alone until a failover or a start of the cluster.", Action.GIVE_UP),
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
    Rule(Subject.READER, Observed.GONE, True, "The reader cannot be kept running; it is left alone until it is rebooted, the writer changes or the cluster is started again.", Action.GIVE_UP),
    Rule(Subject.READER, Observed.SUSPENDED, False, "The reader's process is suspended; it is ended and restarted.", Action.RESTART_INSTANCE),
    Rule(Subject.READER, Observed.SUSPENDED, True, "The reader's process is suspended again; it is left alone until it is rebooted.", Action.GIVE_UP),
    Rule(Subject.READER, Observed.DETACHED, False, "Read replica has been disconnected from the writer instance; it is made to follow again.", Action.REJOIN_READER),
    Rule(Subject.READER, Observed.DETACHED, True, "The reader cannot be made to follow the writer; it is left alone until it is rebooted or the writer changes.", Action.GIVE_UP),
    Rule(Subject.STORAGE_NODE, Observed.GONE, False, "The storage node ended; it is started again.", Action.START_STORAGE_NODE),
    Rule(Subject.STORAGE_NODE, Observed.GONE, True, "The storage node keeps ending; it is tried again and again.", Action.START_STORAGE_NODE),
    Rule(Subject.HELD_INSTANCE, Observed.SUSPENDED, False, "The process of an instance is suspended; it is ended, so that the operation that waits for it continues or fails.", Action.END_INSTANCE),
    Rule(Subject.HELD_INSTANCE, Observed.SUSPENDED, True, "The process of an instance is suspended again; it is ended, so that the operation that waits for it continues or fails.", Action.END_INSTANCE),
)  # fmt: skip
WITHOUT_RULE: frozenset[tuple[Subject, Observed]] = frozenset(
    {
        # Its process exists. A crash recovery may take its time, and stopping the process would only restart the
        # recovery.
        (Subject.LONE_WRITER, Observed.SILENT),
        (Subject.READER, Observed.SILENT),
        # A restart would wait for the same disk.
        (Subject.LONE_WRITER, Observed.STALLED),
        # Waited for: nothing can be started before the zone, the disk space or the address is back.
        (Subject.LONE_WRITER, Observed.OUT),
        (Subject.READER, Observed.OUT),
        (Subject.LONE_WRITER, Observed.NO_ROOM),
        (Subject.LONE_WRITER, Observed.DISPLACED),
        (Subject.READER, Observed.DISPLACED),
        (Subject.READER, Observed.NO_ROOM),
    }
)
"""States that are left alone on purpose; `status` shows them."""
_OWNERS_OF_NODES = frozenset(
    {
        OperationKind.CREATE_CLUSTER, OperationKind.DELETE_CLUSTER, OperationKind.START_CLUSTER,
        OperationKind.STOP_CLUSTER, OperationKind.FAILOVER, OperationKind.BACKTRACK,
    }
)  # fmt: skip
"""Operations that start and stop storage nodes themselves. During all others the supervisor continues to do so."""
_TABLE = {(rule.subject, rule.observed, rule.exhausted): rule for rule in RULES}


@dataclass(frozen=True, slots=True)
class Decision:
    """A matching rule and its subject's name."""

    name: str
    rule: Rule


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits on the restarts of something that keeps failing, and minimum durations of states."""

    restarts_max: int = 5
    within_s: float = 300.0
    detached_after_s: float = 10.0
    suspended_after_s: float = 1.0
    silent_after_s: float = 4.0
    stalled_after_s: float = 10.0

    def node_due(self, restarts: Sequence[float], now_s: float) -> bool:
        """Return whether a storage node may be retried: at once, then after 0.25, 0.5, 1, 2, 2, ... seconds.

        There is no limit: the write quorum may be waiting for it.
        """
        recent = [moment_s for moment_s in restarts if moment_s > now_s - _NODE_WITHIN_S]
        return not recent or now_s - recent[-1] >= min(2.0, 0.25 * 2 ** (len(recent) - 1))

    def due(self, restarts: Sequence[float], now_s: float) -> bool:
        """Return whether the next restart is due: at once, then after 1, 2, 4, ... seconds since the last one."""
        recent = [moment_s for moment_s in restarts if moment_s > now_s - self.within_s]
        return not recent or now_s - recent[-1] >= 2 ** (len(recent) - 1)

    def exhausted(self, restarts: Sequence[float], now_s: float) -> bool:
        """Return whether the restarts within the last `within_s` seconds reach the limit."""
        return sum(moment_s > now_s - self.within_s for moment_s in restarts) >= self.restarts_max


@dataclass(slots=True)
class History:
    """Earlier observations and actions, by name; times are in seconds of the monotonic clock, which no one can change."""

    restarts: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    since: dict[tuple[str, Observed], float] = field(default_factory=dict)
    """Since when an instance has been suspended, silent or detached."""
    writer_pid: int | None = None
    """The writer's server process when one was last observed."""

    def note(self, snapshot: ClusterSnapshot, now_s: float, limits: Limits = Limits()) -> None:
        """Record the current observations.

        An instance counts as silent only for as long as it is probed: an old observation means nothing while this
        process lacks the resources to probe again.
        """
        for instance in snapshot.instances:
            seen = snapshot.seen(instance.identifier)
            if seen.occupant:
                # Neither its end nor the next start indicates that it keeps failing.
                self.restarts.pop(instance.identifier, None)
            lasting = {
                Observed.SUSPENDED: seen.suspended,
                Observed.SILENT: seen.pid is not None
                and not seen.accepting
                and not seen.suspended
                and (snapshot.at - seen.at).total_seconds() <= limits.silent_after_s,
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
        """Return whether the writer is a new server: readers that could not follow the old one may follow this one."""
        seen = next((snapshot.seen(each.identifier) for each in snapshot.instances if each.is_writer), None)
        if seen is None or not seen.accepting or seen.pid == self.writer_pid:
            return False
        known, self.writer_pid = self.writer_pid is not None, seen.pid
        return known

    def forget_durations(self) -> None:
        """Forget durations after the supervisor itself was suspended.

        Its last observation says nothing about the time since.
        """
        self.since.clear()

    def lasts(self, name: str, observed: Observed, longer_than_s: float, now_s: float) -> bool:
        """Return whether a state has lasted longer than a given time."""
        since_s = self.since.get((name, observed))
        return since_s is not None and now_s - since_s > longer_than_s


def decide(snapshot: ClusterSnapshot, *, limits: Limits, history: History, now_s: float) -> list[Decision]:
    """Return the matching rows for a cluster at a time on the monotonic clock.

    While an operation runs it owns the instances. Only the endpoint process and, unless the operation manages them, the
    storage nodes are maintained. A suspended instance is killed, because the operation would get no answer from it.
    Anything for which restarts have stopped (`snapshot.failed`) is not decided again, and nothing is decided for a
    cluster whose automation is paused.
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
    if snapshot.volume is not None and nodes_are_due(snapshot):
        findings += [
            (node.identifier, Subject.STORAGE_NODE, Observed.GONE)
            for node in snapshot.volume.nodes
            if snapshot.volume.seen(node).pid is None and not snapshot.volume.held_down(node)
        ]
    findings += [
        (instance.identifier, _subject(snapshot, instance), _observed(snapshot, instance, limits, history, now_s))
        for instance in snapshot.instances
        # One that is only announced: its creation has not begun.
        if instance.phase is not Phase.CREATING or snapshot.operation is not None
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
    """Return whether the supervisor, not a running operation, manages the storage nodes."""
    return operation is None or operation.kind not in _OWNERS_OF_NODES


def nodes_are_due(snapshot: ClusterSnapshot) -> bool:
    """Return whether storage nodes should be running: a writer answers, and no operation is about to start them."""
    writer = snapshot.writer
    coming = writer is not None and writer.phase is Phase.CREATING
    return snapshot.writing and nodes_are_free(snapshot.operation) and not coming


def lost_writer(snapshot: ClusterSnapshot) -> str:
    """Say which writer the supervisor is about to replace or restart; nothing if there is none."""
    writer = snapshot.writer
    if writer is None or snapshot.writing or writer.phase is Phase.CREATING:
        return ""
    left_alone = snapshot.cluster.automation_paused or writer.identifier in snapshot.failed
    return "" if left_alone else f"the writer {writer.identifier} does not answer"


def promotable(snapshot: ClusterSnapshot) -> list[Instance]:
    """List the readers that could be promoted now: they answer, and no full disk, outage or partition prevents it."""
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
        if seen.occupant:
            return Observed.DISPLACED
        return Observed.NO_ROOM if seen.disk_full else Observed.GONE
    for observed, longer_than_s in (
        (Observed.SUSPENDED, limits.suspended_after_s),
        (Observed.SILENT, limits.silent_after_s),
        (Observed.DETACHED, limits.detached_after_s),
    ):
        if history.lasts(instance.identifier, observed, longer_than_s, now_s):
            return observed
    return Observed.STALLED if seen.stalled_s > limits.stalled_after_s else Observed.WELL
