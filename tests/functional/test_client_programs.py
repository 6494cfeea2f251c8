"""pg_dump, pg_restore and the other client programs of the server's own version, on a real cluster."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.functional.command import Auroractl, wait_until


@pytest.fixture(scope="module", autouse=True)
def _orders(demo: Auroractl) -> None:
    """A table to dump, on every reader, and an empty database."""
    demo(
        "psql",
        "demo",
        "--",
        "-qc",
        "create table orders as select n as id, 'order ' || n as what from generate_series(1, 1000) n",
    )
    demo("psql", "demo", "--", "-qc", "create database elsewhere")
    wait_until("the readers to have the table", lambda: _count(demo, "--reader") == _count(demo))


def _count(demo: Auroractl, *arguments: str) -> str:
    return demo("psql", "demo", *arguments, "--", "-Atc", "select count(*) from orders").stdout


@pytest.mark.parametrize("form", ["custom", "directory"])
@pytest.mark.parametrize("through", [[], ["--reader"]], ids=["writer", "reader"])
def test_a_table_is_dumped_and_restored_into_another_database(
    demo: Auroractl, tmp_path: Path, form: str, through: list[str]
) -> None:
    dump = str(tmp_path / "orders.dump")
    demo("pg-dump", "demo", *through, "--", "--format", form, "--table", "orders", "--file", dump)
    listed = demo("pg-restore", "demo", "--", "--list", dump).stdout
    assert "TABLE DATA public orders" in listed
    demo("pg-restore", "demo", "--", "--clean", "--if-exists", "--exit-on-error", "--dbname", "elsewhere", dump)
    found = demo("psql", "demo", "--", "-d", "elsewhere", "-Atc", "select count(*), max(what) from orders").stdout
    assert found == "1000|order 999\n"


def test_a_whole_database_is_dumped_and_restored_in_its_place(demo: Auroractl, tmp_path: Path) -> None:
    dump = str(tmp_path / "all.dump")
    demo("pg-dump", "--", "-Fc", "-f", dump)
    demo("psql", "demo", "--", "-qc", "truncate orders")
    demo("pg-restore", "--", "--clean", "--if-exists", "--exit-on-error", dump)
    assert _count(demo) == "1000\n"


def test_a_dump_on_stdout_goes_into_psql(demo: Auroractl) -> None:
    script = demo("pg-dump", "demo", "--", "--table", "orders").stdout
    assert "COPY public.orders" in script
    demo("psql", "demo", "--", "-qc", "drop table orders")
    demo("psql", "demo", "--", "-qX", "-v", "ON_ERROR_STOP=1", stdin=script)
    assert _count(demo) == "1000\n"


def test_the_exit_code_and_the_words_of_the_program_are_passed_on(demo: Auroractl) -> None:
    done = demo.run("pg-dump", "demo", "--", "--table", "nothing_like_it")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "pg_dump: error: no matching tables were found\n"
    assert demo.run("pg-restore", "demo", "--", "/nowhere.dump").returncode == 1


def test_every_client_program_is_reached_with_tools_and_env(demo: Auroractl) -> None:
    version = demo.cluster("demo")["EngineVersion"]
    commands = (
        'eval "$(auroractl tools PATH)" && eval "$(auroractl env demo)"',
        "pg_dump --version && createdb by_createdb && psql -Atc 'select datname from pg_database' && dropdb by_createdb",
        '"$(auroractl tools pg-isready)"',
    )
    shell = f'auroractl() {{ {shlex.quote(sys.executable)} -P -m auroractl "$@"; }}\n'
    done = subprocess.run(
        ["sh", "-ec", shell + "\n".join(commands)], capture_output=True, text=True, check=False, env=demo.environment
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == f"pg_dump (PostgreSQL) {version}"
    assert "by_createdb" in lines
    assert lines[-1].endswith("accepting connections")
