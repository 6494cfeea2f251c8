"""The scripting contract without a cluster: the whole command tree, forms of output, AWS's names, what a terminal gets."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from auroractl.api.verbs import VERBS
from auroractl.cli import aliases, shared, tree
from auroractl.cli.app import root_command
from auroractl.cli.invocation import Session
from auroractl.cli.main import main
from auroractl.cli.output_formats import as_text, identifiers
from auroractl.cli.progress import PlainProgress
from auroractl.config.paths import Home
from auroractl.core.operation_kinds import OperationKind
from auroractl.supervisor.handlers.registry import EARLY
from tests.contract import COMMANDS, GOLDEN
from tests.unit.cli.conftest import Supervisor, answering, on_terminal, status_document

TREE = list(tree.walk(root_command))
LEAVES = {path: command for path, command in TREE if isinstance(command, tree.Command)}
OWN = {path: command for path, command in LEAVES.items() if command.alias is None}


@pytest.mark.parametrize("path", [path for path, _ in TREE])
def test_every_command_explains_itself_with_an_example(path: str) -> None:
    command = dict(TREE)[path]
    assert command.help, path
    if path in LEAVES:
        assert "Example: " in (command.epilog or ""), path
        assert path in command.epilog
    for parameter in command.params:
        assert getattr(parameter, "hidden", False) or getattr(parameter, "help", None), f"{path}: {parameter.name}"


@pytest.mark.parametrize("path", OWN)
def test_every_command_has_a_golden_document_and_an_error_path(path: str) -> None:
    checked = COMMANDS.get(OWN[path].path)
    assert checked is not None, f"tests/contract.py lacks {OWN[path].path}"
    assert checked.sentence, f"tests/contract.py has no error path of {path}"
    if "output" in {parameter.name for parameter in OWN[path].params}:
        assert checked.golden, f"tests/contract.py names no golden file of {path}"
        assert (GOLDEN / f"{checked.golden}.json").exists(), path


def test_no_check_is_left_of_a_command_that_is_gone() -> None:
    assert {command.path for command in OWN.values()} == set(COMMANDS)
    assert {path.stem for path in GOLDEN.iterdir()} == {each.golden for each in COMMANDS.values() if each.golden}


def test_the_sets_of_shared_options_name_commands_that_exist_and_that_the_supervisor_knows() -> None:
    paths = {command.path for command in OWN.values()}
    assert paths >= shared.REHEARSED | shared.WITHOUT_OUTPUT | shared.WITHIN_A_CLUSTER
    asked = {command for verb in VERBS.values() for command in verb.commands}
    assert asked >= shared.REHEARSED - {"drill", "use"}
    assert EARLY.keys() == shared.LONG | {"backtrack", "accept-backtrack"}
    assert {kind.value for kind in OperationKind} <= {*shared.LONG, "backtrack"}


def test_every_document_is_printed_in_all_forms() -> None:
    for path, command in LEAVES.items():
        names = {parameter.name for parameter in command.params}
        assert ("output" in names) == ("query" in names) == ("quiet" in names), path


@pytest.mark.parametrize("alias", aliases.ALIASES, ids=lambda alias: alias.name)
def test_an_aws_name_takes_the_parameters_that_it_respells(alias: aliases.Alias) -> None:
    if f"auroractl {alias.command}" not in OWN:
        pytest.skip(f"there is no {alias.command} yet")
    command = LEAVES[f"auroractl {alias.name}"]
    assert command.hidden
    assert set(alias.spellings) <= {parameter.name for parameter in command.params}
    assert all(parameter.param_type_name != "argument" or not parameter.required for parameter in command.params)


def test_aws_arguments_reach_the_supervisor(home: Home) -> None:
    server = answering(home, {"DBCluster": {}, "DBClusterEndpoints": []})
    words = "create-db-cluster-endpoint --db-cluster-identifier demo --db-cluster-endpoint-identifier reports"
    main([*words.split(), "--static-members", "a", "b", "--endpoint-type", "any"])
    main(["create-db-cluster", "--db-cluster-identifier", "demo", "--tags", "Key=a,Value=b,c", "Key=d", "-q"])
    server.close()
    (verb, body), (_, created) = server.requests
    assert verb == "create-endpoint"
    assert body["StaticMembers"] == ["a", "b"]
    assert (body["DBClusterEndpointIdentifier"], body["EndpointType"]) == ("reports", "ANY")
    assert created["Tags"] == {"a": "b,c", "d": ""}


def test_options_that_all_share_reach_the_supervisor(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    plan = {"Operation": "failover", "DBClusterIdentifier": "demo", "Changed": True, "Arguments": {}}
    server = answering(home, {"Plan": {**plan, "Steps": [{"Name": "Promote i2"}]}})
    assert main(["failover", "demo", "--dry-run"]) == 0
    assert json.loads(capsys.readouterr().out)["Plan"]["Steps"] == [{"Name": "Promote i2"}]
    assert main(["failover", "demo", "--dry-run", "--output", "text"]) == 0
    assert capsys.readouterr().out == "demo\tfailover\tPromote i2\n"
    assert main(["failover", "demo", "--dry-run", "--query", "Plan.Steps[].Name", "-o", "yaml"]) == 0
    assert capsys.readouterr().out == "- Promote i2\n"
    server.close()
    assert all(body["DryRun"] and "NoWait" not in body for _, body in server.requests)


@pytest.mark.parametrize(
    ("arguments", "printed"),
    [
        (["--query", "DBCluster.Status"], '"available"\n'),
        (["--query", "DBCluster.[Status,Port]", "--output", "text"], "available\t5432\n"),
        (["--query", "DBCluster.{Name: DBClusterIdentifier, Port: Port}", "-o", "yaml"], "Name: demo\nPort: 5432\n"),
        (["--query", "DBCluster.ClusterCreateTime", "-o", "yaml"], "'2026-11-23T04:00:00.000Z'\n"),
        (["--query", "DBCluster.Nothing"], "null\n"),
        (["--query", "DBCluster.Nothing", "--output", "text"], "None\n"),
        (["--quiet"], "demo\n"),
        (["-q", "--output", "json"], '[\n  "demo"\n]\n'),
        (["-q", "--output", "yaml"], "- demo\n"),
    ],
)
def test_forms_of_output(home: Home, arguments: list[str], printed: str, capsys: pytest.CaptureFixture[str]) -> None:
    server = answering(home, status_document())
    assert main(["status", "demo", *arguments]) == 0
    server.close()
    assert capsys.readouterr().out == printed


def test_a_plan_that_is_always_json_can_be_queried(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    server = answering(home, {"StorageGrowth": {"UsedBytes": 1}})
    assert main(["storage-autogrow", "demo", "--dry-run", "--query", "StorageGrowth.UsedBytes"]) == 0
    assert main(["storage-autogrow", "demo", "--dry-run", "--output", "yaml"]) == 0
    server.close()
    assert capsys.readouterr().out == "1\nStorageGrowth:\n  UsedBytes: 1\n"


def test_yaml_is_the_same_document_as_json(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    import yaml  # noqa: PLC0415

    server = answering(home, status_document())
    main(["status", "demo", "--output", "yaml"])
    server.close()
    assert yaml.safe_load(capsys.readouterr().out) == status_document()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--query", "DBCluster["], "is not a JMESPath expression"),
        (["--query", "abs(DBCluster)"], "--query cannot be evaluated"),
        (["--query", "DBCluster", "--quiet"], "exclude each other"),
        (["--query", "DBCluster", "--output", "table"], "cannot print a table"),
        (["--output", "xml"], "xml"),
    ],
)
def test_what_cannot_be_printed_is_refused(
    home: Home, arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    server = answering(home, status_document())
    assert main(["status", "demo", *arguments]) == 2
    server.close()
    told = capsys.readouterr()
    assert (told.out, sentence in told.err) == ("", True)


def test_text_of_any_data_is_that_of_aws() -> None:
    data = {"Tags": [{"Key": "a", "Value": 1}, {"Key": "b"}], "Zones": ["x", "y"], "Name": "demo", "Port": None}
    assert as_text(data) == "demo\tNone\nTAGS\ta\t1\nTAGS\tb\t\nZONES\tx\ty"
    assert as_text([["a", True], ["b", False]]) == "a\tTrue\nb\tFalse"
    assert as_text([]) == ""


@pytest.mark.parametrize(
    ("document", "names"),
    [
        ({"DBClusters": [{"DBClusterIdentifier": "a"}, {"DBClusterIdentifier": "b"}]}, ["a", "b"]),
        ({"Added": [], "Removed": ["r"], "DBCluster": {"DBClusterIdentifier": "a"}}, ["r"]),
        ({"DBCluster": {"DBClusterIdentifier": "a"}, "From": "i1", "To": "i2"}, ["i2"]),
        ({"Old": "n1", "New": "n7", "StorageVolumes": []}, ["n7"]),
        ({"DBClusterIdentifier": "a", "DBCluster": None, "Changed": False}, []),
        ({"Scrub": {}}, []),
    ],
)
def test_identifiers_alone(document: dict[str, Any], names: list[str]) -> None:
    assert identifiers(document) == names


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("descrbe-clusters", "Try: auroractl describe-clusters"),
        ("inject-fault crash-instanc", "Try: auroractl inject-fault crash-instance"),
        ("supervisor strt", "Try: auroractl supervisor start"),
        ("create-cluster x --reeders 3", "Try: auroractl create-cluster --readers"),
        ("wait cluster-avalable demo", "Did you mean cluster-available?"),
    ],
)
def test_what_was_meant_is_guessed(home: Home, typed: str, sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(typed.split()) == 2
    assert sentence in capsys.readouterr().err
    assert not home.socket.exists()


def test_an_error_is_json_where_yaml_was_asked_for(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    error = {"Code": "DBClusterNotFoundFault", "Message": "No x.", "Hint": "", "ExitCode": 4}
    server = Supervisor(home, {"Type": "error", "Error": error})
    assert main(["describe-clusters", "x", "--output", "yaml"]) == 4
    server.close()
    assert json.loads(capsys.readouterr().err) == {"Error": error}


@pytest.mark.parametrize(("variable", "value"), [("CI", "true"), ("TERM", "dumb")])
def test_nobody_gets_a_spinner_where_nobody_looks(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    from auroractl.cli.spinner import SpinnerProgress  # noqa: PLC0415

    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert isinstance(Session().progress(), SpinnerProgress)
    monkeypatch.setenv(variable, value)
    assert type(Session().progress()) is PlainProgress


def test_colours_are_for_terminals_that_want_them(home: Home) -> None:
    assert "\x1b[32mavailable" in on_terminal(home, status_document(), "status", "demo")


def test_no_color_and_columns_are_honoured(home: Home) -> None:
    printed = on_terminal(home, status_document(), "status", "demo", NO_COLOR="1", COLUMNS="60")
    assert "available" in printed
    assert "\x1b[3" not in printed
    plain = re.sub(r"\x1b\[[0-9;]*m", "", printed)
    assert max(len(line.rstrip()) for line in plain.splitlines()) <= 60


def test_nothing_is_asked_in_continuous_integration_although_it_has_a_terminal(home: Home) -> None:
    assert "Add --yes" in on_terminal(home, status_document(), "delete-cluster", "demo", CI="true")


def test_nothing_is_asked_without_a_terminal(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    server = answering(home, status_document())
    assert main(["delete-cluster", "demo"]) == 2
    server.close()
    assert "Add --yes" in capsys.readouterr().err


def test_completing_names_gives_up_on_a_supervisor_that_does_not_answer(home: Home) -> None:
    import socket  # noqa: PLC0415

    from auroractl.cli.name_completion import clusters  # noqa: PLC0415

    context: Any = LEAVES["auroractl status"].make_context("status", [], resilient_parsing=True)
    assert clusters(context, "") == []
    home.run.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as silent:
        silent.bind(str(home.socket))
        silent.listen()
        began_s = time.monotonic()
        assert clusters(context, "") == []
        assert time.monotonic() - began_s < 1.0


def test_completing_names_asks_once_and_takes_those_that_begin_so(home: Home) -> None:
    from auroractl.cli import name_completion as names  # noqa: PLC0415

    there = {"Clusters": ["demo", "prod"], "Instances": ["demo-1"], "Endpoints": ["d-e"], "StorageNodes": ["d-s"]}
    server = answering(home, there)
    context: Any = LEAVES["auroractl status"].make_context("status", [], resilient_parsing=True)
    assert names.clusters(context, "D") == ["demo"]
    assert names.either(context, "demo") == ["demo", "demo-1"]
    assert names.faulty_instances(context, "") == ["writer", "demo-1"]
    server.close()
    assert [verb for verb, _ in server.requests] == ["names"] * 3


def test_the_reference_is_current() -> None:
    from auroractl.cli.reference import reference  # noqa: PLC0415

    kept = Path(__file__).parents[3] / "docs" / "reference.md"
    if os.environ.get("AURORACTL_WRITE_GOLDEN"):
        kept.write_text(reference())
    assert kept.read_text() == reference(), "run: python -m auroractl.cli.reference docs/reference.md"
