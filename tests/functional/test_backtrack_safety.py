"""Backtracks again and again: to every kind of moment, across failovers and timelines, back and forth."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from auroractl.config.paths import Home
from tests.functional.command import Auroractl, wait_until
from tests.functional.conftest import home_of_its_own
from tests.functional.going_back import (
    assert_in_order,
    backtrack,
    checkpoint,
    execute,
    moment,
    nothing_is_left,
    numbers,
    refused,
    wait_window,
)
from tests.functional.ledger import Ledger

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def shared(warm_home: Home) -> Iterator[Auroractl]:
    """A home with the cluster demo, a writer and a reader."""
    with home_of_its_own(warm_home) as command:
        command("create-cluster", "demo", "--readers", "1")
        wait_window(command)
        yield command


@pytest.fixture
def demo(shared: Auroractl) -> Auroractl:
    """The shared cluster with an empty table `story`."""
    execute(shared, "drop table if exists story", "create table story (id int primary key)")
    return shared


def write(auroractl: Auroractl, *ids: int) -> str:
    """Insert numbers, each committed by itself; returns the moment after."""
    execute(auroractl, *(f"insert into story values ({number})" for number in ids))
    return moment(auroractl)


def kill_writer(auroractl: Auroractl) -> None:
    """SIGKILL to the writer, and wait until another instance, or itself again, writes."""
    before = auroractl.writer("demo")
    os.kill(before["ProcessId"], signal.SIGKILL)
    wait_until("another writer", lambda: auroractl.writer("demo")["ProcessId"] not in {None, before["ProcessId"]})
    auroractl.wait_healthy("demo")


def test_back_and_forth_over_eras_that_earlier_backtracks_left(demo: Auroractl) -> None:
    first = write(demo, 1)
    second = write(demo, 2)
    write(demo, 3)
    backtrack(demo, "--to", second)
    assert numbers(demo) == [1, 2]
    fourth = write(demo, 4)
    backtrack(demo, "--to", first)  # before the earlier backtrack
    assert numbers(demo) == [1]
    write(demo, 5)
    backtrack(demo, "--to", fourth)  # within the era that the first one began and the second one left behind
    assert numbers(demo) == [1, 2, 4]
    for expected in ([1, 5], [1, 2, 4], [1, 5]):
        backtrack(demo, "--undo")
        assert numbers(demo) == expected
    backtrack(demo, "--to", second)
    assert numbers(demo) == [1, 2]
    views = demo.json("describe-backtracks", "demo")["DBClusterBacktracks"]
    assert {view["Status"] for view in views} == {"completed"}
    assert all(view["DowntimeMilliseconds"] > 0 for view in views)


def test_to_after_the_last_commit(demo: Auroractl) -> None:
    write(demo, 1, 2)
    backtrack(demo, "--to", "now")
    assert numbers(demo) == [1, 2]


def test_to_a_place_in_the_log(demo: Auroractl) -> None:
    write(demo, 1)
    ((lsn,),) = execute(demo, "select pg_current_wal_insert_lsn()::text")
    write(demo, 2)
    backtrack(demo, "--to", lsn)
    assert numbers(demo) == [1]
    assert "does not reach" in refused(demo, "--to", "FFFFFF/0")


def test_a_planned_failover_between(demo: Auroractl) -> None:
    there = write(demo, 1)
    demo("failover", "demo")
    write(demo, 2)
    backtrack(demo, "--to", there)
    assert numbers(demo) == [1]
    backtrack(demo, "--undo")
    assert numbers(demo) == [1, 2]


def test_right_after_a_reader_was_added(demo: Auroractl) -> None:
    """The copy for it ends a segment of the log, and nothing stands behind that: nobody waits for what does not come."""
    there = write(demo, 1)
    demo("scale-readers", "demo", "--add", "1")
    view = backtrack(demo, "--to", there)
    assert view["DowntimeMilliseconds"] < 20_000, "it waited for WAL that does not come"
    assert numbers(demo) == [1]
    demo("scale-readers", "demo", "--remove", "1")


def test_across_several_failovers(demo: Auroractl) -> None:
    moments = [write(demo, 1)]
    for number in (2, 3):
        kill_writer(demo)
        moments.append(write(demo, number))
    demo("failover", "demo")
    write(demo, 4)
    backtrack(demo, "--to", moments[1])
    assert numbers(demo) == [1, 2]
    kill_writer(demo)
    assert numbers(demo) == [1, 2]
    backtrack(demo, "--to", moments[0])
    assert numbers(demo) == [1]
    backtrack(demo, "--to", moments[2])
    assert numbers(demo) == [1, 2, 3]


def test_over_much_log_and_a_crash_right_after(demo: Auroractl) -> None:
    """What the nodes had of the history that was left must not be missed when the new one is read back from them."""
    there = write(demo, 1)
    fill = "insert into filler select repeat(md5(i::text), 30) from generate_series(1, 5000) i"
    execute(demo, "create table filler (text text)", fill, fill, fill)
    backtrack(demo, "--to", there)
    kill_writer(demo)
    assert numbers(demo) == [1]
    write(demo, 2)
    backtrack(demo, "--undo")
    assert execute(demo, "select count(*) from filler") == [(15_000,)]
    kill_writer(demo)
    assert execute(demo, "select count(*) from filler") == [(15_000,)]
    execute(demo, "drop table filler")


def test_to_while_the_cluster_was_stopped(demo: Auroractl) -> None:
    write(demo, 1)
    demo("stop-cluster", "demo")
    there = datetime.now(UTC).isoformat()
    assert "is stopped" in refused(demo, "--to", there)
    demo("start-cluster", "demo")
    write(demo, 2)
    wait_window(demo)
    backtrack(demo, "--to", there)
    assert numbers(demo) == [1]


def test_with_an_availability_zone_out(demo: Auroractl) -> None:
    """One full and one tail node and the reader are gone; afterwards they are filled with all that was missed."""
    there = write(demo, 1)
    write(demo, 2)
    zone = demo.readers("demo")[0]["AvailabilityZone"]
    demo("inject-fault", "az-outage", zone, "--duration", "10m")
    try:
        view = demo.json("backtrack", "demo", "--to", there, "--yes")["DBClusterBacktrack"]
        assert view["Status"] == "completed"
        assert numbers(demo) == [1]
        write(demo, 3)
    finally:
        demo("inject-fault", "az-restore", zone)
    assert_in_order(demo)
    assert all(node["Status"] == "available" for node in demo.volume("demo")["StorageNodes"])
    storage = demo.home.cluster("demo").storage
    wait_until(
        "all full nodes to hold the same past",
        lambda: len({_log_below(folder) for folder in storage.glob("*.past")}) == 1,
    )
    assert len(list(storage.glob("*.past"))) == 3
    backtrack(demo, "--undo")
    assert numbers(demo) == [1, 2]


def _log_below(folder: Path) -> tuple[str, ...]:
    return tuple(sorted(path.name for path in folder.iterdir() if len(path.name) == 24))


def test_what_cannot_be_reached_is_refused_and_nothing_changes(demo: Auroractl) -> None:
    write(demo, 1)
    processes = {each["ProcessId"] for each in demo.instances("demo")}
    earliest = demo.cluster("demo")["EarliestBacktrackTime"]
    said = refused(demo, "--to", "2001-01-01T00:00:00Z")
    assert "is before the backtrack window, which begins at " in said
    assert earliest in said
    plan = demo.json("backtrack", "demo", "--to", earliest, "--dry-run")["BacktrackPlan"]
    assert plan["ConsistentTime"] <= earliest, "what is told as the earliest can be reached"
    assert "--use-earliest" in said
    future = datetime.now(UTC) + timedelta(hours=1)
    assert "is in the future" in refused(demo, "--to", future.isoformat())
    assert "is not a point in time" in refused(demo, "--to", "the day before")
    assert "old enough" in refused(demo, "--to", "0/1")
    assert "Give one of" in refused(demo, "--to", "now", "--undo")
    assert {each["ProcessId"] for each in demo.instances("demo")} == processes
    assert demo.ask("describe-clusters", DBClusterIdentifier="demo")["DBClusters"][0]["Status"] == "available"
    assert_in_order(demo)


def test_two_commands_at_once(demo: Auroractl) -> None:
    there = write(demo, 1)
    write(demo, 2)
    racing = [demo.start("backtrack", "demo", "--to", there, "--yes") for _ in range(3)]
    outcomes = [(process.communicate(timeout=120)[1], process.returncode) for process in racing]
    assert {code for _, code in outcomes} <= {0, 5}, outcomes
    assert 0 in {code for _, code in outcomes}
    for stderr, code in outcomes:
        assert code == 0 or "Another operation is in progress on DBCluster demo: backtrack" in stderr
    assert_in_order(demo)
    assert numbers(demo) == [1]


def test_ctrl_c_ends_the_client_and_not_the_backtrack(demo: Auroractl) -> None:
    there = write(demo, 1)
    write(demo, 2)
    process = demo.start("backtrack", "demo", "--to", there, "--yes")
    wait_until(
        "the operation to begin",
        lambda: demo.rows("select 1 from operation where kind = 'backtrack' and status = 'running'"),
        interval_s=0.002,
    )
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    wait_until("the end of it", lambda: demo.rows("select 1 from operation where status = 'running'") == [])
    assert_in_order(demo)
    assert numbers(demo) == [1]


def test_to_the_very_first_moment(demo: Auroractl) -> None:
    """The last test here that the others' table is needed for: there was none."""
    write(demo, 1)
    backtrack(demo, "--to", "earliest")
    assert execute(demo, "select to_regclass('story')") == [(None,)]
    backtrack(demo, "--undo")
    assert numbers(demo) == [1]
    backtrack(demo, "--to", "2001-01-01T00:00:00Z", "--use-earliest")
    assert execute(demo, "select to_regclass('story')") == [(None,)]


