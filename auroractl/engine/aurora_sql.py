"""Aurora's SQL functions, by which drivers recognise Aurora and find the instances of a cluster.

They are in pg_catalog, as on Aurora, where drivers call them by their full names and from where pg_dump writes nothing
but changed privileges; so none is changed. Each database has them. Readers get them with the WAL.

What PostgreSQL itself knows is asked when a function is called. What only the supervisor knows is in a file in each data
directory (`aurora_topology`), which also a reader can read. The role is PostgreSQL's own: a server that is not in recovery
is the writer, whatever the file still says, and one that is in recovery never calls itself the writer. So an answer names
at most one writer, and the first answer after a promotion is right.

Nothing that a client defines is ever called or read. Bodies are parsed when a function is created and bound to the objects
of pg_catalog. `aurora_replica_status` is the exception, because before PostgreSQL 18 only PL/pgSQL keeps the plan of a
query, which takes ten times as long to make as to run: it pins the search path and names the schema of whatever a client
could have in pg_temp. It and `aurora_show_volume_status` run as the internal superuser, because they read the file and the
state of replication. None of these functions takes an argument; those that do, and inject faults, are in `aurora_faults`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from auroractl.core.engine.extensions import ALLOWED
from auroractl.engine import absent_extensions, aurora_faults, sql
from auroractl.engine.aurora_topology import FILE, FILE_BYTES_MAX
from auroractl.engine.connections import Access

EXTENSIONS = ",".join(sorted((*ALLOWED, "aurora_stat_utils")))
"""The value of `rds.extensions`. Drivers take a server for Aurora if it lists aurora_stat_utils."""
_LOCK_TIMEOUT = "2s"
_DOCUMENT = f"nullif(pg_catalog.pg_read_file('{FILE}', 0, {FILE_BYTES_MAX}, true), '')::pg_catalog.jsonb"
_AS_SUPERUSER = "SECURITY DEFINER SET search_path = pg_catalog, pg_temp"

_VERSION = """\
CREATE OR REPLACE FUNCTION pg_catalog.aurora_version() RETURNS pg_catalog.text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN pg_catalog.concat(
  pg_catalog.current_setting('server_version_num')::pg_catalog.int4 / 10000, '.',
  pg_catalog.current_setting('server_version_num')::pg_catalog.int4 % 10000, '.0')
"""
_IDENTIFIER = """\
CREATE OR REPLACE FUNCTION pg_catalog.aurora_db_instance_identifier() RETURNS pg_catalog.text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN pg_catalog.current_setting('cluster_name')
"""
_REPLICA_STATUS = f"""\
CREATE OR REPLACE FUNCTION pg_catalog.aurora_replica_status(
  OUT server_id text, OUT session_id text, OUT durable_lsn bigint, OUT highest_lsn_rcvd bigint,
  OUT current_read_lsn bigint, OUT cur_replay_latency_in_usec bigint, OUT active_txns bigint, OUT is_current boolean,
  OUT last_transport_error integer, OUT last_error_timestamp timestamptz, OUT last_update_timestamp timestamptz,
  OUT feedback_xmin xid, OUT feedback_epoch bigint, OUT replica_lag_in_msec real,
  OUT log_stream_speed_in_kib_per_second real, OUT log_buffer_sequence_number bigint,
  OUT oldest_read_view_trx_id bigint, OUT oldest_read_view_lsn bigint, OUT pending_read_ios bigint,
  OUT read_ios bigint, OUT iops bigint, OUT cpu real)
