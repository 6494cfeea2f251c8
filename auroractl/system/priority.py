"""Spare processor time, and the priority of background processes."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path

import psutil

_AUTOGROUPS = Path("/proc/sys/kernel/sched_autogroup_enabled")
_LOOK_S = 5.0


class SpareProcessors:
    """Tracks whether, and since when, a share of the machine's processors, from 0 to 1, has been idle."""

    def __init__(self, share: float) -> None:
        self._wanted_share = share
        self._looked_at_s = self._busy_at_s = time.monotonic()
        self._idle_s, self._passed_s = _idle_and_passed_s()
        self._share = 0.0

    def there(self) -> bool:
        """Return whether it was idle over the last five seconds or since the last call.

        The result is False for the first five seconds.
        """
        now_s = time.monotonic()
        if now_s - self._looked_at_s >= _LOOK_S:
            idle_s, passed_s = _idle_and_passed_s()
            during_s = passed_s - self._passed_s
            self._share = (idle_s - self._idle_s) / during_s if during_s > 0 else 0.0
            self._looked_at_s, self._idle_s, self._passed_s = now_s, idle_s, passed_s
        spare = self._share >= self._wanted_share
        if not spare:
            self._busy_at_s = now_s
        return spare

    def there_for_s(self) -> float:
        """Return for how many seconds every call has returned True."""
        return time.monotonic() - self._busy_at_s if self.there() else 0.0


def _idle_and_passed_s() -> tuple[float, float]:
    times = psutil.cpu_times()
    # Linux counts guest time in user time too.
    return times.idle, sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)


def set_niceness(pids: Iterable[int], niceness: int) -> None:
    """Set the niceness of processes, from 0 (normal) to 19. Call repeatedly: see below.

    PostgreSQL makes a session of each of its processes. Where Linux shares the processors among sessions, niceness
    counts only within a session, so the session's own niceness is set there (sched(7), "The autogroup feature"). The
    kernel lets an ordinary user set ten of them in a second; what it refuses now is left for the next call. On other
    systems only root can reduce the niceness of a process again; otherwise it keeps it.
    """
    by_session = _by_session()
    for pid in pids:
        try:
            if by_session:
                _set_of_session(pid, niceness)
            elif os.getpriority(os.PRIO_PROCESS, pid) != niceness:
                os.setpriority(os.PRIO_PROCESS, pid, niceness)
        except (ProcessLookupError, FileNotFoundError, PermissionError, BlockingIOError):
            continue


def most_niceness() -> int:
    """Return the highest niceness for a process that must progress once `set_niceness` lowers it again.

    19 leaves it little more than idle time. If niceness cannot be lowered again, a tenth of a processor has to remain.
    """
    return 19 if _by_session() or os.geteuid() == 0 else 10


def _by_session() -> bool:
    try:
        return _AUTOGROUPS.read_text().strip() == "1"
    except OSError:
        return False


def _set_of_session(pid: int, niceness: int) -> None:
    file = Path(f"/proc/{pid}/autogroup")
    # "/autogroup-25 nice 0", or nothing for a session that began before the kernel grouped any: it keeps what it has.
    told = file.read_text().rstrip()
    if told and not told.endswith(f" {niceness}"):
        file.write_text(str(niceness))
