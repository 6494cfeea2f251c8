"""Talking to servers: connections of the internal user, and the few statements that operations need."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import psycopg
from psycopg import sql

from auroractl.core.errors import EngineError, TimedOut
from auroractl.core.lsn import format_lsn, parse_lsn
from auroractl.core.model import Address
from auroractl.core.quorum import Quorum
from auroractl.engine.configuration import synchronous_standby_names
from auroractl.engine.secrets import ADMIN

_POLL_S = 0.005


@contextmanager
def session(
    address: Address,
    password: str,
    *,
    user: str = ADMIN,
    database: str = "postgres",
    timeout_s: float = 5.0,
    statement_timeout_s: float = 60.0,
) -> Iterator[psycopg.Connection]:
    """An autocommit session. Raises EngineError where it cannot be opened or a statement fails in it."""
    try:
        with psycopg.connect(
            host=address.host,
            port=address.port,
            user=user,
            password=password,
            dbname=database,
            autocommit=True,
            connect_timeout=max(1, round(timeout_s)),
            sslmode="disable",
            gssencmode="disable",
            application_name="auroractl",
            options=f"-c statement_timeout={int(statement_timeout_s * 1000)}",
        ) as connection:
            yield connection
    except psycopg.Error as error:
        raise EngineError(f"PostgreSQL at {address}: {str(error).strip()}", "") from error


def create_master(connection: psycopg.Connection, username: str, password: str, database: str) -> None:
    """Create the master user (a member of rds_superuser, as on AWS) and the cluster's first database."""
    role = sql.Identifier(username)
    verifier = connection.pgconn.encrypt_password(password.encode(), username.encode(), b"scram-sha-256")
    connection.execute(
        sql.SQL("CREATE ROLE {} LOGIN CREATEDB CREATEROLE PASSWORD {}").format(role, sql.Literal(verifier.decode()))
    )
    connection.execute(sql.SQL("GRANT rds_superuser TO {} WITH ADMIN OPTION").format(role))
    connection.execute(sql.SQL("ALTER DATABASE postgres OWNER TO {}").format(role))
    if database != "postgres":
        connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(database), role))


def in_recovery(connection: psycopg.Connection) -> bool:
    """Whether the server is a standby."""
    row = connection.execute("SELECT pg_is_in_recovery()").fetchone()
    return bool(row and row[0])


def received_lsn(connection: psycopg.Connection) -> int:
    """How far a standby has the log on its disk, in bytes: the further of received and replayed."""
    row = connection.execute(
        "SELECT greatest(coalesce(pg_last_wal_receive_lsn(), '0/0'), coalesce(pg_last_wal_replay_lsn(), '0/0'))"
    ).fetchone()
    return parse_lsn(row[0]) if row else 0


def timeline(connection: psycopg.Connection) -> int:
    """The timeline on which a writer writes."""
    row = connection.execute(
        "SELECT ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int"
    ).fetchone()
    return int(row[0]) if row else 0


def wait_received(connection: psycopg.Connection, lsn: int, timeout_s: float) -> None:
    """Wait until a standby has the log up to `lsn` (bytes). Raises TimedOut with how far it came."""
    deadline = time.monotonic() + timeout_s
    while (reached := received_lsn(connection)) < lsn:
        if time.monotonic() > deadline:
            raise TimedOut(
                f"The reader has the log up to {format_lsn(reached)} and not up to {format_lsn(lsn)} "
                f"after {timeout_s:g} s.",
                "",
            )
        time.sleep(_POLL_S)


def promote(connection: psycopg.Connection, timeout_s: float) -> None:
    """Make a standby the writer and wait until it accepts writes; a server that already is one is left as it is."""
    if in_recovery(connection):
        connection.execute("SELECT pg_promote(wait => false)")
    _wait_promoted(connection, timeout_s)