RETURNS SETOF record LANGUAGE plpgsql STABLE PARALLEL RESTRICTED {_AS_SUPERUSER} AS $$
#variable_conflict use_column
BEGIN RETURN QUERY
WITH me AS MATERIALIZED (
  SELECT pg_catalog.current_setting('cluster_name') AS id, pg_catalog.pg_is_in_recovery() AS standby,
    {_DOCUMENT} AS file
), listed AS MATERIALIZED (
  SELECT i.id, i.session, i.seen_at_s, i.lsn, i.lag_ms, i.cpu_percent
  FROM me, pg_catalog.jsonb_to_recordset(me.file -> 'instances') AS i(
    id text, session text, seen_at_s double precision, lsn bigint, lag_ms real, cpu_percent real)
  UNION ALL
  SELECT me.id, '', NULL, NULL, NULL, NULL FROM me
  WHERE NOT me.standby AND NOT coalesce(
    me.file -> 'instances' @> pg_catalog.jsonb_build_array(pg_catalog.jsonb_build_object('id', me.id)), false)
), sent AS MATERIALIZED (
  SELECT r.application_name, r.sync_state, r.state, r.backend_xmin, r.reply_time,
    (r.write_lsn - '0/0'::pg_lsn)::bigint AS written, (r.flush_lsn - '0/0'::pg_lsn)::bigint AS flushed,
    (r.replay_lsn - '0/0'::pg_lsn)::bigint AS replayed, extract(epoch FROM r.replay_lag) AS lag_s
  FROM me, pg_catalog.pg_stat_replication r WHERE NOT me.standby AND r.usename = 'rdsrepladmin'
), own AS MATERIALIZED (
  SELECT me.standby,
    CASE WHEN me.standby THEN (pg_catalog.pg_last_wal_receive_lsn() - '0/0'::pg_lsn)::bigint END AS received,
    CASE WHEN me.standby THEN (pg_catalog.pg_last_wal_replay_lsn() - '0/0'::pg_lsn)::bigint END AS replayed,
    CASE WHEN me.standby
      THEN extract(epoch FROM pg_catalog.clock_timestamp() - pg_catalog.pg_last_xact_replay_timestamp()) END AS age_s,
    CASE WHEN NOT me.standby THEN (
      SELECT s.flushed FROM sent s WHERE s.sync_state = 'quorum' AND s.flushed IS NOT NULL ORDER BY s.flushed DESC
      OFFSET coalesce((me.file ->> 'write_quorum')::integer, 1) - 1 LIMIT 1) END AS durable,
    (SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_get_activity(NULL) a
     WHERE a.xact_start IS NOT NULL AND a.datid IS NOT NULL) AS transactions,
    (SELECT pg_catalog.sum(d.blks_read)::bigint FROM pg_catalog.pg_stat_database d) AS reads
  FROM me
), figures AS (
  SELECT i.*, i.id = me.id AS mine,
    CASE WHEN me.standby THEN i.id = me.file ->> 'writer' AND i.id <> me.id ELSE i.id = me.id END AS master,
    CASE WHEN i.id <> me.id THEN coalesce(s.lag_s, CASE WHEN s.state = 'streaming' THEN 0 ELSE i.lag_ms / 1000 END)
         WHEN own.received > own.replayed THEN own.age_s ELSE 0 END AS lag_s,
    CASE WHEN i.id <> me.id THEN coalesce(s.replayed, i.lsn) ELSE own.replayed END AS replayed,
    CASE WHEN i.id <> me.id THEN s.written ELSE own.received END AS received,
    own.durable, own.transactions, own.reads, s.backend_xmin, s.reply_time
  FROM me CROSS JOIN own CROSS JOIN listed i
  LEFT JOIN LATERAL (
    SELECT * FROM sent WHERE sent.application_name = i.id ORDER BY sent.reply_time DESC NULLS LAST LIMIT 1) s ON true
)
SELECT f.id, CASE WHEN f.master THEN 'MASTER_SESSION_ID' ELSE f.session END,
  CASE WHEN f.master THEN coalesce(f.durable, f.lsn) ELSE f.replayed END,
  CASE WHEN NOT f.master THEN f.received END, CASE WHEN NOT f.master THEN f.replayed END,
  CASE WHEN NOT f.master THEN (f.lag_s * 1000000)::bigint END, CASE WHEN f.mine THEN f.transactions END,
  true, 0, pg_catalog.to_timestamp(0),
  CASE WHEN NOT f.mine THEN greatest(f.reply_time, pg_catalog.to_timestamp(f.seen_at_s)) END,
  f.backend_xmin, NULL::bigint, CASE WHEN NOT f.master THEN (f.lag_s * 1000)::real END,
  NULL::real, NULL::bigint, NULL::bigint, NULL::bigint, NULL::bigint, CASE WHEN f.mine THEN f.reads END, NULL::bigint,
  coalesce(f.cpu_percent, 0)
