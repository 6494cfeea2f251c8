"""Logical replication through failovers: slots are kept, consumers miss nothing, and subscribers go on."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from auroractl.config.paths import Home
from tests.functional.command import Auroractl, wait_until
from tests.functional.conftest import home_of_its_own
from tests.functional.consumer import Consumer, Recvlogical
from tests.functional.ledger import Ledger
from tests.functional.test_volume import wait_for_progress

FAILOVERS = 10


def make_group(auroractl: Auroractl, major: int) -> str:
    name = f"cdc{major}"
    family = ["--family", f"aurora-postgresql{major}", "--description", "decoding"]
    auroractl("create-cluster-parameter-group", name, *family)
    auroractl("modify-cluster-parameter-group", name, "--parameters", "rds.logical_replication=1")
    return name


@pytest.fixture(scope="module")
def decoding(warm_home: Home) -> Iterator[Auroractl]:
    """A home with the cluster demo, a writer and a reader, whose WAL can be decoded."""
    # Writers are killed more often than the supervisor puts up with.
    with home_of_its_own(warm_home, AURORACTL_RESTARTS_MAX="99") as command:
        group = make_group(command, 18)
        command("create-cluster", "demo", "--readers", "1", "--parameter-group", group)
        may_replicate(command)
        yield command


def may_replicate(auroractl: Auroractl, name: str = "demo") -> None:
    """Wait until the master user may replicate, and every reader has its anchor."""

    def ready() -> bool:
        with auroractl.connect(name) as connection:
            return has_attribute(connection) and all(slots(auroractl, each) for each in auroractl.instances(name))

    wait_until("the master user to be allowed to replicate", ready, 30)


def has_attribute(connection: psycopg.Connection) -> bool:
    """Whether the user of a session has REPLICATION."""
    row = connection.execute("SELECT rolreplication FROM pg_roles WHERE rolname = current_user").fetchone()
    return row == (True,)


def slots(auroractl: Auroractl, instance: dict[str, Any]) -> dict[str, str]:
    """The logical slots of an instance, with what their consumers have confirmed."""
    name, cluster = instance["DBInstanceIdentifier"], instance["DBClusterIdentifier"]
    with auroractl.connect(cluster, instance=name) as connection:
        rows = connection.execute(
            "SELECT slot_name, confirmed_flush_lsn::text FROM pg_replication_slots"
            " WHERE slot_type = 'logical' AND invalidation_reason IS NULL"
        )
        return dict(rows.fetchall())


def on_all_readers(auroractl: Auroractl, *names: str) -> None:
    """Wait until every reader has these slots."""
    there = lambda: all(set(names) <= slots(auroractl, each).keys() for each in auroractl.readers("demo"))  # noqa: E731
    wait_until(f"{names} to be on all readers", there, 30)


def switch(auroractl: Auroractl, *, crash: bool) -> None:
    """Fail over, and wait until the old writer is back as a reader that could be promoted."""
    writer = auroractl.writer("demo")
    if crash:
        os.kill(writer["ProcessId"], signal.SIGKILL)
        changed = lambda: auroractl.writer("demo")["DBInstanceIdentifier"] != writer["DBInstanceIdentifier"]  # noqa: E731
        wait_until("another writer", changed, 30)
    else:
        auroractl("failover", "demo")
    auroractl.wait_healthy("demo")


def make_slots(auroractl: Auroractl, **plugins: str) -> None:
    with auroractl.connect("demo") as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS ledger (client int, number int, PRIMARY KEY (client, number))")
        connection.execute("DROP PUBLICATION IF EXISTS changes")
        connection.execute("CREATE PUBLICATION changes FOR TABLE ledger")
        for name, plugin in plugins.items():
            connection.execute("SELECT pg_create_logical_replication_slot(%s, %s)", (name, plugin))


def test_consumers_miss_nothing_in_ten_failovers(decoding: Auroractl, tmp_path: Path) -> None:
    make_slots(decoding, debezium="pgoutput", test="test_decoding")
    uri, program = decoding.uri("demo"), decoding.binaries().program("pg_recvlogical")
    with (
        Consumer(uri, "debezium", "changes") as consumer,
        Recvlogical(program, uri, "test", tmp_path / "changes.txt") as recvlogical,
        Ledger(uri, clients=2) as ledger,
    ):
        for number in range(FAILOVERS):
            wait_for_progress(ledger)
            switch(decoding, crash=number % 2 == 1)
        wait_for_progress(ledger)
        ledger._stop.set()
        acknowledged = ledger.acknowledged
        wait_until("pgoutput to be consumed", lambda: acknowledged <= consumer.seen.keys(), 30)
        wait_until("test_decoding to be consumed", lambda: acknowledged <= recvlogical.seen(), 30)
    assert ledger.missing() == set()
    assert consumer.connections > FAILOVERS
    assert consumer.repeated_below == []
    with decoding.connect("demo") as connection:
        for name in ("debezium", "test"):
            connection.execute("SELECT pg_drop_replication_slot(%s)", (name,))


def test_a_slot_without_a_consumer_is_kept_where_it_is(decoding: Auroractl) -> None:
    """Through two crashes: both instances have been rewound since it was made."""
    make_slots(decoding, idle="test_decoding")
    with decoding.connect("demo") as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS idle (number int)")
        connection.execute("INSERT INTO idle VALUES (1)")
    on_all_readers(decoding, "idle")
    for number in (2, 3):
        switch(decoding, crash=True)
        with decoding.connect("demo") as connection:
            connection.execute("INSERT INTO idle VALUES (%s)", (number,))
    with decoding.connect("demo") as connection:
        rows = connection.execute("SELECT data FROM pg_logical_slot_get_changes('idle', NULL, NULL)").fetchall()
        inserts = [data for (data,) in rows if "public.idle: INSERT" in data]
        assert [data.rsplit(":", 1)[1] for data in inserts] == ["1", "2", "3"]
        connection.execute("SELECT pg_drop_replication_slot('idle')")
    gone = lambda: all("idle" not in slots(decoding, each) for each in decoding.instances("demo"))  # noqa: E731
    wait_until("the slot to be dropped on the reader", gone, 20)


def test_a_slot_that_was_dropped_does_not_come_back(decoding: Auroractl) -> None:
    """The reader that is promoted still has it: it follows every second."""
    make_slots(decoding, gone="pgoutput")
    on_all_readers(decoding, "gone")
    with decoding.connect("demo") as connection:
        connection.execute("SELECT pg_drop_replication_slot('gone')")
    switch(decoding, crash=True)
    assert "gone" not in slots(decoding, decoding.writer("demo"))


def test_slots_of_readers_follow(decoding: Auroractl) -> None:
    """They hold no more WAL than the writer's own."""
    make_slots(decoding, moving="pgoutput")
    on_all_readers(decoding, "moving")
    with decoding.connect("demo") as connection:
        connection.execute("INSERT INTO ledger SELECT 99, n FROM generate_series(1, 1000) n")
        connection.execute(
            "SELECT count(*) FROM pg_logical_slot_get_binary_changes('moving', NULL, NULL,"
            " 'proto_version', '1', 'publication_names', 'changes')"
        )
    writer, reader = decoding.instances("demo")
    want = slots(decoding, writer)["moving"]
    wait_until("the reader's slot to follow", lambda: slots(decoding, reader)["moving"] == want, 20)
    with decoding.connect("demo") as connection:
        connection.execute("SELECT pg_drop_replication_slot('moving')")


