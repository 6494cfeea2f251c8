"""Extensions that the master user creates although their scripts run as a superuser, and what their functions reach."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from auroractl.config.paths import Home
from auroractl.core.engine.extensions import may_create
from auroractl.engine import sql
from tests.functional.command import Auroractl
from tests.functional.conftest import home_of_its_own
from tests.security import shadows

_AT_THE_SOCKET = "Peer authentication failed" if os.geteuid() == 0 else "password authentication failed"


@pytest.fixture(scope="module")
def demo(warm_home: Home) -> Iterator[Auroractl]:
    """A cluster whose master user tries."""
    with home_of_its_own(warm_home) as command:
        command("create-cluster", "demo", "--readers", "0")
        yield command


@pytest.fixture
def marks() -> Iterator[Path]:
    """Where code that runs as a superuser leaves its mark."""
    folder = Path(tempfile.mkdtemp(prefix="auroractl-marks-"))
    folder.chmod(0o777)
    yield folder
    shutil.rmtree(folder)


def _error(connection: psycopg.Connection, statement: str) -> str:
    """What a statement is refused with; empty if it works."""
    try:
        connection.execute(statement.encode())
    except psycopg.Error as error:
        return f"{error.sqlstate} {error}\n{error.diag.message_detail or ''}"
    return ""


def _shadowed(connection: psycopg.Connection, marks: Path) -> None:
    """Fill the schema in which extensions will be created with what their scripts could take for PostgreSQL's own."""
    for statement in (*shadows.witness(marks), *shadows.same_names("evil"), *_MORE_SHADOWS):
        connection.execute(statement.encode())


_MORE_SHADOWS = [
    f"create function evil.{name}({arguments}) returns {result} language sql as"
    f" $$ select evil.mark('{name}'); select null::{result} $$"
    for name, arguments, result in (
        ("pg_extension_config_dump", "pg_catalog.text, pg_catalog.text", "pg_catalog.void"),
        ("format", "pg_catalog.text, pg_catalog.regprocedure", "pg_catalog.text"),
        ("set_config", "pg_catalog.text, pg_catalog.text, boolean", "pg_catalog.text"),
        ("quote_ident", "pg_catalog.name", "pg_catalog.text"),
        ("current_schema", "", "pg_catalog.name"),
    )
]


def test_no_script_runs_what_the_master_user_has_put_in_its_way(demo: Auroractl, marks: Path) -> None:
    """Each version of each extension that may be created, and its update to the newest, in a schema full of traps."""
    with demo.connect("demo") as master:
        _shadowed(master, marks)
        with sql.session(demo.admin_access(demo.writer("demo")), database="postgres") as superuser:
            superuser.execute("select evil.mark('the witness works')")
            superuser.execute("alter role postgres nosuperuser")
        (mark,) = marks.iterdir()
        mark.unlink()
        versions = master.execute(
            "select name, version from pg_catalog.pg_available_extension_versions where name <> 'plpgsql' order by 1, 2"
        ).fetchall()
        major = master.info.server_version // 10_000
        created = set()
        for name, version in versions:
            with master.transaction(force_rollback=True):
                statement = f"create extension \"{name}\" schema evil version '{version}' cascade"
                error = _error_inside(master, statement)
                assert bool(error) is not may_create(name, major), (name, version, error)
                if not error:
                    created.add(name)
                    assert _error_inside(master, f'alter extension "{name}" update') == "", (name, version)
        assert {"dblink", "postgres_fdw", "pg_stat_statements", "earthdistance", "hstore"} <= created
        assert list(marks.iterdir()) == []
        assert master.execute("select rolname from pg_catalog.pg_roles where rolsuper").fetchall() == [
            ("rdsadmin",),
            ("rdsrepladmin",),
        ]
        master.execute("drop schema evil cascade")


def _error_inside(connection: psycopg.Connection, statement: str) -> str:
    try:
        with connection.transaction():
            connection.execute(statement.encode())
    except psycopg.Error as error:
        return f"{error.sqlstate} {error}"
    return ""


def test_foreign_tables_lead_back_in_as_nobody_else(demo: Auroractl) -> None:
    """With the right password of the internal user, over TCP and at the socket; and not without any password."""
    there = demo.writer("demo")["Endpoint"]
    password = json.loads(demo.home.internal_secrets.read_text())["admin"]
    socket_folder = demo.admin_access(demo.writer("demo")).socket_folder
    assert socket_folder is not None
    with demo.connect("demo") as master:
        master.execute("create extension postgres_fdw")
        for name, host in (("tcp", there["Address"]), ("socket", str(socket_folder))):
            master.execute(
                f"create server {name} foreign data wrapper postgres_fdw"
                f" options (host '{host}', port '{there['Port']}', dbname 'rdsadmin')".encode()
            )
            given = password if name == "tcp" or os.geteuid() == 0 else "a guess"
            master.execute(
                f"create user mapping for current_user server {name} options (user 'rdsadmin', password '{given}')".encode()
            )
            master.execute(f"create foreign table at_{name} (n int) server {name} options (table_name 'x')".encode())
        assert "pg_hba.conf rejects connection" in _error(master, "select * from at_tcp")
        assert _AT_THE_SOCKET in _error(master, "select * from at_socket")
        lax = "alter user mapping for current_user server socket options (add password_required 'false')"
        assert "42501" in _error(master, lax)
        master.execute("alter user mapping for current_user server socket options (drop password)")
        assert "password or GSSAPI delegated credentials required" in _error(master, "select * from at_socket")
        master.execute("drop extension postgres_fdw cascade")


def test_no_password_file_of_the_server_is_used(demo: Auroractl) -> None:
    """dblink takes a connection string from the client, and the server's account has a file with a password."""
    writer = demo.writer("demo")
    passfile = demo.home.cluster("demo").instance(writer["DBInstanceIdentifier"]).pgpass
    socket_folder = demo.admin_access(writer).socket_folder
    back = (
        f"host={socket_folder} port={writer['Endpoint']['Port']} user=rdsrepladmin dbname=rdsadmin passfile={passfile}"
    )
    with demo.connect("demo") as master:
        master.execute("create extension dblink")
        assert "password or GSSAPI delegated credentials required" in _error(master, f"select dblink_connect('{back}')")
        assert "password authentication failed" in _error(master, f"select dblink_connect('{back} password=guess')")
        master.execute("drop extension dblink")


def test_what_others_own_is_not_read_into_memory(demo: Auroractl) -> None:
    with demo.connect("demo") as master:
        master.execute("create extension pg_prewarm")
        master.execute("create table of_master (id int)")
        master.execute("create role other_user login")
        master.execute("grant other_user to current_user")
        master.execute("set role other_user")
        assert "42501" in _error(master, "select public.pg_prewarm('public.of_master')")
        master.execute("reset role")
        assert _error(master, "select public.pg_prewarm('public.of_master')") == ""
        master.execute("drop extension pg_prewarm")


def test_the_statistics_of_statements_tell_no_password(demo: Auroractl) -> None:
    with demo.connect("demo") as master:
        master.execute("create extension pg_stat_statements")
        internal = master.execute(
            "select count(*), count(*) filter (where query ~ 'SCRAM|PASSWORD') from pg_stat_statements where userid = 10"
        ).fetchone()
        assert internal is not None
        assert internal[0] > 0
        assert internal[1] == 0
        master.execute("drop extension pg_stat_statements")
