"""The acts of a hostile master user, by group: each is tried, and must not get it beyond what it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.security import shadows
from tests.security.hostile_settings import ALLOWED, FORBIDDEN

if TYPE_CHECKING:
    from tests.security.hostile import Master

FIRST = "app"
"""The first database of the clusters of these tests, which the master user owns as it does `postgres`."""


@dataclass(frozen=True)
class Act:
    """What the master user tries, as statements in a database or as a program of its own."""

    name: str
    statements: tuple[str, ...] = ()
    database: str = FIRST
    refused: bool = False
    """Whether PostgreSQL must refuse the last of the statements."""
    program: Callable[[Master], None] | None = None


@dataclass(frozen=True)
class Site:
    """Where acts take place."""

    marks: Path
    """The folder in which code that runs with more rights than the master user's leaves its mark."""
    instance: tuple[str, int]
    """Where the writer listens, past the endpoints."""
    sockets: list[str]
    """Folders in which it listens as well."""


def act(statement: str, *more: str, database: str = FIRST) -> Act:
    """An act that may work, as long as nothing comes of it."""
    return Act((more[-1] if more else statement)[:90], (statement, *more), database)


def refused(statement: str, *more: str, database: str = FIRST) -> Act:
    """An act that must be refused."""
    return Act((more[-1] if more else statement)[:90], (statement, *more), database, refused=True)


def settings_of_databases() -> list[Act]:
    """Every setting, on both databases that the master user owns."""
    return [
        *(act(f"alter database {name} set {key} = {_value(value)}") for name in ("postgres", FIRST) for key, value in ALLOWED.items()),
        *(refused(f"alter database postgres set {key} = {_value(value)}") for key, value in FORBIDDEN.items()),
        refused("alter database template1 set statement_timeout = 1"),
        refused("alter database rdsadmin set statement_timeout = 1"),
    ]  # fmt: skip


def settings_of_roles() -> list[Act]:
    """Every setting, on the master user itself; and on whom it may set none."""
    return [
        *(act(f"alter role postgres set {key} = {_value(value)}") for key, value in ALLOWED.items()),
        *(act(f"alter role postgres in database postgres set {key} = {_value(value)}") for key, value in ALLOWED.items()),
        *(act(f"alter role all in database {name} set {key} = {_value(value)}") for name in ("postgres", FIRST) for key, value in list(ALLOWED.items())[:12]),
        *(act(f"alter role rds_superuser set {key} = {_value(value)}") for key, value in list(ALLOWED.items())[:5]),
        *(refused(f"alter role postgres set {key} = {_value(value)}") for key, value in FORBIDDEN.items()),
        *(refused(f"alter role {name} set statement_timeout = 1") for name in ("rdsadmin", "rdsrepladmin", "all")),
        refused("alter role rdsadmin in database postgres set search_path = evil, pg_catalog"),
        refused("alter system set archive_command = 'touch /tmp/evil'"),
        refused("grant alter system on parameter archive_command to postgres"),
    ]  # fmt: skip