def test_a_consumer_that_confirms_nothing_holds_up_no_failover(decoding: Auroractl) -> None:
    make_slots(decoding, slow="test_decoding")
    on_all_readers(decoding, "slow")
    with (
        closing(psycopg.connect(decoding.uri("demo"), autocommit=True, replication="database")) as slow,
        decoding.connect("demo") as connection,
    ):
        slow.pgconn.exec_(b"START_REPLICATION SLOT slow LOGICAL 0/0")
        connection.execute("INSERT INTO ledger SELECT 98, n FROM generate_series(1, 100) n")
        began_s = time.monotonic()
        decoding("failover", "demo")
        took_s = time.monotonic() - began_s
    assert took_s < 8
    decoding.wait_healthy("demo")
    with decoding.connect("demo") as connection:
        connection.execute("SELECT pg_drop_replication_slot('slow')")


def test_physical_replication_stays_internal(decoding: Auroractl) -> None:
    with pytest.raises(psycopg.OperationalError, match=r"no pg_hba\.conf entry for replication connection"):
        psycopg.connect(decoding.uri("demo"), replication="true")


def test_a_subscriber_in_another_cluster_goes_on(decoding: Auroractl) -> None:
    make_slots(decoding)
    decoding("create-cluster", "copy", "--readers", "0")
    source = decoding.uri("demo").replace("'", "''")
    try:
        with decoding.connect("copy") as copy, decoding.connect("demo") as connection:
            copy.execute("CREATE TABLE ledger (client int, number int, PRIMARY KEY (client, number))")
            copy.execute(f"CREATE SUBSCRIPTION mine CONNECTION '{source}' PUBLICATION changes".encode())
            connection.execute("INSERT INTO ledger VALUES (97, 1)")
            on_all_readers(decoding, "mine")
            switch(decoding, crash=True)
        with decoding.connect("copy") as copy, decoding.connect("demo") as connection:
            connection.execute("INSERT INTO ledger VALUES (97, 2)")
            query = "SELECT number FROM ledger WHERE client = 97 ORDER BY 1"
            wait_until("the rows to arrive", lambda: copy.execute(query).fetchall() == [(1,), (2,)], 30)
            copy.execute("DROP SUBSCRIPTION mine")
    finally:
        decoding("delete-cluster", "copy", "--yes")


