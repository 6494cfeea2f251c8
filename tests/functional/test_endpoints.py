"""The endpoint process with real clients and real servers: who gets where, and what a client may do."""

from __future__ import annotations

import threading
import time
from collections import Counter

import psutil
import psycopg
import pytest

from auroractl.endpoints.client import EndpointProcessClient
from tests.functional.command import Auroractl, wait_until

CONNECTIONS = 300


def _client(auroractl: Auroractl) -> EndpointProcessClient:
    return EndpointProcessClient(auroractl.home.cluster("demo").endpoint_socket)


def _handed_over(auroractl: Auroractl) -> Counter[str]:
    accepted = _client(auroractl).report().accepted
    return Counter({instance: n for (endpoint, instance), n in accepted.items() if endpoint == "demo-reader"})


@pytest.mark.parametrize("at_once", [False, True])
def test_connections_are_spread_evenly_over_the_readers(three_readers: Auroractl, at_once: bool) -> None:
    uri = three_readers.uri("demo", role="reader")
    before = _handed_over(three_readers)
    kept = []
    for _ in range(CONNECTIONS):
        connection = psycopg.connect(uri)
        kept.append(connection)
        if not at_once:
            connection.close()
    counts = _handed_over(three_readers) - before
    for connection in kept:
        connection.close()
    assert sum(counts.values()) == CONNECTIONS
    assert len(counts) == 3
    assert max(counts.values()) - min(counts.values()) <= 1


@pytest.mark.parametrize("role", ["writer", "reader"])
def test_a_running_statement_can_be_cancelled(three_readers: Auroractl, role: str) -> None:
    others = [three_readers.connect("demo", role=role) for _ in range(3)]
    with three_readers.connect("demo", role=role) as connection:
        pid = connection.info.backend_pid
        errors: list[psycopg.Error] = []

        def ask() -> None:
            try:
                connection.execute("select pg_sleep(60)")
            except psycopg.Error as error:
                errors.append(error)

        asking = threading.Thread(target=ask)
        asking.start()
        wait_until("the statement to run", lambda: pid and connection.info.transaction_status == 1)
        deadline = time.monotonic() + 30
        while asking.is_alive() and time.monotonic() < deadline:
            connection.cancel_safe()
            asking.join(0.2)
        assert isinstance(errors[0], psycopg.errors.QueryCanceled)
    for other in others:
        assert other.execute("select 1").fetchone() == (1,), "nobody else was cancelled"
        other.close()


def test_connections_that_ended_are_not_counted_and_hold_no_descriptor(three_readers: Auroractl) -> None:
    process = psutil.Process(three_readers.cluster("demo")["EndpointProcessId"])
    before = process.num_fds()
    for role in ("writer", "reader"):
        for _ in range(20):
            three_readers.connect("demo", role=role).close()
    wait_until("all connections to be forgotten", lambda: not any(_client(three_readers).report().connections.values()))
    wait_until("their descriptors to be given back", lambda: process.num_fds() <= before)


def test_copy_goes_both_ways_unchanged(three_readers: Auroractl) -> None:
    rows = "".join(f"{number}\t{'x' * 100}\n" for number in range(100_000)).encode()
    with three_readers.connect("demo") as connection, connection.cursor() as cursor:
        cursor.execute("create table copied (id int, filler text)")
        with cursor.copy("copy copied from stdin") as copy:
            for start in range(0, len(rows), 1_000_000):
                copy.write(rows[start : start + 1_000_000])
        with cursor.copy("copy (select * from copied order by id) to stdout") as copy:
            assert b"".join(bytes(part) for part in copy) == rows
        cursor.execute("drop table copied")


def test_notifications_arrive(three_readers: Auroractl) -> None:
    with three_readers.connect("demo") as listener, three_readers.connect("demo") as speaker:
        listener.execute("listen news")
        speaker.execute("notify news, 'hello'")
        assert next(listener.notifies(timeout=10)).payload == "hello"


