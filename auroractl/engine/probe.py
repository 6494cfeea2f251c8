"""Health checks of a server, with a deadline that holds even if the server is frozen.

psycopg's ordinary calls wait without limit for a server that stopped answering, so this drives libpq itself.
"""

from __future__ import annotations

import select
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import psycopg
from psycopg import pq
from psycopg.pq import abc

from auroractl.core.restore.retention import Checkpoint
from auroractl.core.synchronous_commit.setting import CommitSetting
from auroractl.core.wal.lsn import parse_lsn
from auroractl.engine import aurora_sql, commit_settings, iam_users
from auroractl.engine.admission import AWAITS
from auroractl.engine.connections import ADMIN_DATABASE, PAST_DATABASE, Access, lacks_admin_database
from auroractl.engine.replication_roles import INTRUDERS
from auroractl.engine.system_roles import IN_ORDER
from auroractl.system.limits import shortage_for_connections

_INSTANCE = b"""
SELECT pg_catalog.pg_is_in_recovery(),
  CASE WHEN pg_catalog.pg_is_in_recovery() THEN coalesce(pg_catalog.pg_last_wal_replay_lsn(), '0/0') ELSE pg_catalog.pg_current_wal_lsn() END,
  CASE WHEN pg_catalog.pg_is_in_recovery() THEN (SELECT received_tli FROM pg_catalog.pg_stat_wal_receiver)
       ELSE ('x' || pg_catalog.substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 1, 8))::bit(32)::int END,
  (SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_activity WHERE backend_type = 'client backend' AND usename <> 'rdsadmin'),
  (SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_activity WHERE wait_event = 'SyncRep'),
  pg_catalog.current_setting('default_transaction_read_only') = 'on',
  CASE WHEN pg_catalog.pg_is_in_recovery() THEN NULL ELSE pg_catalog.pg_current_wal_flush_lsn() END,
  (SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_activity WHERE wait_event IN ('WalWrite', 'WalSync', 'WALWrite', 'WALSync')),
  (SELECT pg_catalog.concat_ws(' ', timeline_id, checkpoint_lsn, redo_lsn) FROM pg_catalog.pg_control_checkpoint()),
  CASE WHEN pg_catalog.pg_is_in_recovery() THEN NULL ELSE pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot()) END,
  EXISTS (SELECT FROM pg_catalog.pg_authid WHERE rolreplication AND NOT rolsuper)
"""
_STANDBYS = f"""
SELECT application_name, state,
  greatest(pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(), replay_lsn), 0)::bigint,
  coalesce(extract(epoch FROM replay_lag) * 1000, 0),
  write_lsn, flush_lsn, {AWAITS}
FROM pg_catalog.pg_stat_replication WHERE usename = 'rdsrepladmin'
""".encode()  # noqa: S608
"""Only auroractl's own: a client that may replicate chooses its application name."""
_USED_BYTES = b"SELECT pg_catalog.sum(pg_catalog.pg_database_size(oid))::bigint FROM pg_catalog.pg_database"


class ProbeFailed(Exception):
    """The server failed to answer, through no fault of this process; the text gives the reason."""


@dataclass(frozen=True, slots=True)
class StandbyProgress:
    """The writer's view of one of its readers or storage nodes."""

    state: str
    """PostgreSQL's word: startup, catchup, streaming, backup or stopping."""
    lag_bytes: int | None
    lag_ms: float | None
    received_lsn: int | None
    flushed_lsn: int | None
    awaiting: bool
    """True for a storage node that could acknowledge commits and has to be admitted first."""

    @property
    def streaming(self) -> bool:
        """Return whether WAL is being streamed to it."""
        return self.state in {"streaming", "catchup"}


@dataclass(frozen=True, slots=True)
class ServerAnswer:
    """A server's answer to a probe."""

    in_recovery: bool
    lsn: int
    timeline: int | None
    connections: int
    waiting_commits: int
    """Sessions that wait for the write quorum."""
    read_only: bool
    """True if new transactions are read-only by default."""
    flushed_lsn: int | None = None
    """How far the writer's own WAL has been flushed to its disk."""
    waiting_for_disk: int = 0
    """Processes that wait for WAL to be written or flushed there."""
    checkpoint: Checkpoint | None = None
    """The last completed checkpoint."""
    standbys: dict[str, StandbyProgress] = field(default_factory=dict)
    """By application name; only on a writer."""
    transactions: int | None = None
    """Number of writing transactions that a writer has ended, derived from the newest transaction id."""
    intruded: bool = False
    """True if a client replicates in another way than logically."""


