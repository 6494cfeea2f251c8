"""Faults that break nothing and make it worse: lag, a partition, slow and refusing endpoints."""

from __future__ import annotations

import os
import signal
import time

import psycopg
import pytest

from tests.functional.command import Auroractl, wait_until


def count(auroractl: Auroractl, *, role: str = "writer", instance: str | None = None) -> int:
    with auroractl.connect("demo", role=role, instance=instance) as connection:
        row = connection.execute("select count(*) from kept").fetchone()
    assert row is not None
    return int(row[0])


@pytest.fixture
def kept(demo: Auroractl) -> Auroractl:
    demo.wait_healthy("demo")
    with demo.connect("demo") as connection:
        connection.execute("drop table if exists kept; create table kept (id int)")
    names = [reader["DBInstanceIdentifier"] for reader in demo.readers("demo")]
    wait_until("the table", lambda: [count(demo, instance=name) for name in names] == [0, 0])
    return demo


def insert(auroractl: Auroractl) -> None:
    with auroractl.connect("demo") as connection:
        connection.execute("insert into kept values (1)")


def test_a_lagging_reader_shows_what_was_and_catches_up_when_it_is_restored(kept: Auroractl) -> None:
    reader, other = (each["DBInstanceIdentifier"] for each in kept.readers("demo"))
    kept("inject-fault", "replica-lag", reader, "--delay", "1m")
    wait_until("the status", lambda: "60000 ms late" in str(kept.cluster("demo")["Problems"]))
    began_s = time.monotonic()
    insert(kept)
    wait_until("the other reader", lambda: count(kept, instance=other) == 1)
    assert count(kept, instance=reader) == 0
    assert kept.run("status", "demo").returncode == 3
    kept("inject-fault", "restore", reader)
    wait_until("the lagging reader", lambda: count(kept, instance=reader) == 1)
    assert time.monotonic() - began_s < 50
    kept.wait_healthy("demo")


def test_a_lagging_reader_is_promoted_with_all_that_was_acknowledged(auroractl: Auroractl) -> None:
    auroractl("create-cluster", "demo", "--readers", "1")
    writer, reader = auroractl.instances("demo")
    with auroractl.connect("demo") as connection:
        connection.execute("create table kept (id int)")
    wait_until("the table", lambda: count(auroractl, role="reader") == 0)
    auroractl("inject-fault", "replica-lag", reader["DBInstanceIdentifier"], "--delay", "10m")
    insert(auroractl)
    assert count(auroractl, role="reader") == 0
    began_s = time.monotonic()
    os.kill(writer["ProcessId"], signal.SIGKILL)
    wait_until(
        "the promotion",
        lambda: auroractl.writer("demo")["DBInstanceIdentifier"] == reader["DBInstanceIdentifier"],
        20,
    )
    assert count(auroractl) == 1
    assert time.monotonic() - began_s < 20
    auroractl("inject-fault", "restore", reader["DBInstanceIdentifier"])
    auroractl.wait_healthy("demo")


def test_a_reader_that_is_cut_off_is_left_alone_and_not_promoted(kept: Auroractl) -> None:
    reader, other = (each["DBInstanceIdentifier"] for each in kept.readers("demo"))
    kept("modify-instance", reader, "--promotion-tier", "0")
    kept("inject-fault", "partition-instance", reader)
    wait_until("it to be cut off", lambda: "cut off from the writer" in str(kept.cluster("demo")["Problems"]))
    wait_until("the receiver to end", lambda: not kept.instances("demo")[1]["Following"])
    insert(kept)
    assert count(kept, instance=reader) == 0
    refused = kept.run("failover", "demo", "--target", reader)
    assert (refused.returncode, "is cut off" in refused.stderr) == (5, True), refused.stderr
    os.kill(kept.writer("demo")["ProcessId"], signal.SIGKILL)
    wait_until("the promotion", lambda: kept.writer("demo")["DBInstanceIdentifier"] == other, 20)
    assert count(kept, instance=reader) == 0
    kept("inject-fault", "restore", reader)
    wait_until("the reader to follow the new writer", lambda: count(kept, instance=reader) == 1, 20)
    kept.wait_healthy("demo")
    assert [each["Message"] for each in kept.json("describe-events", "demo")["Events"][-30:]].count("Fault ended") >= 1


