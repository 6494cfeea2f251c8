"""The controllers of the watch loop, one per concern, in the order in which they attend to each running cluster.

A controller receives a snapshot. It acts at once if that takes no time, and otherwise returns tasks for the watch loop's
thread pool. A new concern is one class here or in a module of its own, and one line in `controllers`.
"""

from __future__ import annotations

import logging
import math
import time
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from auroractl.config.settings import Settings
from auroractl.core.errors import AuroraError
from auroractl.core.model import ClusterSnapshot, Instance, Phase
from auroractl.core.operation_kinds import OperationKind
from auroractl.core.repair_rules import BESIDE_OPERATIONS, Action, Decision, History, Limits, decide
from auroractl.core.volume.faults import FaultKind
from auroractl.engine.probe import Probe
from auroractl.runtime.managed_cluster import ManagedCluster
from auroractl.services.faults import sql_requests
from auroractl.services.faults.congestion import CongestedNode, congestion_of
from auroractl.services.healing import address_conflicts, commit_settings, repair, volume
from auroractl.services.instances import aurora_sql, durability, iam, logical_slots, master_password, system_roles
from auroractl.services.parameters import pending
from auroractl.services.restore import recovered_copy
from auroractl.services.volume import storage_nodes

log = logging.getLogger(__name__)

_TIDY_INTERVAL_S = 1.0
_FIGURES_INTERVAL_S = 10.0
_UNASKED_INTERVAL_S = 60.0
"""Drivers ignore an instance of which nothing was heard for 300 s."""
_FIRST_FIGURES_S = 1.0
_IAM_INTERVAL_S = 0.5
_IAM_DOUBLINGS_MAX = 6
"""Failures after which a writer that cannot say who are members is asked no less often: every 32 s."""
_DURABILITY_INTERVAL_S = 5.0
"""How soon another attempt follows on one that statements kept from succeeding."""
_LEAVES_THE_WRITER = frozenset(
    {OperationKind.SCALE_READERS, OperationKind.CREATE_INSTANCE, OperationKind.REPLACE_STORAGE_NODE}
)


@dataclass(frozen=True, slots=True)
class Task:
    """Work on a part of a cluster. Only one task per subject runs at a time."""

    subject: str
    """An instance, a storage node or another part of the cluster."""
    act: Callable[[], None]
    beside_operations: bool = False
    """Whether it may run while an operation holds the cluster."""


class Controller(ABC):
    """One concern of the watch loop."""

    @abstractmethod
    def attend(self, cluster: ManagedCluster, snapshot: ClusterSnapshot, now_s: float) -> Iterable[Task]:
        """Act on a snapshot of a cluster, or yield tasks; `now_s` is on the monotonic clock."""

    def keep_only(self, clusters: Collection[str]) -> None:  # noqa: B027  (most remember nothing)
        """Forget all other clusters, which have been deleted."""

    def after_suspension(self) -> None:  # noqa: B027  (most remember no durations)
        """Discard measured durations, after the supervisor itself was suspended."""

    def stop(self) -> None:  # noqa: B027  (most have no threads of their own)
        """End what it does besides its tasks."""


class Paced(Controller):
    """A controller that acts on each cluster at most once in an interval."""

    interval_s: ClassVar[float]

    def __init__(self) -> None:
        self._acted_s: dict[str, float] = {}
        """By cluster, on the monotonic clock. After a restart: due at once."""

    def rested(self, cluster: ManagedCluster, now_s: float) -> bool:
        """Return whether the interval has passed."""
        return now_s - self._acted_s.get(cluster.name, -math.inf) > self.interval_s

    def acted(self, cluster: ManagedCluster, now_s: float) -> None:
        """Begin the interval."""
        self._acted_s[cluster.name] = now_s

    def keep_only(self, clusters: Collection[str]) -> None:
        """Forget all other clusters."""
        for name in self._acted_s.keys() - set(clusters):
            del self._acted_s[name]


def controllers(settings: Settings) -> tuple[Controller, ...]:
    """Return all controllers, in the order in which they act."""
    return (
        _Plain(volume.attend),
        _Plain(address_conflicts.attend),
        Internals(),
        AuroraFunctions(),
        IamUsers(),
        FaultsAskedFor(),
        Congestion(),
        MasterPassword(),
        CommitSettings(),
        Admissions(),
        Parameters(),
        LogicalSlots(),
        Durability(),
        Copies(),
        _Plain(_publish_routes),
        Heal(settings),
    )


