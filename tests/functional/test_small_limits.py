"""A supervisor that may have little: files, memory, and log files that grow."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import psycopg
import pytest

from auroractl.config.paths import Home
from auroractl.system.limits import FILES_WANTED
from auroractl.system.locks import lock_holder
from auroractl.system.log_files import LOG_BYTES_MAX, older
from tests.functional.command import Auroractl, wait_until
from tests.functional.conftest import home_of_its_own
from tests.functional.going_back import wait_window

_TAKEN_FOR_DEAD_S = 6.0
"""A writer that gives no answer for so long (`silent_after_s` and two looks) is failed over."""
NO_LIMIT = (psutil.RLIM_INFINITY, psutil.RLIM_INFINITY)


@pytest.fixture(scope="module")
def demo(warm_home: Home) -> Iterator[Auroractl]:
    """A cluster of a writer and a reader whose supervisor was started with few descriptors."""
    with home_of_its_own(warm_home) as command:
        creating = [sys.executable, "-P", "-m", "auroractl", "create-cluster", "demo", "--readers", "1"]
        shell = ["sh", "-c", 'ulimit -S -n 256; exec "$@"', "sh", *creating]
        subprocess.run(shell, env=command.environment, check=True, capture_output=True)
        yield command


def _supervisor(command: Auroractl) -> psutil.Process:
    return psutil.Process(command.supervisor_pid())


def _endpoint(command: Auroractl) -> psutil.Process:
    return psutil.Process(int((command.home.cluster("demo").endpoint / "pid").read_text()))


def _open_files_max(process: psutil.Process) -> int:
    """Read from a file: of a process of another account psutil may not ask."""
    lines = Path(f"/proc/{process.pid}/limits").read_text().splitlines()
    return next(int(line.split()[3]) for line in lines if line.startswith("Max open files"))


def _take_descriptors(process: psutil.Process) -> int:
    """Allow a process no more than it has open; returns the limit."""
    most = max(int(each.name) for each in Path(f"/proc/{process.pid}/fd").iterdir()) + 1
    process.rlimit(psutil.RLIMIT_NOFILE, (most, process.rlimit(psutil.RLIMIT_NOFILE)[1]))
    return most


def _give_descriptors(process: psutil.Process) -> None:
    _, hard = process.rlimit(psutil.RLIMIT_NOFILE)
    process.rlimit(psutil.RLIMIT_NOFILE, (hard, hard))


def _free_below(process: psutil.Process, most: int) -> int:
    return most - sum(int(each.name) < most for each in Path(f"/proc/{process.pid}/fd").iterdir())


@contextmanager
def silent_clients(home: Home, count: int) -> Iterator[None]:
    """Clients that take the descriptors which are free below the highest one that is open."""
    with ExitStack() as stack:
        for _ in range(count):
            stack.enter_context(socket.socket(socket.AF_UNIX)).connect(str(home.socket))
        yield


def test_soft_limits_are_raised_and_inherited(demo: Auroractl) -> None:
    _, hard = psutil.Process().rlimit(psutil.RLIMIT_NOFILE)
    raised = FILES_WANTED if hard == psutil.RLIM_INFINITY else min(hard, FILES_WANTED)
    assert raised > 256
    server = psutil.Process(demo.writer("demo")["ProcessId"])
    for process in (_supervisor(demo), _endpoint(demo), server):
        assert _open_files_max(process) == raised, process


def test_without_descriptors_it_says_so_answers_and_recovers(demo: Auroractl) -> None:
    supervisor, writer = _supervisor(demo), demo.writer("demo")["DBInstanceIdentifier"]
    wait_window(demo)
    most = _take_descriptors(supervisor)
    try:
        for _ in range(5):
            assert demo.json("supervisor", "status")["ProcessId"] == supervisor.pid
        refused = demo.run("backtrack", "demo", "--to", "-1s", "--use-earliest", "--dry-run")
        assert refused.returncode in {0, 1}, refused
        told = f"{most} open files (ulimit -n)"
        with silent_clients(demo.home, _free_below(supervisor, most) + 1):
            wait_until("the limit to be told", lambda: told in demo.home.supervisor_log.read_text())
            time.sleep(_TAKEN_FOR_DEAD_S)
    finally:
        _give_descriptors(supervisor)
    log = demo.home.supervisor_log.read_text()
    assert "Traceback" not in log
    said = Counter(re.sub(r"^\S+ ", "", line) for line in log.splitlines() if " WARNING " in line)
    assert max(said.values()) <= 2, said
    assert "failover" not in log, "a lack of descriptors was taken for a dead server"
    assert demo.writer("demo")["DBInstanceIdentifier"] == writer
    # Who watches is still there: it sees the writer end.
    psutil.Process(demo.writer("demo")["ProcessId"]).kill()
    wait_until("the failover", lambda: demo.writer("demo")["DBInstanceIdentifier"] != writer)
    demo.wait_healthy("demo")
    wait_until("the failover to end", lambda: demo.cluster("demo")["Operation"] is None)


def test_without_descriptors_it_stops_when_told(demo: Auroractl) -> None:
    supervisor = _supervisor(demo)
    _take_descriptors(supervisor)
    demo("supervisor", "stop")
    assert lock_holder(demo.home.supervisor_lock) is None
    demo("supervisor", "start")


def test_without_memory_it_answers_every_command_and_status_with_success(demo: Auroractl) -> None:
    supervisor = _supervisor(demo)
    supervisor.rlimit(psutil.RLIMIT_AS, (supervisor.memory_info().vms + 500_000, psutil.RLIM_INFINITY))
    try:
        asking = [demo.start("describe-status" if n % 2 else "describe-volumes", "demo") for n in range(12)]
        assert demo.json("supervisor", "status")["ProcessId"] == supervisor.pid
        for command in asking:
            _, said = command.communicate(timeout=60)
            assert command.returncode != 70, said
    finally:
        supervisor.rlimit(psutil.RLIMIT_AS, NO_LIMIT)
    demo.wait_healthy("demo")


def test_the_supervisors_log_is_rotated_while_it_runs(demo: Auroractl) -> None:
    supervisor, log = _supervisor(demo), demo.home.supervisor_log
    with log.open("a") as file:
        file.write("x" * LOG_BYTES_MAX + "\n2020-01-01T00:00:00.000Z INFO the last before the rotation\n")
    demo("modify-cluster", "demo", "--tags", "Key=a,Value=b")
    demo("reboot-instance", demo.writer("demo")["DBInstanceIdentifier"])
    wait_until("the rotation", lambda: older(log).exists() and log.stat().st_size < 1_000_000)
    assert Path(f"/proc/{supervisor.pid}/fd/2").readlink() == log
    assert "the last before the rotation" in demo("logs", "demo", "--lines", "100000").stdout
    assert "the last before the rotation" in demo("supervisor", "logs", "--lines", "100000").stdout


def test_a_servers_log_is_shortened_while_it_runs(demo: Auroractl) -> None:
    log = demo.home.cluster("demo").instance(demo.writer("demo")["DBInstanceIdentifier"]).log
    os.truncate(log, 60_000_000)
    wait_until("the log to be shortened", lambda: log.stat().st_size < 1_000_000)
    assert older(log).stat().st_size == 60_000_000
    assert older(log).owner() == log.owner()
    with demo.connect("demo") as connection, pytest.raises(psycopg.errors.DivisionByZero):
        connection.execute("select 1/0")
    wait_until("the server to go on at the beginning", lambda: "division by zero" in _text(log))


def _text(path: Path) -> str:
    content = path.read_text()
    assert "\0" not in content
    return content
