"""Objects that auroractl needs in every server, a database and three roles, and their restoration.

rdsadmin        the superuser of internal sessions, and their database, to which no other user may connect
rdsrepladmin    receives WAL. A superuser, so that no member of pg_signal_backend can end its sessions and so stop
                commits; pg_hba.conf lets it in for physical replication, and into the database rdsadmin for pg_rewind
rds_superuser   the role that the master user is a member of
                (AWS documentation: "Understanding the rds_superuser role")

The master user may create roles and grant rds_superuser. In PostgreSQL a user who may do both may also drop and rename
that role. It therefore owns a schema of the same name in the database rdsadmin: this prevents the role from being
dropped, and identifies it if it was renamed.
"""

from __future__ import annotations

import secrets

import psycopg
from psycopg import sql as compose

from auroractl.engine import sql
from auroractl.engine.connections import ADMIN_DATABASE, PAST_DATABASE, Access
from auroractl.engine.secrets import ADMIN, REPLICATION

SUPERUSER = "rds_superuser"
_GRANTED = "pg_monitor, pg_signal_backend, pg_checkpoint, pg_create_subscription, pg_use_reserved_connections"
ROLES = (
    f"ALTER ROLE {REPLICATION} SUPERUSER",
    f"CREATE ROLE {SUPERUSER} NOLOGIN",
    f"GRANT {_GRANTED} TO {SUPERUSER} WITH ADMIN OPTION",
)
_EXTENSION = (
    "CREATE SCHEMA IF NOT EXISTS monitoring",
    "CREATE EXTENSION IF NOT EXISTS pg_stat_statements WITH SCHEMA monitoring",
)
_ANCHOR = f"CREATE SCHEMA {SUPERUSER} AUTHORIZATION {SUPERUSER}"
CONTENTS = (_ANCHOR, *_EXTENSION)
"""Statements that fill the database of internal sessions."""
_HAS_STATEMENTS = b"""
SELECT EXISTS (SELECT FROM pg_catalog.pg_extension WHERE extname = 'pg_stat_statements')
  OR NOT EXISTS (SELECT FROM pg_catalog.pg_available_extensions WHERE name = 'pg_stat_statements')
"""
"""An installation may have the library but not the extension."""
IN_ORDER = b"""
SELECT (SELECT datname = 'rdsadmin' AND datdba = 10 FROM pg_catalog.pg_database
        WHERE datname = pg_catalog.current_database())
  AND EXISTS (SELECT FROM pg_catalog.pg_authid WHERE rolname = 'rdsrepladmin' AND rolsuper)
  AND EXISTS (SELECT FROM pg_catalog.pg_namespace n JOIN pg_catalog.pg_authid r ON r.oid = n.nspowner
              WHERE n.nspname = 'rds_superuser' AND r.rolname = 'rds_superuser')
  AND (EXISTS (SELECT FROM pg_catalog.pg_extension WHERE extname = 'pg_stat_statements')
       OR NOT EXISTS (SELECT FROM pg_catalog.pg_available_extensions WHERE name = 'pg_stat_statements'))
"""
"""Query for the writer; 10 is the oid of the superuser that initdb made (src/include/catalog/pg_authid.dat)."""


def create_database(strategy: str) -> tuple[str, ...]:
    """Return the statements that create the database of internal sessions."""
    return (
        f"CREATE DATABASE {ADMIN_DATABASE} OWNER {ADMIN} TEMPLATE template0 STRATEGY {strategy}",
        f"REVOKE ALL ON DATABASE {ADMIN_DATABASE} FROM PUBLIC",
    )


def restore(access: Access, master: str, timeout_s: float) -> list[str]:
    """Restore the internal database and roles of a writer; return the changes, one sentence each.

    Clusters that predate the internal database gain it here, and so do past states that a backtrack brought back.
    Raises EngineError.
    """
    with sql.session(access, database=PAST_DATABASE, statement_timeout_s=timeout_s) as connection:
        done = [*_restore_database(connection), *_restore_replication(connection)]
    with sql.session(access, statement_timeout_s=timeout_s) as connection:
        return [*done, *_restore_statements(connection), *_restore_superuser(connection, master)]


