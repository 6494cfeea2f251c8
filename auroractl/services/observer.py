"""What is seen of instances: one thread each asks its server, and a process's end is noticed within milliseconds."""

from __future__ import annotations

import itertools
import logging
import os
import shutil
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Lock, Thread

from auroractl.config.settings import Settings
from auroractl.core.backtrack import Checkpoint
from auroractl.core.errors import AuroraError, EngineError
from auroractl.core.model import Instance, InstanceObservation
from auroractl.core.wal import SEGMENT_BYTES
from auroractl.engine.probe import Probe, ProbeFailed, ServerAnswer, StandbyProgress
from auroractl.process.liveness import ExitWatcher, alive, suspended, wait_for_exit
from auroractl.process.programs import reap, spawn
from auroractl.services.installation import Installation

log = logging.getLogger(__name__)

_SUSPENDED = "its server process is suspended"
_USED_BYTES_INTERVAL_S = 1.0
_TOUCH_TIMEOUT_S = 0.5
_LOOKS_APART_MAX_S = 3.0
"""Between two looks that show that nothing moved; over a longer time the machine may have stood still."""
_USED_BYTES_SHARE = 0.02
"""Of the time may go into adding up sizes, which takes longer the more tables there are."""
_POSITIONS_KEPT = 240
_ROOM_BYTES = 4 * SEGMENT_BYTES
"""What a server needs to start after it ran out of room."""


@dataclass(frozen=True, slots=True)
class _Stall:
    """Since when a writer's log has not moved on although processes wait for that."""

    flushed_lsn: int
    since_s: float
    looked_s: float


@dataclass(slots=True)
class WriterAnswer:
    """What a cluster's writer said of its standbys when it was last asked."""

    at_s: float
    """On the monotonic clock."""
    lsn: int
    waiting_commits: int
    read_only: bool
    standbys: dict[str, StandbyProgress]
    checkpoint: Checkpoint | None = None
    positions: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=_POSITIONS_KEPT))
    """Where the log ended at earlier looks: (monotonic seconds, LSN)."""

    def waiting_s(self, flushed_lsn: int) -> float:
        """For how long the oldest log after `flushed_lsn` has been there, as far as it was looked at."""
        return next((self.at_s - at_s for at_s, lsn in self.positions if lsn > flushed_lsn), 0.0)


class _Watch:
    """The thread that looks at one instance."""

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
    """The latest observation of every instance that is watched.

    `on_change` is called, from any thread, when a process started or ended or a server began or ceased to answer.
    """

    def __init__(self, installation: Installation, settings: Settings, on_change: Callable[[], None]) -> None:
        self._installation = installation
        self._settings = settings
        self._on_change = on_change
        self._lock = Lock()
        self._watches: dict[str, _Watch] = {}
        self._seen: dict[str, InstanceObservation] = {}
        self._looks = itertools.count(1)
        self._last_look: dict[str, int] = {}
        self._writers: dict[str, WriterAnswer] = {}
        self._used: dict[str, tuple[float, int]] = {}
        self._stalls: dict[str, _Stall] = {}
        self._suspects: set[str] = set()
        """Instances whose disk took no writes when that was last seen."""
        self._touching: dict[str, int] = {}
        """The process that tries to write on the disk of one of them."""
        self._exits = ExitWatcher(self._on_exit)

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

    def probe(self, instance: Instance) -> Probe:
        """A connection for asking an instance's server how it is."""
        return Probe(instance.address, self._installation.secrets.admin, self._settings.probe_timeout_s)

    def refresh(self, instance: Instance) -> InstanceObservation:
        """Look at an instance now and remember what was seen."""
        probe = self.probe(instance)
        try:
            return self.look(instance, probe)
        finally:
            probe.close()

    def look(self, instance: Instance, probe: Probe) -> InstanceObservation:
        """Look at an instance through a kept connection and remember what was seen."""
        look = next(self._looks)
        pid = self._installation.server(instance).pid()
        if pid is None:
            probe.close()
            seen = self._gone(instance)
        else:
            self._exits.watch(pid)
            if suspended(pid):
                # Its other processes still answer on kept connections; new ones get no answer.
                seen = InstanceObservation(at=datetime.now(UTC), pid=pid, suspended=True, detail=_SUSPENDED)
            else:
                seen = self._ask(instance, probe, pid)
        return self._remember(instance, look, seen)

    def _remember(self, instance: Instance, look: int, seen: InstanceObservation) -> InstanceObservation:
        with self._lock:
            if look < self._last_look.get(instance.identifier, 0):
                # Another look, begun later, was quicker; what it saw is newer than this.
                return self._seen.get(instance.identifier, seen)
            self._last_look[instance.identifier] = look
            before = self._seen.get(instance.identifier)
            self._seen[instance.identifier] = seen
        if before is None or (before.pid, before.accepting) != (seen.pid, seen.accepting):
            self._on_change()
        return seen

    def note_promoted(self, instance: Instance) -> None:
        """What an operation has just learnt by asking the server: it accepts writes. A look would ask it again."""
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
        return InstanceObservation(at=datetime.now(UTC), detail="there is no server process")

    def _takes_writes(self, instance: Instance) -> bool:
        """Whether a write ends in time. By a process of its own: one that waits for such a disk cannot be ended."""
        name = instance.identifier
        pid = self._touching.get(name)
        if pid is None:
            file = self._installation.server(instance).data / "PG_VERSION"
            pid = spawn(["touch", "-c", str(file)], cwd=Path("/"), log=Path(os.devnull))
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
        return data.exists() and shutil.disk_usage(data).free < _ROOM_BYTES

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
        due_s, _ = self._used.get(cluster, (0.0, 0))
        if now_s > due_s:
            used_bytes = probe.used_bytes()
            took_s = time.monotonic() - now_s
            self._used[cluster] = (now_s + max(_USED_BYTES_INTERVAL_S, took_s / _USED_BYTES_SHARE), used_bytes)

    def writer_answer(self, cluster: str) -> WriterAnswer | None:
        """What the cluster's writer last said of its standbys; None where it has not been asked yet."""
        return self._writers.get(cluster)

    def forget_writer(self, cluster: str) -> None:
        """Drop what the writer said: it has ended, and the next one begins at an earlier place in the log."""
        self._writers.pop(cluster, None)

    def watch_exit(self, pid: int) -> None:
        """Have the end of one more process noticed at once."""
        self._exits.watch(pid)

    def observed(self, instances: Iterable[Instance]) -> dict[str, InstanceObservation]:
        """The latest observations, each process checked once more for being alive, readers with their lag."""
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
                # A look that began before is still waiting for an answer.
                seen = replace(seen, accepting=False, suspended=True, detail=_SUSPENDED)
            answer = self._writers.get(instance.cluster)
            progress = answer.standbys.get(instance.identifier) if answer else None
            if progress is not None and seen.in_recovery:
                seen = replace(seen, following=progress.streaming, lag_bytes=progress.lag_bytes, lag_ms=progress.lag_ms)
            result[instance.identifier] = seen
        return result

    def measure_used_bytes(self, writer: Instance) -> int:
        """The size of a cluster's databases now. Raises EngineError where its writer does not answer."""
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
        """The size of a cluster's databases as of a few seconds ago."""
        used = self._used.get(cluster)
        return used[1] if used else None

    def _on_exit(self, pid: int) -> None:
        reap()
        with self._lock:
            for name, seen in self._seen.items():
                if seen.pid == pid:
                    self._seen[name] = InstanceObservation(at=datetime.now(UTC), detail="its server process ended")
        self._on_change()