def test_without_a_window_there_is_no_way_back(demo: Auroractl) -> None:
    """Nor to what was before one was set again."""
    before = write(demo, 1)
    demo("failover", "demo")
    demo("modify-cluster", "demo", "--backtrack-window", "0")
    assert "Backtrack is not enabled on DBCluster demo" in refused(demo, "--to", before)
    assert "Backtrack is not enabled on DBCluster demo" in refused(demo, "--undo")
    storage = demo.home.cluster("demo").storage
    wait_until("the images to be given up", lambda: not any(storage.glob("*.images/*")))
    demo("modify-cluster", "demo", "--backtrack-window", "1h")
    wait_window(demo)
    there = write(demo, 2)
    write(demo, 3)
    assert "before the backtrack window" in refused(demo, "--to", before)
    backtrack(demo, "--to", there)
    assert numbers(demo) == [1, 2]


def test_to_a_moment_of_a_long_idle_cluster(auroractl: Auroractl) -> None:
    """The only image left is newer than the last commit."""
    auroractl("create-cluster", "demo", "--readers", "0", "--backtrack-window", "4s")
    execute(auroractl, "create table story as select 1 id")
    _fill(auroractl)
    checkpoint(auroractl)
    storage = auroractl.home.cluster("demo").storage
    first = {path.name for path in storage.glob("*.images/*")}
    wait_until("an image after the last commit", lambda: {path.name for path in storage.glob("*.images/*")} - first)
    wait_until("the older ones to be given up", lambda: not first & {path.name for path in storage.glob("*.images/*")})
    # The moment must still be in the window when a busy machine gets to it.
    auroractl("modify-cluster", "demo", "--backtrack-window", "1h")
    there = moment(auroractl)
    execute(auroractl, "insert into story values (2)")
    backtrack(auroractl, "--to", there)
    assert numbers(auroractl) == [1]


