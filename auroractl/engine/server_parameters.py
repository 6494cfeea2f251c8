"""What a server says of its parameters: descriptions, values, what its files hold, and what waits for a restart.

https://www.postgresql.org/docs/18/view-pg-settings.html, https://www.postgresql.org/docs/18/view-pg-file-settings.html
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import psycopg

from auroractl.core.errors import EngineError
from auroractl.core.parameters.model import Definition
from auroractl.core.parameters.standby import STANDBY_PARAMETERS
from auroractl.engine import admission, sql
from auroractl.engine.connections import PINNED_NAMES, Access
from auroractl.system.waiting import wait_until

_TIMEOUT_S = 2.0
_RELOAD_TIMEOUT_S = 20.0
_POLL_S = 0.01
_DEFINITIONS = """
SELECT pg_catalog.lower(name), vartype, coalesce(unit, ''), context, category, coalesce(min_val, ''), coalesce(max_val, ''),
  coalesce(enumvals, '{}'), boot_val, short_desc
FROM pg_catalog.pg_show_all_settings() ORDER BY 1
"""
"""The server's own; the view `pg_settings` adds `rds.extensions`, which no group can change."""
_VALUES = "SELECT pg_catalog.lower(name), setting FROM pg_catalog.pg_settings WHERE pg_catalog.lower(name) = ANY(%s)"
_WAITING = "SELECT pg_catalog.lower(name) FROM pg_catalog.pg_settings WHERE pending_restart ORDER BY 1"
_REFUSED = """
SELECT pg_catalog.lower(f.name), f.error FROM pg_catalog.pg_file_settings f
LEFT JOIN pg_catalog.pg_settings s ON pg_catalog.lower(s.name) = pg_catalog.lower(f.name)
WHERE f.error IS NOT NULL AND coalesce(s.context, '') <> 'postmaster' ORDER BY f.seqno LIMIT 1
"""
"""A parameter that needs a restart has an error here, which only says so."""


def definitions(access: Access, libraries: Collection[str]) -> list[Definition]:
    """Return how a server describes its parameters, with those of libraries that a session can load. Raises EngineError."""
    with sql.session(access) as connection:
        for name in libraries:
            _load(connection, name)
        return [_definition(row) for row in connection.execute(_DEFINITIONS).fetchall()]


def _definition(row: Sequence[Any]) -> Definition:
    name, type_, unit, context, category, minimum, maximum, choices, default, description = row
    return Definition(name, type_, unit, context, category, minimum, maximum, tuple(choices), default, description)


def _load(connection: psycopg.Connection, library: str) -> None:
    """Load a library if it can be loaded into a session; others are described only if they were preloaded."""
    try:
        connection.execute(f"LOAD '{library}'".encode())
    except psycopg.Error:
        connection.rollback()


def values(access: Access, names: Collection[str]) -> dict[str, str]:
    """Return the values of parameters in their own units, without those that internal sessions set for themselves."""
    asked = [name for name in names if name not in PINNED_NAMES]
    with sql.session(access) as connection:
        return dict(connection.execute(_VALUES, [asked]).fetchall())


def standby_values(access: Access) -> dict[str, int]:
    """Return the values of which standbys need at least the writer's. Raises EngineError, TimedOut."""
    with sql.session(access, timeout_s=_TIMEOUT_S, statement_timeout_s=_TIMEOUT_S) as connection:
        rows = connection.execute(_VALUES, [list(STANDBY_PARAMETERS)]).fetchall()
    return {name: int(value) for name, value in rows}


def waiting_for_restart(access: Access) -> list[str]:
    """List the parameters whose value in the configuration file needs a restart. Raises EngineError, TimedOut."""
    with sql.session(access, timeout_s=_TIMEOUT_S, statement_timeout_s=_TIMEOUT_S) as connection:
        return [name for (name,) in connection.execute(_WAITING).fetchall()]


def reload(access: Access, expected: Mapping[str, str]) -> None:
    """Make a server reload its configuration, and read the values back; those must be the `expected` ones.

    Raises EngineError in the server's words if it refuses one, TimedOut if it does not reload.
    """
    with admission.lock(access), sql.session(access) as connection:
        refused = connection.execute(_REFUSED).fetchone()
        if refused is not None:
            raise EngineError(f"PostgreSQL refuses {refused[0]}: {refused[1]}.", "")
        before = connection.execute("SELECT pg_catalog.pg_conf_load_time()").fetchone()
        connection.execute("SELECT pg_catalog.pg_reload_conf()")

        def old() -> str:
            now = connection.execute("SELECT pg_catalog.pg_conf_load_time()").fetchone()
            return "its configuration is the old one" if now == before else ""

        wait_until("the server did not reload its configuration", old, _RELOAD_TIMEOUT_S, _POLL_S)
    # A new session, because some parameters do not change in one that is open.
    found = values(access, expected)
    for name, value in found.items():
        if value != expected[name]:
            raise EngineError(f"PostgreSQL has {value!r} for {name} after the change, and not {expected[name]!r}.", "")