FROM figures f ORDER BY f.id; END $$
"""  # noqa: S608  (constants of this module)
_VOLUME_STATUS = f"""\
CREATE OR REPLACE FUNCTION pg_catalog.aurora_show_volume_status(OUT disks integer, OUT nodes integer)
RETURNS SETOF record LANGUAGE sql STABLE PARALLEL RESTRICTED {_AS_SUPERUSER}
BEGIN ATOMIC
SELECT (file ->> 'disks')::integer, (file ->> 'nodes')::integer FROM (SELECT {_DOCUMENT} AS file) AS the
WHERE file IS NOT NULL; END
"""  # noqa: S608  (constants of this module)
_LIST = r"""
CREATE OR REPLACE FUNCTION pg_catalog.aurora_list_builtins(
  OUT "Name" text, OUT "Result data type" text, OUT "Argument data types" text, OUT "Type" text,
  OUT "Volatility" text, OUT "Parallel" text, OUT "Security" text, OUT "Description" text)
RETURNS SETOF record LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
SELECT p.proname::text, pg_catalog.pg_get_function_result(p.oid), pg_catalog.pg_get_function_arguments(p.oid), 'func',
  CASE p.provolatile WHEN 'i' THEN 'immutable' WHEN 's' THEN 'stable' ELSE 'volatile' END,
  CASE p.proparallel WHEN 's' THEN 'safe' WHEN 'r' THEN 'restricted' ELSE 'unsafe' END,
  CASE WHEN p.prosecdef THEN 'definer' ELSE 'invoker' END, pg_catalog.obj_description(p.oid, 'pg_proc')
FROM pg_catalog.pg_proc p
WHERE p.pronamespace = 'pg_catalog'::regnamespace AND pg_catalog.starts_with(p.proname::text, 'aurora_')
ORDER BY p.proname; END
"""
_ACTIVITY = """\
CREATE OR REPLACE FUNCTION pg_catalog.aurora_stat_activity(
  OUT datid oid, OUT datname name, OUT pid integer, OUT leader_pid integer, OUT usesysid oid, OUT usename name,
  OUT application_name text, OUT client_addr inet, OUT client_hostname text, OUT client_port integer,
  OUT backend_start timestamptz, OUT xact_start timestamptz, OUT query_start timestamptz, OUT state_change timestamptz,
  OUT wait_event_type text, OUT wait_event text, OUT state text, OUT backend_xid xid, OUT backend_xmin xid,
  OUT query_id bigint, OUT query text, OUT backend_type text, OUT plan_id bigint)
RETURNS SETOF record LANGUAGE sql STABLE PARALLEL RESTRICTED
BEGIN ATOMIC
SELECT a.datid, a.datname, a.pid, a.leader_pid, a.usesysid, a.usename, a.application_name, a.client_addr,
  a.client_hostname, a.client_port, a.backend_start, a.xact_start, a.query_start, a.state_change, a.wait_event_type,
  a.wait_event, a.state, a.backend_xid, a.backend_xmin, a.query_id, a.query, a.backend_type, NULL::bigint