def _value(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def shadows_on_the_path(marks: Path) -> list[Act]:
    """PostgreSQL's own names in a schema that databases and roles search first."""
    return [
        *_defined(marks, shadows.same_names("evil")),
        *(act(f"alter database {name} set search_path = evil, pg_catalog, public") for name in ("postgres", FIRST)),
        act("alter role postgres set search_path = evil, pg_catalog, public"),
        act("create table if not exists public.story (id int)", "insert into public.story values (1)"),
    ]


def better_matches(marks: Path) -> list[Act]:
    """Functions and operators in public that fit better than PostgreSQL's own; no setting is needed."""
    return _defined(marks, shadows.better_matches())


def _defined(marks: Path, definitions: object) -> list[Act]:
    statements = list(definitions)  # type: ignore[call-overload]
    return [
        Act(f"define in {database}: {statement[:60]}", (*shadows.witness(marks), statement), database)
        for database in ("postgres", FIRST)
        for statement in statements
    ]


def own_objects(marks: Path) -> list[Act]:
    """Triggers, rules, index expressions and functions on tables of its own, and who may come across them."""
    definition = "create or replace function evil.index_of(int) returns int language plpgsql immutable as"
    return [
        Act("the witness", tuple(shadows.witness(marks))),
        act("create table evil.bait (id int, name text)", "insert into evil.bait select 1, 'x'"),
        act(f"{definition} $$ begin return $1; end $$", "create index on evil.bait (evil.index_of(id))",
            f"{definition} $$ begin perform evil.mark('index expression'); return $1; end $$",
            "insert into evil.bait select g from generate_series(1, 5000) g"),
        act("create function evil.on_change() returns trigger language plpgsql security definer as"
            " $$ begin perform evil.mark('trigger'); return new; end $$",
            "create trigger watch before insert on evil.bait for each row execute function evil.on_change()",
            "insert into evil.bait values (2)"),
        act("create rule look as on update to evil.bait do also select evil.mark('rule')", "update evil.bait set id = 3"),
        act("create table evil.checked (id int check (evil.mark('check')))", "insert into evil.checked values (1)"),
        act("create table evil.defaulted (id int, at boolean default evil.mark('default'))",
            "insert into evil.defaulted (id) values (1)"),
        act("create materialized view evil.seen as select evil.mark('materialized view')"),
        act("create policy p on evil.bait using (evil.mark('policy'))", "alter table evil.bait enable row level security"),
        act("create statistics evil.stats on (evil.index_of(id)) from evil.bait", "analyze evil.bait"),
        act("create function pg_temp.pg_is_in_recovery() returns boolean language sql as"
            " $$ select evil.mark('pg_temp'); select true $$"),
        refused("create event trigger e on ddl_command_start execute function evil.on_change()"),
        refused("create event trigger e on login execute function evil.on_change()"),
        refused("create function public.owned() returns int language sql as 'select 1'", database="template1"),
        refused("alter function evil.mark(text) owner to rdsadmin"),
        refused("create function pg_catalog.owned() returns int language sql as 'select 1'"),
        *(act(f'create table public."{name}" (id int)', f'insert into public."{name}" values (1)') for name in NAMES),
    ]  # fmt: skip


NAMES = [
    "it's", "a=b", "100%s", "back\\slash", "two\nlines", "host=127.0.0.1 user=rdsadmin", "\x1b]0;title\x07", "\x1b[31mred",
    "postgresql://rdsadmin@127.0.0.1/postgres", "-c", "n" * 63,
]  # fmt: skip
"""Of tables and databases; nobody who prints or connects may take them for anything else."""


def acts_on_databases() -> list[Act]:
    """Databases renamed, closed, given away and dropped, and ones with names that look like something else."""
    return [
        *(act(f'create database "{name}"') for name in NAMES),
        act("alter database postgres connection limit 0"),
        act("revoke connect on database postgres from public"),
        act("revoke all on database postgres from postgres"),
        act(f"revoke all on database {FIRST} from public"),
        act("create role somebody", "grant somebody to postgres", "alter database postgres owner to somebody"),
        act("alter database postgres is_template true"),
        act("comment on database postgres is E'\\x1b[31m'"),
        act("alter database postgres with allow_connections false"),
        refused("alter database rdsadmin with allow_connections false"),
        refused("alter database rdsadmin rename to gone"),
        refused("alter database rdsadmin owner to postgres"),
        refused("drop database rdsadmin with (force)"),
        refused("create database rdsadmin"),
        refused("create database copied template rdsadmin"),
        refused("alter database template1 rename to gone"),
        refused("drop database template0"),
        Act("enter rdsadmin", ("select 1",), "rdsadmin", refused=True),
    ]


def postgres_is_gone() -> list[Act]:
    """The database that every installation of PostgreSQL has, renamed and dropped."""
    return [
        Act("rename the database postgres", program=lambda master: master.until_done("alter database postgres rename to gone")),
        act("create database postgres template template0", "alter database postgres set role = 'rds_superuser'"),
        Act("drop the database postgres", program=lambda master: master.until_done("drop database postgres with (force)")),
        act("drop database gone with (force)"),
    ]  # fmt: skip


INTERNAL = ("rds_superuser", "rdsadmin", "rdsrepladmin")
OF_AURORA = ("rds_replication", "rds_iam", "rds_password", "rds_ad")


def acts_on_roles() -> list[Act]:
    """Rights that it has not, and roles that are not its own."""
    return [
        *(act(f"drop role {name}") for name in INTERNAL),
        *(refused(f"drop role {name}") for name in INTERNAL[1:]),
        *(refused(f"drop role {name}") for name in OF_AURORA),
        *(act(f"alter role {name} rename to renamed_{name}") for name in (*INTERNAL, *OF_AURORA)),
        *(act(f"alter role {name} nologin noinherit connection limit 0") for name in INTERNAL),
        *(refused(f"alter role {name} password 'known to me'") for name in INTERNAL[1:]),
        *(refused(f"grant {name} to postgres") for name in INTERNAL[1:]),
        *(refused(f"set role {name}") for name in INTERNAL[1:]),
        *(refused(f"set session authorization {name}") for name in INTERNAL[1:]),
        *(act(f"revoke {name} from rds_superuser cascade") for name in GRANTED),
        *(act(f"revoke {name} from rds_superuser granted by rdsadmin") for name in GRANTED),
        *(refused(f"grant {name} to postgres") for name in POWERFUL),
        *(refused(f"alter role postgres {right}") for right in ("superuser", "replication", "bypassrls")),
        *(refused(f"create role another {right}") for right in ("superuser", "replication", "bypassrls")),
        refused("create role another role rdsadmin in role rdsadmin"),
        refused("drop owned by rdsadmin cascade"),
        refused("reassign owned by rdsadmin to postgres"),
        act("drop owned by rds_superuser cascade"),
        act("reassign owned by rds_superuser to postgres"),
        refused("alter default privileges for role rdsadmin grant all on tables to postgres"),
        refused("update pg_authid set rolsuper = true"),
        refused("select rolpassword from pg_authid"),
        refused("comment on role rdsadmin is 'evil'"),
        act(f'create role "{"r" * 63}"'),
        act('create role "rdsadmin " login', 'create role "RDSADMIN" login'),
    ]


GRANTED = ("pg_monitor", "pg_checkpoint", "pg_create_subscription", "pg_use_reserved_connections")
POWERFUL = ("pg_execute_server_program", "pg_read_server_files", "pg_write_server_files", "pg_database_owner")


def acts_on_the_machine(site: Site) -> list[Act]:
    """Programs, files and connections back into the server."""
    marks, (host, port) = site.marks, site.instance
    back = [f"host={host} port={port}", *(f"host=''{folder}'' port={port}" for folder in site.sockets)]
    return [
        refused(f"copy (select 1) to program 'touch {marks}/program'"),
        refused("create temporary table lines (line text)", "copy lines from program 'id'"),
        refused(f"copy (select 1) to '{marks}/file'"),
        refused("create temporary table lines (line text)", "copy lines from '/etc/passwd'"),
        refused("select pg_read_file('postgresql.conf')"),
        refused("select pg_read_binary_file('global/pg_control')"),
        refused("select pg_read_file('/etc/passwd')"),
        refused("select pg_ls_dir('/')"),
        refused("select pg_stat_file('/etc/passwd')"),
        refused("select lo_import('/etc/passwd')"),
        refused("select lo_export(lo_from_bytea(0, 'x'), '" + str(marks) + "/large')"),
        refused("load '/tmp/evil.so'"),
        refused("create function evil_c() returns int language c as '/lib/x86_64-linux-gnu/libc.so.6', 'system'"),
        refused("create function evil_i() returns int language internal as 'pg_backend_pid'"),
        refused(f"create tablespace evil location '{marks}'"),
        refused("create access method evil type table handler heap_tableam_handler"),
        refused("create publication everything for all tables"),
        refused("select pg_create_logical_replication_slot('evil', 'pgoutput')"),
        refused("select pg_create_physical_replication_slot('evil', true)"),
        refused("select pg_replication_origin_create('evil')"),
        refused("select pg_promote()"),
        refused("select pg_switch_wal()"),
        refused("select pg_wal_replay_pause()"),
        refused("select pg_rotate_logfile()"),
        refused("select pg_reload_conf()"),
        *(act(f"create extension {name}") for name in ("dblink", "postgres_fdw", "amcheck", "pg_prewarm", "pg_buffercache")),
        *(refused(f"create extension {name}") for name in ("file_fdw", "pg_surgery", "pageinspect", "pg_walinspect", "xml2")),
        *(refused(f"create extension {name}") for name in ("plpython3u", "plperlu")),
        *(
            refused(f"create subscription evil connection '{where} user={user} dbname={database}' publication p")
            for where in back for user in ("rdsadmin", "rdsrepladmin") for database in ("postgres", "rdsadmin")
        ),
        refused(f"create subscription evil connection '{back[0]} user=rdsadmin password=guess' publication p"),
        refused("create subscription evil connection 'user=rdsadmin' publication p with (connect = false, password_required = false)"),
    ]  # fmt: skip


def disturbances() -> list[Act]:
    """What keeps others from their work: locks, transactions left open, connections."""
    return [
        act("create table public.held (id int)", "begin", "insert into public.held values (1)", "prepare transaction 'left'"),
        act("create table public.closed (id int)", "begin", "lock table public.closed in access exclusive mode", "prepare transaction E'left \\x1b[31m''\\n%s'"),
        refused("lock table pg_catalog.pg_authid in access exclusive mode"),
        refused("lock table pg_catalog.pg_database in access exclusive mode"),
        act("select pg_advisory_lock(g) from generate_series(1, 1000) g"),
        act("create sequence public.s", "select count(nextval('public.s')) from generate_series(1, 10000)"),
        act("listen evil", "notify evil, 'x'"),
        act("select pg_stat_reset_shared('wal')"),
        act("checkpoint"),
        Act("take all connections", program=lambda master: master.take_all_connections()),
        Act("cancel all that it may", program=lambda master: master.signal_all("pg_cancel_backend", 2.0)),
    ]  # fmt: skip
