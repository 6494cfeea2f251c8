"""An endpoint process by itself: what it does with the routing tables that it is given."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from auroractl.core.address import Address
from auroractl.core.routing_table import Route, RoutingTable
from auroractl.endpoints.client import EndpointError, EndpointProcessClient
from tests.functional.command import Auroractl, wait_until

_OCTETS = itertools.count(1)
"""An address that was used a moment ago cannot always be bound again."""


class Alone:
    """An endpoint process without a cluster."""

    def __init__(self, *arguments: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="auroractl-test-"))
        self.address = Address(f"127.249.{os.getpid() % 256}.{next(_OCTETS)}", 25_432)
        self.control = EndpointProcessClient(self.folder / "control.sock")
        self._arguments = arguments
        self.start()

    def start(self) -> None:
        command = ["--folder", str(self.folder), "--control", str(self.folder / "control.sock"), *self._arguments]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen([sys.executable, "-P", "-m", "auroractl.endpoints", *command], stderr=log)

        def answers() -> bool:
            try:
                return self.control.report().pid == self.process.pid
            except EndpointError:
                return False

        wait_until("the endpoint process to answer", answers)

    def table(self, *members: str, hold_timeout_s: float = 30.0, **instances: Address) -> RoutingTable:
        """One route, of a writer."""
        route = Route("writer", self.address, members, writes=True)
        return RoutingTable((route,), instances, connections_max=100, hold_timeout_s=hold_timeout_s)

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(10)
        shutil.rmtree(self.folder)


@pytest.fixture
def alone() -> Iterator[Alone]:
    process = Alone("--startup-timeout-s", "0.5")
    try:
        yield process
    finally:
        process.end()


def _uri(address: Address, like: str) -> str:
    head, _, tail = like.rpartition("@")
    return f"{head}@{address}/{tail.rpartition('/')[2]}"


def test_a_connection_is_held_until_there_is_somebody(three_readers: Auroractl, alone: Alone) -> None:
    alone.control.apply(alone.table())
    uri = _uri(alone.address, three_readers.uri("demo"))
    outcome: list[object] = []

    def connect() -> None:
        with psycopg.connect(uri) as connection:
            outcome.append(connection.execute("select 1").fetchone())

    waiting = threading.Thread(target=connect)
    waiting.start()
    wait_until("the client to be held", lambda: alone.control.report().held.get("writer") == 1)
    writer = three_readers.writer("demo")["Endpoint"]
    alone.control.apply(alone.table("w", w=Address(writer["Address"], writer["Port"])))
    waiting.join(10)
    assert outcome == [(1,)]


def test_holding_ends_with_a_proper_error(three_readers: Auroractl, alone: Alone) -> None:
    nobody = Address("127.249.255.254", 1)
    alone.control.apply(alone.table("w", hold_timeout_s=0.3, w=nobody))
    with pytest.raises(psycopg.OperationalError, match="no instance of endpoint writer accepted"):
        psycopg.connect(_uri(alone.address, three_readers.uri("demo")))


def test_a_member_that_cannot_be_reached_is_passed_over(three_readers: Auroractl, alone: Alone) -> None:
    writer = three_readers.writer("demo")["Endpoint"]
    there, nobody = Address(writer["Address"], writer["Port"]), Address("127.249.255.254", 1)
    alone.control.apply(alone.table("dead", "live", dead=nobody, live=there))
    for _ in range(4):
        psycopg.connect(_uri(alone.address, three_readers.uri("demo"))).close()


def test_open_connections_stay_or_are_cut_as_the_table_says(three_readers: Auroractl, alone: Alone) -> None:
    writer = three_readers.writer("demo")["Endpoint"]
    there = Address(writer["Address"], writer["Port"])
    alone.control.apply(alone.table("w", w=there))
    with psycopg.connect(_uri(alone.address, three_readers.uri("demo")), autocommit=True) as connection:
        alone.control.apply(alone.table(w=there))
        assert connection.execute("select 1").fetchone() == (1,), "draining keeps what is open"
        alone.control.apply(alone.table())
        with pytest.raises(psycopg.OperationalError):
            connection.execute("select 1")


def test_a_client_that_says_nothing_or_nonsense_does_not_stay(alone: Alone) -> None:
    alone.control.apply(alone.table())
    for words in (b"", b"\x00\x00", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00\x01"):
        with socket.create_connection((alone.address.host, alone.address.port), timeout=10) as client:
            client.sendall(words)
            try:
                assert client.recv(100) == b""
            except ConnectionResetError:
                continue


def test_a_restarted_process_follows_the_table_it_finds(three_readers: Auroractl, alone: Alone) -> None:
    writer = three_readers.writer("demo")["Endpoint"]
    table = alone.table("w", w=Address(writer["Address"], writer["Port"]))
    (alone.folder / "routes.json").write_text(json.dumps(table.to_json()))
    alone.process.kill()
    alone.process.wait()
    alone.start()
    psycopg.connect(_uri(alone.address, three_readers.uri("demo"))).close()


class TestARefusalOfWrites:
    """PostgreSQL says that a transaction is read-only; the client is told why."""

    REASON = "the storage volume of cluster demo is full (8.0 MiB of 8.0 MiB allocated)"
    HINT = "Give it more room: auroractl modify-cluster demo"
    INSERT = "insert into refused values (1)"

    @pytest.fixture(autouse=True)
    def _table(self, three_readers: Auroractl, alone: Alone) -> Iterator[None]:
        """Sessions are read-only as the configuration of a full cluster makes them, without filling one."""
        writer = three_readers.writer("demo")["Endpoint"]
        self.plain = alone.table("w", w=Address(writer["Address"], writer["Port"]))
        self.refused = replace(self.plain, refusal=self.REASON, refusal_hint=self.HINT)
        self.uri = _uri(alone.address, three_readers.uri("demo"))
        with three_readers.connect("demo") as connection:
            connection.execute("create table refused (id int)")
            yield
            connection.execute("drop table refused")

    def connect(self) -> psycopg.Connection:
        return psycopg.connect(self.uri, autocommit=True, options="-c default_transaction_read_only=on")

    def assert_told(self, connection: psycopg.Connection, **execute: Any) -> None:
        with pytest.raises(psycopg.errors.DiskFull) as caught:
            connection.execute(self.INSERT, **execute)
        said = caught.value.diag
        assert said.message_primary == f"cannot execute INSERT: {self.REASON}"
        assert said.message_hint == self.HINT
        assert (said.severity, said.source_function) == ("ERROR", "PreventCommandIfReadOnly")
        assert connection.execute("select 1").fetchone() == (1,)

    def assert_plain(self, connection: psycopg.Connection) -> None:
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction, match="in a read-only transaction") as caught:
            connection.execute(self.INSERT)
        assert caught.value.diag.message_hint is None

    def test_new_connections_are_told_in_every_protocol(self, alone: Alone) -> None:
        alone.control.apply(self.refused)
        with self.connect() as connection:
            self.assert_told(connection)
            self.INSERT = "insert into refused values (%s)"
            self.assert_told(connection, params=(1,))
            self.assert_told(connection, params=(1,), prepare=True)
            with pytest.raises(psycopg.errors.DiskFull), connection.cursor().copy("copy refused from stdin") as copy:
                copy.write(b"1\n")
            with pytest.raises(psycopg.errors.DiskFull), connection.transaction():
                connection.execute("update refused set id = 2")
            with pytest.raises(psycopg.errors.DiskFull), connection.pipeline():
                connection.cursor().executemany(self.INSERT, [(1,), (2,)])
            assert connection.execute("select count(*) from refused").fetchone() == (0,)

    def test_open_connections_are_told_from_the_next_statement_until_it_ends(self, alone: Alone) -> None:
        alone.control.apply(self.plain)
        with self.connect() as idle, self.connect() as busy:
            self.assert_plain(idle)
            with busy.cursor() as cursor, cursor.copy("copy (select generate_series(1, 1000000)) to stdout") as copy:
                first = bytes(copy.read())
                alone.control.apply(self.refused)
                rows = first + b"".join(bytes(part) for part in copy)
            assert rows.split() == [b"%d" % number for number in range(1, 1_000_001)]
            for connection in (idle, busy):
                self.assert_told(connection)
            alone.control.apply(replace(self.refused, refusal="no room"))
            with pytest.raises(psycopg.errors.DiskFull, match="cannot execute INSERT: no room"):
                idle.execute(self.INSERT)
            alone.control.apply(self.plain)
            for connection in (idle, busy):
                self.assert_plain(connection)
                connection.execute("set default_transaction_read_only = off")
                connection.execute(self.INSERT)

    def test_other_errors_and_other_routes_keep_their_words(self, alone: Alone) -> None:
        alone.control.apply(self.refused)
        with self.connect() as connection:
            with pytest.raises(psycopg.errors.SyntaxError):
                connection.execute("in a read-only transaction")
            with pytest.raises(psycopg.errors.ReadOnlySqlTransaction, match="my own"):
                connection.execute("do $$ begin raise 'my own' using errcode = '25006'; end $$")
        (route,) = self.refused.routes
        alone.control.apply(replace(self.refused, routes=(replace(route, writes=False),)))
        with self.connect() as connection:
            self.assert_plain(connection)

    def test_a_server_that_ends_is_an_end_for_the_client(self, three_readers: Auroractl, alone: Alone) -> None:
        alone.control.apply(self.refused)
        with self.connect() as doomed, three_readers.connect("demo") as watching:
            watching.execute("select pg_terminate_backend(%s)", (doomed.info.backend_pid,))
            with pytest.raises(psycopg.errors.AdminShutdown):
                doomed.execute("select 1")


def test_an_address_in_use_is_told(alone: Alone) -> None:
    with socket.socket() as taken:
        taken.bind((alone.address.host, alone.address.port))
        taken.listen()
        with pytest.raises(EndpointError, match="in use"):
            alone.control.apply(alone.table())
    alone.control.apply(alone.table())


def test_a_second_process_on_one_folder_leaves(alone: Alone) -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "auroractl.endpoints", "--folder", str(alone.folder), "--control", "/nowhere"],
        check=False, capture_output=True,
    )  # fmt: skip
    assert done.returncode == 1
    assert alone.control.report().pid == alone.process.pid
