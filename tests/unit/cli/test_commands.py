"""The command tree as a whole: examples, completions, and what a client may load."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from auroractl.api import documents
from auroractl.cli import completions
from auroractl.cli.main import main
from auroractl.config.paths import Home
from tests.unit.cli.conftest import NO_CLUSTERS, Supervisor, answering, status_document
from tests.unit.core.clusters import snapshot, well

DECLARING = ("pydantic", "pydantic_core", "annotated_types", "tomlkit")
"""What only commands load that read or write a file for a person."""
HEAVY = ("sqlalchemy", "alembic", "psycopg", "starlette", "uvicorn", "uvloop", *DECLARING)


@pytest.mark.parametrize("shell", completions.FILES)
def test_the_completions_that_are_shipped_are_current(shell: str) -> None:
    shipped = Path(__file__).parents[3] / "completions" / completions.FILES[shell]
    assert shipped.read_text() == completions.script(shell), "run: python -m auroractl.cli.completions completions"


@pytest.mark.parametrize(
    ("arguments", "heavy"),
    [
        (["--help"], HEAVY),
        (["describe-clusters", "--output", "json"], (*HEAVY, "rich", "http", "asyncio")),
        (["describe-clusters"], HEAVY),
        (["status", "demo"], HEAVY),
        (["config", "show"], HEAVY),
        (["apply", "--help"], HEAVY),
        (["use"], HEAVY),
    ],
)
def test_a_client_never_loads_what_only_the_supervisor_needs(
    home: Home, arguments: list[str], heavy: tuple[str, ...]
) -> None:
    base = snapshot(well(1))
    server = answering(home, {"DBClusters": [documents.cluster_view(base)], **status_document()})
    loaded = _loaded(arguments, heavy)
    server.close()
    assert loaded == []


@pytest.mark.parametrize(
    ("arguments", "loads"),
    [
        (["apply", "-f", "cluster.toml"], ["pydantic", "pydantic_core", "annotated_types"]),
        (["export", "--all"], list(DECLARING)),
    ],
)
def test_a_command_loads_only_the_libraries_that_its_file_needs(
    home: Home, arguments: list[str], loads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(home.root)
    Path("cluster.toml").write_text("[clusters.demo]\n")
    server = answering(home, NO_CLUSTERS)
    assert _loaded(arguments, HEAVY) == loads
    server.close()


def _loaded(arguments: list[str], names: tuple[str, ...]) -> list[str]:
    """Which modules a command that succeeds has loaded at its end."""
    code = (
        "import json, sys; from auroractl.cli.main import main; code = main(sys.argv[1:]);"
        f"print(json.dumps([name for name in {names!r} if name in sys.modules]), file=sys.stderr);"
        "sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code, *arguments], capture_output=True, text=True, check=False, env=os.environ
    )
    assert done.returncode == 0, done.stderr
    return list(json.loads(done.stderr.splitlines()[-1]))


def test_completion_loads_nothing_heavy_and_starts_no_supervisor(home: Home) -> None:
    environment = {
        **os.environ,
        "_AURORACTL_COMPLETE": "complete_bash",
        "COMP_WORDS": "auroractl desc",
        "COMP_CWORD": "1",
    }
    done = subprocess.run(
        [sys.executable, "-P", "-X", "importtime", "-m", "auroractl"],
        capture_output=True, text=True, check=False, env=environment,
    )  # fmt: skip
    assert "describe-clusters" in done.stdout or done.returncode == 0
    assert not any(f" {name}\n" in done.stderr for name in HEAVY)
    assert list(home.root.iterdir()) == []


def test_the_cluster_comes_from_the_argument_then_the_environment_then_the_settings(
    home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    server = answering(home, status_document())
    home.config.write_text('default_cluster = "from-settings"\n')
    main(["status"])
    monkeypatch.setenv("AURORACTL_CLUSTER", "from-environment")
    main(["status"])
    main(["status", "from-argument"])
    main(["status", "--cluster", "from-option"])
    server.close()
    asked = [body["DBClusterIdentifier"] for _, body in server.requests]
    assert asked == ["from-settings", "from-environment", "from-argument", "from-option"]
    capsys.readouterr()


@pytest.mark.parametrize(("health", "code"), [("ok", 0), ("degraded", 3), ("down", 3)])
def test_status_tells_scripts_by_its_exit_code(
    home: Home, health: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    document = status_document()
    document["DBCluster"]["Health"] = health
    server = answering(home, document)
    assert main(["status", "demo", "--output", "json"]) == code
    server.close()
    assert json.loads(capsys.readouterr().out) == document


@pytest.mark.parametrize("output", ["table", "text"])
def test_status_fits_in_80_columns(
    home: Home, output: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    server = answering(home, status_document())
    assert main(["status", "demo", "--output", output]) == 0
    server.close()
    printed = capsys.readouterr().out
    assert "i3" in printed
    assert max(map(len, printed.splitlines())) <= 80


def test_an_error_is_told_with_what_to_do_and_its_exit_code(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    error = {"Code": "DBClusterNotFoundFault", "Message": "No x.", "Hint": "Make one.", "ExitCode": 4}
    server = Supervisor(home, {"Type": "error", "Error": error})
    assert main(["describe-clusters", "x"]) == 4
    assert capsys.readouterr().err == "Error: No x.\nTry: Make one.\n"
    assert main(["describe-clusters", "x", "--output", "json"]) == 4
    server.close()
    assert json.loads(capsys.readouterr().err) == {"Error": error}


def test_a_supervisor_that_goes_away_is_told(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    server = Supervisor(home, {"Type": "step", "Name": "Work", "State": "done", "ElapsedMilliseconds": 1500})
    assert main(["stop-cluster", "demo"]) == 3
    server.close()
    told = capsys.readouterr().err
    assert "✓ Work (1.50 s)" in told
    assert "ended while it was working" in told


def test_another_version_is_told(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    server = answering(home, {"DBClusters": []}, version="9.9.9")
    assert main(["describe-clusters"]) == 0
    server.close()
    told = capsys.readouterr()
    assert "9.9.9" in told.err
    assert "no cluster yet" in told.out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nonsense"], "There is no command nonsense"),
        (["creat-cluster"], "Try: auroractl create-cluster"),
        (["create-cluster"], "NAME"),
        (["create-cluster", "x", "--readers", "many"], "--readers"),
        (["status", "--nonsense"], "--nonsense"),
        (["create-cluster", "x", "--tags", "novalue"], "is not a tag"),
        (["delete-cluster", "demo"], "Add --yes"),
    ],
)
def test_wrong_usage_is_one_sentence_and_a_hint(
    home: Home, arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    server = answering(home, status_document())
    assert main(arguments) == 2
    server.close()
    told = capsys.readouterr().err
    assert told.startswith("Error: ")
    assert "Try: " in told
    assert sentence in told


def test_a_bug_is_told_as_one(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    server = Supervisor(home, {"Type": "result", "Result": {"unexpected": True}})
    assert main(["describe-clusters"]) == 70
    server.close()
    told = capsys.readouterr().err
    assert "This is a bug" in told
    log = Path(told.split("Report it with ")[1].strip())
    assert "KeyError" in log.read_text()
    log.unlink()


def test_without_arguments_the_first_steps_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert "auroractl create-cluster demo" in capsys.readouterr().out


def test_uri_and_env_quote_what_needs_it(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    there = {"Host": "127.1.2.3", "Port": 5432, "User": "bob", "Password": "a#b'c?", "Database": "app", "PsqlPath": "x"}
    server = answering(home, there)
    assert main(["uri", "demo"]) == 0
    assert capsys.readouterr().out == "postgresql://bob:a%23b%27c%3F@127.1.2.3:5432/app?sslmode=disable\n"
    assert main(["env", "demo"]) == 0
    server.close()
    exports = capsys.readouterr().out
    printed = subprocess.run(
        ["sh", "-c", f'{exports}printf %s "$PGPASSWORD"'], capture_output=True, text=True, check=True
    )
    assert printed.stdout == "a#b'c?"