class _Plain(Controller):
    """A concern without tasks and without state."""

    def __init__(self, act: Callable[[ManagedCluster, ClusterSnapshot], None]) -> None:
        self._act = act

    def attend(self, cluster: ManagedCluster, snapshot: ClusterSnapshot, now_s: float) -> Iterable[Task]:  # noqa: ARG002
        """Act."""
        self._act(cluster, snapshot)
        return ()


def _publish_routes(cluster: ManagedCluster, snapshot: ClusterSnapshot) -> None:
    try:
        cluster.publish_routes(snapshot)
    except AuroraError as error:
        log.warning("%s: the endpoint process refused its routes: %s", cluster.name, error)


class Internals(Controller):
    """The database and the roles that auroractl relies on inside a cluster, and replication by clients."""

    def attend(self, cluster: ManagedCluster, snapshot: ClusterSnapshot, now_s: float) -> Iterable[Task]:  # noqa: ARG002
        """Restore them if a client has changed them; end replication that is not logical."""
        for instance in snapshot.instances:
            if snapshot.seen(instance.identifier).intruded:
                act = partial(system_roles.end_intruders, cluster, instance)
                yield Task(f"replication from {instance.identifier}", act, beside_operations=True)
        if not cluster.observer.internals_in_order(cluster.name):
            yield Task("internals", lambda: system_roles.restore(cluster))


class AuroraFunctions(Controller):
    """Aurora's SQL functions: that every database has them, and what they show of the cluster."""

    def __init__(self) -> None:
        self._shown: dict[str, tuple[object, float, float]] = {}
        """What was written of a cluster's members, and when that is renewed on the monotonic clock: if a function has
        read it, and in any case. After a restart: written at once."""

    def keep_only(self, clusters: Collection[str]) -> None:
        """Forget all other clusters."""
        for name in self._shown.keys() - set(clusters):
            del self._shown[name]

    def attend(self, cluster: ManagedCluster, snapshot: ClusterSnapshot, now_s: float) -> Iterable[Task]:
        """Make the functions where they are lacking; renew what they show after a change, and now and then."""
        if lacking := aurora_sql.unchecked(cluster, snapshot):
            yield Task("aurora-sql", lambda: aurora_sql.install(cluster, lacking))
        if not cluster.settings.aurora_sql or snapshot.writer is None:
            return
        members = tuple((each, snapshot.seen(each.identifier).accepting) for each in snapshot.instances)
        shown, due_s, latest_s = self._shown.get(cluster.name, (None, 0.0, 0.0))
        changed = shown != members
        asked = now_s > latest_s or (now_s > due_s and aurora_sql.anyone_asks(cluster, snapshot))
        if changed or asked:
            # After a change figures are still lacking, so the next renewal is soon.
            soonest_s, last_s = (_FIRST_FIGURES_S,) * 2 if changed else (_FIGURES_INTERVAL_S, _UNASKED_INTERVAL_S)
            self._shown[cluster.name] = (members, now_s + soonest_s, now_s + last_s)
            for instance, accepting in members:
                pid = snapshot.seen(instance.identifier).pid
                if accepting and pid is not None:
                    yield _refresh(cluster, instance, pid)


def _refresh(cluster: ManagedCluster, instance: Instance, pid: int) -> Task:
    # Separate tasks, because a broken disk may block one of them.
    subject = f"figures of {instance.identifier}"
    return Task(subject, lambda: aurora_sql.refresh(cluster, instance, pid), beside_operations=True)


class IamUsers(Controller):
    """Members of rds_iam, where the cluster has IAM authentication: that all servers know them."""

    def __init__(self) -> None:
        self._probes: dict[str, tuple[Instance, Probe]] = {}
        """The writer of a cluster and a connection to it. After a restart: made again."""
        self._asked_s: dict[str, float] = {}
        """By cluster, on the monotonic clock. After a restart: asked at once."""

    def keep_only(self, clusters: Collection[str]) -> None:
        """Forget all other clusters."""
        for name in self._asked_s.keys() - set(clusters):
            del self._asked_s[name]
            self._probes.pop(name, None)

    def attend(self, cluster: ManagedCluster, snapshot: ClusterSnapshot, now_s: float) -> Iterable[Task]:
        """Ask the writer now and then, and tell servers that do not know."""
        writer = snapshot.writer
        if not (snapshot.cluster.iam_authentication and snapshot.writing and writer is not None):
            self._probes.pop(cluster.name, None)
            if iam.is_due(cluster, snapshot):
                yield Task("IAM", lambda: iam.tell(cluster), beside_operations=True)
            return
        known, probe = self._probes.get(cluster.name, (None, None))
        if probe is None or known != writer:
            cluster.memory.iam.failures = 0
            probe = iam.probe_of(cluster, writer)
            self._probes[cluster.name] = (writer, probe)
        pause_s = _IAM_INTERVAL_S * 2 ** min(cluster.memory.iam.failures, _IAM_DOUBLINGS_MAX)
        if now_s - self._asked_s.get(cluster.name, 0.0) >= pause_s:
            self._asked_s[cluster.name] = now_s
            yield Task("IAM", partial(iam.ask, cluster, probe), beside_operations=True)


