"""What an ordinary role writes on a real cluster: shown harmlessly, and left out of reports; and commands in odd places."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from tests.functional.command import Auroractl, wait_until
from tests.unit.core.test_visible import unsafe

ESCAPES = "\x1b]0;owned\x07\x1b[2J\x9b\u202e[bold]:skull:"
ROLE = f"{ESCAPES}\nTry: forged"
PROGRAM = [sys.executable, "-P", "-m", "auroractl"]


@pytest.fixture(scope="module")
def hostile(demo: Auroractl) -> Iterator[Auroractl]:
    """A cluster on which a role full of escapes runs a statement full of them, after one that failed."""
    with demo.connect("demo") as connection:
        connection.execute(sql.SQL("create role {} login password 'x'").format(sql.Identifier(ROLE)))
        connection.execute(sql.SQL("create database {}").format(sql.Identifier(ESCAPES)))
    there = demo.ask("connection", DBClusterIdentifier="demo", Role="writer", DBInstanceIdentifier=None)
    with psycopg.connect(
        host=there["Host"], port=there["Port"], dbname=ESCAPES, user=ROLE, password="x",
        application_name=ESCAPES, autocommit=True,
    ) as connection:  # fmt: skip
        with pytest.raises(psycopg.Error):
            connection.execute(f"select 'the card\n{ESCAPES} is 4111111111111111'::int".encode())
        with pytest.raises(psycopg.Error):
            connection.execute("do $$ begin raise exception 'the card is 4111111111111111'; end $$")
        sleeping = threading.Thread(target=_sleep, args=(connection,))
        sleeping.start()
        yield demo
        connection.cancel()
        sleeping.join()


def _sleep(connection: psycopg.Connection) -> None:
    with pytest.raises(psycopg.Error):
        connection.execute(f"select pg_sleep(600) /* {ESCAPES}\n */".encode())


@pytest.mark.parametrize(
    "command",
    [
        "top demo",
        "logs demo --since 1h",
        "status demo",
        "describe-events demo",
        "describe-clusters",
        "watch demo --once",
    ],
)
@pytest.mark.parametrize("form", ["table", "text", "json", "yaml"])
def test_nothing_that_a_client_wrote_steers_a_terminal(hostile: Auroractl, command: str, form: str) -> None:
    done = hostile(*command.split(), "--output", form, COLUMNS="2000")
    assert unsafe(done.stdout + done.stderr, "\n\t") == []
    assert "\nTry: forged" not in done.stdout
    if command.startswith(("top", "logs")) and form in {"table", "text"}:
        assert "\\x1b]0;owned\\x07\\x1b[2J\\x9b\\u202e[bold]:skull:" in done.stdout


def test_a_report_holds_nothing_that_a_client_wrote(hostile: Auroractl, tmp_path: Path) -> None:
    target = tmp_path / "r.tar.gz"
    assert hostile.json("report", "--file", str(target))["Report"]["Problems"] == []
    with tarfile.open(target) as bundle:
        contents = {name: bundle.extractfile(name).read() for name in bundle.getnames()}  # type: ignore[union-attr]
    assert [name for name, content in contents.items() if b"4111111111111111" in content] == []
    log = b"".join(content for name, content in contents.items() if "demo-instance" in name and name.endswith(".log"))
    assert b"STATEMENT:  select [removed]::int" in log
    assert b"ready to accept connections" in log
    target.unlink()
    hostile("report", "--file", str(target), "--with-statements")
    with tarfile.open(target) as bundle:
        assert any(b"4111111111111111" in bundle.extractfile(name).read() for name in bundle.getnames())  # type: ignore[union-attr]


def test_the_database_account_plants_nothing_into_a_report(hostile: Auroractl, tmp_path: Path) -> None:
    """As whoever runs code as the account of the databases could."""
    secret = tmp_path / "secret"
    secret.write_text("private to root")
    data = Path(hostile.writer("demo")["DataDirectory"])
    planted = data.parent.parent / "planted"
    planted.mkdir()
    (planted / "postgresql.log").symlink_to(secret)
    (planted / "data").symlink_to("/etc")
    try:
        view = hostile.json("report", "--file", str(tmp_path / "r.tar.gz"))["Report"]
        assert len([problem for problem in view["Problems"] if "planted" in problem]) >= 1
        logs = hostile("logs", "demo")
        assert "Not read" in logs.stderr
        assert "private to root" not in logs.stdout
    finally:
        for name in ("postgresql.log", "data"):
            (planted / name).unlink()
        planted.rmdir()


def _bare(auroractl: Auroractl, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command without PATH, HOME, TERM and all else."""
    return subprocess.run(
        [*PROGRAM, "--home", str(auroractl.home.root), *arguments],
        env={}, capture_output=True, text=True, check=False, timeout=60, stdin=subprocess.DEVNULL,
    )  # fmt: skip


def test_an_empty_environment_is_enough(hostile: Auroractl) -> None:
    done = _bare(hostile, "psql", "demo", "--", "-Atc", "select 1")
    assert (done.returncode, done.stdout, done.stderr) == (0, "1\n", "")
    assert _bare(hostile, "pgbench", "demo", "--", "-i", "-q", "-I", "d").returncode == 0
    assert _bare(hostile, "status", "demo").returncode == 0
    assert _bare(hostile, "logs", "demo").returncode == 0
    assert _bare(hostile, "doctor").returncode == 0


def test_a_supervisor_that_an_empty_environment_started_does_all_its_work(hostile: Auroractl) -> None:
    hostile("supervisor", "stop")
    done = _bare(hostile, "scale-readers", "demo", "--add", "1")
    assert done.returncode == 0, done.stderr
    hostile.wait_healthy("demo")


def test_a_backtrack_without_a_yes_changes_nothing(hostile: Auroractl) -> None:
    wait_until("a window", lambda: hostile.cluster("demo")["EarliestBacktrackTime"])
    for arguments in (["--to", "now"], ["--to", "earliest"]):
        done = hostile.run("backtrack", "demo", *arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert "Backtracking demo needs confirmation." in done.stderr
    assert hostile.json("describe-backtracks", "demo")["DBClusterBacktracks"] == []


def test_the_reader_of_a_log_that_is_followed_may_leave(hostile: Auroractl) -> None:
    with hostile.start("logs", "demo", "--follow") as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == ""
        assert process.wait(30) == -13
