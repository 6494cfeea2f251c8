"""How much of the processors a process takes while others want them too."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

_AUTOGROUPS = Path("/proc/sys/kernel/sched_autogroup_enabled")


def set_niceness(pids: Iterable[int], niceness: int) -> None:
    """Let processes give way to all others, by a niceness from 0 (not at all) to 19. To be repeated: see below.

    PostgreSQL makes a session of each of its processes, and where Linux shares the processors among sessions, niceness counts
    only within one; it is the session's own that is set there (sched(7), "The autogroup feature"). The kernel lets a person
    set ten of them in a second; what it refuses now is left for the next call. Elsewhere a process that gives way
    can be made not to by root only, and goes on giving way otherwise.
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


def _by_session() -> bool:
    try:
        return _AUTOGROUPS.read_text().strip() == "1"
    except OSError:
        return False


def _set_of_session(pid: int, niceness: int) -> None:
    file = Path(f"/proc/{pid}/autogroup")
    # "/autogroup-25 nice 0"
    if not file.read_text().rstrip().endswith(f" {niceness}"):
        file.write_text(str(niceness))
