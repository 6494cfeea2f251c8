"""What the master user may do: the table of `core/engine/privileges.py`, every row, and the extensions of the build."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

import psycopg
import pytest

from auroractl.config.paths import Home
from auroractl.core.engine.extensions import ALLOWED, may_create
from auroractl.core.engine.privileges import PRIVILEGES, Privilege
from auroractl.core.engine.versions import how_to_install
from auroractl.engine.trusted_extensions import untrusted
from auroractl.runtime.engine_builds import this_machine
from tests.functional.command import Auroractl, wait_until
from tests.functional.conftest import home_of_its_own


@dataclass
class Master:
    """The master user's session, and what the statements of the table refer to."""

    connection: psycopg.Connection
    names: dict[str, str]
    installed: frozenset[str]
    """The extensions that the build has."""
    untrusted: frozenset[str]
    """Those that AWS lists and that stay a superuser's in this build."""

    @property
    def major(self) -> int:
        """The major version of the server."""
        return self.connection.info.server_version // 10_000

    def attempt(self, statements: tuple[str, ...]) -> str:
        """Run statements in a transaction that is undone; returns the SQLSTATE of the last, empty if it worked."""
        *prepare, last = (statement.format(**self.names) for statement in statements)
        with self.connection.transaction(force_rollback=True):
            for statement in prepare:
                self.connection.execute(statement.encode())
            try:
                with self.connection.transaction():
                    self.connection.execute(last.encode())
            except psycopg.Error as error:
                return error.sqlstate or str(error)
        return ""

    def attempt_outside(self, statements: tuple[str, ...]) -> str:
        """Run statements that no transaction may contain."""
        try:
            for statement in statements:
                self.connection.execute(statement.format(**self.names).encode())
        except psycopg.Error as error:
            return error.sqlstate or str(error)
        return ""


@pytest.fixture(scope="module", params=[15, 17, None], ids=["15", "17", "default"])
def master(warm_home: Home, request: pytest.FixtureRequest) -> Iterator[Master]:
    """The master user of a cluster, in a database of its own, while another user and an internal session are there."""
    with home_of_its_own(warm_home) as command:
        version = _version(command, request.param) if request.param else ()
        chosen = ("--database-name", "app", "--master-username", "the_owner")
        command("create-cluster", "demo", "--readers", "0", *chosen, *version)
        with command.connect("demo") as connection, _another_user(command, connection) as other:
            (internal,) = _one(connection, "select pid from pg_stat_activity where usename = 'rdsadmin' limit 1")
            names = {"other": str(other), "internal": str(internal), "master": "the_owner", "database": "app"}
            installed = frozenset(row[0] for row in connection.execute("select name from pg_available_extensions"))
            stays = frozenset(untrusted(command.binaries().share / "extension", command.binaries().major))
            yield Master(connection, names, installed, stays)


def _version(command: Auroractl, major: int) -> tuple[str, ...]:
    if not command.json("describe-db-engine-versions", "--engine-version", str(major))["DBEngineVersions"]:
        pytest.skip(f"no PostgreSQL {major} here; install it: {how_to_install(major, this_machine())}")
    return ("--engine-version", str(major))


@contextmanager
def _another_user(command: Auroractl, connection: psycopg.Connection) -> Iterator[int]:
    connection.execute("create role other_user login password 'other password'")
    there = psycopg.conninfo.conninfo_to_dict(command.uri("demo"))
    # Closed without a commit: one of the rows ends it.
    with closing(psycopg.connect(**{**there, "user": "other_user", "password": "other password"})) as other:  # type: ignore[arg-type]
        other.execute("select 'a statement'")
        yield other.info.backend_pid


def _one(connection: psycopg.Connection, query: str) -> tuple[int]:
    row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return (int(row[0]),)


@pytest.mark.parametrize("row", PRIVILEGES, ids=lambda row: f"{'not ' if row.refused else ''}{row.subject}")
def test_rds_superuser_may_do_what_the_table_says(master: Master, row: Privilege) -> None:
    if not row.since <= master.major <= row.until:
        pytest.skip(f"this row is about PostgreSQL {row.since} to {row.until}")
    if row.extension and row.extension not in master.installed:
        pytest.skip(f"this build of PostgreSQL does not have {row.extension}")
    attempt = master.attempt if row.in_transaction else master.attempt_outside
    assert attempt(row.statements) == row.refused


def test_every_extension_that_aws_lists_can_be_created_and_no_other(master: Master) -> None:
    assert {"pgcrypto", "uuid-ossp"} <= master.installed, "in SQL where the build does not ship them"
    expected, found = {}, {}
    for name in sorted(master.installed - {"plpgsql"}):
        allowed = may_create(name, master.major) and name not in master.untrusted
        expected[name] = "" if allowed else "refused"
        state = master.attempt((f'CREATE EXTENSION "{name}" CASCADE',))
        # 0A000 if it needs another extension that this build does not have.
        found[name] = "refused" if state in {"42501", "0A000"} else state
    assert found == expected


def test_what_the_build_lacks_is_refused_with_what_has_it(master: Master) -> None:
    lacking = sorted(ALLOWED - master.installed - {"pg_stat_statements"})
    assert "plv8" in lacking
    for name in lacking:
        with pytest.raises(psycopg.errors.FeatureNotSupported, match=f'"{name}" is not available') as refused:
            master.connection.execute(f'CREATE EXTENSION IF NOT EXISTS "{name}" WITH SCHEMA pg_catalog'.encode())
        master.connection.rollback()
        hint = refused.value.diag.message_hint or ""
        assert "auroractl" in hint or hint.startswith("No build gives it to clients here")
    for view in ("pg_available_extensions", "pg_available_extension_versions"):
        shown = {row[0] for row in master.connection.execute(f"select name from {view}".encode())}
        assert shown & ALLOWED == master.installed & ALLOWED
    assert master.attempt(("CREATE EXTENSION no_such_thing",)) == "0A000"


def test_a_dump_contains_none_of_what_auroractl_grants(master: Master) -> None:
    """Whoever restores it elsewhere has no rds_superuser, and may not grant what PostgreSQL itself owns."""
    extensions = [f'CREATE EXTENSION "{name}"' for name in ("postgres_fdw", "pg_stat_statements")]
    query = (
        "SELECT p.oid::regprocedure::text FROM pg_proc p LEFT JOIN pg_init_privs i ON i.objoid = p.oid"
        " AND i.classoid = 'pg_proc'::regclass WHERE p.proacl::text LIKE '%rds_superuser%'"
        " AND p.proacl IS DISTINCT FROM i.initprivs UNION ALL"
        " SELECT f.fdwname FROM pg_foreign_data_wrapper f LEFT JOIN pg_init_privs i ON i.objoid = f.oid"
        " AND i.classoid = 'pg_foreign_data_wrapper'::regclass WHERE f.fdwacl IS DISTINCT FROM i.initprivs"
    )
    with master.connection.transaction(force_rollback=True):
        for statement in extensions:
            master.connection.execute(statement.encode())
        assert master.connection.execute(query.encode()).fetchall() == []


def test_what_it_drops_or_renames_of_aurora_comes_back(master: Master) -> None:
    master.connection.execute("alter role rds_iam rename to gone")

    def names() -> bool:
        found = master.connection.execute("select rolname from pg_roles where rolname in ('gone', 'rds_iam')")
        return found.fetchall() == [("rds_iam",)]

    wait_until("rds_iam to have its name again", names)