class FaultsAskedFor(Controller):
    """Faults that clients ask for with Aurora's functions."""

    def attend(self, cluster: ManagedCluster, snapshot: ClusterSnapshot, now_s: float) -> Iterable[Task]:  # noqa: ARG002
        """Inject them."""
        for instance in snapshot.instances if cluster.settings.aurora_sql else ():
            if snapshot.seen(instance.identifier).accepting and sql_requests.is_asked(cluster, instance):
                # With the subject of its repairs, so that a crashed writer is not replaced while it is restarted.
                yield Task(instance.identifier, partial(sql_requests.carry_out, cluster, instance))


class Congestion(Controller):
    """Storage nodes that an injected fault makes late."""

    def __init__(self) -> None:
        self._nodes: dict[tuple[str, str], CongestedNode] = {}
        """By cluster and storage node. After a restart: begun again for faults that are in force."""

    def attend(self, cluster: ManagedCluster, snapshot: ClusterSnapshot, now_s: float) -> Iterable[Task]:  # noqa: ARG002
        """Begin with nodes of new faults; the others end by themselves."""
        for key in [key for key, each in self._nodes.items() if not each.lives]:
            del self._nodes[key]
        kinds = {fault.kind for fault in snapshot.volume.faults} if snapshot.volume is not None else set()
        if FaultKind.DISK_CONGESTION in kinds and snapshot.volume is not None:
            for node in snapshot.volume.nodes:
                key = (cluster.name, node.identifier)
                if key not in self._nodes and congestion_of(cluster, node) is not None:
                    self._nodes[key] = CongestedNode(cluster, node)
        return ()

    def stop(self) -> None:
        """Let all nodes run."""
        for each in self._nodes.values():
            each.end()


class MasterPassword(Controller):
    """A change of the master user's password that was interrupted."""

    def attend(self, cluster: ManagedCluster, snapshot: ClusterSnapshot, now_s: float) -> Iterable[Task]:  # noqa: ARG002
        """Finish it."""
        if snapshot.writing and not cluster.memory.password_settled:
            yield Task("master-password", lambda: master_password.settle(cluster))


class CommitSettings(Controller):
    """Settings of synchronous_commit by clients."""

    def attend(self, cluster: ManagedCluster, snapshot: ClusterSnapshot, now_s: float) -> Iterable[Task]:  # noqa: ARG002
        """Read the settings, and reset them if synchronous_commit is enforced."""
        if snapshot.writing:
            for subject, act in commit_settings.due(cluster):
                yield Task(subject, act, beside_operations=True)


class Admissions(Controller):
    """Storage nodes that have connected to a writer which counts only those that were admitted."""

    def attend(self, cluster: ManagedCluster, snapshot: ClusterSnapshot, now_s: float) -> Iterable[Task]:  # noqa: ARG002
        """Admit them."""
        answer = cluster.observer.writer_answer(cluster.name)
        if snapshot.writing and answer is not None and any(each.awaiting for each in answer.standbys.values()):
            yield Task("admissions", lambda: storage_nodes.admit(cluster), beside_operations=True)


class Parameters(Controller):
    """Parameters that wait for a reboot."""

    def attend(self, cluster: ManagedCluster, snapshot: ClusterSnapshot, now_s: float) -> Iterable[Task]:  # noqa: ARG002
        """Ask servers that were started since they were last asked."""
        for subject, act, beside in pending.due(cluster, snapshot):
            yield Task(subject, act, beside_operations=beside)


