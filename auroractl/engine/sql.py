"""Sessions with servers, and the few statements that operations need.

Names are qualified with their schema. An internal session has `pg_catalog` first on its search path whatever a client
has set. Together these leave no object that a client could define in place of the intended one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import psycopg
from psycopg import sql

from auroractl.core.address import Address
from auroractl.core.errors import EngineError
from auroractl.core.volume.quorum import Quorum
from auroractl.core.wal.lsn import format_lsn, parse_lsn
from auroractl.engine.configuration import awaiting_admission, synchronous_standby_names
from auroractl.engine.connections import (
    ADMIN_DATABASE,
    PAST_DATABASE,
    Access,
    client_conninfo,
    lacks_admin_database,
)
from auroractl.engine.passwords import hide_statements, verifier_literal
from auroractl.engine.statement_deadline import GRACE_S, PatientConnection
from auroractl.system.limits import shortage_for_connections
from auroractl.system.waiting import wait_until

_POLL_S = 0.005


@contextmanager
def session(
    access: Access,
    *,
    database: str = ADMIN_DATABASE,
    timeout_s: float = 5.0,
    statement_timeout_s: float = 60.0,
) -> Iterator[psycopg.Connection]:
    """Open an autocommit session of the internal superuser, in which no client setting applies.

    Raises EngineError if it cannot be opened or a statement fails, TimedOut if a statement does not end, MachineError
    if this process lacks the resources for a connection.
    """
    settings = {
        "statement_timeout": str(int(statement_timeout_s * 1000)),
        "default_transaction_read_only": "off",
    }

    def connect(name: str) -> PatientConnection:
        conninfo = access.admin_conninfo("auroractl", database=name, timeout_s=timeout_s, **settings)
        connection = PatientConnection.connect(conninfo, autocommit=True)
        connection.patience_s = statement_timeout_s + GRACE_S
        return connection

    with _errors_of(access.address):
        try:
            connection = connect(database)
        except psycopg.OperationalError as error:
            if database != ADMIN_DATABASE or not lacks_admin_database(str(error)):
                raise
            connection = connect(PAST_DATABASE)
        with connection:
            yield connection


def write_checkpoint(access: Access, timeout_s: float = 300.0) -> None:
    """Write a checkpoint, so that the shutdown checkpoint is short. Raises as `session` does."""
    with session(access, statement_timeout_s=timeout_s) as connection:
        connection.execute("CHECKPOINT")


@contextmanager
def client_session(
    address: Address,
    user: str,
    password: str,
    database: str,
    timeout_s: float = 5.0,
    statement_timeout_s: float = 60.0,
    *,
    encrypted: bool = False,
) -> Iterator[psycopg.Connection]:
    """Open an autocommit session of an ordinary user. Raises as `session` does."""
    conninfo = client_conninfo(address, user, password, database, timeout_s, encrypted=encrypted)
    with _errors_of(address), PatientConnection.connect(conninfo, autocommit=True) as connection:
        connection.patience_s = statement_timeout_s
        yield connection


@contextmanager
def _errors_of(address: Address) -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        short = shortage_for_connections() if isinstance(error, psycopg.OperationalError) else None
        raise short or EngineError(f"PostgreSQL at {address}: {str(error).strip()}", "") from error


def create_master(connection: psycopg.Connection, username: str, password: str, database: str) -> None:
    """Create the master user (a member of rds_superuser, as on AWS) and the cluster's first database.

    What the data already has is kept; an existing user gets the password.
    """
    hide_statements(connection)
    role = sql.Identifier(username)
    existing = connection.execute("SELECT FROM pg_catalog.pg_roles WHERE rolname = %s", [username]).fetchone()
    connection.execute(
        sql.SQL("{} ROLE {} LOGIN CREATEDB CREATEROLE PASSWORD {}").format(
            sql.SQL("CREATE" if existing is None else "ALTER"), role, verifier_literal(connection, username, password)
        )
    )
    connection.execute(sql.SQL("GRANT rds_superuser TO {} WITH ADMIN OPTION").format(role))
    connection.execute(sql.SQL("ALTER DATABASE postgres OWNER TO {}").format(role))
    known = connection.execute("SELECT FROM pg_catalog.pg_database WHERE datname = %s", [database]).fetchone()
    if known is None:
        connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(database), role))


def in_recovery(connection: psycopg.Connection) -> bool:
    """Return whether the server is a standby."""
    row = connection.execute("SELECT pg_catalog.pg_is_in_recovery()").fetchone()
    return bool(row and row[0])


def received_lsn(connection: psycopg.Connection) -> int:
    """Return how far a standby has WAL on its disk, in bytes: the greater of received and replayed."""
    row = connection.execute(
        "SELECT greatest(coalesce(pg_catalog.pg_last_wal_receive_lsn(), '0/0'),"
        " coalesce(pg_catalog.pg_last_wal_replay_lsn(), '0/0'))"
    ).fetchone()
    return parse_lsn(row[0]) if row else 0


def timeline(connection: psycopg.Connection) -> int:
    """Return the timeline on which a writer writes."""
    row = connection.execute(
        "SELECT ('x' || pg_catalog.substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 1, 8))::bit(32)::int"
    ).fetchone()
    return int(row[0]) if row else 0


def wait_received(connection: psycopg.Connection, lsn: int, timeout_s: float) -> None:
    """Wait until a standby has the WAL up to `lsn` (bytes). Raises TimedOut with the position that it reached."""

    def missing() -> str:
        reached = received_lsn(connection)
        return "" if reached >= lsn else f"it has the WAL up to {format_lsn(reached)} of {format_lsn(lsn)}"

    wait_until("the reader did not receive the writer's last WAL", missing, timeout_s, _POLL_S)


def promote(connection: psycopg.Connection, timeout_s: float) -> None:
    """Promote a standby to writer and wait until it accepts writes. A server that already is a writer is left as it is."""
    if in_recovery(connection):
        connection.execute("SELECT pg_catalog.pg_promote(wait => false)")
    _wait_promoted(connection, timeout_s)


def _wait_promoted(connection: psycopg.Connection, timeout_s: float) -> None:
    def recovering() -> str:
        return "it is still in recovery" if in_recovery(connection) else ""

    wait_until("the reader was not promoted", recovering, timeout_s, _POLL_S)


def end_pause(connection: psycopg.Connection, timeout_s: float) -> None:
    """Promote a server that is paused at its recovery target, and wait until it accepts writes.

    pg_promote would take up to a second: a paused server does not notice it at once.
    """
    if in_recovery(connection):
        connection.execute("SELECT pg_catalog.pg_wal_replay_resume()")
    _wait_promoted(connection, timeout_s)


def active_statements(connection: psycopg.Connection) -> int:
    """Count the client sessions that are running a statement right now."""
    row = connection.execute(
        "SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_activity"
        " WHERE backend_type = 'client backend' AND state = 'active' AND pid <> pg_catalog.pg_backend_pid()"
    ).fetchone()
    return int(row[0]) if row else 0


def wait_quorum(connection: psycopg.Connection, quorum: Quorum, nodes: Sequence[str], timeout_s: float) -> None:
    """Wait until the server uses a write quorum and `nodes` have flushed WAL that was written after that.

    Raises TimedOut.
    """
    wanted = {(synchronous_standby_names(quorum),), (awaiting_admission(quorum),)}

    def other_quorum() -> str:
        row = connection.execute("SHOW synchronous_standby_names").fetchone()
        return "" if row in wanted else f"its quorum is {row[0] if row else ''!r}, and not {quorum}"

    wait_until("PostgreSQL did not apply the write quorum", other_quorum, timeout_s, _POLL_S)
    lsn = write_something(connection)
    query = (
        "SELECT application_name FROM pg_catalog.pg_stat_replication"
        " WHERE usename = 'rdsrepladmin' AND flush_lsn >= %s::pg_catalog.pg_lsn"
    )

    def behind() -> str:
        missing = set(nodes) - {name for (name,) in connection.execute(query, [lsn]).fetchall()}
        return f"{', '.join(sorted(missing))} did not" if missing else ""

    wait_until("not all storage nodes flushed what was written after the change", behind, timeout_s, _POLL_S)


def databases(connection: psycopg.Connection) -> dict[int, str]:
    """List the databases that accept connections, by oid."""
    return dict(
        connection.execute("SELECT oid::int, datname FROM pg_catalog.pg_database WHERE datallowconn").fetchall()
    )


def table_of_files(connection: psycopg.Connection) -> dict[int, str]:
    """Map the relation files of a database, by file number, to tables; indexes and TOAST count for their table."""
    rows = connection.execute(
        "SELECT pg_catalog.pg_relation_filenode(c.oid)::int,"
        " CASE WHEN n.nspname IN ('public', 'pg_catalog') THEN '' ELSE pg_catalog.quote_ident(n.nspname) || '.' END"
        " || pg_catalog.quote_ident(o.relname) FROM pg_catalog.pg_class c"
        " LEFT JOIN pg_catalog.pg_class x"
        " ON x.oid = (SELECT indrelid FROM pg_catalog.pg_index WHERE indexrelid = c.oid)"
        " LEFT JOIN pg_catalog.pg_class t ON t.reltoastrelid IN (c.oid, x.oid)"
        " LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid AND t.oid IS NULL"
        " JOIN pg_catalog.pg_class o ON o.oid = coalesce(i.indrelid, t.oid, c.oid)"
        " JOIN pg_catalog.pg_namespace n ON n.oid = o.relnamespace"
        " WHERE c.relkind IN ('r', 'i', 't', 'm', 'S')"
    ).fetchall()
    return {number: table for number, table in rows if number is not None}


def wait_some_node(connection: psycopg.Connection, nodes: Sequence[str], timeout_s: float) -> None:
    """Wait until one of the storage nodes has flushed all WAL that the writer has now. Raises TimedOut."""
    row = connection.execute("SELECT pg_catalog.pg_current_wal_flush_lsn()").fetchone()
    wanted = row[0] if row else None
    query = (
        "SELECT pg_catalog.max(flush_lsn), pg_catalog.bool_or(flush_lsn >= %s::pg_catalog.pg_lsn)"
        " FROM pg_catalog.pg_stat_replication WHERE usename = 'rdsrepladmin' AND application_name = ANY(%s)"
    )

    def behind() -> str:
        furthest, there = connection.execute(query, [wanted, list(nodes)]).fetchone() or (None, False)
        if there:
            return ""
        return f"the furthest has flushed up to {furthest} of {wanted}" if furthest else "none receives it"

    wait_until("no storage node received all of the WAL", behind, timeout_s, _POLL_S)


def write_something(connection: psycopg.Connection) -> str:
    """Write and flush one record that changes nothing; return its LSN as text.

    The local commit flushes it and waits for no copy. `pg_logical_emit_message` itself can flush only since 17.
    """
    with connection.transaction():
        connection.execute("SET LOCAL synchronous_commit TO local")
        row = connection.execute("SELECT pg_catalog.pg_logical_emit_message(true, 'auroractl', '')").fetchone()
    return str(row[0]) if row else "0/0"


def streaming_standbys(connection: psycopg.Connection) -> set[str]:
    """List the instances and storage nodes to which this writer is streaming."""
    rows = connection.execute(
        "SELECT application_name FROM pg_catalog.pg_stat_replication"
        " WHERE usename = 'rdsrepladmin' AND state = 'streaming'"
    ).fetchall()
    return {row[0] for row in rows}
