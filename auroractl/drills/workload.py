"""A load of clients that write numbered rows and remember every acknowledged one, and clients that read."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from auroractl.api.connection_uri import usual_sslmode
from auroractl.engine.connections import REQUIRE_AUTH

RECONNECT_PAUSE_S = 0.01
READ_PAUSE_S = 0.01
Row = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Target:
    """The connection parameters of clients."""

    host: str
    port: int
    user: str
    password: str
    database: str
    sslmode: str = "disable"

    @classmethod
    def of(cls, there: Mapping[str, Any]) -> Target:
        """Return the target that a connection document describes."""
        account = there["User"], there["Password"]
        return cls(there["Host"], there["Port"], *account, there["Database"], usual_sslmode(there))

    def conninfo(self, **more: str) -> str:
        """Return the connection string, with more parameters."""
        return make_conninfo(
            host=self.host, port=self.port, user=self.user, password=self.password, dbname=self.database,
            connect_timeout=35, application_name="auroractl-drill", require_auth=REQUIRE_AUTH,
            sslmode=self.sslmode, **more,
        )  # fmt: skip

    def connect(self) -> psycopg.Connection:
        """Connect in autocommit mode. Raises psycopg.Error."""
        return psycopg.connect(self.conninfo(), autocommit=True)


@dataclass(slots=True)
class Ledger:
    """The clients' record; times are in seconds of the monotonic clock."""

    acknowledged: set[Row] = field(default_factory=set)
    in_doubt: set[Row] = field(default_factory=set)
    """Rows that were sent but not answered before the connection broke. They may have been committed."""
    commits_s: list[float] = field(default_factory=list)
    reads: int = 0
    reads_failed: int = 0


class Workload:
    """Clients that write through the writer endpoint, and half as many that read through the reader endpoint."""

    def __init__(self, writer: Target, reader: Target, table: str, clients: int) -> None:
        self.ledger = Ledger()
        self._writer, self._reader, self._table = writer, reader, table
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._write, args=(number,), daemon=True) for number in range(clients)]
        self._threads += [threading.Thread(target=self._read, daemon=True) for _ in range(max(1, clients // 2))]

    def start(self, prepare: Callable[[], None] = lambda: None) -> None:
        """Create the table, call `prepare` and start the clients. Raises psycopg.Error, and what `prepare` raises."""
        table = sql.Identifier(self._table)
        with self._writer.connect() as connection:
            connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(table))
            connection.execute(
                sql.SQL("CREATE TABLE {} (client int, number int, PRIMARY KEY (client, number))").format(table)
            )
        prepare()
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop the clients after their current statements."""
        self._stopping.set()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()

    def commits(self) -> int:
        """Return the number of rows acknowledged so far."""
        with self._lock:
            return len(self.ledger.acknowledged)

    def stored_rows(self) -> set[Row]:
        """Return the rows in the database. Raises psycopg.Error."""
        with self._writer.connect() as connection:
            rows = connection.execute(sql.SQL("SELECT client, number FROM {}").format(sql.Identifier(self._table)))
            return {(int(client), int(number)) for client, number in rows.fetchall()}

    def drop(self) -> None:
        """Drop the table. Raises psycopg.Error."""
        with self._writer.connect() as connection:
            connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier(self._table)))

    def _write(self, client: int) -> None:
        statement = sql.SQL("INSERT INTO {} VALUES (%s, %s)").format(sql.Identifier(self._table))
        number = 0
        while not self._stopping.is_set():
            sent = False
            try:
                with self._writer.connect() as connection:
                    while not self._stopping.is_set():
                        number, sent = number + 1, True
                        connection.execute(statement, (client, number))
                        sent = False
                        with self._lock:
                            self.ledger.acknowledged.add((client, number))
                            self.ledger.commits_s.append(time.monotonic())
            except psycopg.Error:
                if sent:
                    with self._lock:
                        self.ledger.in_doubt.add((client, number))
                time.sleep(RECONNECT_PAUSE_S)

    def _read(self) -> None:
        while not self._stopping.is_set():
            try:
                with self._reader.connect() as connection:
                    while not self._stopping.is_set():
                        connection.execute("SELECT 1")
                        with self._lock:
                            self.ledger.reads += 1
                        time.sleep(READ_PAUSE_S)
            except psycopg.Error:
                with self._lock:
                    self.ledger.reads_failed += 1
                time.sleep(RECONNECT_PAUSE_S)
