"""Asking a server how it is, with a deadline that holds even if the server is frozen.

psycopg's ordinary calls wait without end for a server that stopped answering, so this drives libpq itself.
"""

from __future__ import annotations

import select
import time
from dataclasses import dataclass, field

import psycopg
from psycopg import pq
from psycopg.pq import abc

from auroractl.core.backtrack import Checkpoint
from auroractl.core.lsn import parse_lsn
from auroractl.core.model import Address
from auroractl.engine.secrets import ADMIN

_INSTANCE = b"""
SELECT pg_is_in_recovery(),
  CASE WHEN pg_is_in_recovery() THEN coalesce(pg_last_wal_replay_lsn(), '0/0') ELSE pg_current_wal_lsn() END,
  CASE WHEN pg_is_in_recovery() THEN (SELECT received_tli FROM pg_stat_wal_receiver)
       ELSE ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int END,
  (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND usename <> 'rdsadmin'),
  (SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'),
  current_setting('default_transaction_read_only') = 'on',
  CASE WHEN pg_is_in_recovery() THEN NULL ELSE pg_current_wal_flush_lsn() END,
  (SELECT count(*) FROM pg_stat_activity WHERE wait_event IN ('WalWrite', 'WalSync', 'WALWrite')),
  (SELECT concat_ws(' ', timeline_id, checkpoint_lsn, redo_lsn) FROM pg_control_checkpoint()),
  CASE WHEN pg_is_in_recovery() THEN NULL ELSE pg_snapshot_xmax(pg_current_snapshot()) END
"""
_STANDBYS = b"""
SELECT application_name, state,
  greatest(pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn), 0)::bigint,
  coalesce(extract(epoch FROM replay_lag) * 1000, 0),
  write_lsn, flush_lsn
FROM pg_stat_replication
"""
_USED_BYTES = b"SELECT sum(pg_database_size(oid))::bigint FROM pg_database"


class ProbeFailed(Exception):
    """The server did not answer; the text says how."""


@dataclass(frozen=True, slots=True)
class StandbyProgress:
    """How the writer sees one of its readers or storage nodes."""

    state: str
    """PostgreSQL's word: startup, catchup, streaming, backup or stopping."""
    lag_bytes: int | None
    lag_ms: float | None
    received_lsn: int | None
    flushed_lsn: int | None

    @property
    def streaming(self) -> bool:
        """Whether it is being sent the log."""
        return self.state in {"streaming", "catchup"}


@dataclass(frozen=True, slots=True)
class ServerAnswer:
    """What a server said of itself."""

    in_recovery: bool
    lsn: int
    timeline: int | None
    connections: int
    waiting_commits: int
    """Sessions that wait for the write quorum."""
    read_only: bool
    """Whether new transactions may only read unless they say otherwise."""
    flushed_lsn: int | None = None
    """How far a writer's own log is on its disk."""
    waiting_for_disk: int = 0
    """Processes that wait for log to be written or flushed there."""
    checkpoint: Checkpoint | None = None
    """The last one that was completed."""
    standbys: dict[str, StandbyProgress] = field(default_factory=dict)
    """By application name; a writer's only."""
    transactions: int | None = None
    """How many transactions that wrote something a writer has ended, from the newest transaction id."""