def _restore_database(connection: psycopg.Connection) -> list[str]:
    query = "SELECT oid, datdba = 10 FROM pg_catalog.pg_database WHERE datname = %s"
    found = connection.execute(query, [ADMIN_DATABASE]).fetchone()
    done = []
    if found is not None and not found[1]:
        other = f"{ADMIN_DATABASE}_{secrets.token_hex(4)}"
        _rename_database(connection, other)
        done.append(f"The database {ADMIN_DATABASE}, a name that is reserved, was renamed to {other}.")
        found = None
    if found is None:
        for statement in create_database("wal_log"):
            connection.execute(statement.encode())
        done.append(f"The database {ADMIN_DATABASE} for internal sessions was created.")
    return done


def _rename_database(connection: psycopg.Connection, name: str) -> None:
    connection.execute(
        "SELECT pg_catalog.pg_terminate_backend(pid, 5000) FROM pg_catalog.pg_stat_activity WHERE datname = %s",
        [ADMIN_DATABASE],
    )
    statement = compose.SQL("ALTER DATABASE {} RENAME TO {}")
    connection.execute(statement.format(compose.Identifier(ADMIN_DATABASE), compose.Identifier(name)))


def _restore_replication(connection: psycopg.Connection) -> list[str]:
    query = "SELECT 1 FROM pg_catalog.pg_authid WHERE rolname = %s AND NOT rolsuper"
    if connection.execute(query, [REPLICATION]).fetchone() is None:
        return []
    connection.execute(f"ALTER ROLE {REPLICATION} SUPERUSER".encode())
    return [f"The role {REPLICATION} was protected against pg_terminate_backend."]


def _restore_superuser(connection: psycopg.Connection, master: str) -> list[str]:
    query = (
        "SELECT r.rolname FROM pg_catalog.pg_namespace n JOIN pg_catalog.pg_authid r ON r.oid = n.nspowner"
        " WHERE n.nspname = %s"
    )
    anchored = connection.execute(query, [SUPERUSER]).fetchone()
    exists = "SELECT oid FROM pg_catalog.pg_authid WHERE rolname = %s"
    named = connection.execute(exists, [SUPERUSER]).fetchone()
    if anchored is not None and anchored[0] == SUPERUSER:
        return []
    if anchored is None:
        return _anchor(connection, master, missing=named is None)
    if named is not None:
        _rename_role(connection, SUPERUSER, f"{SUPERUSER}_{secrets.token_hex(4)}")
    _rename_role(connection, anchored[0], SUPERUSER)
    return [f"The role {SUPERUSER} had been renamed to {anchored[0]}; it has its name again."]


def _anchor(connection: psycopg.Connection, master: str, *, missing: bool) -> list[str]:
    if missing:
        for statement in ROLES:
            connection.execute(statement.encode())
        grant = compose.SQL("GRANT {} TO {} WITH ADMIN OPTION")
        connection.execute(grant.format(compose.Identifier(SUPERUSER), compose.Identifier(master)))
    connection.execute(_ANCHOR.encode())
    return [f"The role {SUPERUSER} was {'created again' if missing else 'protected against being dropped'}."]


def _restore_statements(connection: psycopg.Connection) -> list[str]:
    if connection.execute(_HAS_STATEMENTS).fetchone() == (True,):
        return []
    for statement in _EXTENSION:
        connection.execute(statement.encode())
    return [f"The statistics of statements were made readable in the database {ADMIN_DATABASE}."]


def _rename_role(connection: psycopg.Connection, name: str, new: str) -> None:
    statement = compose.SQL("ALTER ROLE {} RENAME TO {}")
    connection.execute(statement.format(compose.Identifier(name), compose.Identifier(new)))
