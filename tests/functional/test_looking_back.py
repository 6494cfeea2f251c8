"""Looks at the past that change nothing: peek, and a copy that waits for a decision."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from auroractl.config.paths import Home
from auroractl.system.liveness import processes_below
from tests.functional.command import Auroractl, wait_until
from tests.functional.conftest import home_of_its_own
from tests.functional.going_back import (
    assert_in_order,
    execute,
    kill,
    moment,
    moments_folder,
    nothing_is_left,
    numbers,
    refused,
    wait_copies,
    wait_window,
)

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def shared(warm_home: Home) -> Iterator[Auroractl]:
    """A home with the cluster demo: a writer and no reader."""
    with home_of_its_own(warm_home) as command:
        command("create-cluster", "demo", "--readers", "0")
        wait_window(command)
        yield command


@pytest.fixture
def demo(shared: Auroractl) -> Auroractl:
    """The shared cluster with 1 in the table `story`."""
    execute(shared, "drop table if exists story", "create table story (id int primary key)")
    execute(shared, "insert into story values (1)")
    return shared


@pytest.fixture
def there(demo: Auroractl) -> str:
    """The moment after which 2 came and the table was dropped and made again with 3."""
    there = moment(demo)
    execute(demo, "insert into story values (2)", "drop table story")
    execute(demo, "create table story (id int primary key)", "insert into story values (3)")
    return there


def test_peek_asks_the_past_and_changes_nothing(demo: Auroractl, there: str) -> None:
    process = demo.writer("demo")["ProcessId"]
    topology = "select server_id, session_id = 'MASTER_SESSION_ID' from aurora_replica_status()"
    volume = "select disks, nodes from aurora_show_volume_status()"
    done = demo("peek", "demo", "--at", there, "--", "-Atc", "select id from story", "-c", topology, "-c", volume)
    assert done.stdout == f"1\n{demo.writer('demo')['DBInstanceIdentifier']}|f\n0|0\n"
    assert "The cluster as of " in done.stderr
    wait_until("the copy to be removed", lambda: nothing_is_left(demo))
    assert demo.writer("demo")["ProcessId"] == process
    assert numbers(demo) == [3]


def test_peek_takes_an_image_that_another_node_has_too_and_it_is_replaced(demo: Auroractl, there: str) -> None:
    for _ in range(3):
        wait_copies(demo)
        done = demo("peek", "demo", "--at", there, "--", "-Atc", "select id from story")
        assert done.stdout == "1\n"
        assert "Move a recovery image of " in done.stderr
    wait_copies(demo)
    wait_until("the copy to be removed", lambda: nothing_is_left(demo))


def test_many_looks_at_once_leave_an_image(demo: Auroractl, there: str) -> None:
    """More than there are copies: some take one, the others read what stays."""
    wait_copies(demo)
    command = ("peek", "demo", "--at", there, "--", "-Atc", "select id from story")
    processes = [demo.start(*command) for _ in range(5)]
    said = ""
    for process in processes:
        stdout, stderr = process.communicate(timeout=60)
        assert (process.returncode, stdout) == (0, "1\n"), stderr
        said += stderr
    assert "Move a recovery image of " in said
    wait_copies(demo)
    wait_until("the copies to be removed", lambda: nothing_is_left(demo))
    assert_in_order(demo)


def test_peek_takes_a_statement_alone_and_its_copy_cannot_be_written(demo: Auroractl, there: str) -> None:
    done = demo.run("peek", "demo", "--at", there, "--", "insert into story values (9)")
    assert done.returncode == 1
    assert "read-only transaction" in done.stderr
    assert_in_order(demo)


def test_peek_dump_prints_a_table_that_is_gone(demo: Auroractl, there: str) -> None:
    dump = demo("peek", "demo", "--at", there, "--dump", "story").stdout
    assert "CREATE TABLE public.story" in dump
    execute(demo, "drop table story")
    with demo.connect("demo") as connection:
        connection.execute("select set_config('search_path', 'public', false)")
    restored = demo.run("psql", "demo", "--", "-q", "-v", "ON_ERROR_STOP=1", stdin=dump)
    assert restored.returncode == 0, restored
    assert numbers(demo) == [1]
    assert_in_order(demo)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_the_copy_goes_with_the_client_whatever_ends_it(demo: Auroractl, there: str, number: signal.Signals) -> None:
    process = demo.start("peek", "demo", "--at", there, "--", "-c", "select pg_sleep(120)")
    wait_until("the copy", lambda: list(moments_folder(demo).glob("peek-*/client.json")))
    assert processes_below(moments_folder(demo))
    process.send_signal(number)
    process.communicate(timeout=10)
    wait_until("the copy to be removed", lambda: nothing_is_left(demo))
    assert_in_order(demo)


def test_the_copy_goes_with_a_client_that_ends_while_it_is_made(demo: Auroractl, there: str) -> None:
    process = demo.start("peek", "demo", "--at", there, "--", "-c", "select pg_sleep(120)")
    wait_until("the copy to be begun", lambda: list(moments_folder(demo).glob("peek-*")), interval_s=0.002)
    process.kill()
    process.communicate(timeout=10)
    wait_until("the copy to be removed", lambda: nothing_is_left(demo))
    assert_in_order(demo)


def test_a_copy_that_is_looked_at_outlives_the_supervisor_and_not_its_client(demo: Auroractl, there: str) -> None:
    process = demo.start(
        "peek", "demo", "--at", there, "--", "-Atc", "select pg_sleep(3)", "-c", "select id from story"
    )
    wait_until("the copy", lambda: list(moments_folder(demo).glob("peek-*/client.json")))
    demo("supervisor", "stop")
    demo("supervisor", "start")
    stdout, stderr = process.communicate(timeout=30)
    assert process.returncode == 0, stderr
    assert stdout.splitlines()[-1] == "1"
    wait_until("the copy to be removed", lambda: nothing_is_left(demo))


def test_peek_refuses_what_backtrack_refuses(demo: Auroractl) -> None:
    done = demo.run("peek", "demo", "--at", "2001-01-01T00:00:00Z", "--", "select 1")
    assert done.returncode == 2
    assert "before the backtrack window" in done.stderr
    assert demo.run("peek", "demo", "--", "select 1").returncode == 2
    assert_in_order(demo)


def wait_at(auroractl: Auroractl, there: str) -> dict[str, Any]:
    """Have a copy wait at a moment, and look at it; returns what was answered."""
    document: dict[str, Any] = auroractl.json("backtrack", "demo", "--wait-at", there, "--read-only")
    assert document["DBClusterBacktrack"]["Status"] == "pending"
    return document


def look(document: dict[str, Any]) -> list[int]:
    """The numbers that a waiting copy shows."""
    access = document["Connection"]
    with psycopg.connect(
        host=access["Host"],
        port=access["Port"],
        user=access["User"],
        password=access["Password"],
        dbname=access["Database"],
    ) as connection:
        return [row[0] for row in connection.execute("select id from story order by id").fetchall()]


def test_a_copy_waits_and_is_accepted(demo: Auroractl, there: str) -> None:
    document = wait_at(demo, there)
    assert look(document) == [1]
    assert numbers(demo) == [3]
    assert "already has a prepared backtrack" in demo.run("backtrack", "demo", "--wait-at", there).stderr
    execute(demo, "insert into story values (4)")
    view = demo.json("backtrack", "demo", "--accept", "--yes")["DBClusterBacktrack"]
    assert view["Status"] == "completed"
    assert view["BacktrackIdentifier"] == document["DBClusterBacktrack"]["BacktrackIdentifier"]
    assert_in_order(demo)
    assert numbers(demo) == [1]
    demo("backtrack", "demo", "--undo", "--yes")
    assert numbers(demo) == [3, 4]


def test_a_copy_waits_and_is_cancelled(demo: Auroractl, there: str) -> None:
    document = wait_at(demo, there)
    demo("backtrack", "demo", "--cancel")
    with pytest.raises(psycopg.OperationalError):
        look(document)
    assert_in_order(demo)
    assert numbers(demo) == [3]
    assert "has no prepared backtrack" in refused(demo, "--accept")
    assert "has no prepared backtrack" in refused(demo, "--cancel")


@pytest.mark.parametrize("copy", ["lives", "was killed"])
def test_a_copy_waits_over_a_restart_of_the_supervisor(demo: Auroractl, there: str, copy: str) -> None:
    """Its server goes on and can be looked at; where it was killed meanwhile, another is made for the same moment."""
    document = wait_at(demo, there)
    demo("supervisor", "stop")
    if copy == "was killed":
        kill(processes_below(moments_folder(demo)))
    demo("supervisor", "start")
    wait_window(demo)
    time.sleep(2)  # longer than the keeper takes to tidy up what nobody wants
    if copy == "lives":
        assert look(document) == [1]
    view = demo.json("backtrack", "demo", "--accept", "--yes")["DBClusterBacktrack"]
    assert view["Status"] == "completed"
    assert_in_order(demo)
    assert numbers(demo) == [1]


def test_a_copy_ends_with_everything_else_and_can_be_made_again(demo: Auroractl, there: str) -> None:
    wait_at(demo, there)
    demo("supervisor", "stop", "--all")
    assert demo.processes() == []
    demo("supervisor", "start")
    demo.wait_healthy("demo")
    wait_window(demo)
    demo("backtrack", "demo", "--accept", "--yes")
    assert_in_order(demo)
    assert numbers(demo) == [1]


def test_another_backtrack_while_a_copy_waits(demo: Auroractl, there: str) -> None:
    """The decision is still open afterwards, and still means the moment that was looked at."""
    wait_at(demo, there)
    execute(demo, "insert into story values (4)")
    later = moment(demo)
    execute(demo, "insert into story values (5)")
    demo("backtrack", "demo", "--to", later, "--yes")
    assert numbers(demo) == [3, 4]
    demo("backtrack", "demo", "--accept", "--yes")
    assert_in_order(demo)
    assert numbers(demo) == [1]


def test_the_cluster_can_be_deleted_while_a_copy_waits(auroractl: Auroractl) -> None:
    auroractl("create-cluster", "demo", "--readers", "0")
    wait_window(auroractl)
    wait_at_now = auroractl.json("backtrack", "demo", "--wait-at", "now")
    assert wait_at_now["DBClusterBacktrack"]["Status"] == "pending"
    auroractl("delete-cluster", "demo", "--yes")
    assert list(auroractl.home.clusters.iterdir()) == []
    assert len(auroractl.processes()) == 1, auroractl.processes()