class Probe:
    """One kept connection to one server. Not for use by two threads at once."""

    def __init__(self, address: Address, password: str, timeout_s: float) -> None:
        self._conninfo = (
            f"host={address.host} port={address.port} user={ADMIN} password={password} dbname=postgres "
            f"application_name=auroractl-probe sslmode=disable gssencmode=disable"
        ).encode()
        self._timeout_s = timeout_s
        self._connection: abc.PGconn | None = None

    def ask(self) -> ServerAnswer:
        """Ask the server how it is. Raises ProbeFailed where it does not answer within the timeout."""
        deadline = time.monotonic() + self._timeout_s
        row = self._query(_INSTANCE, deadline)[0]
        recovering = row[0] == "t"
        standbys = {} if recovering else dict(map(_standby, self._query(_STANDBYS, deadline)))
        return ServerAnswer(
            in_recovery=recovering,
            lsn=parse_lsn(str(row[1])),
            timeline=int(row[2]) if row[2] else None,
            connections=int(str(row[3])),
            waiting_commits=int(str(row[4])),
            read_only=row[5] == "t",
            flushed_lsn=parse_lsn(row[6]) if row[6] else None,
            waiting_for_disk=int(str(row[7])),
            checkpoint=_checkpoint(str(row[8])),
            standbys=standbys,
            transactions=int(row[9]) if row[9] else None,
        )

    def used_bytes(self) -> int:
        """The size of all databases. Raises ProbeFailed as `ask` does."""
        return int(str(self._query(_USED_BYTES, time.monotonic() + self._timeout_s)[0][0]))

    def close(self) -> None:
        """Drop the connection."""
        if self._connection is not None:
            self._connection.finish()
            self._connection = None

    def _query(self, text: bytes, deadline: float) -> list[list[str | None]]:
        try:
            connection = self._connection or self._connect(deadline)
            connection.send_query(text)
            while connection.flush():
                _wait(connection, write=True, deadline=deadline)
            return _rows(_result(connection, deadline))
        except ProbeFailed:
            self.close()
            raise
        except (psycopg.Error, OSError) as error:
            self.close()
            raise ProbeFailed(str(error).strip()) from error

    def _connect(self, deadline: float) -> abc.PGconn:
        connection = pq.PGconn.connect_start(self._conninfo)
        self._connection = connection
        while connection.status != pq.ConnStatus.BAD:
            match connection.connect_poll():
                case pq.PollingStatus.OK:
                    connection.nonblocking = 1
                    return connection
                case pq.PollingStatus.READING:
                    _wait(connection, write=False, deadline=deadline)
                case pq.PollingStatus.WRITING:
                    _wait(connection, write=True, deadline=deadline)
                case _:
                    break
        raise ProbeFailed(connection.get_error_message().strip())


def _result(connection: abc.PGconn, deadline: float) -> abc.PGresult:
    """The last result of the query that was sent; there is one per statement and each query is one statement."""
    last: abc.PGresult | None = None
    while True:
        connection.consume_input()
        if connection.is_busy():
            _wait(connection, write=False, deadline=deadline)
            continue
        result = connection.get_result()
        if result is None:
            break
        last = result
    if last is None or last.status != pq.ExecStatus.TUPLES_OK:
        raise ProbeFailed(connection.get_error_message().strip())
    return last


def _rows(result: abc.PGresult) -> list[list[str | None]]:
    columns = range(result.nfields)
    return [[_text(result.get_value(row, column)) for column in columns] for row in range(result.ntuples)]


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode()


def _checkpoint(text: str) -> Checkpoint:
    timeline, lsn, redo = text.split(" ")
    return Checkpoint(int(timeline), parse_lsn(lsn), parse_lsn(redo))


def _standby(row: list[str | None]) -> tuple[str, StandbyProgress]:
    name, state, lag_bytes, lag_ms, received, flushed = row
    return str(name), StandbyProgress(
        state=str(state),
        lag_bytes=int(lag_bytes) if lag_bytes else None,
        lag_ms=round(float(lag_ms), 3) if lag_ms else None,
        received_lsn=parse_lsn(received) if received else None,
        flushed_lsn=parse_lsn(flushed) if flushed else None,
    )


def _wait(connection: abc.PGconn, *, write: bool, deadline: float) -> None:
    left_s = deadline - time.monotonic()
    poller = select.poll()
    poller.register(connection.socket, select.POLLOUT if write else select.POLLIN)
    if left_s <= 0 or not poller.poll(left_s * 1000):
        raise ProbeFailed("it did not answer in time")
