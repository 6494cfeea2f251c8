"""kill -9 of every kind of process: each heals by itself, and status tells the truth meanwhile."""

from __future__ import annotations

import os
import re
import signal
import socket
import sys
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from auroractl.config.settings import load_settings
from auroractl.engine.control_file import read_control_data
from auroractl.system.accounts import database_account
from auroractl.system.locks import lock_holder
from tests.functional.command import Auroractl, wait_until


def restarted(auroractl: Auroractl, reader: dict[str, Any]) -> dict[str, Any] | None:
    """A reader that runs as another process than before and has ended its start."""
    again: dict[str, Any] = auroractl.readers("demo")[0]
    well = again["ProcessId"] not in {None, reader["ProcessId"]} and again["DBInstanceStatus"] == "available"
    return again if well else None


def test_a_killed_reader_comes_back(auroractl: Auroractl) -> None:
    auroractl("create-cluster", "demo", "--readers", "1")
    reader = auroractl.readers("demo")[0]
    os.kill(reader["ProcessId"], signal.SIGKILL)
    wait_until("the reader", lambda: restarted(auroractl, reader))
    auroractl.wait_healthy("demo")
    assert auroractl.readers("demo")[0]["DBInstanceIdentifier"] == reader["DBInstanceIdentifier"]


def test_a_reader_that_is_killed_while_it_starts_keeps_its_data(auroractl: Auroractl) -> None:
    auroractl("create-cluster", "demo", "--readers", "1")
    reader = auroractl.readers("demo")[0]
    data = Path(reader["DataDirectory"])
    mine = data / "kept"
    mine.write_text("a new copy would not have this")
    os.kill(reader["ProcessId"], signal.SIGKILL)
    starting = wait_until("its start", lambda: another_process(data, reader["ProcessId"]), interval_s=0.0)
    os.kill(starting, signal.SIGKILL)
    wait_until("the reader", lambda: restarted(auroractl, reader))
    assert mine.exists()


def test_a_reader_that_can_never_become_consistent_is_made_anew_and_not_waited_for(auroractl: Auroractl) -> None:
    """It asks for ever for the end of a backup that nobody made."""
    auroractl("create-cluster", "demo", "--readers", "1")
    reader = auroractl.readers("demo")[0]
    auroractl("pause-automation", "demo")
    os.kill(reader["ProcessId"], signal.SIGKILL)
    account = database_account(load_settings(auroractl.home).run_as, auroractl.home.database_folders())
    control = read_control_data(Path(reader["DataDirectory"]), auroractl.binaries(), account)
    redo, file = (control[f"Latest checkpoint's REDO {name}"] for name in ("location", "WAL file"))
    timeline = control["Latest checkpoint's TimeLineID"]
    label = Path(reader["DataDirectory"], "backup_label")
    label.write_text(
        f"START WAL LOCATION: {redo} (file {file})\nCHECKPOINT LOCATION: {control['Latest checkpoint location']}\n"
        "BACKUP METHOD: streamed\nBACKUP FROM: primary\nSTART TIME: 2026-11-25 00:00:00 UTC\nLABEL: never\n"
        f"START TIMELINE: {timeline}\n"
    )
    owner = label.parent.stat()
    os.chown(label, owner.st_uid, owner.st_gid)
    auroractl("resume-automation", "demo")
    wait_until("the reader", lambda: restarted(auroractl, reader), 40)
    assert "was not ready in time" in auroractl.supervisor_log()
    auroractl.wait_healthy("demo")


def another_process(data: Path, before: int) -> int | None:
    """The server that has taken the lock file of a data directory, unless it is the one from before."""
    words = (data / "postmaster.pid").read_text().split()
    return int(words[0]) if words and int(words[0]) != before else None


