"""Words of other tools, row by row, and forms that are nearly right."""

from __future__ import annotations

import shlex
from typing import Any

import pytest

from auroractl.cli import tree
from auroractl.cli.app import root_command
from auroractl.cli.command_synonyms import MEANINGS
from auroractl.cli.main import main
from auroractl.config.paths import Home
from tests.unit.cli.conftest import answering, status_document

COMMANDS = {path.removeprefix("auroractl "): command for path, command in tree.walk(root_command)}
ASKED_FOR = {
    "stop": "stop-cluster",
    "ls": "describe-clusters",
    "list": "describe-clusters",
    "ps": "status",
    "rm": "delete-cluster",
    "destroy": "delete-cluster",
    "connect": "psql",
    "shell": "psql",
    "restart": "reboot-instance, or auroractl start-cluster",
    "scale": "scale-readers",
    "switchover": "failover",
    "promote": "failover",
    "clone": "peek, or auroractl pg-dump, or auroractl pg-restore",
    "snapshot": "backtrack, or auroractl pg-dump",
    "dump": "pg-dump",
    "restore": "backtrack, or auroractl pg-restore, or auroractl inject-fault restore",
    "version": "--version",
    "help": "--help",
}


@pytest.mark.parametrize("typed", MEANINGS)
def test_a_word_of_another_tool_is_answered_with_ours(typed: str, capsys: pytest.CaptureFixture[str]) -> None:
    meaning = MEANINGS[typed]
    assert typed not in COMMANDS
    assert main([*typed.split(), "demo"]) == 2
    said = meaning.sentence or f"There is no command {typed}."
    assert capsys.readouterr().err == f"Error: {said}\nTry: {meaning.hint}\n"


@pytest.mark.parametrize("typed", MEANINGS)
def test_what_is_suggested_exists(typed: str) -> None:
    for suggested in MEANINGS[typed].commands:
        words = [word for word in suggested.split() if not word.startswith("--")]
        command: Any = COMMANDS[" ".join(words) or "auroractl"]
        context = command.make_context(suggested, [], resilient_parsing=True)
        options = [each for param in command.get_params(context) for each in param.opts]
        assert {word for word in suggested.split() if word.startswith("--")} <= set(options)


@pytest.mark.parametrize("typed", ASKED_FOR)
def test_a_word_suggests_what_it_should(typed: str) -> None:
    assert MEANINGS[typed].hint == f"auroractl {ASKED_FOR[typed]}"


def test_capitals_do_not_matter(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["Stop", "demo"]) == 2
    assert "Try: auroractl stop-cluster\n" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        ("psql demo -c 'select 1'", "auroractl psql demo -- -c ..."),
        ("psql demo --reader -Atc 'select 1'", "auroractl psql demo --reader -- -Atc ..."),
        ("psql -c 'select 1'", "auroractl psql -- -c ..."),
        ("psql demo --command='select 1'", "auroractl psql demo -- --command ..."),
        ("pgbench demo -i -s 10", "auroractl pgbench demo -- -i ..."),
        ("peek demo --at -5m -c 'select 1'", "auroractl peek demo --at -5m -- -c ..."),
        ("psql demo --reder", "auroractl psql --reader"),
        ("status demo --outpt json", "auroractl status --output"),
    ],
)
def test_an_option_for_the_other_program_goes_after_the_dashes(
    typed: str, hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(shlex.split(typed)) == 2
    assert f"Try: {hint}\n" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("typed", "sent"),
    [
        ("scale-readers demo 3", {"DBClusterIdentifier": "demo", "To": 3}),
        ("scale-readers 3", {"DBClusterIdentifier": None, "To": 3}),
        ("scale-readers demo --to 3", {"DBClusterIdentifier": "demo", "To": 3}),
        ("scale-readers demo --add 1", {"DBClusterIdentifier": "demo", "To": None, "Add": 1}),
        ("failover demo i2", {"DBClusterIdentifier": "demo", "TargetDBInstanceIdentifier": "i2"}),
        ("failover demo --target i2", {"DBClusterIdentifier": "demo", "TargetDBInstanceIdentifier": "i2"}),
        ("failover demo", {"DBClusterIdentifier": "demo", "TargetDBInstanceIdentifier": None}),
    ],
)
def test_a_value_may_stand_where_it_is_clear(home: Home, typed: str, sent: dict[str, Any]) -> None:
    server = answering(home, status_document())
    main([*typed.split(), "--quiet", "--output", "json"])
    server.close()
    ((_, body),) = server.requests
    assert body.items() >= sent.items()


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("scale-readers demo +1", "'+1' is not a number of readers."),
        ("scale-readers demo many", "'many' is not a number of readers."),
        ("scale-readers demo 3 --to 4", "Both 3 and --to 4 were given."),
        ("failover demo i2 --target i3", "Both i2 and --target i3 were given."),
    ],
)
def test_what_is_not_clear_is_refused(home: Home, typed: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(typed.split()) == 2
    assert said in capsys.readouterr().err
    assert not home.socket.exists()
