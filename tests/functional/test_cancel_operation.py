"""cancel-operation: what waits stops waiting, what was done is undone, and what cannot be undone says so."""

from __future__ import annotations

import subprocess
import threading
import time

import psycopg
import pytest

from auroractl.system.locks import lock_holder
from tests.contract import check_golden
from tests.functional.command import Auroractl, wait_until
from tests.functional.going_back import wait_window
from tests.functional.installations import HANGS, replace_program

AT_ONCE_S = 10.0
"""A second is meant; the machine may be busy, and what was done has to be undone."""


def _wait_for_step(auroractl: Auroractl, kind: str, name: str) -> None:
    query = (
        "select 1 from operation o join operation_step s on s.operation = o.identifier "
        "where o.status = 'running' and o.kind = ? and s.name = ? and s.status = 'started'"
    )
    wait_until(
        f"{kind} to be at {name}",
        lambda: auroractl.home.state.exists() and auroractl.rows(query, kind, name),
        interval_s=0.02,
    )


def _begin_create(auroractl: Auroractl, *more: str) -> subprocess.Popen[str]:
    """Begin a creation that waits for a write quorum that never comes."""
    replace_program(auroractl, "pg_receivewal", HANGS)
    creating = auroractl.start("create-cluster", "demo", "--readers", "1", *more)
    _wait_for_step(auroractl, "create-cluster", "Commit through the writer endpoint")
    return creating


def _assert_nothing_left(auroractl: Auroractl) -> None:
    assert auroractl.json("describe-clusters")["DBClusters"] == []
    assert not auroractl.home.cluster("demo").folder.exists()
    assert len(auroractl.processes()) == 1, auroractl.processes()
    assert auroractl.rows("select count(*) from operation where status = 'running'") == [(0,)]


def test_a_creation_that_waits_is_cancelled_and_leaves_nothing(auroractl: Auroractl) -> None:
    creating = _begin_create(auroractl, "--retain")
    planned = auroractl.json("cancel-operation", "demo", "--dry-run")["Plan"]
    assert planned["Steps"][0] == {"Name": "Stop create-cluster"}
    assert {"Name": "Undo: Start the endpoints"} in planned["Steps"]
    assert creating.poll() is None
    began_s = time.monotonic()
    done = auroractl("cancel-operation", "demo", "--output", "json")
    assert time.monotonic() - began_s < AT_ONCE_S
    check_golden("cancel-operation", done.json)
    assert done.json["Operation"]["Status"] == "undone"
    _, stderr = creating.communicate(timeout=30)
    assert creating.returncode == 1
    assert "create-cluster of DBCluster demo was cancelled" in stderr
    _assert_nothing_left(auroractl)
    messages = [row for (row,) in auroractl.rows("select message from event where cluster = 'demo'")]
    assert any("was cancelled and undone" in each for each in messages), messages


def test_deleting_a_cluster_that_is_being_created_cancels_that(auroractl: Auroractl) -> None:
    creating = _begin_create(auroractl)
    began_s = time.monotonic()
    done = auroractl("delete-cluster", "demo", "--yes")
    assert time.monotonic() - began_s < AT_ONCE_S
    assert "was deleted" in done.stdout
    creating.communicate(timeout=30)
    assert creating.returncode == 1
    _assert_nothing_left(auroractl)


def test_a_protected_cluster_that_is_being_created_is_not_deleted(auroractl: Auroractl) -> None:
    creating = _begin_create(auroractl, "--deletion-protection")
    done = auroractl.run("delete-cluster", "demo", "--yes")
    assert done.returncode == 5, done
    assert "protected" in done.stderr
    assert creating.poll() is None
    auroractl("cancel-operation", "demo", "--no-wait")
    creating.communicate(timeout=30)
    wait_until("the end of undoing", lambda: not auroractl.home.cluster("demo").folder.exists())


def test_a_program_that_runs_is_ended(auroractl: Auroractl) -> None:
    hangs = auroractl.home.root / "hangs"
    hangs.touch()
    replace_program(auroractl, "pg_basebackup", f'test -e {hangs} || exec "$REAL" "$@"\n{HANGS}')
    auroractl("create-cluster", "demo", "--readers", "1")
    scaling = auroractl.start("scale-readers", "demo", "--add", "2")
    _wait_for_step(auroractl, "scale-readers", "Copy the data to 2 readers")
    wait_until("the copies to run", lambda: [each for each in auroractl.processes() if "sleep 600" in each])
    began_s = time.monotonic()
    done = auroractl("cancel-operation", "demo")
    assert time.monotonic() - began_s < AT_ONCE_S
    assert "scale-readers of demo was cancelled" in done.stdout
    assert scaling.wait(30) == 1
    scaling.communicate()
    assert not [each for each in auroractl.processes() if "sleep 600" in each]
    assert len(auroractl.instances("demo")) == 2
    auroractl.wait_healthy("demo")
    hangs.unlink()
    auroractl("scale-readers", "demo", "--add", "1")


