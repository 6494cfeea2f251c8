"""Priorities of real processes, as the kernel tells them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pytest

from auroractl.system.priority import SpareProcessors, set_niceness

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


def test_a_session_that_the_kernel_put_into_no_group_is_left_alone() -> None:
    first = 1
    if not AUTOGROUPS.exists() or Path(f"/proc/{first}/autogroup").read_text():
        pytest.skip("the kernel put the first session into a group")
    set_niceness([first], 0)


class Times(NamedTuple):
    user: float
    guest: float
    """A part of `user`."""
    idle: float


@dataclass
class Processors:
    """Two of them, and a clock; every second that passes is busy to a share."""

    at_s: float = 1000.0
    busy_s: float = 500.0

    def passes(self, took_s: float, busy_share: float) -> None:
        self.at_s += took_s
        self.busy_s += 2 * took_s * busy_share

    def cpu_times(self) -> Times:
        return Times(self.busy_s, self.busy_s / 2, 2 * self.at_s - self.busy_s)


def test_what_is_spare_is_told_of_the_last_five_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Processors()
    monkeypatch.setattr("auroractl.system.priority.psutil.cpu_times", machine.cpu_times)
    monkeypatch.setattr("auroractl.system.priority.time.monotonic", lambda: machine.at_s)
    spare = SpareProcessors(0.25)
    machine.passes(4, 0.0)
    assert not spare.there()
    machine.passes(4, 0.5)
    assert spare.there(), "half of the last four seconds and all of those before"
    machine.passes(4, 1.0)
    assert spare.there(), "five seconds have not passed since"
    assert spare.there_for_s() == 8
    machine.passes(1, 1.0)
    assert not spare.there()
    machine.passes(6, 0.7)
    assert (spare.there(), spare.there_for_s()) == (True, 6)
    machine.passes(6, 0.8)
    assert (spare.there(), spare.there_for_s()) == (False, 0)
