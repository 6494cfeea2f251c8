"""Objects that auroractl needs in every server, a database and some roles, and their restoration.

rdsadmin        the superuser of internal sessions, and their database, to which no other user may connect
rdsrepladmin    receives WAL. A superuser, so that no member of pg_signal_backend can end its sessions and so stop
                commits; pg_hba.conf lets it in for physical replication, and into the database rdsadmin for pg_rewind
rds_superuser   the role that the master user is a member of
                (AWS documentation: "Understanding the rds_superuser role")
rds_replication, rds_iam, rds_password, rds_ad
                roles that schemas of Aurora grant. Only rds_replication has an effect (`replication_roles`)

The master user may create roles and grant these. In PostgreSQL a user who may do both may also drop and rename a role.
Each therefore owns a schema of the same name in the database rdsadmin: this prevents the role from being dropped, and
identifies it if it was renamed.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection

import psycopg
from psycopg import sql as compose

from auroractl.core.engine.privileges import settable
from auroractl.engine import replication_roles, sql
from auroractl.engine.connections import ADMIN_DATABASE, PAST_DATABASE, Access
from auroractl.engine.secrets import ADMIN, REPLICATION

SUPERUSER = "rds_superuser"
OF_CLIENTS = (SUPERUSER, "rds_replication", "rds_iam", "rds_password", "rds_ad")
"""The roles that the master user may grant, as on AWS."""
_MEMBER_OF = {
    "pg_monitor": 15,
    "pg_read_all_settings": 15,
    "pg_read_all_stats": 15,
    "pg_stat_scan_tables": 15,
    "pg_signal_backend": 15,
    "pg_checkpoint": 15,
    "rds_replication": 15,
    "rds_password": 15,
    "pg_create_subscription": 16,
    "pg_use_reserved_connections": 16,
}
"""What rds_superuser is a member of and may grant, with the first major version that has it."""
_MAY_GRANT = ("pg_read_all_data", "pg_write_all_data", "rds_iam", "rds_ad")
"""What rds_superuser may grant without having it. Before 16 that needs nothing: CREATEROLE may grant them."""
_BARRIER = """
UPDATE pg_catalog.pg_authid SET rolsuper = true
WHERE rolname IN ('pg_execute_server_program', 'pg_read_server_files', 'pg_write_server_files')
"""
"""Before 16 a user with CREATEROLE may grant every role that is not a superuser's, also those that reach the system.

As superusers they cannot be granted, altered or dropped by others. No one can log in as them or become one of them.
"""
_EXTENSION = (
    "CREATE SCHEMA IF NOT EXISTS monitoring",
    "CREATE EXTENSION IF NOT EXISTS pg_stat_statements WITH SCHEMA monitoring",
)
_RESET_FUNCTIONS = (
    "pg_stat_reset()",
    "pg_stat_reset_single_table_counters(oid)",
    "pg_stat_reset_single_function_counters(oid)",
)
OF_EVERY_DATABASE = (
    *(f"GRANT EXECUTE ON FUNCTION pg_catalog.{name} TO {SUPERUSER}" for name in _RESET_FUNCTIONS),
    # Without this, pg_dump would write these grants into every dump.
    "UPDATE pg_catalog.pg_init_privs i SET initprivs = p.proacl FROM pg_catalog.pg_proc p"
    " WHERE i.classoid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND i.objoid = p.oid"
    " AND pg_catalog.starts_with(p.proname, 'pg_stat_reset')",
)
"""Statements for each database of a template: what rds_superuser may call is noted per database."""
_HAS_STATEMENTS = b"""
SELECT EXISTS (SELECT FROM pg_catalog.pg_extension WHERE extname = 'pg_stat_statements')
  OR NOT EXISTS (SELECT FROM pg_catalog.pg_available_extensions WHERE name = 'pg_stat_statements')
"""
"""An installation may have the library but not the extension."""
IN_ORDER = f"""
SELECT (SELECT datname = 'rdsadmin' AND datdba = 10 FROM pg_catalog.pg_database
        WHERE datname = pg_catalog.current_database())
  AND EXISTS (SELECT FROM pg_catalog.pg_authid WHERE rolname = 'rdsrepladmin' AND rolsuper)
  AND (SELECT pg_catalog.count(*) = 5
       FROM pg_catalog.pg_namespace n JOIN pg_catalog.pg_authid r ON r.oid = n.nspowner
       WHERE r.rolname = n.nspname
         AND n.nspname IN ('rds_superuser', 'rds_replication', 'rds_iam', 'rds_password', 'rds_ad'))
  AND (EXISTS (SELECT FROM pg_catalog.pg_extension WHERE extname = 'pg_stat_statements')
       OR NOT EXISTS (SELECT FROM pg_catalog.pg_available_extensions WHERE name = 'pg_stat_statements'))
  AND NOT EXISTS ({replication_roles.MEMBERS})
