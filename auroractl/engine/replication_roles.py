"""REPLICATION for the members of rds_replication, and for no other client.

PostgreSQL has no role that allows logical replication, only this attribute. It allows more: through a connection to a
database, which pg_hba.conf cannot tell from any other, a client may also start a base backup or physical replication. So
members have the attribute only while the server has `wal_level = logical`, which is not the default, and what is not
logical replication is ended. The same holds for a client that acknowledges WAL under the name of a storage node.
"""

from __future__ import annotations

import psycopg
from psycopg import sql

from auroractl.engine.admission import IN_FORCE

MEMBERS = f"""
WITH RECURSIVE members (oid) AS (
  SELECT oid FROM pg_catalog.pg_authid WHERE rolname = 'rds_replication'
  UNION SELECT m.member FROM pg_catalog.pg_auth_members m JOIN members ON m.roleid = members.oid
)
SELECT rolname, NOT rolreplication AS wanted FROM pg_catalog.pg_authid r
WHERE NOT rolsuper AND rolreplication <> (
  rolcanlogin AND pg_catalog.current_setting('wal_level') = 'logical' AND {IN_FORCE}
  AND EXISTS (SELECT FROM members WHERE oid = r.oid))
"""  # noqa: S608
"""Query for the roles whose attribute is not what it should be; superusers are auroractl's own."""
INTRUDERS = """
SELECT pid, usename, application_name FROM pg_catalog.pg_stat_replication r
WHERE usename IS DISTINCT FROM 'rdsrepladmin' AND state <> 'startup' AND (sync_state <> 'async' OR NOT EXISTS (
  SELECT FROM pg_catalog.pg_replication_slots s WHERE s.active_pid = r.pid AND s.slot_type = 'logical'))
"""
"""Query for the WAL senders of clients that do not replicate logically, or count as a storage node."""


def restore(connection: psycopg.Connection) -> list[str]:
    """Give and take the attribute; return the changes, one sentence each. Raises psycopg.Error."""
    done = []
    limited = connection.execute("SELECT pg_catalog.current_setting('output_plugin_libraries', true)").fetchone()
    # Releases without this setting load whatever file a client names.
    warning = "" if limited != (None,) else " This release of PostgreSQL lets it load any library (docs/security.md)."
    for name, wanted in connection.execute(MEMBERS.encode()).fetchall():
        attribute = sql.SQL("REPLICATION" if wanted else "NOREPLICATION")
        connection.execute(sql.SQL("ALTER ROLE {} {}").format(sql.Identifier(name), attribute))
        done.append(f"The role {name} may {'now' if wanted else 'no longer'} replicate.{warning if wanted else ''}")
    return done


def end_intruders(connection: psycopg.Connection) -> list[str]:
    """End what is not logical replication; return what was ended, one sentence each. Raises psycopg.Error."""
    done = []
    for pid, user, application in connection.execute(INTRUDERS.encode()).fetchall():
        connection.execute("SELECT pg_catalog.pg_terminate_backend(%s)", [pid])
        done.append(f"A session of {user} ({application!r}) was ended: clients may replicate logically only.")
    return done
