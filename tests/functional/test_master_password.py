"""modify-cluster --master-user-password: the new password works, the old one does not, and nothing tells either."""

from __future__ import annotations

import contextlib
import json
import stat
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from auroractl.config.paths import Home
from auroractl.engine import sql
from auroractl.services.instances import master_password
from tests.functional.command import Auroractl, below, wait_until
from tests.functional.conftest import home_of_its_own
from tests.functional.going_back import wait_window

FIRST, SECOND, THIRD = "the-first-word", "the-second'word", "the-third\\word"


@pytest.fixture(scope="module")
def demo(warm_home: Home) -> Iterator[Auroractl]:
    """A cluster with a reader and a password that the tests change."""
    with home_of_its_own(warm_home) as command:
        command("create-cluster", "demo", "--readers", "1", "--master-user-password", "-", stdin=f"{FIRST}\n")
        yield command


def _change(command: Auroractl, password: str) -> None:
    command("modify-cluster", "demo", "--master-user-password", "-", stdin=f"{password}\n")


def _logs_in(command: Auroractl, password: str, role: str = "writer") -> bool:
    there = psycopg.conninfo.conninfo_to_dict(command.uri("demo", role=role))
    try:
        psycopg.connect(**{**there, "password": password}).close()  # type: ignore[arg-type]
    except psycopg.OperationalError as error:
        if "password authentication failed" not in str(error):
            raise
        return False
    return True


def _files(command: Auroractl) -> Iterator[tuple[str, bytes]]:
    """Everything that is written, but the file of the passwords, databases and WAL."""
    for path, status in below(command.home.root):
        data = any(part in {"data", "nodes", "template", "postgresql"} for part in path.parts)
        if path.name != "secrets.json" and stat.S_ISREG(status.st_mode) and not data:
            with contextlib.suppress(FileNotFoundError):
                yield str(path), path.read_bytes()


def test_the_new_password_works_everywhere_and_the_old_one_nowhere(demo: Auroractl) -> None:
    with demo.connect("demo") as open_before:
        _change(demo, SECOND)
        assert open_before.execute("select 1").fetchone() == (1,)
    assert _logs_in(demo, SECOND)
    assert not _logs_in(demo, FIRST)
    wait_until("the reader to have it", lambda: _logs_in(demo, SECOND, "reader"))
    assert demo("psql", "demo", "--", "-Atc", "select 1").stdout == "1\n"
    with demo.connect("demo") as connection:
        assert connection.execute("select 1").fetchone() == (1,)
    secrets = demo.home.cluster("demo").secrets
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o600
    assert json.loads(secrets.read_text()) == {"master": SECOND, "former": [FIRST]}


def test_nothing_that_is_written_tells_a_password(demo: Auroractl) -> None:
    """Nor what the server keeps of it: a statement with it that failed, or was counted, would tell that."""
    _change(demo, THIRD)
    with sql.session(demo.admin_access(demo.writer("demo"))) as connection:
        counted = connection.execute("select query from monitoring.pg_stat_statements where query ilike '%password%'")
        assert [row for row in counted.fetchall() if "SCRAM-SHA-256" in row[0]] == []
        connection.execute("alter role postgres rename to elsewhere")
        refused = demo.run("modify-cluster", "demo", "--master-user-password", "-", stdin=f"{SECOND}\n")
        connection.execute("alter role elsewhere rename to postgres")
    assert refused.returncode != 0
    assert 'role "postgres" does not exist' in refused.stderr
    for name, content in _files(demo):
        for password in (FIRST, SECOND, THIRD):
            assert password.encode() not in content, name
        if "log" in Path(name).name:
            assert b"SCRAM-SHA-256$" not in content, name
    # A rename takes nothing from a SCRAM password, and the refused change changed nothing.
    assert _logs_in(demo, THIRD)
    assert json.loads(demo.home.cluster("demo").secrets.read_text())["master"] == THIRD


@pytest.mark.parametrize("password", ["short", "a" * 42, "with space", 'with"quote', ""])
def test_a_password_that_aws_refuses_changes_nothing(demo: Auroractl, password: str) -> None:
    before = demo.home.cluster("demo").secrets.read_text()
    done = demo.run("modify-cluster", "demo", "--tags", "a=b", "--master-user-password", "-", stdin=f"{password}\n")
    assert done.returncode == 2
    assert "MasterUserPassword" in done.stderr
    assert demo.home.cluster("demo").secrets.read_text() == before
    assert demo.cluster("demo")["TagList"] == []


def test_a_dry_run_changes_nothing(demo: Auroractl) -> None:
    before = demo.home.cluster("demo").secrets.read_text()
    demo("modify-cluster", "demo", "--dry-run", "--master-user-password", "-", stdin="never-to-be-used\n")
    assert demo.home.cluster("demo").secrets.read_text() == before
    assert not _logs_in(demo, "never-to-be-used")


def test_a_change_that_a_crash_interrupted_is_finished(demo: Auroractl) -> None:
    """Whether the database has it already or not: the next supervisor sets it again."""
    secrets = demo.home.cluster("demo").secrets
    kept = json.loads(secrets.read_text())
    demo.kill_supervisor()
    secrets.write_text(json.dumps({**kept, master_password._NEXT: "after-the-crash"}))
    demo("supervisor", "start")
    wait_until("the change to be finished", lambda: json.loads(secrets.read_text())["master"] == "after-the-crash")
    assert _logs_in(demo, "after-the-crash")
    assert json.loads(secrets.read_text())["former"][0] == kept["master"]
    told = [row[0] for row in demo.rows("select message from event")]
    assert "The password of the master user was changed" in told


@pytest.mark.slow
def test_the_past_has_the_password_of_its_time_until_it_is_the_present(demo: Auroractl) -> None:
    wait_window(demo)
    with demo.connect("demo") as connection:
        connection.execute("create table story (id int)")
        row = connection.execute("select clock_timestamp()::text").fetchone()
        assert row is not None
    _change(demo, "in-the-present")
    assert demo("peek", "demo", "--at", row[0], "--", "-Atc", "select count(*) from story").stdout == "0\n"
    demo("backtrack", "demo", "--to", row[0], "--yes")
    assert _logs_in(demo, "in-the-present")
    assert not _logs_in(demo, "after-the-crash")