""".encode()  # noqa: S608  (it is a query of this package)
"""Query for the writer; 10 is the oid of the superuser that initdb made (src/include/catalog/pg_authid.dat)."""


def roles(major: int) -> tuple[str, ...]:
    """Return the statements that create the roles in a template of a major version."""
    return (
        f"ALTER ROLE {REPLICATION} SUPERUSER",
        *(f"CREATE ROLE {name} NOLOGIN" for name in OF_CLIENTS),
        *_rights(major),
        *((_BARRIER,) if major < 16 else ()),
    )


def _rights(major: int) -> tuple[str, ...]:
    """Return the statements that give rds_superuser what it has. They may be repeated."""
    member_of = ", ".join(name for name, since in _MEMBER_OF.items() if major >= since)
    grants = [f"GRANT {member_of} TO {SUPERUSER} WITH ADMIN OPTION"]
    if major >= 16:
        grants.append(f"GRANT {', '.join(_MAY_GRANT)} TO {SUPERUSER} WITH ADMIN TRUE, INHERIT FALSE, SET FALSE")
    return (*grants, f"GRANT SET ON PARAMETER {', '.join(settable(major))} TO {SUPERUSER}")


def contents(libraries: Collection[str]) -> tuple[str, ...]:
    """Return the statements that fill the database of internal sessions, given the modules of the build."""
    anchors = (f"CREATE SCHEMA {name} AUTHORIZATION {name}" for name in OF_CLIENTS)
    return (*anchors, *(_EXTENSION if "pg_stat_statements" in libraries else ()))


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
        return [
            *done,
            *_restore_statements(connection),
            *_restore_roles(connection, master),
            *replication_roles.restore(connection),
        ]


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


def _restore_roles(connection: psycopg.Connection, master: str) -> list[str]:
    done, missing = [], []
    for name in OF_CLIENTS:
        said, made = _restore_role(connection, name)
        done += said
        missing += [name] if made else []
    if missing:
        for statement in _rights(connection.info.server_version // 10_000):
            connection.execute(statement.encode())
    if SUPERUSER in missing:
        grant = compose.SQL("GRANT {} TO {} WITH ADMIN OPTION")
        connection.execute(grant.format(compose.Identifier(SUPERUSER), compose.Identifier(master)))
    return done


def _restore_role(connection: psycopg.Connection, role: str) -> tuple[list[str], bool]:
    """Restore a role; return the changes, and whether it was created."""
    query = (
        "SELECT r.rolname FROM pg_catalog.pg_namespace n JOIN pg_catalog.pg_authid r ON r.oid = n.nspowner"
        " WHERE n.nspname = %s"
    )
    anchored = connection.execute(query, [role]).fetchone()
    exists = "SELECT oid FROM pg_catalog.pg_authid WHERE rolname = %s"
    named = connection.execute(exists, [role]).fetchone()
    if anchored is not None and anchored[0] == role:
        return [], False
    if anchored is None:
        if named is None:
            connection.execute(f"CREATE ROLE {role} NOLOGIN".encode())
        connection.execute(f"CREATE SCHEMA {role} AUTHORIZATION {role}".encode())
        return [
            f"The role {role} was {'created' if named is None else 'protected against being dropped'}."
        ], named is None
    if named is not None:
        _rename_role(connection, role, f"{role}_{secrets.token_hex(4)}")
    _rename_role(connection, anchored[0], role)
    return [f"The role {role} had been renamed to {anchored[0]}; it has its name again."], False


def _restore_statements(connection: psycopg.Connection) -> list[str]:
    if connection.execute(_HAS_STATEMENTS).fetchone() == (True,):
        return []
    for statement in _EXTENSION:
        connection.execute(statement.encode())
    return [f"The statistics of statements were made readable in the database {ADMIN_DATABASE}."]


def _rename_role(connection: psycopg.Connection, name: str, new: str) -> None:
    statement = compose.SQL("ALTER ROLE {} RENAME TO {}")
    connection.execute(statement.format(compose.Identifier(name), compose.Identifier(new)))