class Probe:
    """A persistent connection to one server. Not safe for use by two threads at once."""

    def __init__(self, access: Callable[[], Access], timeout_s: float, **settings: str) -> None:
        """Prepare it; `settings` are server parameters of its sessions."""
        self._access = access
        self._settings = settings
        self._timeout_s = timeout_s
        self._connection: abc.PGconn | None = None

    def ask(self) -> ServerAnswer:
        """Probe the server.

        Raises ProbeFailed if it does not answer within the timeout, MachineError if this process lacks the resources to
        ask.
        """
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
            # The second query costs a millisecond, and by default no client may replicate.
            intruded=row[10] == "t" and bool(self._query(INTRUDERS.encode(), deadline)),
        )

    def used_bytes(self) -> int:
        """Return the size of all databases. Raises ProbeFailed as `ask` does."""
        return int(str(self._query(_USED_BYTES, time.monotonic() + self._timeout_s)[0][0]))

    def internals_in_order(self) -> bool:
        """Return whether auroractl's own database and roles are as required. Raises as `ask` does."""
        return self._query(IN_ORDER, time.monotonic() + self._timeout_s)[0][0] == "t"

    def databases(self) -> frozenset[int]:
        """Return the oids of the databases that accept connections. Raises as `ask` does."""
        oids = self._query(aurora_sql.DATABASES, time.monotonic() + self._timeout_s)[0][0]
        return frozenset(map(int, str(oids).split()))

    def iam_users(self) -> list[tuple[str, bool]]:
        """Return the users that are members of rds_iam, and whether directly. Raises as `ask` does."""
        rows = self._query(iam_users.USERS, time.monotonic() + self._timeout_s)
        return [(bytes.fromhex(str(name)).decode(errors="surrogateescape"), direct == "t") for name, direct in rows]

    def commit_settings(self) -> tuple[CommitSetting, ...]:
        """Return the database and role settings of synchronous_commit other than `on`. Raises as `ask` does."""
        rows = self._query(commit_settings.SETTINGS, time.monotonic() + self._timeout_s)
        return tuple(map(commit_settings.setting, rows))

    def close(self) -> None:
        """Close the connection."""
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
        except (ProbeFailed, psycopg.Error, OSError) as error:
            self.close()
            raise shortage_for_connections() or ProbeFailed(str(error).strip()) from error

    def _connect(self, deadline: float) -> abc.PGconn:
        try:
            return self._connect_to(ADMIN_DATABASE, deadline)
        except ProbeFailed as error:
            if not lacks_admin_database(str(error)):
                raise
            return self._connect_to(PAST_DATABASE, deadline)

    def _connect_to(self, database: str, deadline: float) -> abc.PGconn:
        conninfo = self._access().admin_conninfo(
            "auroractl-probe", database=database, timeout_s=self._timeout_s, **self._settings
        )
        connection = pq.PGconn.connect_start(conninfo.encode())
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
    """Return the result of the query that was sent. Each query is one statement, so there is one result."""
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
    # Names of databases and roles need not be UTF-8: each is in the encoding of the database in which it was made.
    return None if value is None else value.decode(errors="backslashreplace")


def _checkpoint(text: str) -> Checkpoint:
    timeline, lsn, redo = text.split(" ")
    return Checkpoint(int(timeline), parse_lsn(lsn), parse_lsn(redo))


def _standby(row: list[str | None]) -> tuple[str, StandbyProgress]:
    name, state, lag_bytes, lag_ms, received, flushed, awaiting = row
    return str(name), StandbyProgress(
        state=str(state),
        lag_bytes=int(lag_bytes) if lag_bytes else None,
        lag_ms=round(float(lag_ms), 3) if lag_ms else None,
        received_lsn=parse_lsn(received) if received else None,
        flushed_lsn=parse_lsn(flushed) if flushed else None,
        awaiting=awaiting == "t",
    )


def _wait(connection: abc.PGconn, *, write: bool, deadline: float) -> None:
    left_s = deadline - time.monotonic()
    poller = select.poll()
    poller.register(connection.socket, select.POLLOUT if write else select.POLLIN)
    if left_s <= 0 or not poller.poll(left_s * 1000):
        raise ProbeFailed("it did not answer in time")