FROM pg_catalog.pg_stat_activity a; END
"""
"""Aurora's is without plans too unless aurora_compute_plan_id is on."""
_WAIT_TYPES = """\
CREATE OR REPLACE FUNCTION pg_catalog.aurora_stat_wait_type(OUT type_id integer, OUT type_name text)
RETURNS SETOF record LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
VALUES (1, 'LWLock'), (3, 'Lock'), (4, 'BufferPin'), (5, 'Activity'), (6, 'Client'), (7, 'Extension'), (8, 'IPC'),
  (9, 'Timeout'), (10, 'IO'); END
"""
"""PostgreSQL's classes (src/include/utils/wait_classes.h), which are Aurora's without its own."""
_FUNCTIONS = {
    "aurora_version()": (_VERSION, "Amazon Aurora PostgreSQL-Compatible Edition version string"),
    "aurora_db_instance_identifier()": (_IDENTIFIER, "Name of the DB instance of this session"),
    "aurora_replica_status()": (_REPLICA_STATUS, "Status of all instances of the cluster"),
    "aurora_show_volume_status()": (_VOLUME_STATUS, "Protection groups and storage nodes of the volume"),
    "aurora_stat_activity()": (_ACTIVITY, "Activity of each server process, with its plan identifier"),
    "aurora_stat_wait_type()": (_WAIT_TYPES, "Types of wait events"),
    "aurora_list_builtins()": (_LIST, "Lists all Aurora built-in functions"),
}
_COMMENTED = {**_FUNCTIONS, **aurora_faults.FUNCTIONS}
_SETTINGS = f"""\
CREATE OR REPLACE VIEW pg_catalog.pg_settings AS
SELECT * FROM pg_catalog.pg_show_all_settings() AS a
UNION ALL
SELECT 'rds.extensions', '{EXTENSIONS}', NULL, 'Customized Options', 'Extensions that rds_superuser may create.', NULL,
  'postmaster', 'string', 'configuration file', NULL, NULL, NULL, '', '{EXTENSIONS}', NULL, NULL, false
"""  # noqa: S608  (constants of this module)
"""PostgreSQL shows no setting of a name that no module has defined. The rules of the view stay as they are."""

_MADE = (
    *(statement for statement, _ in _FUNCTIONS.values()),
    *aurora_faults.STATEMENTS,
    *(f"COMMENT ON FUNCTION pg_catalog.{name} IS '{what}'" for name, (_, what) in _COMMENTED.items()),
    *absent_extensions.VIEWS,
    _SETTINGS,
)
_REVISION = f"Aurora's functions, {hashlib.sha256(repr(_MADE).encode()).hexdigest()[:16]}"
"""Changes with the statements. It is the comment on the view, which is the last thing that is created."""
STATEMENTS = (
    "SET allow_system_table_mods = on",
    *_MADE,
    "COMMENT ON VIEW pg_catalog.pg_settings IS '{}'".format(_REVISION.replace("'", "''")),
    "RESET allow_system_table_mods",
)
"""What makes the functions in one database; may be repeated. No line but the last of a statement ends with a semicolon."""
DATABASES = (
    b"SELECT coalesce(pg_catalog.string_agg(oid::text, ' '), '') FROM pg_catalog.pg_database"
    b" WHERE datallowconn AND datconnlimit <> -2"
)
"""Query for the oids of all databases but template0, and but those that an interrupted DROP DATABASE left behind (-2)."""
_DONE = (
    "SELECT coalesce(pg_catalog.obj_description('pg_catalog.pg_settings'::pg_catalog.regclass, 'pg_class') = %s, false)"
)


def names(access: Access, oids: Iterable[int], timeout_s: float) -> dict[int, str]:
    """Return the names of those databases that still exist and accept connections. Raises EngineError."""
    query = (
        "SELECT oid::int8, datname FROM pg_catalog.pg_database"
        " WHERE oid::int8 = ANY(%s) AND datallowconn AND datconnlimit <> -2"
    )
    with sql.session(access, statement_timeout_s=timeout_s) as connection:
        return dict(connection.execute(query, [list(oids)]).fetchall())


def install(access: Access, database: str, timeout_s: float) -> bool:
    """Make the functions in a database of a writer; return whether it lacked them. Raises EngineError."""
    with sql.session(access, database=database, statement_timeout_s=timeout_s) as connection:
        if connection.execute(_DONE, [_REVISION]).fetchone() == (True,):
            return False
        with connection.transaction():
            # A client may have locked the view, and others would wait behind this.
            connection.execute(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'".encode())
            for statement in STATEMENTS:
                connection.execute(statement.encode())
        return True
