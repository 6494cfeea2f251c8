"""A copy or a rewind of a data directory that does not come to its end leaves nothing that could be started."""

from __future__ import annotations

import contextlib
import ctypes
import os
import pty
import signal
from pathlib import Path

import psutil
import psycopg

from auroractl.system.liveness import processes_below
from tests.functional.command import Auroractl, wait_until
from tests.functional.ledger import Ledger
from tests.functional.test_volume import wait_for_progress

_PR_SET_CHILD_SUBREAPER = 36


def rewinding(data: Path) -> list[int]:
    """The pg_rewind that works on a data directory."""
    found = []
    for pid in processes_below(data.parent):
        with contextlib.suppress(psutil.Error):
            # Not setpriv, which is root's for a moment and becomes it.
            if psutil.Process(pid).name() == "pg_rewind":
                found.append(pid)
    return found


def test_a_rewind_that_is_cut_off_is_never_started_from(auroractl: Auroractl) -> None:
    """What pg_rewind leaves halfway is of two histories; PostgreSQL may start on it."""
    auroractl("create-cluster", "demo", "--readers", "1")
    old = auroractl.writer("demo")
    data = Path(old["DataDirectory"])
    with auroractl.connect("demo") as connection:
        connection.execute("create table kept as select i, repeat(md5(i::text), 30) from generate_series(1, 60000) i")
    with Ledger(auroractl.uri("demo"), clients=2) as ledger:
        wait_for_progress(ledger)
        os.kill(old["ProcessId"], signal.SIGKILL)
        (found,) = wait_until("the rewind", lambda: rewinding(data), interval_s=0.002)
        os.kill(found, signal.SIGKILL)
        assert data.with_name("data.incomplete").exists()
        auroractl.wait_healthy("demo")
        wait_for_progress(ledger)
    assert ledger.missing() == set()
    assert not data.with_name("data.incomplete").exists()
    with auroractl.connect("demo", instance=old["DBInstanceIdentifier"]) as connection:
        assert connection.execute("select count(*) from kept").fetchone() == (60000,)


def test_a_supervisor_that_ends_during_a_rewind(auroractl: Auroractl) -> None:
    auroractl("create-cluster", "demo", "--readers", "1")
    old = auroractl.writer("demo")
    data = Path(old["DataDirectory"])
    with Ledger(auroractl.uri("demo"), clients=2) as ledger:
        wait_for_progress(ledger)
        os.kill(old["ProcessId"], signal.SIGKILL)
        (found,) = wait_until("the rewind", lambda: rewinding(data), interval_s=0.002)
        os.kill(found, signal.SIGSTOP)
        auroractl.kill_supervisor()
        auroractl("supervisor", "start")
        auroractl.wait_healthy("demo")
        wait_until("the frozen rewind to be ended", lambda: not psutil.pid_exists(found) or _is_zombie(found))
        wait_for_progress(ledger)
    assert ledger.missing() == set()


def _is_zombie(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def test_a_server_that_nobody_has_collected_does_not_keep_its_successor_from_starting(auroractl: Auroractl) -> None:
    """As in a container without an init: PostgreSQL takes a zombie for a running server."""
    libc = ctypes.CDLL(None)
    assert libc.prctl(_PR_SET_CHILD_SUBREAPER, 1) == 0
    try:
        auroractl("create-cluster", "demo", "--readers", "0")
        writer = auroractl.writer("demo")
        auroractl.kill_supervisor()
        wait_until("the server to be ours", lambda: psutil.Process(writer["ProcessId"]).ppid() == os.getpid())
        os.kill(writer["ProcessId"], signal.SIGKILL)
        wait_until("the zombie", lambda: _is_zombie(writer["ProcessId"]))
        auroractl("supervisor", "start")
        auroractl.wait_healthy("demo")
        assert _is_zombie(writer["ProcessId"])
        assert auroractl.writer("demo")["ProcessId"] != writer["ProcessId"]
    finally:
        libc.prctl(_PR_SET_CHILD_SUBREAPER, 0)
        auroractl("supervisor", "stop", "--all")
        for child in psutil.Process().children():
            if _is_zombie(child.pid):
                os.waitpid(child.pid, 0)


def test_a_shell_in_a_data_directory_survives_a_failover(auroractl: Auroractl) -> None:
    """A person who looks around there is not one of the server's processes."""
    auroractl("create-cluster", "demo", "--readers", "1")
    writer = auroractl.writer("demo")
    shell, terminal = pty.fork()
    if shell == 0:
        os.chdir(writer["DataDirectory"])
        os.execv("/bin/sleep", ["sleep", "60"])
    try:
        wait_until("the shell", lambda: psutil.Process(shell).cwd() == writer["DataDirectory"])
        os.kill(writer["ProcessId"], signal.SIGKILL)
        wait_until(
            "the other writer",
            lambda: auroractl.writer("demo")["DBInstanceIdentifier"] != writer["DBInstanceIdentifier"],
        )
        auroractl.wait_healthy("demo")
        assert psutil.Process(shell).status() == psutil.STATUS_SLEEPING
        with psycopg.connect(auroractl.uri("demo")) as connection:
            connection.execute("select 1")
    finally:
        os.kill(shell, signal.SIGKILL)
        os.waitpid(shell, 0)
        os.close(terminal)