def test_status_tells_the_truth_at_once_and_reads_go_to_the_writer_meanwhile(auroractl: Auroractl) -> None:
    auroractl.variables["AURORACTL_RESTARTS_MAX"] = "1"
    auroractl("create-cluster", "demo", "--readers", "1")
    reader = auroractl.readers("demo")[0]
    os.kill(reader["ProcessId"], signal.SIGKILL)
    again = wait_until("the one restart that is allowed", lambda: restarted(auroractl, reader))
    os.kill(again["ProcessId"], signal.SIGKILL)
    done = auroractl.run("status", "demo", "--output", "json")
    assert done.returncode == 3
    assert done.json["DBCluster"]["Health"] == "degraded"
    view = next(each for each in done.json["DBInstances"] if not each["IsClusterWriter"])
    assert view["DBInstanceStatus"] == "failed"
    assert view["ProcessId"] is None
    wait_until("the report", lambda: "left alone" in str(auroractl.cluster("demo")["Problems"]))
    with auroractl.connect("demo", role="reader") as connection:
        assert connection.execute("select pg_is_in_recovery()").fetchone() == (False,)
    auroractl("reboot-instance", reader["DBInstanceIdentifier"])
    auroractl.wait_healthy("demo")


def test_a_killed_writer_is_restarted_in_place_while_clients_wait(auroractl: Auroractl) -> None:
    auroractl("create-cluster", "demo", "--readers", "0")
    writer = auroractl.writer("demo")
    with auroractl.connect("demo") as connection:
        connection.execute("create table kept (id int)")
    os.kill(writer["ProcessId"], signal.SIGKILL)
    with auroractl.connect("demo") as connection:
        connection.execute("insert into kept values (1)")
    again = auroractl.writer("demo")
    assert again["DBInstanceIdentifier"] == writer["DBInstanceIdentifier"]
    assert again["ProcessId"] != writer["ProcessId"]
    auroractl.wait_healthy("demo")


def test_a_killed_endpoint_process_comes_back_at_the_same_addresses(auroractl: Auroractl) -> None:
    auroractl("create-cluster", "demo", "--readers", "1")
    uri = auroractl.uri("demo")
    pid = auroractl.cluster("demo")["EndpointProcessId"]
    os.kill(pid, signal.SIGKILL)
    done = auroractl.run("status", "demo")
    assert done.returncode in {0, 3}
    auroractl.wait_healthy("demo")
    assert auroractl.cluster("demo")["EndpointProcessId"] != pid
    with psycopg.connect(uri) as connection:
        assert connection.execute("select 1").fetchone() == (1,)


def test_a_killed_supervisor_drops_no_connection_and_is_replaced_by_the_next_command(auroractl: Auroractl) -> None:
    auroractl("create-cluster", "demo", "--readers", "1")
    pid = auroractl.supervisor_pid()
    before = [each["ProcessId"] for each in auroractl.instances("demo")]
    with auroractl.connect("demo") as connection, auroractl.connect("demo", role="reader") as reader:
        os.kill(pid, signal.SIGKILL)
        wait_until("its end", lambda: lock_holder(auroractl.home.supervisor_lock) is None)
        assert connection.execute("select 1").fetchone() == (1,)
        assert auroractl.run("supervisor", "status").returncode == 3
        assert [each["ProcessId"] for each in auroractl.instances("demo")] == before, "adopted, not started again"
        auroractl.wait_healthy("demo")
        assert auroractl.supervisor_pid() != pid
        assert connection.execute("select 1").fetchone() == (1,)
        assert reader.execute("select 1").fetchone() == (1,)


def test_a_reader_that_came_off_is_made_to_follow_again(auroractl: Auroractl) -> None:
    auroractl.variables["AURORACTL_DETACHED_AFTER_S"] = "1"
    auroractl("create-cluster", "demo", "--readers", "1")
    reader = auroractl.readers("demo")[0]
    configuration = auroractl.home.cluster("demo").instance(reader["DBInstanceIdentifier"]).data / "postgresql.conf"
    configuration.write_text(configuration.read_text().replace("user=rdsrepladmin", "user=nobody"))
    os.kill(reader["ProcessId"], signal.SIGHUP)
    wait_until("the loss to be seen", lambda: auroractl.run("status", "demo").returncode == 3)
    auroractl.wait_healthy("demo")
    assert "user=rdsrepladmin" in configuration.read_text()


def test_everything_killed_at_once_comes_back_with_the_next_command(auroractl: Auroractl) -> None:
    auroractl("create-cluster", "demo", "--readers", "1")
    with auroractl.connect("demo") as connection:
        connection.execute("create table kept as select 1 as id")
    for line in auroractl.processes():
        try:
            psutil.Process(int(line.split()[0])).kill()
        except psutil.NoSuchProcess:
            continue
    wait_until("silence", lambda: not auroractl.processes())
    auroractl.wait_healthy("demo")
    with auroractl.connect("demo") as connection:
        assert connection.execute("select id from kept").fetchall() == [(1,)]