def test_what_cannot_be_undone_says_what_it_is_doing(auroractl: Auroractl) -> None:
    auroractl("create-cluster", "demo", "--readers", "1")
    (reader,) = auroractl.readers("demo")
    with auroractl.connect("demo", instance=reader["DBInstanceIdentifier"]) as connection:
        pid = connection.info.backend_pid
        running = threading.Thread(target=_sleep_in, args=(connection,))
        running.start()
        removing = auroractl.start("scale-readers", "demo", "--to", "0")
        _wait_for_step(auroractl, "scale-readers", "Let running statements end")
        for arguments in ([], ["--dry-run"]):
            done = auroractl.run("cancel-operation", "demo", *arguments)
            assert done.returncode == 5, done
            assert "cannot be undone any more: it is at 'Let running statements end'" in done.stderr
        with auroractl.connect("demo", instance=reader["DBInstanceIdentifier"]) as other:
            other.execute("select pg_cancel_backend(%s)", [pid])
        running.join()
    assert removing.wait(60) == 0
    removing.communicate()
    assert len(auroractl.instances("demo")) == 1


def _sleep_in(connection: psycopg.Connection) -> None:
    with pytest.raises(psycopg.Error):
        connection.execute("select pg_sleep(300)")


def test_there_must_be_something_to_cancel(auroractl: Auroractl) -> None:
    auroractl("create-cluster", "demo", "--readers", "0")
    done = auroractl.run("cancel-operation", "demo")
    assert done.returncode == 5
    assert "No operation is running on DBCluster demo." in done.stderr
    assert auroractl.run("cancel-operation", "nobody").returncode == 4


@pytest.mark.parametrize("position", [4, 2, 0])
def test_a_supervisor_that_is_killed_while_it_cancels(auroractl: Auroractl, position: int) -> None:
    """The next one goes on undoing."""
    auroractl.variables["AURORACTL_CRASH_AT"] = f"create-cluster:{position}:undo"
    creating = _begin_create(auroractl)
    del auroractl.variables["AURORACTL_CRASH_AT"]
    done = auroractl.run("cancel-operation", "demo")
    assert done.returncode == 3, done
    creating.communicate(timeout=30)
    wait_until("the supervisor's end", lambda: lock_holder(auroractl.home.supervisor_lock) is None)
    assert auroractl.json("describe-clusters")["DBClusters"] == []
    _assert_nothing_left(auroractl)


@pytest.mark.parametrize(
    "command",
    [
        ["scale-readers", "demo", "--add", "1"],
        ["failover", "demo"],
        ["replace-storage-node", "demo-storage-2", "--cluster", "demo"],
        ["backtrack", "demo", "--to", "now", "--yes"],
        ["reboot-instance", "demo-instance-1"],
    ],
    ids=lambda command: command[0],
)
def test_cancelled_at_some_moment_it_is_undone_or_finished(demo: Auroractl, command: list[str]) -> None:
    """Whichever it is, it is said, and the cluster is well."""
    wait_window(demo)
    before = demo.instances("demo")
    working = demo.start(*command)
    wait_until(
        "the operation to begin",
        lambda: demo.rows("select 1 from operation where kind = ? and status = 'running'", command[0]),
        interval_s=0.005,
    )
    done = demo.run("cancel-operation", "demo")
    _, stderr = working.communicate(timeout=120)
    kind, status = demo.rows("select kind, status from operation order by id desc limit 1")[0]
    assert kind == command[0]
    if done.returncode == 0:
        assert (status, working.returncode) == ("undone", 1), stderr
        assert f"{kind} of DBCluster demo was cancelled" in stderr
        assert [each["DBInstanceIdentifier"] for each in demo.instances("demo")] == [
            each["DBInstanceIdentifier"] for each in before
        ]
    else:
        assert done.returncode == 5, done
        assert (status, working.returncode) == ("completed", 0), stderr
    demo.wait_healthy("demo")
    with demo.connect("demo") as connection:
        connection.execute("create table if not exists well (id int)")


def test_what_is_being_finished_after_a_restart_is_not_cancelled(auroractl: Auroractl) -> None:
    auroractl.variables["AURORACTL_CRASH_AT"] = "scale-readers:1:before"
    auroractl("create-cluster", "demo", "--readers", "1")
    del auroractl.variables["AURORACTL_CRASH_AT"]
    (reader,) = auroractl.readers("demo")
    with auroractl.connect("demo", instance=reader["DBInstanceIdentifier"]) as connection:
        running = threading.Thread(target=_sleep_in, args=(connection,))
        running.start()
        assert auroractl.run("scale-readers", "demo", "--to", "0").returncode == 3
        wait_until("the supervisor's end", lambda: lock_holder(auroractl.home.supervisor_lock) is None)
        done = auroractl.run("cancel-operation", "demo")
        assert done.returncode == 5, done
        assert "it is being finished after a restart of the supervisor" in done.stderr
        with auroractl.connect("demo", instance=reader["DBInstanceIdentifier"]) as other:
            other.execute("select pg_cancel_backend(%s)", [connection.info.backend_pid])
        running.join()
    wait_until("the removal", lambda: len(auroractl.instances("demo")) == 1)
