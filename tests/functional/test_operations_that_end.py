"""Every wait of an operation ends and tells why; what an operation that failed has left is observed, not remembered."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from contextlib import closing, suppress
from pathlib import Path

import psutil
import pytest

from auroractl.core.errors import TimedOut
from auroractl.engine import sql
from tests.functional.command import Auroractl, wait_until
from tests.functional.going_back import execute, numbers, wait_window
from tests.functional.going_back import moment as now
from tests.functional.installations import HANGS, replace_program


def _assert_nothing_left(auroractl: Auroractl) -> None:
    assert auroractl.json("describe-clusters")["DBClusters"] == []
    assert not auroractl.home.cluster("demo").folder.exists()
    assert len(auroractl.processes()) == 1, auroractl.processes()


def test_a_creation_whose_storage_nodes_end_tells_their_last_words_at_once(auroractl: Auroractl) -> None:
    replace_program(
        auroractl, "pg_receivewal", "echo 'pg_receivewal: error: could not write to file: No room' >&2; exit 1"
    )
    began_s = time.monotonic()
    done = auroractl.run("create-cluster", "demo", "--readers", "0")
    assert time.monotonic() - began_s < 30
    assert done.returncode == 7, done
    assert "Commits wait: 0 storage nodes acknowledge them, but 4 are needed" in done.stderr
    assert "demo-storage-1: error: could not write to file: No room" in done.stderr
    _assert_nothing_left(auroractl)


def test_a_creation_whose_storage_nodes_hang_ends_at_its_deadline(auroractl: Auroractl) -> None:
    replace_program(auroractl, "pg_receivewal", HANGS)
    auroractl.variables["AURORACTL_START_TIMEOUT_S"] = "4"
    done = auroractl.run("create-cluster", "demo", "--readers", "0")
    assert done.returncode == 7, done
    assert "demo-storage-6: unreachable" in done.stderr
    _assert_nothing_left(auroractl)


def test_a_statement_ends_at_its_deadline_whatever_the_server_does(auroractl: Auroractl) -> None:
    """PostgreSQL's own timeout does not cover a commit that waits for the write quorum."""
    auroractl("create-cluster", "demo", "--readers", "0")
    auroractl("pause-automation", "demo")
    _kill(auroractl, "pg_receivewal")
    access = auroractl.admin_access(auroractl.writer("demo"))
    began_s = time.monotonic()
    with (
        pytest.raises(TimedOut, match="A statement did not end within"),
        sql.session(access, statement_timeout_s=0.5) as connection,
    ):
        connection.execute("create table public.waits (id int)")
    assert time.monotonic() - began_s < 20


def test_a_failed_step_names_the_last_error_of_the_servers_log(auroractl: Auroractl) -> None:
    auroractl("create-cluster", "demo", "--readers", "0")
    auroractl("pause-automation", "demo")
    writer = auroractl.writer("demo")
    (Path(writer["DataDirectory"]) / "global" / "pg_control").rename(Path(writer["DataDirectory"]) / "pg_control.away")
    try:
        done = auroractl.run("reboot-instance", writer["DBInstanceIdentifier"])
        assert done.returncode != 0
        assert "PANIC" in done.stderr or "FATAL" in done.stderr or "could not find the database system" in done.stderr
    finally:
        (Path(writer["DataDirectory"]) / "pg_control.away").rename(
            Path(writer["DataDirectory"]) / "global" / "pg_control"
        )


@pytest.fixture
def impatient(auroractl: Auroractl) -> Auroractl:
    """A cluster whose supervisor now waits for nothing."""
    auroractl("create-cluster", "demo", "--readers", "1")
    auroractl("supervisor", "stop")
    return auroractl


def test_a_reboot_that_failed_and_healed_is_not_rebooting(impatient: Auroractl) -> None:
    impatient.variables["AURORACTL_START_TIMEOUT_S"] = "0.001"
    reader = impatient.readers("demo")[0]["DBInstanceIdentifier"]
    done = impatient.run("reboot-instance", reader)
    assert done.returncode == 6, done
    assert impatient.rows("select phase from instance") == [("",), ("",)]
    impatient.wait_healthy("demo")
    assert [each["DBInstanceStatus"] for each in impatient.instances("demo")] == ["available", "available"]


def test_a_stop_that_failed_is_not_stopping_for_ever_and_is_not_done(impatient: Auroractl) -> None:
    impatient.variables["AURORACTL_STOP_TIMEOUT_S"] = "0.001"
    done = impatient.run("stop-cluster", "demo")
    assert done.returncode == 6, done
    assert impatient.rows("select phase from cluster") == [("",)]
    impatient("supervisor", "stop")
    del impatient.variables["AURORACTL_STOP_TIMEOUT_S"]
    done = impatient("stop-cluster", "demo", "--output", "json")
    assert done.json["Changed"]
    assert done.json["DBCluster"]["Status"] == "stopped"
    assert len(impatient.processes()) == 1, impatient.processes()
    assert not impatient("stop-cluster", "demo", "--output", "json").json["Changed"]