def test_stop_start_and_what_a_stopped_cluster_refuses(auroractl: Auroractl) -> None:
    auroractl("create-cluster", "demo", "--readers", "1")
    uri = auroractl.uri("demo")
    with auroractl.connect("demo") as connection:
        connection.execute("create table kept as select 1 as id")
    auroractl("stop-cluster", "demo")
    assert auroractl.cluster("demo")["Status"] == "stopped"
    assert {each["DBInstanceStatus"] for each in auroractl.instances("demo")} == {"stopped"}
    assert len(auroractl.processes()) == 1, auroractl.processes()
    assert auroractl.run("status", "demo").returncode == 3
    assert auroractl.json("stop-cluster", "demo")["Changed"] is False
    for command in (
        ["scale-readers", "demo", "--add", "1"],
        ["failover", "demo"],
        ["modify-cluster", "demo", "--tags", "a=b"],
        ["reboot-instance", "demo-instance-1"],
        ["delete-instance", "demo-instance-2"],
    ):
        done = auroractl.run(*command)
        assert done.returncode == 5, command
        assert "start-cluster" in done.stderr
    auroractl("start-cluster", "demo")
    auroractl.wait_healthy("demo")
    assert auroractl.json("start-cluster", "demo")["Changed"] is False
    with psycopg.connect(uri) as connection:
        assert connection.execute("select id from kept").fetchall() == [(1,)]


@pytest.mark.parametrize("everything", [False, True])
def test_stopping_the_supervisor(auroractl: Auroractl, everything: bool) -> None:
    auroractl("create-cluster", "demo", "--readers", "1")
    uri = auroractl.uri("demo")
    auroractl("supervisor", "stop", *(["--all"] if everything else []))
    wait_until("the supervisor's end", lambda: lock_holder(auroractl.home.supervisor_lock) is None)
    if everything:
        wait_until("the end of all processes", lambda: not auroractl.processes())
    else:
        with psycopg.connect(uri) as connection:
            assert connection.execute("select 1").fetchone() == (1,)
    auroractl("supervisor", "start")
    auroractl.wait_healthy("demo")
    with psycopg.connect(uri) as connection:
        assert connection.execute("select 1").fetchone() == (1,)


@pytest.mark.skipif(sys.platform != "linux", reason="shared memory has names on Linux only")
def test_servers_that_are_killed_and_deleted_leave_no_shared_memory(auroractl: Auroractl) -> None:
    auroractl("create-cluster", "demo", "--readers", "0")
    folder = Path(auroractl.writer("demo")["DataDirectory"])
    system_v = int((folder / "postmaster.pid").read_text().splitlines()[6].split()[1])
    writer = auroractl.writer("demo")["ProcessId"]
    maps = (Path("/proc") / str(writer) / "maps").read_text()
    dynamic = set(re.findall(r"/dev/shm/PostgreSQL\.\d+", maps))
    assert dynamic
    auroractl("supervisor", "stop")
    os.kill(writer, signal.SIGKILL)
    auroractl("delete-cluster", "demo", "--yes")
    assert not [name for name in dynamic if Path(name).exists()]
    assert f" {system_v} " not in Path("/proc/sysvipc/shm").read_text()


def test_after_delete_and_stop_nothing_is_left(auroractl: Auroractl) -> None:
    auroractl("create-cluster", "demo")
    cluster = auroractl.cluster("demo")
    auroractl("delete-cluster", "demo", "--yes")
    assert len(auroractl.processes()) == 1
    assert list(auroractl.home.clusters.iterdir()) == []
    for table in ("cluster", "instance", "endpoint"):
        assert auroractl.rows(f"select count(*) from {table}") == [(0,)]
    assert [each.name for each in auroractl.home.run.iterdir()] == ["supervisor.sock"]
    with socket.socket() as free:
        # A connection that was closed a moment ago does not count, one that listens does.
        free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        free.bind((cluster["Endpoint"], cluster["Port"]))
    auroractl("supervisor", "stop")
    wait_until("the supervisor's end", lambda: not auroractl.processes())
    assert not auroractl.home.socket.exists()
    # The same name and the same addresses are free again.
    auroractl("create-cluster", "demo", "--readers", "0")
    assert auroractl.cluster("demo")["Endpoint"] == cluster["Endpoint"]
