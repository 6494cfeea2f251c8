"""Programs of PostgreSQL in place of a command: which one, with which arguments, and what it learns of the cluster."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from auroractl.cli.main import main
from auroractl.config.paths import Home
from tests.unit.cli.conftest import answering

TELLING = """\
#!/bin/sh
echo "$(basename "$0")" "$@"
echo "$PGHOST:$PGPORT $PGUSER $PGDATABASE $PGREQUIREAUTH $PGPASSWORD" >&2
exit 7
"""


@pytest.fixture
def there(home: Home) -> dict[str, Any]:
    """How to connect, with programs that tell what they were given, and no pgbench."""
    folder = home.root / "post gres" / "bin"
    folder.mkdir(parents=True)
    for name in ("psql", "pg_dump", "pg_restore"):
        (folder / name).write_text(TELLING)
        (folder / name).chmod(0o755)
    return {
        "Host": "127.1.2.3",
        "Port": 5432,
        "User": "bob",
        "Password": "secret",
        "Database": "app",
        "UsedBy": None,
        "PsqlPath": str(folder / "psql"),
    }


@pytest.mark.parametrize(
    ("typed", "started"),
    [
        ("psql demo", "psql"),
        ("psql demo -- -c x", "psql -c x"),
        ("psql -- -c x", "psql -c x"),
        ("psql demo --reader -- --reader -- y", "psql --reader -- y"),
        ("pg-dump demo", "pg_dump"),
        ("pg-dump demo other", "pg_dump other"),
        ("pg-dump -- other", "pg_dump other"),
        ("pg-dump demo --reader -- -t orders", "pg_dump -t orders"),
        ("pg-restore demo -- a.dump", "pg_restore --dbname=app a.dump"),
        ("pg-restore -- a.dump", "pg_restore --dbname=app a.dump"),
        ("pg-restore demo -- -d other a.dump", "pg_restore --dbname=app -d other a.dump"),
        ("pg-restore demo -- -f - a.dump", "pg_restore -f - a.dump"),
    ],
)
def test_a_program_gets_what_follows_the_dashes_and_its_exit_code_counts(
    home: Home, there: dict[str, Any], typed: str, started: str
) -> None:
    server = answering(home, there)
    done = subprocess.run(
        [sys.executable, "-P", "-m", "auroractl", *typed.split()],
        capture_output=True, text=True, check=False, env=os.environ,
    )  # fmt: skip
    server.close()
    assert (done.returncode, done.stdout) == (7, f"{started}\n")
    assert done.stderr == "127.1.2.3:5432 bob app scram-sha-256 secret\n"
    ((_, asked),) = server.requests
    assert asked["DBClusterIdentifier"] == ("demo" if " demo" in typed else None)
    assert asked["Role"] == ("reader" if "--reader" in typed else "writer")


@pytest.mark.parametrize("command", ["psql", "pgbench", "pg-dump", "pg-restore"])
def test_nobody_connects_where_another_process_listens(
    home: Home, there: dict[str, Any], command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    server = answering(home, {**there, "UsedBy": "nc (4711)"})
    assert main([command, "demo"]) == 5
    server.close()
    assert "nc (4711)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("typed", "name", "hint"),
    [
        ("pgbench demo", "pgbench", "Install it there"),
        ("tools pg-dumpall", "pg_dumpall", "Did you mean pg_dump?"),
        ("tools ../bin/psql", "../bin/psql", ""),
        ("tools .", ".", "Install it there"),
    ],
)
def test_a_program_that_is_not_there_is_named(
    home: Home, there: dict[str, Any], typed: str, name: str, hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    server = answering(home, there)
    assert main(typed.split()) == 1
    server.close()
    told = capsys.readouterr().err
    assert told.startswith(f"Error: PostgreSQL in {Path(there['PsqlPath']).parent} has no program {name}.\nTry: {hint}")


def test_tools_tell_where_programs_are(home: Home, there: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    server = answering(home, there)
    assert main(["tools", "pg-dump"]) == 0
    assert capsys.readouterr().out == f"{Path(there['PsqlPath']).with_name('pg_dump')}\n"
    for typed in (["tools"], ["tools", "PATH"]):
        assert main(typed) == 0
        export = capsys.readouterr().out
        found = subprocess.run(
            ["sh", "-c", f"{export}command -v pg_restore; command -v sh"], capture_output=True, text=True, check=True
        )
        assert found.stdout.splitlines()[0] == str(Path(there["PsqlPath"]).with_name("pg_restore"))
        assert found.stdout.splitlines()[1].endswith("/sh")
    server.close()