def test_a_fault_ends_by_itself(kept: Auroractl) -> None:
    reader = kept.readers("demo")[0]["DBInstanceIdentifier"]
    kept("inject-fault", "partition-instance", reader, "--duration", "2s")
    insert(kept)
    assert count(kept, instance=reader) == 0
    wait_until("it to follow again", lambda: count(kept, instance=reader) == 1, 15)
    kept.wait_healthy("demo")


def test_a_slow_endpoint_delays_every_request(kept: Auroractl) -> None:
    with kept.connect("demo") as connection:

        def query_s(connection: psycopg.Connection = connection) -> float:
            began_s = time.monotonic()
            connection.execute("select 1")
            return time.monotonic() - began_s

        kept("inject-fault", "slow-endpoint", "writer", "--delay", "300ms")
        # The best of several tries, because others use the processors too.
        assert 0.29 <= min(query_s() for _ in range(5)) < 0.6
        payload = "x" * 3_000_000
        row = connection.execute("select length(%s)", (payload,)).fetchone()
        assert row == (len(payload),)
        with kept.connect("demo") as another:
            assert another.execute("select 2").fetchone() == (2,)
        with kept.connect("demo", role="reader") as reading:
            assert min(query_s(reading) for _ in range(5)) < 0.3
        kept("inject-fault", "restore", "demo-writer")
        assert min(query_s() for _ in range(5)) < 0.3
    kept.wait_healthy("demo")


def test_an_endpoint_that_refuses_keeps_open_connections(kept: Auroractl) -> None:
    uri = kept.uri("demo")
    with psycopg.connect(uri, autocommit=True) as connection:
        kept("inject-fault", "refuse-endpoint", "writer")
        assert connection.execute("select 1").fetchone() == (1,)
        with pytest.raises(psycopg.OperationalError, match="refused"):
            psycopg.connect(uri)
        assert kept.cluster("demo")["Health"] == "down"
        assert "refuses connections" in kept.run("status", "demo").stdout
        kept("inject-fault", "restore", "demo-writer")
        with psycopg.connect(uri) as another:
            assert another.execute("select 1").fetchone() == (1,)
    kept.wait_healthy("demo")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("replica-lag", "demo-instance-1", "--delay", "1s"), 5, "is the writer"),
        (("partition-instance", "writer"), 5, "is the writer"),
        (("replica-lag", "demo-instance-2", "--delay", "0s"), 2, "not between"),
        (("replica-lag", "demo-instance-2", "--delay", "soon"), 2, "not a duration"),
        (("slow-endpoint", "writer", "--delay", "2m"), 2, "not between"),
        (("refuse-endpoint", "nobody"), 4, "no endpoint nobody"),
        (("restore", "writer"), 4, "There is no injected fault"),
    ],
)
def test_bad_input_changes_nothing(warm: Auroractl, arguments: tuple[str, ...], code: int, said: str) -> None:
    done = warm.run("inject-fault", *arguments)
    assert (done.returncode, said in done.stderr) == (code, True), done.stderr
    assert warm.volume("demo")["Faults"] == []
    assert warm.cluster("demo")["Health"] == "ok"


@pytest.fixture(scope="module")
def warm(demo: Auroractl) -> Auroractl:
    writer = demo.writer("demo")["DBInstanceIdentifier"]
    if writer != "demo-instance-1":
        demo("failover", "demo", "--target", "demo-instance-1")
    demo.wait_healthy("demo")
    return demo


def test_a_reader_that_is_removed_takes_its_fault_along(kept: Auroractl) -> None:
    kept("scale-readers", "demo", "--add", "1")
    added = kept.readers("demo")[-1]["DBInstanceIdentifier"]
    kept("inject-fault", "replica-lag", added, "--delay", "1m")
    kept("delete-instance", added)
    assert kept.volume("demo")["Faults"] == []
    kept.wait_healthy("demo")