def _wait_promoted(connection: psycopg.Connection, timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while in_recovery(connection):
        if time.monotonic() > deadline:
            raise TimedOut(f"The reader was not promoted within {timeout_s:g} s.", "")
        time.sleep(_POLL_S)


def end_pause(connection: psycopg.Connection, timeout_s: float) -> None:
    """Have a server that stands at its recovery target become a writer, and wait until it accepts writes.

    pg_promote would do so only after up to a second: a paused server does not notice it at once.
    """
    if in_recovery(connection):
        connection.execute("SELECT pg_wal_replay_resume()")
    _wait_promoted(connection, timeout_s)


def active_statements(connection: psycopg.Connection) -> int:
    """How many client sessions are running a statement right now."""
    row = connection.execute(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE backend_type = 'client backend' AND state = 'active' AND pid <> pg_backend_pid()"
    ).fetchone()
    return int(row[0]) if row else 0


def wait_quorum(connection: psycopg.Connection, quorum: Quorum, nodes: Sequence[str], timeout_s: float) -> None:
    """Wait until the server goes by a write quorum and `nodes` have flushed log that was written after that.

    Raises TimedOut.
    """
    wanted = synchronous_standby_names(quorum)
    deadline = time.monotonic() + timeout_s
    while connection.execute("SHOW synchronous_standby_names").fetchone() != (wanted,):
        _pause(deadline, f"PostgreSQL did not take over the quorum {wanted}")
    lsn = write_something(connection)
    query = "SELECT application_name FROM pg_stat_replication WHERE flush_lsn >= %s::pg_lsn"
    while set(nodes) - {name for (name,) in connection.execute(query, [lsn]).fetchall()}:
        _pause(deadline, "the storage nodes did not take over the new quorum")


def databases(connection: psycopg.Connection) -> dict[int, str]:
    """The names of the databases that can be connected to, by oid."""
    return dict(connection.execute("SELECT oid::int, datname FROM pg_database WHERE datallowconn").fetchall())


def table_of_files(connection: psycopg.Connection) -> dict[int, str]:
    """To which table each relation file of a database belongs, indexes and TOAST to their tables', by file number."""
    rows = connection.execute(
        "SELECT pg_relation_filenode(c.oid)::int, coalesce(i.indrelid, t.oid, c.oid)::regclass::text FROM pg_class c"
        " LEFT JOIN pg_class x ON x.oid = (SELECT indrelid FROM pg_index WHERE indexrelid = c.oid)"
        " LEFT JOIN pg_class t ON t.reltoastrelid IN (c.oid, x.oid)"
        " LEFT JOIN pg_index i ON i.indexrelid = c.oid AND t.oid IS NULL"
        " WHERE c.relkind IN ('r', 'i', 't', 'm', 'S')"
    ).fetchall()
    return {number: table for number, table in rows if number is not None}


def wait_some_node(connection: psycopg.Connection, nodes: Sequence[str], timeout_s: float) -> None:
    """Wait until one of the storage nodes has flushed all that the writer has now. Raises TimedOut."""
    deadline = time.monotonic() + timeout_s
    row = connection.execute("SELECT pg_current_wal_flush_lsn()").fetchone()
    query = "SELECT 1 FROM pg_stat_replication WHERE application_name = ANY(%s) AND flush_lsn >= %s::pg_lsn"
    while connection.execute(query, [list(nodes), row and row[0]]).fetchone() is None:
        _pause(deadline, "no storage node has received all of the log")


def write_something(connection: psycopg.Connection) -> str:
    """Write and flush one record that changes nothing; returns its LSN as text."""
    row = connection.execute("SELECT pg_logical_emit_message(false, 'auroractl', '', true)").fetchone()
    return str(row[0]) if row else "0/0"


def _pause(deadline: float, what: str) -> None:
    if time.monotonic() > deadline:
        raise TimedOut(f"{what[0].upper()}{what[1:]} in time.", "")
    time.sleep(_POLL_S)


def streaming_standbys(connection: psycopg.Connection) -> set[str]:
    """The instances and storage nodes that this writer is streaming to."""
    rows = connection.execute("SELECT application_name FROM pg_stat_replication WHERE state = 'streaming'").fetchall()
    return {row[0] for row in rows}
