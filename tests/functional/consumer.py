"""Consumers of a logical slot that remember every change and what they have confirmed."""

from __future__ import annotations

import re
import select
import struct
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg import pq
from psycopg.conninfo import make_conninfo

from auroractl.core.wal.lsn import format_lsn
from auroractl.drills.consumer import text_values
from tests.functional.ledger import RECONNECT_PAUSE_S

Row = tuple[int, int]
_CONFIRM_EVERY = 5
"""Transactions between two confirmations, so that some are always received and not confirmed."""
_POLL_S = 0.005
_INSERT = re.compile(r"table public\.ledger: INSERT: client\[integer\]:(\d+) number\[integer\]:(\d+)")


@dataclass
class Consumer:
    """A consumer of pgoutput that continues from its own confirmed position after every loss of its connection."""

    uri: str
    slot: str
    publication: str
    seen: dict[Row, int] = field(default_factory=dict)
    """The rows of the table `ledger` that were received in whole transactions, with the end of the last of these."""
    repeated_below: list[Row] = field(default_factory=list)
    """Rows that were received again although they had been confirmed."""
    connections: int = 0
    errors: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.confirmed_lsn = 0
        self._received_lsn = 0
        self._unconfirmed = 0
        self._transaction: list[Row] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Consumer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._stream()
            except psycopg.Error as error:
                self.errors.append(str(error))
                time.sleep(RECONNECT_PAUSE_S * 10)

    def _stream(self) -> None:
        connection = pq.PGconn.connect(make_conninfo(self.uri, replication="database", connect_timeout="30").encode())
        try:
            if connection.status != pq.ConnStatus.OK:
                raise psycopg.OperationalError(connection.get_error_message())
            start = (
                f"START_REPLICATION SLOT {self.slot} LOGICAL {format_lsn(self.confirmed_lsn)}"
                f" (proto_version '1', publication_names '{self.publication}')"
            )
            if connection.exec_(start.encode()).status != pq.ExecStatus.COPY_BOTH:
                raise psycopg.OperationalError(connection.get_error_message())
            self.connections += 1
            self._transaction, self._received_lsn = [], self.confirmed_lsn
            while not self._stop.is_set():
                size, data = connection.get_copy_data(1)
                if size > 0:
                    self._take(connection, bytes(data))
                elif size == 0:
                    # Under TLS each call reads one record: it must not wait while there are more.
                    select.select([connection.socket], [], [], _POLL_S)
                    connection.consume_input()
                else:
                    raise psycopg.OperationalError(connection.get_error_message())
        finally:
            connection.finish()

    def _take(self, connection: pq.abc.PGconn, data: bytes) -> None:
        if data[:1] == b"k":
            if data[17]:
                self._confirm(connection)
            return
        body = data[25:]
        if body[:1] == b"B":
            self._transaction = []
        elif body[:1] == b"I":
            client, number = text_values(body[6:])
            self._transaction.append((int(client), int(number)))
        elif body[:1] == b"C":
            _, end_lsn = struct.unpack_from("!QQ", body, 2)
            self._commit(end_lsn)
            self._unconfirmed += 1
            if self._unconfirmed >= _CONFIRM_EVERY:
                self._confirm(connection)

    def _commit(self, end_lsn: int) -> None:
        for row in self._transaction:
            if row in self.seen and end_lsn <= self.confirmed_lsn:
                self.repeated_below.append(row)
            self.seen[row] = end_lsn
        self._received_lsn = end_lsn

    def _confirm(self, connection: pq.abc.PGconn) -> None:
        lsn = self.confirmed_lsn = max(self.confirmed_lsn, self._received_lsn)
        self._unconfirmed = 0
        connection.put_copy_data(b"r" + struct.pack("!QQQQB", lsn, lsn, lsn, 0, 0))
        connection.flush()


@dataclass
class Recvlogical:
    """pg_recvlogical with test_decoding, started again whenever it ends, into one file."""

    program: str
    uri: str
    slot: str
    file: Path
    errors: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Recvlogical:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        words = ["--start", "--no-loop", "--fsync-interval=1", "--status-interval=1"]
        argv = [self.program, f"--dbname={self.uri}", f"--slot={self.slot}", f"--file={self.file}", *words]
        while not self._stop.is_set():
            with subprocess.Popen(argv, stderr=subprocess.PIPE, text=True) as process:
                while process.poll() is None and not self._stop.wait(_POLL_S * 10):
                    pass
                process.terminate()
                self.errors.append(process.communicate()[1])

    def seen(self) -> set[Row]:
        """The rows that it has written."""
        text = self.file.read_text() if self.file.exists() else ""
        return {(int(client), int(number)) for client, number in _INSERT.findall(text)}
