"""Data is lost after a yes only: asked for on a terminal, refused where nobody can answer."""

from __future__ import annotations

from typing import Any

import pytest

from auroractl.api.verbs import VERBS
from auroractl.cli import tree
from auroractl.cli.app import root_command
from auroractl.cli.main import main
from auroractl.config.paths import Home
from tests.unit.cli.conftest import answering, on_terminal, status_document
from tests.unit.cli.test_shown import plan

BACKTRACK = {
    "BacktrackIdentifier": "b", "DBClusterIdentifier": "demo", "Status": "completed", "ConsistentTime": "t",
    "DowntimeMilliseconds": 1.0,
}  # fmt: skip


def _answers() -> dict[str, Any]:
    return {**status_document(), **plan(), "DBClusterBacktrack": BACKTRACK, "DBClusterIdentifier": "demo"}


DESTRUCTIVE = [
    ["delete-cluster", "demo"],
    ["backtrack", "demo", "--to", "-5m"],
    ["backtrack", "demo", "--undo"],
    ["backtrack", "demo", "--accept"],
]


@pytest.mark.parametrize("arguments", DESTRUCTIVE, ids=" ".join)
def test_nothing_is_done_without_a_yes_where_nobody_can_answer(
    home: Home, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    server = answering(home, _answers())
    assert main(arguments) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert "needs confirmation.\nTry: Add --yes\n" in told.err
    assert not any(VERBS[verb].changes for verb, _ in server.requests)
    assert main([*arguments, "--yes"]) == 0
    server.close()
    verb, body = server.requests[-1]
    assert VERBS[verb].commands == (arguments[0],)
    assert VERBS[verb].changes
    assert not body.get("DryRun")


@pytest.mark.parametrize(("arguments", "no", "yes"), [(each, "n", "y") for each in DESTRUCTIVE[1:]])
def test_a_terminal_is_asked(home: Home, arguments: list[str], no: str, yes: str) -> None:
    printed = on_terminal(home, _answers(), *arguments, typed=f"{no}\n")
    assert "Backtrack demo to" in printed
    assert "Nothing was changed." in printed
    home.socket.unlink()
    home.run.rmdir()
    assert "Cluster demo was rewound to" in on_terminal(home, _answers(), *arguments, typed=f"{yes}\n")


def test_the_aws_name_asks_nothing_as_on_aws(home: Home) -> None:
    server = answering(home, _answers())
    words = "backtrack-db-cluster --db-cluster-identifier demo --backtrack-to 2026-11-23T04:00:00Z"
    assert main(words.split()) == 0
    server.close()
    assert [(verb, body.get("DryRun", False)) for verb, body in server.requests] == [("backtrack", False)]


@pytest.mark.parametrize("option", ["--accept", "--cancel"])
def test_a_dry_run_of_a_decision_is_refused(home: Home, option: str, capsys: pytest.CaptureFixture[str]) -> None:
    server = answering(home, _answers())
    assert main(["backtrack", "demo", option, "--dry-run"]) == 2
    server.close()
    assert "--dry-run requires" in capsys.readouterr().err
    assert server.requests == []


def test_every_command_that_asks_is_known_here() -> None:
    asking = {command.path for _, command in tree.walk(root_command) if any(p.name == "yes" for p in command.params)}
    assert asking == {arguments[0] for arguments in DESTRUCTIVE}
