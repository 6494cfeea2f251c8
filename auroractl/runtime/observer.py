"""Observation of instances: one probing thread each, and notice of a process's end within milliseconds."""

from __future__ import annotations

import itertools
import logging
import shutil
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Lock, Thread

from auroractl.config.settings import Settings
from auroractl.core.errors import AuroraError, EngineError
from auroractl.core.model import Instance, InstanceObservation
from auroractl.core.restore.retention import Checkpoint
from auroractl.core.synchronous_commit.setting import CommitSetting
from auroractl.core.wal.segments import SEGMENT_BYTES
from auroractl.engine.probe import Probe, ProbeFailed, ServerAnswer, StandbyProgress
from auroractl.runtime.installation import Installation
from auroractl.system.files import exists
from auroractl.system.liveness import ExitWatcher, alive, suspended, wait_for_exit
from auroractl.system.occupants import occupant
from auroractl.system.programs import reap, spawn

log = logging.getLogger(__name__)

_SUSPENDED = "its server process is suspended"
_USED_BYTES_INTERVAL_S = 1.0
_TOUCH_TIMEOUT_S = 0.5
_LOOKS_APART_MAX_S = 3.0
"""Longest time between two observations without progress; over a longer time the machine may have been suspended."""
_USED_BYTES_SHARE = 0.02
"""Share of the time that measuring sizes may take, which takes longer with more tables."""
_INTERNALS_INTERVAL_S = 3.0
_POSITIONS_KEPT = 240
_ROOM_BYTES = 4 * SEGMENT_BYTES
"""Free space that a server needs to start after its disk was full."""


@dataclass(frozen=True, slots=True)
class _Stall:
    """Time since a writer's WAL stopped advancing although processes wait for it."""

    flushed_lsn: int
    since_s: float
    looked_s: float


@dataclass(slots=True)
class WriterAnswer:
    """A writer's latest answer about its standbys."""

    at_s: float
    """On the monotonic clock."""
    lsn: int
    waiting_commits: int
    read_only: bool
    standbys: dict[str, StandbyProgress]
    checkpoint: Checkpoint | None = None
    positions: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=_POSITIONS_KEPT))
    """End of the WAL at earlier observations: (monotonic seconds, LSN)."""

    def waiting_s(self, flushed_lsn: int) -> float:
        """Return how long the oldest WAL after `flushed_lsn` has existed, as far as it was observed."""
        return next((self.at_s - at_s for at_s, lsn in self.positions if lsn > flushed_lsn), 0.0)


