"""A writer's view of synchronous_commit as set by clients, and the reset of database and role settings.

One session's own value is not visible to another session. What is visible is that statements that set it were run:
pg_stat_statements counts them by user and database, with constants removed.
"""

from __future__ import annotations

from collections.abc import Sequence

import psycopg

from auroractl.core.synchronous_commit.setting import CommitSetting, CommitStatements

SETTINGS = b"""
SELECT r.rolname, d.datname, v.value
FROM pg_catalog.pg_db_role_setting s
CROSS JOIN LATERAL pg_catalog.unnest(s.setconfig) c (line)
CROSS JOIN LATERAL (SELECT pg_catalog.substr(c.line, 1 + pg_catalog.length('synchronous_commit='))) v (value)
LEFT JOIN pg_catalog.pg_authid r ON r.oid = s.setrole
LEFT JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase
WHERE pg_catalog.starts_with(c.line, 'synchronous_commit=')
  AND pg_catalog.lower(v.value) NOT IN ('on', 'true', 'yes', '1')
  AND (r.oid IS NOT NULL OR s.setrole = 0) AND (d.oid IS NOT NULL OR s.setdatabase = 0)
ORDER BY 1, 2
LIMIT 100
"""
"""Query for the writer, in any database: these catalogs are shared."""
_HAS_STATEMENTS = b"""
SELECT 1 FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
JOIN pg_catalog.pg_database d ON d.datname = pg_catalog.current_database()
WHERE e.extname = 'pg_stat_statements' AND n.nspname = 'monitoring' AND e.extowner = 10 AND d.datdba = 10
"""
_STATEMENTS = r"""
SELECT r.rolname, d.datname, pg_catalog.sum(s.calls)::bigint, {since}
FROM monitoring.pg_stat_statements s
JOIN pg_catalog.pg_authid r ON r.oid = s.userid
JOIN pg_catalog.pg_database d ON d.oid = s.dbid
WHERE s.userid <> 10
  AND pg_catalog.regexp_like(s.query, '\mset\s+((local|session)\s+)?"?synchronous_commit\M', 'i')
  AND NOT pg_catalog.regexp_like(s.query, '^\s*alter\s+(role|user|database)\M', 'i')
GROUP BY 1, 2
ORDER BY 3 DESC
LIMIT 100
"""
_SINCE = "pg_catalog.min(s.stats_since)"
_SINCE_BELOW_17 = "(SELECT stats_reset FROM monitoring.pg_stat_statements_info)"
"""Statements have no time of their own yet; this is when counting began."""


def settings(connection: psycopg.Connection) -> list[CommitSetting]:
    """Read the database and role settings that currently weaken commits. Raises psycopg.Error."""
    return [setting(row) for row in connection.execute(SETTINGS).fetchall()]


def setting(row: Sequence[str | None]) -> CommitSetting:
    """Convert a row of SETTINGS."""
    role, database, value = row
    return CommitSetting(role or "", database or "", value or "")


def statements(connection: psycopg.Connection) -> list[CommitStatements]:
    """Count, by user, the statements that set synchronous_commit on an internal session's server.

    Database and role settings are excluded: they are visible directly. The result is empty while the extension is not
    installed. Raises psycopg.Error.
    """
    if connection.execute(_HAS_STATEMENTS).fetchone() is None:
        return []
    since = _SINCE if connection.info.server_version >= 17_00_00 else _SINCE_BELOW_17
    query = _STATEMENTS.format(since=since).encode()
    return [CommitStatements(*row) for row in connection.execute(query).fetchall()]


def reset(connection: psycopg.Connection, found: CommitSetting) -> None:
    """Reset a database or role setting. Raises psycopg.Error."""
    connection.execute(found.reset.encode())
