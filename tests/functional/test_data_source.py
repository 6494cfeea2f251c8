"""A second data source behind the seam of create-cluster, with real servers: a cluster from a stopped writer's data."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from tests.functional.command import DEADLINE_S, Auroractl, wait_until
from tests.functional.folder_source import claim

CHECKOUT = Path(__file__).parents[2]


@contextmanager
def _supervisor(auroractl: Auroractl, data: Path, **variables: str) -> Iterator[subprocess.Popen[bytes]]:
    """A supervisor with the folder as a data source; ended afterwards, unless it has ended itself."""
    command = [sys.executable, "-m", "tests.functional.folder_source", str(data)]
    environment = {**auroractl.environment, **variables}
    # What a killed one left would be taken for this one's.
    auroractl.home.socket.unlink(missing_ok=True)
    with subprocess.Popen(command, env=environment, cwd=CHECKOUT, stderr=subprocess.DEVNULL) as process:
        try:
            wait_until("the supervisor", lambda: process.poll() is None and auroractl.home.socket.exists())
            yield process
        finally:
            process.terminate()
            process.wait(DEADLINE_S)


@pytest.fixture
def data(auroractl: Auroractl) -> Path:
    """The data directory of a stopped writer on timeline 2 with a table `kept`; no supervisor is running."""
    auroractl("create-cluster", "demo", "--readers", "1")
    with auroractl.connect("demo") as connection:
        connection.execute("create table kept as select 1 as id")
    auroractl("failover", "demo")
    with auroractl.connect("demo") as connection:
        connection.execute("insert into kept values (2)")
    auroractl("stop-cluster", "demo")
    found = Path(auroractl.writer("demo")["DataDirectory"])
    auroractl("supervisor", "stop")
    return found


def _identifier_and_timeline(connection: psycopg.Connection) -> tuple[object, ...]:
    row = connection.execute(
        "select system_identifier, timeline_id from pg_control_system(), pg_control_checkpoint()"
    ).fetchone()
    assert row is not None
    return row


def _kept(connection: psycopg.Connection) -> list[int]:
    return [row[0] for row in connection.execute("select id from kept order by id")]


def test_a_cluster_has_the_data_of_its_source_and_a_life_of_its_own(auroractl: Auroractl, data: Path) -> None:
    with _supervisor(auroractl, data):
        auroractl("create-cluster", "copy", "--readers", "1", "--master-user-password", "another-one")
        assert not claim(data).exists()
        auroractl("start-cluster", "demo")
        with auroractl.connect("copy") as copy, auroractl.connect("demo") as demo:
            assert _kept(copy) == [1, 2]
            assert _identifier_and_timeline(copy)[0] != _identifier_and_timeline(demo)[0]
            copy.execute("insert into kept values (3)")
            assert _kept(demo) == [1, 2]
        with auroractl.connect("copy", role="reader") as reader:
            wait_until("the reader to replay", lambda: _kept(reader) == [1, 2, 3])
        auroractl.wait_healthy("copy")
    # An ordinary supervisor does not have this kind of source, and no longer needs it.
    assert auroractl.rows("select timeline from era where cluster = 'copy'") == [(2,)]
    wait_until("a recovery image", lambda: auroractl.cluster("copy")["EarliestBacktrackTime"])
    with auroractl.connect("copy") as copy:
        (there,) = copy.execute("select clock_timestamp()").fetchone() or ()
        copy.execute("truncate kept")
    done = auroractl("peek", "copy", "--at", there.isoformat(), "--", "-Atc", "select sum(id) from kept")
    assert done.stdout == "6\n"


@pytest.mark.parametrize("position", [0, 2, 6])
def test_a_creation_that_was_cut_off_is_picked_up_with_its_own_source(
    auroractl: Auroractl, data: Path, position: int
) -> None:
    with _supervisor(auroractl, data, AURORACTL_CRASH_AT=f"create-cluster:{position}:after") as process:
        assert auroractl.run("create-cluster", "copy", "--readers", "0").returncode == 3
        process.wait(DEADLINE_S)
    finished = position == 6
    assert claim(data).exists() is not finished
    with _supervisor(auroractl, data):
        names = {each["DBClusterIdentifier"] for each in auroractl.json("describe-clusters")["DBClusters"]}
        assert names == ({"demo", "copy"} if finished else {"demo"})
        assert not claim(data).exists()
        if not finished:
            assert not auroractl.home.cluster("copy").folder.exists()
            auroractl("create-cluster", "copy", "--readers", "0")
        with auroractl.connect("copy") as copy:
            assert _kept(copy) == [1, 2]