def test_a_start_that_failed_and_healed_is_not_starting(impatient: Auroractl) -> None:
    impatient("stop-cluster", "demo")
    impatient("supervisor", "stop")
    impatient.variables["AURORACTL_START_TIMEOUT_S"] = "0.001"
    done = impatient.run("start-cluster", "demo")
    assert done.returncode in {6, 7}, done
    assert impatient.rows("select phase from cluster") == [("",)]
    impatient.wait_healthy("demo")
    assert impatient.cluster("demo")["Status"] == "available"


def test_a_phase_that_no_operation_explains_is_gone_with_the_next_supervisor(impatient: Auroractl) -> None:
    """As an earlier version left it."""
    with closing(sqlite3.connect(impatient.home.state)) as connection, connection:
        connection.execute("update instance set phase = 'rebooting'")
        connection.execute("update cluster set phase = 'failing-over'")
    impatient.wait_healthy("demo")


def test_a_creation_that_failed_and_was_kept_is_failed(auroractl: Auroractl) -> None:
    replace_program(auroractl, "pg_receivewal", "exit 1")
    assert auroractl.run("create-cluster", "demo", "--readers", "0", "--retain").returncode == 7
    view = auroractl.cluster("demo")
    assert (view["Status"], view["Health"]) == ("failed", "down")
    done = auroractl.run("start-cluster", "demo")
    assert done.returncode == 5
    assert "was only partly created" in done.stderr
    auroractl("delete-cluster", "demo", "--yes")
    _assert_nothing_left(auroractl)


def _kill(auroractl: Auroractl, *programs: str) -> None:
    for pid in auroractl.pids():
        with suppress(psutil.Error):
            if any(name in " ".join(psutil.Process(pid).cmdline()) for name in programs):
                os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("programs", [("bin/postgres", "pg_receivewal", "auroractl.endpoints"), ("pg_receivewal",)])
def test_starting_a_cluster_whose_processes_are_dead_repairs_it(
    auroractl: Auroractl, programs: tuple[str, ...]
) -> None:
    auroractl("create-cluster", "demo", "--readers", "1")
    auroractl("pause-automation", "demo")
    _kill(auroractl, *programs)
    done = auroractl("start-cluster", "demo", "--output", "json")
    assert done.json["Changed"]
    assert done.json["DBCluster"]["Status"] == "available"
    auroractl.wait_healthy("demo", 10)
    done = auroractl("start-cluster", "demo")
    assert "is already available" in done.stdout


def test_starting_a_cluster_while_the_supervisor_is_just_repairing_it(auroractl: Auroractl) -> None:
    auroractl("create-cluster", "demo", "--readers", "1")
    auroractl("supervisor", "stop")
    _kill(auroractl, "bin/postgres", "pg_receivewal", "auroractl.endpoints")
    auroractl("start-cluster", "demo")
    assert auroractl.cluster("demo")["Status"] == "available"


def test_a_start_goes_on_trying_storage_nodes_that_end(auroractl: Auroractl) -> None:
    works = auroractl.home.root / "works"
    works.touch()
    replace_program(auroractl, "pg_receivewal", f'test -e {works} && exec "$REAL" "$@"\nexit 1')
    auroractl("create-cluster", "demo", "--readers", "0")
    auroractl("pause-automation", "demo")
    works.unlink()
    _kill(auroractl, "pg_receivewal")
    starting = auroractl.start("start-cluster", "demo")
    query = "select 1 from operation_step where name = 'Wait for the write quorum' and status = 'started'"
    wait_until("the start to wait", lambda: auroractl.rows(query))
    works.touch()
    _, stderr = starting.communicate(timeout=60)
    assert starting.returncode == 0, stderr
    assert auroractl.cluster("demo")["Status"] == "available"


def test_starting_a_cluster_whose_quorum_cannot_come_says_why(auroractl: Auroractl) -> None:
    auroractl("create-cluster", "demo", "--readers", "0")
    zones = sorted({each["AvailabilityZone"] for each in auroractl.volume("demo")["StorageNodes"]})
    writer = auroractl.writer("demo")["AvailabilityZone"]
    for number in range(1, 4):
        auroractl(
            "inject-fault", "crash-storage-node", f"demo-storage-{number}", "--cluster", "demo", "--duration", "5m"
        )
    assert writer in zones
    done = auroractl.run("start-cluster", "demo")
    assert done.returncode == 7, done
    assert "Commits wait: 3 storage nodes acknowledge them, but 4 are needed" in done.stderr
    assert "demo-storage-1: " in done.stderr


def test_a_backtrack_right_after_the_supervisor_restarted(auroractl: Auroractl) -> None:
    auroractl("create-cluster", "demo", "--readers", "0")
    execute(auroractl, "create table story (id int)", "insert into story values (1)")
    wait_window(auroractl)
    there = now(auroractl)
    execute(auroractl, "insert into story values (2)")
    auroractl("supervisor", "stop")
    auroractl("backtrack", "demo", "--to", there, "--yes")
    assert numbers(auroractl) == [1]
    auroractl("supervisor", "stop")
    wait_until("the supervisor's end", lambda: not auroractl.home.socket.exists())
    done = auroractl("peek", "demo", "--at", there, "--", "-Atc", "select count(*) from story")
    assert done.stdout.strip() == "1"