class LogicalSlots(Controller):
    """The logical slots of readers."""

    def attend(self, cluster: ManagedCluster, snapshot: ClusterSnapshot, now_s: float) -> Iterable[Task]:
        """Let them follow those of the writer."""
        idle = snapshot.operation is None and snapshot.cluster.phase is Phase.NONE
        if snapshot.writing and idle and now_s >= cluster.memory.slots.due_s and logical_slots.keeps(cluster):
            yield Task("logical slots", lambda: logical_slots.keep(cluster), beside_operations=True)


class Durability(Paced):
    """The writer's data, which after a failover is not yet on disk as a whole."""

    interval_s = _DURABILITY_INTERVAL_S

    def attend(self, cluster: ManagedCluster, snapshot: ClusterSnapshot, now_s: float) -> Iterable[Task]:
        """Make it so, also beside operations, except those that change which instance is the writer or end it."""
        free = snapshot.operation is None or snapshot.operation.kind in _LEAVES_THE_WRITER
        if snapshot.writing and free and self.rested(cluster, now_s) and durability.is_due(cluster):
            self.acted(cluster, now_s)
            yield Task("durability", lambda: durability.make_durable(cluster), beside_operations=True)


class Copies(Paced):
    """Recovered copies that are no longer used."""

    interval_s = _TIDY_INTERVAL_S

    def attend(self, cluster: ManagedCluster, snapshot: ClusterSnapshot, now_s: float) -> Iterable[Task]:
        """Remove them."""
        if snapshot.cluster.phase is Phase.NONE and self.rested(cluster, now_s):
            self.acted(cluster, now_s)
            yield Task("recovered copies", lambda: recovered_copy.remove_unused(cluster), beside_operations=True)


class Heal(Controller):
    """Restarts, failovers and reattachments, as decided by the health table."""

    def __init__(self, settings: Settings) -> None:
        self._limits = _limits(settings)
        self._history: defaultdict[str, History] = defaultdict(History)
        """By cluster. After a restart: durations and restarts are counted from zero."""

    def attend(self, cluster: ManagedCluster, snapshot: ClusterSnapshot, now_s: float) -> Iterable[Task]:
        """Yield the tasks that are due."""
        self._note(cluster, snapshot, now_s)
        decisions = decide(snapshot, limits=self._limits, history=self._history[cluster.name], now_s=now_s)
        for decision in decisions:
            # A failover is an operation and holds the cluster itself.
            beside = decision.rule.subject in BESIDE_OPERATIONS or decision.rule.action is Action.FAIL_OVER
            yield Task(decision.name, self._task_for(cluster, decision), beside)

    def keep_only(self, clusters: Collection[str]) -> None:
        """Forget the history of all other clusters."""
        for name in self._history.keys() - set(clusters):
            del self._history[name]

    def after_suspension(self) -> None:
        """Discard how long states have lasted."""
        for history in self._history.values():
            history.forget_durations()

    def _note(self, cluster: ManagedCluster, snapshot: ClusterSnapshot, now_s: float) -> None:
        memory, history = cluster.memory, self._history[cluster.name]
        for instance in snapshot.instances:
            if instance.identifier in memory.uncounted:
                memory.uncounted.discard(instance.identifier)
                history.restarts.pop(instance.identifier, None)
        if history.writer_is_new(snapshot):
            for instance in snapshot.instances:
                memory.failed.pop(instance.identifier, None)
        history.note(snapshot, now_s, self._limits)

    def _task_for(self, cluster: ManagedCluster, decision: Decision) -> Callable[[], None]:
        return lambda: self._carry_out(cluster, decision)

    def _carry_out(self, cluster: ManagedCluster, decision: Decision) -> None:
        restarts = self._history[cluster.name].restarts[decision.name]
        if decision.rule.action is Action.GIVE_UP:
            restarts.clear()
        else:
            now_s = time.monotonic()
            restarts[:] = [*(moment_s for moment_s in restarts if moment_s > now_s - self._limits.within_s), now_s]
        if not repair.carry_out(cluster, decision) and restarts:
            restarts.pop()
        self._history[cluster.name].since.pop((decision.name, decision.rule.observed), None)


def _limits(settings: Settings) -> Limits:
    return Limits(
        restarts_max=settings.restarts_max,
        within_s=settings.restarts_within_s,
        detached_after_s=settings.detached_after_s,
        suspended_after_s=settings.suspended_after_s,
        silent_after_s=settings.silent_after_s,
        stalled_after_s=settings.stalled_after_s,
    )