class _Watch:
    """The thread that observes one instance."""

    def __init__(self, observer: Observer, instance: Instance, interval_s: float) -> None:
        self.instance = instance
        self._observer = observer
        self._interval_s = interval_s
        self._ended = Event()
        self._thread = Thread(target=self._run, name=f"watch-{instance.identifier}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                self._watch()
            except Exception:
                # Without this thread the instance would never be observed again.
                log.exception("watching %s failed; please report it as a bug", self.instance.identifier)
                self._ended.wait(self._interval_s)

    def _watch(self) -> None:
        probe = self._observer.probe(self.instance)
        try:
            while not self._ended.is_set():
                try:
                    self._observer.look(self.instance, probe)
                except AuroraError as error:
                    log.warning("%s cannot be observed: %s", self.instance.identifier, error)
                self._ended.wait(self._interval_s)
        finally:
            probe.close()


class Observer:
    """The latest observation of every watched instance.

    `on_change` is called, from any thread, when a process starts or ends or a server begins or ceases to answer. None of
    this survives a restart of the supervisor. Instances are probed again before the first answer.
    """

    def __init__(self, installation: Installation, settings: Settings, on_change: Callable[[], None]) -> None:
        self._installation = installation
        self._settings = settings
        self._on_change = on_change
        self._lock = Lock()
        self._watches: dict[str, _Watch] = {}
        """By instance. After a restart: begun by the watch loop's first round."""
        self._seen: dict[str, InstanceObservation] = {}
        """By instance. After a restart: observed before the API serves."""
        self._looks = itertools.count(1)
        """Numbers the probes. After a restart: from 1 again."""
        self._last_look: dict[str, int] = {}
        """The number of the probe that gave the observation, by instance. After a restart: with the observation."""
        self._writers: dict[str, WriterAnswer] = {}
        """By cluster. After a restart: asked again, without the earlier positions."""
        self._used: dict[str, tuple[float, int]] = {}
        """When a cluster's size is measured next, and the size in bytes. After a restart: measured by the next probe."""
        self._internals: dict[str, tuple[float, bool]] = {}
        """When a cluster's internals are checked next, and whether they were in order. After a restart: checked at once."""
        self._commit_settings: dict[str, tuple[CommitSetting, ...]] = {}
        """Database and role settings that weaken commits. After a restart: read with the check of the internals."""
        self._databases: dict[str, frozenset[int]] = {}
        """The oids of a cluster's databases. After a restart: read with the check of the internals."""
        self._stalls: dict[str, _Stall] = {}
        """By instance. After a restart: counted from the first observation without progress."""
        self._suspects: set[str] = set()
        """Instances whose disk failed the last write test. After a restart: found by the next stall."""
        self._touching: dict[str, int] = {}
        """The process that tests writes on one of their disks. After a restart: left to end by itself."""
        self._exits = ExitWatcher(self._on_exit)
        """After a restart: each process is watched again once a probe sees it."""

    def watch_only(self, instances: Iterable[Instance]) -> None:
        """Watch exactly these instances from now on."""
        wanted = {instance.identifier: instance for instance in instances}
        with self._lock:
            gone = [name for name, watch in self._watches.items() if wanted.get(name) != watch.instance]
            for name in gone:
                self._watches.pop(name).stop()
            for name in self._seen.keys() - wanted.keys():
                del self._seen[name]
                self._last_look.pop(name, None)
            new = [instance for name, instance in wanted.items() if name not in self._watches]
            for instance in new:
                self._watches[instance.identifier] = _Watch(self, instance, self._settings.probe_interval_s)

    def close(self) -> None:
        """Stop watching everything."""
        self.watch_only([])
        self._exits.close()

    def probe(self, instance: Instance, **settings: str) -> Probe:
        """Make a connection for probing an instance's server; `settings` are server parameters of its sessions."""
        return Probe(lambda: self._installation.access(instance), self._settings.probe_timeout_s, **settings)

    def refresh(self, instance: Instance) -> InstanceObservation:
        """Probe an instance now and store the observation."""
        probe = self.probe(instance)
        try:
            return self.look(instance, probe)
        finally:
            probe.close()

    def look(self, instance: Instance, probe: Probe) -> InstanceObservation:
        """Probe an instance over a persistent connection and store the observation."""
        look = next(self._looks)
        pid = self._installation.server(instance).pid()
        if pid is None:
            probe.close()
            seen = self._gone(instance)
        else:
            self._exits.watch(pid)
            if suspended(pid):
                # Its other processes still answer on existing connections; new ones get no answer.
                seen = InstanceObservation(at=datetime.now(UTC), pid=pid, suspended=True, detail=_SUSPENDED)
            else:
                seen = self._ask(instance, probe, pid)
        return self._remember(instance, look, seen)

    def _remember(self, instance: Instance, look: int, seen: InstanceObservation) -> InstanceObservation:
        with self._lock:
            if look < self._last_look.get(instance.identifier, 0):
                # A probe that began later has already finished; its observation is newer than this.
                return self._seen.get(instance.identifier, seen)
            self._last_look[instance.identifier] = look
            before = self._seen.get(instance.identifier)
            self._seen[instance.identifier] = seen
        if before is None or (before.pid, before.accepting) != (seen.pid, seen.accepting):
            self._on_change()
        return seen

    def note_promoted(self, instance: Instance) -> None:
        """Record a successful promotion that an operation has just verified, which saves a probe."""
        pid = self._installation.server(instance).pid()
        seen = InstanceObservation(at=datetime.now(UTC), pid=pid, accepting=pid is not None, in_recovery=False)
        self._remember(instance, next(self._looks), seen)

    def _gone(self, instance: Instance) -> InstanceObservation:
        if instance.identifier in self._suspects and not self._takes_writes(instance):
            detail = f"its disk takes no writes ({self._installation.server(instance).data})"
            return InstanceObservation(at=datetime.now(UTC), disk_full=True, detail=detail)
        if self._disk_full(instance):
            detail = f"its disk is full ({self._installation.server(instance).data}); it is started when there is room"
            return InstanceObservation(at=datetime.now(UTC), disk_full=True, detail=detail)
        found = occupant(instance.address.host, instance.address.port)
        # Its own server may have begun to listen since its process was looked for.
        if found is not None and self._installation.server(instance).pid() is None:
            detail = f"its address {instance.address} is in use by {found}; it is started as soon as that is free"
            return InstanceObservation(at=datetime.now(UTC), occupant=str(found), detail=detail)
        return InstanceObservation(at=datetime.now(UTC), detail="there is no server process")

    def _takes_writes(self, instance: Instance) -> bool:
        """Return whether a write finishes in time.

        A separate process writes: a process that waits for such a disk cannot be killed.
        """
        name = instance.identifier
        pid = self._touching.get(name)
        if pid is None:
            file = self._installation.server(instance).data / "PG_VERSION"
            pid = spawn(["touch", "-c", str(file)], cwd=Path("/"), log=None, account=self._installation.account)
            self._touching[name] = pid
        if not wait_for_exit(pid, _TOUCH_TIMEOUT_S):
            return False
        reap()
        self._touching.pop(name, None)
        self._suspects.discard(name)
        return True

    def _stalled_s(self, name: str, answer: ServerAnswer) -> float:
        before, now_s = self._stalls.get(name), time.monotonic()
        if answer.flushed_lsn is None or not answer.waiting_for_disk:
            self._stalls.pop(name, None)
            return 0.0
        goes_on = (
            before is not None
            and before.flushed_lsn == answer.flushed_lsn
            and now_s - before.looked_s < _LOOKS_APART_MAX_S
        )
        since_s = before.since_s if before is not None and goes_on else now_s
        self._stalls[name] = _Stall(answer.flushed_lsn, since_s, now_s)
        if now_s - since_s > self._settings.stalled_after_s:
            self._suspects.add(name)
        return now_s - since_s

    def _disk_full(self, instance: Instance) -> bool:
        data = self._installation.server(instance).data
        return exists(data) and shutil.disk_usage(data).free < _ROOM_BYTES

    def _ask(self, instance: Instance, probe: Probe, pid: int) -> InstanceObservation:
        try:
            answer = probe.ask()
            if not answer.in_recovery:
                self._remember_writer(instance.cluster, answer, probe)
        except ProbeFailed as error:
            return InstanceObservation(at=datetime.now(UTC), pid=pid, detail=str(error))
        return InstanceObservation(
            at=datetime.now(UTC),
            pid=pid,
            accepting=True,
            in_recovery=answer.in_recovery,
            lsn=answer.lsn,
            timeline=answer.timeline,
            connections=answer.connections,
            transactions=answer.transactions,
            intruded=answer.intruded,
            disk_full=self._disk_full(instance),
            stalled_s=self._stalled_s(instance.identifier, answer),
        )

    def _remember_writer(self, cluster: str, answer: ServerAnswer, probe: Probe) -> None:
        now_s = time.monotonic()
        before = self._writers.get(cluster)
        said = WriterAnswer(now_s, answer.lsn, answer.waiting_commits, answer.read_only, answer.standbys)
        said.checkpoint = answer.checkpoint
        if before is not None and before.lsn <= answer.lsn:
            said.positions.extend(before.positions)
        said.positions.append((now_s, answer.lsn))
        self._writers[cluster] = said
        if before is None or before.standbys.keys() != said.standbys.keys():
            self._on_change()
        due_s, _ = self._internals.get(cluster, (0.0, True))
        if now_s > due_s:
            self._internals[cluster] = (now_s + _INTERNALS_INTERVAL_S, probe.internals_in_order())
            self._commit_settings[cluster] = probe.commit_settings()
            self._databases[cluster] = probe.databases()
        due_s, _ = self._used.get(cluster, (0.0, 0))
        if now_s > due_s:
            used_bytes = probe.used_bytes()
            took_s = time.monotonic() - now_s
            self._used[cluster] = (now_s + max(_USED_BYTES_INTERVAL_S, took_s / _USED_BYTES_SHARE), used_bytes)

    def writer_answer(self, cluster: str) -> WriterAnswer | None:
        """Return the writer's latest answer about its standbys; None before the first one."""
        return self._writers.get(cluster)

    def internals_in_order(self, cluster: str) -> bool:
        """Return whether the internal objects of a cluster's writer were in order at the last check."""
        return self._internals.get(cluster, (0.0, True))[1]

    def databases(self, cluster: str) -> frozenset[int]:
        """Return the oids of a cluster's databases at the last check of the internals; empty before the first one."""
        return self._databases.get(cluster, frozenset())

    def commit_settings(self, cluster: str) -> tuple[CommitSetting, ...]:
        """Return the database and role settings that weaken commits, as last reported by the cluster's writer."""
        return self._commit_settings.get(cluster, ())

    def await_internals(self, cluster: str) -> None:
        """Assume that a cluster's internals are in order until the next check.

        This keeps a repair from being repeated at once.
        """
        self._internals[cluster] = (time.monotonic() + _INTERNALS_INTERVAL_S, True)

    def forget_internals(self, cluster: str) -> None:
        """Make the next probe check the internals of a cluster again."""
        self._internals.pop(cluster, None)
        self._commit_settings.pop(cluster, None)
        self._databases.pop(cluster, None)

    def forget_writer(self, cluster: str) -> None:
        """Forget the writer's answer: it has ended, and the next one begins at an earlier LSN."""
        self._writers.pop(cluster, None)

    def forget_cluster(self, cluster: str) -> None:
        """Forget what the writers of a deleted cluster answered."""
        self.forget_writer(cluster)
        self.forget_internals(cluster)
        self._used.pop(cluster, None)

    def watch_exit(self, pid: int) -> None:
        """Notice the end of one more process at once."""
        self._exits.watch(pid)

    def observed(self, instances: Iterable[Instance]) -> dict[str, InstanceObservation]:
        """Return the latest observations, with each process checked once more for liveness and readers with their lag."""
        result = {}
        for instance in instances:
            seen = self._seen.get(instance.identifier)
            if seen is None:
                pid = self._installation.server(instance).pid()
                seen = InstanceObservation(
                    at=datetime.now(UTC), pid=pid, detail="" if pid else "there is no server process"
                )
            if seen.pid is not None and not alive(seen.pid):
                seen = InstanceObservation(at=datetime.now(UTC), detail="its server process ended")
            elif seen.pid is not None and not seen.suspended and suspended(seen.pid):
                # A probe that began earlier is still waiting for an answer.
                seen = replace(seen, accepting=False, suspended=True, detail=_SUSPENDED)
            answer = self._writers.get(instance.cluster)
            progress = answer.standbys.get(instance.identifier) if answer else None
            if progress is not None and seen.in_recovery:
                seen = replace(seen, following=progress.streaming, lag_bytes=progress.lag_bytes, lag_ms=progress.lag_ms)
            result[instance.identifier] = seen
        return result

    def measure_used_bytes(self, writer: Instance) -> int:
        """Measure the size of a cluster's databases now. Raises EngineError if its writer does not answer."""
        probe = self.probe(writer)
        try:
            used_bytes = probe.used_bytes()
        except ProbeFailed as error:
            raise EngineError(f"{writer.identifier} does not answer: {error}", "") from error
        finally:
            probe.close()
        self._used[writer.cluster] = (time.monotonic() + _USED_BYTES_INTERVAL_S, used_bytes)
        return used_bytes

    def used_bytes(self, cluster: str) -> int | None:
        """Return the size of a cluster's databases as of a few seconds ago."""
        used = self._used.get(cluster)
        return used[1] if used else None

    def _on_exit(self, pid: int) -> None:
        reap()
        with self._lock:
            for name, seen in self._seen.items():
                if seen.pid == pid:
                    self._seen[name] = InstanceObservation(at=datetime.now(UTC), detail="its server process ended")
        self._on_change()
