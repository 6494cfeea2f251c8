"""Clients that write numbered rows and remember every acknowledged one, and clients that read."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

import psycopg
from psycopg import sql

RECONNECT_PAUSE_S = 0.01
READ_PAUSE_S = 0.01
Row = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Target:
    """Where clients connect."""

    host: str
    port: int
    user: str
    password: str
    database: str

    def connect(self) -> psycopg.Connection:
        """A connection in autocommit. Raises psycopg.Error."""
        return psycopg.connect(
            host=self.host, port=self.port, user=self.user, password=self.password, dbname=self.database,
            autocommit=True, connect_timeout=35, application_name="auroractl-drill",
        )  # fmt: skip


@dataclass(slots=True)
class Seen:
    """What the clients saw; moments in seconds of the monotonic clock."""

    acknowledged: set[Row] = field(default_factory=set)
    in_doubt: set[Row] = field(default_factory=set)
    """Sent, and the connection broke before an answer came: they may be there or not."""
    commits_s: list[float] = field(default_factory=list)
    reads: int = 0
    reads_failed: int = 0


class Workload:
    """Writers on the writer endpoint and a reader for each two of them on the reader endpoint, until stopped."""

    def __init__(self, writer: Target, reader: Target, table: str, clients: int) -> None:
        self.seen = Seen()
        self._writer, self._reader, self._table = writer, reader, table
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._write, args=(number,), daemon=True) for number in range(clients)]
        self._threads += [threading.Thread(target=self._read, daemon=True) for _ in range(max(1, clients // 2))]

    def start(self) -> None:
        """Make the table and begin. Raises psycopg.Error."""
        table = sql.Identifier(self._table)
        with self._writer.connect() as connection:
            connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(table))
            connection.execute(
                sql.SQL("CREATE TABLE {} (client int, number int, PRIMARY KEY (client, number))").format(table)
            )
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Let every client finish its statement."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def commits(self) -> int:
        """How many were acknowledged so far."""
        with self._lock:
            return len(self.seen.acknowledged)

    def there(self) -> set[Row]:
        """The rows that the database has. Raises psycopg.Error."""
        with self._writer.connect() as connection:
            rows = connection.execute(sql.SQL("SELECT client, number FROM {}").format(sql.Identifier(self._table)))
            return {(int(client), int(number)) for client, number in rows.fetchall()}

    def drop(self) -> None:
        """Remove the table. Raises psycopg.Error."""
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
                            self.seen.acknowledged.add((client, number))
                            self.seen.commits_s.append(time.monotonic())
            except psycopg.Error:
                if sent:
                    with self._lock:
                        self.seen.in_doubt.add((client, number))
                time.sleep(RECONNECT_PAUSE_S)

    def _read(self) -> None:
        while not self._stopping.is_set():
            try:
                with self._reader.connect() as connection:
                    while not self._stopping.is_set():
                        connection.execute("SELECT 1")
                        with self._lock:
                            self.seen.reads += 1
                        time.sleep(READ_PAUSE_S)
            except psycopg.Error:
                with self._lock:
                    self.seen.reads_failed += 1
                time.sleep(RECONNECT_PAUSE_S)
