"""What rds_superuser may do on Aurora PostgreSQL, as statements to try; one test tries them all.

A row is what Aurora does, from AWS's documentation. Where PostgreSQL without a superuser's help cannot do the same,
the row says so (`differs`), and docs/differences.md says why.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

DENIED = "42501"
"""insufficient_privilege"""
_IN_USE = "2BP01"
"""dependent_objects_still_exist"""

_GUIDE = "https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/"
_RDS_GUIDE = "https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/"
_SUPERUSER = _GUIDE + "Appendix.PostgreSQL.CommonDBATasks.Roles.rds_superuser.html"
_LOGICAL = _GUIDE + "AuroraPostgreSQL.Replication.Logical.Configure.html"
_IAM = _GUIDE + "UsingWithRDS.IAMDBAuth.DBAccounts.html"
_KERBEROS = _GUIDE + "postgresql-kerberos-setting-up.html"
_LOGS = _GUIDE + "USER_LogAccess.Concepts.PostgreSQL.Query_Logging.html"
_AUDIT = _GUIDE + "Appendix.PostgreSQL.CommonDBATasks.pgaudit.basic-setup.html"
_EVENT_TRIGGERS = _RDS_GUIDE + "PostgreSQL.Concepts.General.FeatureSupport.EventTriggers.html"
_TABLESPACES = _RDS_GUIDE + "PostgreSQL.Concepts.General.FeatureSupport.Tablespaces.html"
_MIGRATION = "https://docs.aws.amazon.com/dms/latest/userguide/CHAP_Target.PostgreSQL.html"
_EXTENSIONS = (
    "https://docs.aws.amazon.com/AmazonRDS/latest/AuroraPostgreSQLReleaseNotes/AuroraPostgreSQL.Extensions.html"
)

_SETTABLE = {
    "session_replication_role": 15,
    "log_duration": 15,
    "log_error_verbosity": 15,
    "log_executor_stats": 15,
    "log_lock_failures": 18,
    "log_lock_waits": 15,
    "log_min_duration_sample": 15,
    "log_min_duration_statement": 15,
    "log_min_error_statement": 15,
    "log_min_messages": 15,
    "log_parameter_max_length": 15,
    "log_parser_stats": 15,
    "log_planner_stats": 15,
    "log_replication_commands": 15,
    "log_statement": 15,
    "log_statement_sample_rate": 15,
    "log_statement_stats": 15,
    "log_temp_files": 15,
    "log_transaction_sample_rate": 15,
    **dict.fromkeys(
        (
            f"auto_explain.{name}"
            for name in (
                "log_analyze",
                "log_buffers",
                "log_format",
                "log_level",
                "log_min_duration",
                "log_nested_statements",
                "log_parameter_max_length",
                "log_settings",
                "log_timing",
                "log_triggers",
                "log_verbose",
                "log_wal",
                "sample_rate",
            )
        ),
        15,
    ),
    **dict.fromkeys((f"pg_stat_statements.{name}" for name in ("track", "track_planning", "track_utility")), 15),
    **dict.fromkeys(
        (
            f"pgaudit.{name}"
            for name in (
                "log",
                "log_catalog",
                "log_client",
                "log_level",
                "log_parameter",
                "log_relation",
                "log_rows",
                "log_statement",
                "log_statement_once",
                "role",
            )
        ),
        15,
    ),
    "rds.force_admin_logging_level": 15,
    "rds.force_autovacuum_logging_level": 15,
}
"""Parameters of superusers that rds_superuser may set for sessions, roles and databases, with the first major version."""


def settable(major: int) -> list[str]:
    """Return the parameters that PostgreSQL keeps for superusers, and that rds_superuser may set."""
    return [name for name, since in _SETTABLE.items() if major >= since]


@dataclass(frozen=True, slots=True)
class Privilege:
    """Something that a member of rds_superuser may do on Aurora, or not."""

    subject: str
    statements: tuple[str, ...]
    """The last one is allowed or refused, those before it prepare it.

    `{other}` is the process of another user's session, `{internal}` that of an internal session.
    """
    source: str
    refused: str = ""
    """The SQLSTATE with which it is refused here; empty if it is allowed."""
    differs: bool = False
    """True if Aurora allows what is refused here."""
    since: int = 15
    until: int = 18
    """The first and the last major version."""
    in_transaction: bool = True
    """False for statements that PostgreSQL runs outside of transactions only."""
    extension: str = ""
    """The extension that the build must have."""


def rows(major: int) -> Iterator[Privilege]:
    """Return the rows for a major version."""
    return (row for row in PRIVILEGES if row.since <= major <= row.until)


def _row(subject: str, source: str, *statements: str, **more: bool | int | str) -> Privilege:
    return Privilege(subject, statements, source, **more)  # type: ignore[arg-type]


_NEW_ROLE = "CREATE ROLE someone"
_NEW_TABLE = "CREATE TABLE some_table (id int PRIMARY KEY)"
_GRANTABLE = {
    "rds_superuser": (_SUPERUSER, 15),
    "rds_replication": (_SUPERUSER, 15),
    "rds_password": (_SUPERUSER, 15),
    "rds_iam": (_IAM, 15),
    "rds_ad": (_KERBEROS, 15),
    "pg_monitor": (_SUPERUSER, 15),
    "pg_read_all_settings": (_SUPERUSER, 15),
    "pg_read_all_stats": (_SUPERUSER, 15),
    "pg_stat_scan_tables": (_SUPERUSER, 15),
    "pg_signal_backend": (_SUPERUSER, 15),
    "pg_checkpoint": (_SUPERUSER, 15),
    "pg_read_all_data": (_SUPERUSER, 15),
    "pg_write_all_data": (_SUPERUSER, 15),
    "pg_create_subscription": (_LOGICAL, 16),
    "pg_use_reserved_connections": (_SUPERUSER, 16),
}
_ALLOWED = (
    _row("create roles", _SUPERUSER, "CREATE ROLE someone LOGIN CREATEDB CREATEROLE PASSWORD 'some password'"),
    _row("create databases", _SUPERUSER, "CREATE DATABASE some_database", in_transaction=False),
    _row("choose template and locale of a database", _SUPERUSER,
         "CREATE DATABASE other_database TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'", in_transaction=False),
    *(
        _row(f"grant {role}", source, _NEW_ROLE, f"GRANT {role} TO someone", since=since)
        for role, (source, since) in _GRANTABLE.items()
    ),
    _row("revoke what it granted", _SUPERUSER, _NEW_ROLE, "GRANT rds_replication TO someone", "REVOKE rds_replication FROM someone"),
    _row("become rds_superuser", _SUPERUSER, "SET ROLE rds_superuser"),
    _row("see the statements of others", _SUPERUSER,
         "SELECT 1 / count(*) FROM pg_stat_activity WHERE pid = {other} AND query <> '<insufficient privilege>'"),
    _row("cancel statements of others", _SUPERUSER, "SELECT pg_cancel_backend({other})"),
    _row("end sessions of others", _SUPERUSER, "SELECT pg_terminate_backend({other})"),
    _row("checkpoint", _SUPERUSER, "CHECKPOINT"),
    _row("own the schema public", _SUPERUSER, "GRANT CREATE ON SCHEMA public TO PUBLIC"),
    _row("change the schema public", _SUPERUSER, "ALTER SCHEMA public RENAME TO other"),
    _row("reset statistics", _SUPERUSER, "SELECT pg_stat_reset()"),
    _row("reset the statistics of a table", _SUPERUSER, _NEW_TABLE, "SELECT pg_stat_reset_single_table_counters('some_table'::regclass)"),
    _row("switch triggers off while data is loaded", _MIGRATION, "SET session_replication_role = replica"),
    _row("give a role session_replication_role", _MIGRATION, _NEW_ROLE, "ALTER ROLE someone SET session_replication_role = replica"),
    _row("log the statements of a session", _LOGS, "SET log_min_duration_statement = 0"),
    _row("log the statements of a database", _LOGS, "ALTER DATABASE {database} SET log_min_duration_statement = 100"),
    _row("log the statements of a role", _LOGS, _NEW_ROLE, "ALTER ROLE someone SET log_statement = 'all'"),
    _row("explain slow statements of a role", _LOGS, _NEW_ROLE, "ALTER ROLE someone SET auto_explain.log_min_duration = '1s'"),
    _row("audit a database", _AUDIT, "ALTER DATABASE {database} SET pgaudit.log = 'ddl'"),
    _row("count the statements of a role", _SUPERUSER, _NEW_ROLE, "ALTER ROLE someone SET pg_stat_statements.track = 'all'"),
    _row("publish tables", _LOGICAL, _NEW_TABLE, "CREATE PUBLICATION some_publication FOR TABLE some_table"),
    _row("subscribe", _LOGICAL,
         "CREATE SUBSCRIPTION s CONNECTION 'host=127.0.0.1 dbname=x password=y' PUBLICATION p WITH (connect = false)", since=16),
    _row("use foreign data", _EXTENSIONS, "CREATE EXTENSION postgres_fdw",
         "CREATE SERVER s FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '127.0.0.1')", extension="postgres_fdw"),
    _row("use dblink's servers", _EXTENSIONS, "CREATE EXTENSION dblink", "CREATE SERVER s FOREIGN DATA WRAPPER dblink_fdw", extension="dblink"),
    _row("reset the statistics of statements", _EXTENSIONS, "CREATE EXTENSION pg_stat_statements", "SELECT pg_stat_statements_reset()",
         extension="pg_stat_statements"),
)  # fmt: skip
_DIFFERENT = (
    _row("create an event trigger", _EVENT_TRIGGERS,
         "CREATE FUNCTION watch() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'",
         "CREATE EVENT TRIGGER some_trigger ON ddl_command_end EXECUTE FUNCTION watch()", refused=DENIED, differs=True),
    _row("publish all tables", _LOGICAL, "CREATE PUBLICATION some_publication FOR ALL TABLES", refused=DENIED, differs=True),
    _row("publish a schema", _LOGICAL, "CREATE PUBLICATION some_publication FOR TABLES IN SCHEMA public", refused=DENIED, differs=True),
    _row("subscribe", _LOGICAL,
         "CREATE SUBSCRIPTION s CONNECTION 'host=127.0.0.1 dbname=x password=y' PUBLICATION p WITH (connect = false)",
         refused=DENIED, differs=True, until=15),
    _row("create a tablespace", _TABLESPACES, "CREATE TABLESPACE some_space LOCATION '/tmp/some_space'", refused=DENIED, differs=True, in_transaction=False),
)  # fmt: skip
_REFUSED = (
    _row("create an event trigger as another member", _EVENT_TRIGGERS, "CREATE ROLE someone IN ROLE rds_superuser",
         "CREATE FUNCTION watch() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'", "SET ROLE rds_superuser",
         "CREATE EVENT TRIGGER some_trigger ON ddl_command_end EXECUTE FUNCTION watch()", refused=DENIED),
    _row("create a logical slot while rds.logical_replication is off", _LOGICAL,
         "SELECT pg_create_logical_replication_slot('some_slot', 'pgoutput')", refused=DENIED),
    _row("create a physical slot", _LOGICAL, "SELECT pg_create_physical_replication_slot('some_slot')", refused=DENIED),
    *(
        _row(subject, _SUPERUSER, *statements, refused=DENIED)
        for subject, statements in {
            "run a program": ("COPY (SELECT 1) TO PROGRAM 'id'",),
            "write a file": ("COPY (SELECT 1) TO '/tmp/some_file'",),
            "read a file": (_NEW_TABLE, "COPY some_table FROM '/etc/passwd'"),
            "read a file with a function": ("SELECT pg_read_file('postgresql.conf')",),
            "list a folder": ("SELECT pg_ls_dir('.')",),
            "import a large object from the server": ("SELECT lo_import('/etc/passwd')",),
            "export a large object on the server": ("SELECT lo_export(lo_from_bytea(0, 'x'), '/tmp/some_file')",),
            "create a function in C": ("CREATE FUNCTION f() RETURNS int LANGUAGE c AS 'libc', 'getpid'",),
            "create an internal function": ("CREATE FUNCTION f() RETURNS int LANGUAGE internal AS 'pg_backend_pid'",),
            "create a superuser": ("CREATE ROLE someone SUPERUSER",),
            "create a role that replicates": ("CREATE ROLE someone REPLICATION",),
            "create a role that passes row security": ("CREATE ROLE someone BYPASSRLS",),
            "become a superuser": ("ALTER ROLE {master} SUPERUSER",),
            "grant rdsadmin": ("GRANT rdsadmin TO {master}",),
            "change rdsadmin": ("ALTER ROLE rdsadmin PASSWORD 'known to me'",),
            "drop rdsadmin": ("DROP ROLE rdsadmin",),
            "take over rdsadmin's objects": ("REASSIGN OWNED BY rdsadmin TO {master}",),
            "end an internal session": ("SELECT pg_terminate_backend({internal})",),
            "read password hashes": ("SELECT rolpassword FROM pg_authid",),
            "change the catalog": (_NEW_ROLE, "GRANT pg_write_all_data TO {master}", "UPDATE pg_authid SET rolsuper = true"),
            "reload the configuration": ("SELECT pg_reload_conf()",),
            "switch to another WAL segment": ("SELECT pg_switch_wal()",),
            "promote": ("SELECT pg_promote()",),
        }.items()
    ),
    _row("connect with dblink without a password", _EXTENSIONS, "CREATE EXTENSION dblink",
         "SELECT dblink_connect_u('host=127.0.0.1')", refused=DENIED, extension="dblink"),
    _row("truncate a visibility map", _EXTENSIONS, "CREATE EXTENSION pg_visibility", _NEW_TABLE,
         "SELECT pg_truncate_visibility_map('some_table')", refused=DENIED, extension="pg_visibility"),
    _row("evict a buffer", _EXTENSIONS, "CREATE EXTENSION pg_buffercache", "SELECT pg_buffercache_evict(1)",
         refused=DENIED, extension="pg_buffercache", since=17),
    _row("change the configuration", _SUPERUSER, "ALTER SYSTEM SET work_mem = '8MB'", refused=DENIED, in_transaction=False),
    *(
        _row(f"grant {role}", _SUPERUSER, f"GRANT {role} TO {{master}}", refused=DENIED)
        for role in ("pg_execute_server_program", "pg_read_server_files", "pg_write_server_files")
    ),
    *(
        _row(f"drop {role}", _SUPERUSER, f"DROP ROLE {role}", refused=_IN_USE)
        for role in ("rds_superuser", "rds_replication", "rds_iam", "rds_password", "rds_ad")
    ),
)  # fmt: skip
PRIVILEGES = (*_ALLOWED, *_DIFFERENT, *_REFUSED)
