"""Priorities of real processes, as the kernel tells them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from auroractl.process.priority import set_niceness

AUTOGROUPS = Path("/proc/sys/kernel/sched_autogroup_enabled")


@pytest.fixture
def leader() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
    yield process
    process.kill()
    process.wait()


def niceness(pid: int) -> int:
    if AUTOGROUPS.exists() and AUTOGROUPS.read_text().strip() == "1":
        return int(Path(f"/proc/{pid}/autogroup").read_text().split()[-1])
    return os.getpriority(os.PRIO_PROCESS, pid)


def repeat_until(done: Callable[[], bool], call: Callable[[], None]) -> None:
    deadline = time.monotonic() + 5
    while not done():
        assert time.monotonic() < deadline
        call()
        time.sleep(0.12)


def test_a_session_gives_way_where_sessions_share_the_processors(leader: subprocess.Popen[bytes]) -> None:
    assert niceness(leader.pid) == 0
    repeat_until(lambda: niceness(leader.pid) == 10, lambda: set_niceness([leader.pid], 10))
    if os.geteuid() == 0:
        repeat_until(lambda: niceness(leader.pid) == 0, lambda: set_niceness([leader.pid], 0))


def test_a_process_that_ended_is_passed_over(leader: subprocess.Popen[bytes]) -> None:
    leader.kill()
    leader.wait()
    set_niceness([leader.pid], 10)