def test_a_client_that_stops_reading_does_not_grow_memory(three_readers: Auroractl) -> None:
    process = psutil.Process(three_readers.cluster("demo")["EndpointProcessId"])
    before = process.memory_info().rss
    with three_readers.connect("demo") as reading, three_readers.connect("demo") as watching:
        pid = reading.info.backend_pid
        with (
            reading.cursor() as cursor,
            cursor.copy("copy (select repeat('x', 1000) from generate_series(1, 1000000)) to stdout") as copy,
        ):
            copy.read()
            wait_until(
                "the server to wait for the client",
                lambda: watching.execute(
                    "select 1 from pg_stat_activity where pid = %s and wait_event = 'ClientWrite'", (pid,)
                ).fetchone(),
            )
            assert process.memory_info().rss - before < 16 * 1024 * 1024
            watching.execute("select pg_terminate_backend(%s)", (pid,))
            with pytest.raises(psycopg.Error):
                list(iter(copy.read, b""))


def test_too_many_clients_get_postgresqls_own_error(auroractl: Auroractl) -> None:
    auroractl.variables["AURORACTL_CONNECTIONS_MAX"] = "5"
    auroractl("create-cluster", "demo", "--readers", "1")
    uri = auroractl.uri("demo")
    wait_until("earlier connections to end", lambda: not sum(_client(auroractl).report().connections.values()))
    kept = [psycopg.connect(uri) for _ in range(5)]
    with pytest.raises(psycopg.OperationalError, match="sorry, too many clients already"):
        psycopg.connect(uri)
    with auroractl.connect("demo", role="reader") as reader:
        assert reader.execute("select 1").fetchone() == (1,)
    kept.pop().close()
    wait_until("the place to be free", lambda: _client(auroractl).report().connections["demo-writer"] == 4)
    psycopg.connect(uri).close()
    for connection in kept:
        connection.close()


def test_a_refusal_of_the_server_reaches_the_client_at_once(three_readers: Auroractl) -> None:
    """It closes the connection with it, so that who has said it can no longer be asked of the connection."""
    began_s = time.monotonic()
    for _ in range(20):
        with pytest.raises(psycopg.OperationalError, match=r"pg_hba\.conf rejects connection"):
            psycopg.connect(three_readers.uri("demo"), user="rdsadmin")
    assert time.monotonic() - began_s < 10


def test_readers_start_after_the_limit_was_lowered(auroractl: Auroractl) -> None:
    auroractl.variables["AURORACTL_CONNECTIONS_MAX"] = "400"
    auroractl("create-cluster", "demo", "--readers", "1")
    auroractl("supervisor", "stop")
    auroractl.variables["AURORACTL_CONNECTIONS_MAX"] = "50"
    auroractl("reboot-instance", "demo-instance-2")
    auroractl.wait_healthy("demo")


@pytest.mark.slow
def test_a_thousand_clients_at_once(auroractl: Auroractl) -> None:
    auroractl("create-cluster", "demo", "--readers", "0")
    uri = auroractl.uri("demo")
    kept = []
    try:
        for _ in range(1000):
            kept.append(psycopg.connect(uri, autocommit=True))
        with pytest.raises(psycopg.OperationalError, match="too many clients"):
            psycopg.connect(uri)
        for connection in kept[::50]:
            assert connection.execute("select 1").fetchone() == (1,)
        assert auroractl.run("status", "demo").returncode == 0
    finally:
        for connection in kept:
            connection.close()


def test_a_killed_backend_ends_its_client_at_once(three_readers: Auroractl) -> None:
    with three_readers.connect("demo") as watching:
        doomed = three_readers.connect("demo")
        pid = doomed.info.backend_pid
        watching.execute("select pg_terminate_backend(%s)", (pid,))
        began_s = time.monotonic()
        with pytest.raises(psycopg.OperationalError):
            doomed.execute("select 1")
        assert time.monotonic() - began_s < 5