def test_peek_at_a_moment_while_the_next_image_was_made(auroractl: Auroractl) -> None:
    """The image that is copied before the place is known turns out to be older than the one that is needed."""
    auroractl("create-cluster", "demo", "--readers", "0", AURORACTL_BACKTRACK_REPLAY_MAX="32MiB")
    wait_window(auroractl)
    storage = auroractl.home.cluster("demo").storage
    first = {path.parent.name for path in storage.glob("*.images/*/manifest.json")}

    def new_image() -> list[Path]:
        checkpoint(auroractl)
        return [path for path in storage.glob("*.images/*/manifest.json") if path.parent.name not in first]

    with Ledger(auroractl.uri("demo"), clients=1):
        _fill(auroractl)
        made = wait_until("another image", new_image, interval_s=0.5)[0]
    manifest = json.loads(made.read_text())
    there = datetime.fromisoformat(manifest["ReachedAt"]) - timedelta(milliseconds=1)
    plan = auroractl.json("backtrack", "demo", "--to", there.isoformat(), "--dry-run")["BacktrackPlan"]
    assert plan["PageImage"]["Identifier"] == made.parent.name
    done = auroractl("peek", "demo", "--at", there.isoformat(), "--", "-Atc", "select count(*) from ledger")
    [(committed,)] = execute(auroractl, "select count(*) from ledger")
    assert 0 < int(done.stdout) < committed
    wait_until("nothing to be left of a copy", lambda: nothing_is_left(auroractl))


def _fill(auroractl: Auroractl) -> None:
    """Write as much log as makes another image worth its while."""
    execute(auroractl, "create table filler (text text)")
    execute(auroractl, "insert into filler select repeat(md5(i::text), 30) from generate_series(1, 25000) i")


def test_the_bound_on_replay_holds_under_sustained_load(auroractl: Auroractl) -> None:
    """Much more log than may be replayed, at 8 MB/s: every moment of it is near a recovery image afterwards."""
    bound_bytes = 64 * 1024**2
    auroractl("create-cluster", "demo", "--readers", "0", AURORACTL_BACKTRACK_REPLAY_MAX="64MiB")
    began = datetime.fromisoformat(wait_window(auroractl))
    execute(auroractl, "create table filler (content bytea)")
    piece = os.urandom(2 * 1024**2)  # what compression does not make small
    with auroractl.connect("demo") as connection:
        for _ in range(round(1.7 * bound_bytes) // len(piece)):
            connection.execute("insert into filler values (%s)", (piece,))
            time.sleep(0.2)
    ended = datetime.now(UTC)
    storage = auroractl.home.cluster("demo").storage
    wait_until("no image to be being made", lambda: not list(storage.glob("*.images/*.making")))
    plans = []
    for part in range(1, 7):
        target = began + (ended - began) * part / 6
        plans.append(auroractl.json("backtrack", "demo", "--to", target.isoformat(), "--dry-run")["BacktrackPlan"])
    assert max(plan["ReplayBytes"] for plan in plans) <= bound_bytes, plans
    assert len({plan["PageImage"]["Identifier"] for plan in plans}) > 1