def test_switched_off_it_leaves_no_slot_behind(decoding: Auroractl) -> None:
    """The last test of this module. The servers would not start with slots that they cannot decode for."""
    make_slots(decoding, last="pgoutput")
    on_all_readers(decoding, "last")
    decoding("modify-cluster-parameter-group", "cdc18", "--parameters", "rds.logical_replication=0")
    for each in decoding.instances("demo"):
        decoding("reboot-instance", each["DBInstanceIdentifier"])
    decoding.wait_healthy("demo")
    assert [slots(decoding, each) for each in decoding.instances("demo")] == [{}, {}]
    told = [event["Message"] for event in decoding.json("describe-events", "demo")["Events"]]
    assert "The logical slot last was dropped: rds.logical_replication is off." in told


@pytest.mark.parametrize("major", [16, 17])
def test_older_versions(auroractl: Auroractl, major: int) -> None:
    """From 17 on slots survive a failover; below they are lost, and leave nothing behind that would hold WAL."""
    group = make_group(auroractl, major)
    arguments = ["--readers", "1", "--engine-version", str(major), "--parameter-group", group]
    made = auroractl.run("create-cluster", "demo", *arguments)
    if made.returncode:
        pytest.skip(made.stderr)
    with auroractl.connect("demo") as connection:
        wait_until("the master user to be allowed to replicate", lambda: has_attribute(connection), 30)
    if major >= 17:
        may_replicate(auroractl)
    make_slots(auroractl, debezium="pgoutput")
    if major < 17:
        auroractl("replace-storage-node", "2")
    if major >= 17:
        on_all_readers(auroractl, "debezium")
    with Ledger(auroractl.uri("demo"), clients=1) as ledger:
        wait_for_progress(ledger)
        for crash in (False, True):
            switch(auroractl, crash=crash)
            wait_for_progress(ledger)
    if major >= 17:
        with Consumer(auroractl.uri("demo"), "debezium", "changes") as consumer:
            wait_until("all to be consumed", lambda: ledger.acknowledged <= consumer.seen.keys(), 30)
    else:
        for each in auroractl.instances("demo"):
            with auroractl.connect("demo", instance=each["DBInstanceIdentifier"]) as connection:
                assert connection.execute("SELECT slot_name FROM pg_replication_slots").fetchall() == []
