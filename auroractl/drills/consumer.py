"""A consumer of changes that keeps a ledger: what it received, and what it has confirmed.

It reads pgoutput from a logical slot through the writer endpoint, as Debezium does, and after every loss of its
connection continues from its own confirmed position. Messages:
https://www.postgresql.org/docs/18/protocol-logicalrep-message-formats.html
"""

from __future__ import annotations

import select
import struct
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import psycopg
from psycopg import pq, sql
from psycopg.pq import abc

from auroractl.core.engine.logical_slots import KEPT_SINCE
from auroractl.core.wal.lsn import format_lsn
from auroractl.drills.workload import Row, Target
from auroractl.system.waiting import holds_in_time

_CONFIRM_EVERY = 5
"""Transactions between two confirmations, so that some are always received and not confirmed."""
_PAUSE_S = 0.05
_DROP_TIMEOUT_S = 30.0


@dataclass(slots=True)
class Received:
    """The consumer's ledger."""

    rows: dict[Row, int] = field(default_factory=dict)
    """Rows of whole transactions, with the end of the last of these."""
    repeated: int = 0
    """Rows that came again, which a consumer has to expect of what it had not confirmed."""
    repeated_below: int = 0
    """Rows that came again although it had confirmed them."""
    connections: int = 0


class Consumer:
    """Consumes the changes of a table in a `with` block; its slot is dropped at the end."""

    def __init__(self, writer: Target, table: str) -> None:
        self.received = Received()
        self.slot_missing = False
        """True once the server said that it does not have the slot."""
        self.major = 0
        """The server's major version."""
        self._writer, self._table = writer, table
        self._confirmed_lsn = self._received_lsn = 0
        self._unconfirmed = 0
        self._transaction: list[Row] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def slot(self) -> str:
        """Return the name of its slot and publication."""
        return self._table

    def keeps_slots(self) -> bool:
        """Ask the server whether its version keeps slots through a failover. Raises psycopg.Error."""
        with self._writer.connect() as connection:
            self.major = connection.info.server_version // 10_000
        return self.major >= KEPT_SINCE

    def start(self) -> None:
        """Publish the table, create the slot and begin to consume. Raises psycopg.Error."""
        table = sql.Identifier(self._table)
        with self._writer.connect() as connection:
            connection.execute(sql.SQL("CREATE PUBLICATION {} FOR TABLE {}").format(table, table))
            connection.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", [self._table])
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()
        # A slot that is left behind would hold WAL. The server may notice a little later that its consumer is gone.
        holds_in_time(self._dropped, _DROP_TIMEOUT_S, _PAUSE_S)

    def _dropped(self) -> bool:
        drop = "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = %s"
        with suppress(psycopg.Error), self._writer.connect() as connection:
            connection.execute(sql.SQL("DROP PUBLICATION IF EXISTS {}").format(sql.Identifier(self._table)))
            connection.execute(drop, [self._table])
            return True
        return False

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._stream()
            except psycopg.Error as error:
                self.slot_missing = "replication slot" in str(error) and "does not exist" in str(error)
                self._stopping.wait(_PAUSE_S)

    def _stream(self) -> None:
        connection = pq.PGconn.connect(self._writer.conninfo(replication="database").encode())
        try:
            if connection.status != pq.ConnStatus.OK:
                raise psycopg.OperationalError(connection.get_error_message())
            start = (
                f'START_REPLICATION SLOT "{self._table}" LOGICAL {format_lsn(self._confirmed_lsn)} '
                f"(proto_version '1', publication_names '\"{self._table}\"')"
            )
            if connection.exec_(start.encode()).status != pq.ExecStatus.COPY_BOTH:
                raise psycopg.OperationalError(connection.get_error_message())
            self.slot_missing = False
            self.received.connections += 1
            self._transaction, self._received_lsn = [], self._confirmed_lsn
            while not self._stopping.is_set():
                size, data = connection.get_copy_data(1)
                if size > 0:
                    self._take(connection, bytes(data))
                elif size == 0:
                    select.select([connection.socket], [], [], _PAUSE_S)
                    connection.consume_input()
                else:
                    raise psycopg.OperationalError(connection.get_error_message())
        finally:
            connection.finish()

    def _take(self, connection: abc.PGconn, data: bytes) -> None:
        if data[:1] == b"k":
            # The last byte of a keepalive asks for an answer.
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
            self._note(end_lsn)
            self._unconfirmed += 1
            if self._unconfirmed >= _CONFIRM_EVERY:
                self._confirm(connection)

    def _note(self, end_lsn: int) -> None:
        for row in self._transaction:
            if row in self.received.rows:
                self.received.repeated += 1
                self.received.repeated_below += end_lsn <= self._confirmed_lsn
            self.received.rows[row] = end_lsn
        self._received_lsn = end_lsn

    def _confirm(self, connection: abc.PGconn) -> None:
        lsn = self._confirmed_lsn = max(self._confirmed_lsn, self._received_lsn)
        self._unconfirmed = 0
        connection.put_copy_data(b"r" + struct.pack("!QQQQB", lsn, lsn, lsn, 0, 0))
        connection.flush()


def has_slot(instance: Target, name: str) -> bool:
    """Return whether an instance has a slot; False if it does not answer."""
    query = "SELECT 1 FROM pg_replication_slots WHERE slot_name = %s AND invalidation_reason IS NULL"
    with suppress(psycopg.Error), instance.connect() as connection:
        return connection.execute(query, [name]).fetchone() is not None
    return False


def text_values(content: bytes) -> list[str]:
    """Return the values of a tuple of pgoutput, all of which are text here."""
    (count,) = struct.unpack_from("!H", content)
    values, position = [], 2
    for _ in range(count):
        (size,) = struct.unpack_from("!I", content, position + 1)
        values.append(content[position + 5 : position + 5 + size].decode())
        position += 5 + size
    return values
