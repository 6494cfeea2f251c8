"""The table of verbs agrees with handlers, commands and golden documents, and commands send what verbs take."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from auroractl.api.request import OPTIONS
from auroractl.api.verb import DryRun
from auroractl.api.verbs import VERBS
from auroractl.cli import aliases, tree
from auroractl.cli.app import root_command
from auroractl.cli.main import main
from auroractl.config.paths import Home
from auroractl.core.operation_kinds import OperationKind
from auroractl.supervisor.handlers.registry import EARLY, HANDLERS
from tests.contract import COMMANDS, example, own_commands
from tests.unit.cli.conftest import answering, home

__all__ = ["home"]

NO_PROCESS_ID = 2**22 + 1
"""Higher than Linux gives any."""
WITHOUT_A_COMMAND = {"names": "shells ask it, to complete what is being typed"}
WITHOUT_A_DOCUMENT = {
    "names": "it has no command",
    "connection": "its commands print text, or become a program",
    "peek": "its command becomes a program",
    "plan-backtrack": "the golden document is that of the whole command",
    "supervisor-stop": "its command prints nothing",
}
SENT = {
    "create-cluster": "create-cluster demo --no-instances --engine-version 18 --database-name d --master-username m "
    "--master-user-password secret-one --port 5432 --region us-east-1 --backtrack-window 1h --deletion-protection --tags a=b "
    "--db-cluster-parameter-group-name tuned --retain --if-not-exists --no-wait",
    "delete-cluster": "delete-cluster demo --yes --if-exists --dry-run",
    "start-cluster": "start-cluster demo --no-wait",
    "stop-cluster": "stop-cluster demo --dry-run",
    "scale-readers": "scale-readers demo --to 3",
    "failover": "failover demo --target demo-instance-2 --allow-data-loss --like-aws",
    "cancel-operation": "cancel-operation demo",
    "modify-cluster": "modify-cluster demo --no-deletion-protection --backtrack-window 2h --tags a=b --remove-tags c "
    "--master-user-password secret-one --db-cluster-parameter-group-name tuned",
    "pause-automation": "resume-automation demo --dry-run",
    "describe-clusters": "describe-clusters demo",
    "describe-status": "status demo",
    "describe-live": "watch demo --once",
    "describe-activity": "top demo --once",
    "describe-events": "describe-events demo --duration 5m --source-type db-cluster --start-time 2026-01-01T00:00Z "
    "--end-time 2026-01-02T00:00Z --event-categories failover",
    "failover-history": "failover-history demo",
    "create-instance": "create-instance demo --db-instance-identifier extra --promotion-tier 3 "
    "--availability-zone us-east-1b --db-parameter-group-name reports --no-wait",
    "delete-instance": "delete-instance demo-instance-1 --no-wait",
    "reboot-instance": "reboot-instance demo-instance-1",
    "modify-instance": "modify-instance demo-instance-1 --promotion-tier 0 --db-parameter-group-name reports",
    "describe-instances": "describe-instances demo --instance demo-instance-1",
    "connection": "uri demo --reader --instance demo-instance-1",
    "create-endpoint": "create-endpoint reports --cluster demo --endpoint-type any --static-members demo-instance-1",
    "modify-endpoint": "modify-endpoint reports --endpoint-type reader --excluded-members demo-instance-1",
    "delete-endpoint": "delete-endpoint reports",
    "describe-endpoints": "describe-endpoints demo --endpoint reports",
    "create-cluster-parameter-group": "create-cluster-parameter-group g --family f --description d --tags a=b --dry-run",
    "copy-parameter-group": "copy-parameter-group a b --description d --tags a=b",
    "modify-parameter-group": "modify-parameter-group g --parameters a=1 --parameters "
    "ParameterName=b,ParameterValue=2,ApplyMethod=pending-reboot",
    "reset-cluster-parameter-group": "reset-cluster-parameter-group g --parameters a",
    "describe-parameters": "describe-parameters g --source user",
    "storage-autogrow": "storage-autogrow demo --enable --max-capacity 1TiB --increment 10GiB --headroom 10 --dry-run",
    "scrub-volume": "scrub-volume demo --dry-run",
    "replace-storage-node": "replace-storage-node demo-storage-1 --cluster demo",
    "describe-volumes": "describe-volumes demo",
    "backtrack": "backtrack demo --to 2026-11-23T04:00:00Z --use-earliest --yes --no-wait",
    "plan-backtrack": "backtrack demo --undo --dry-run",
    "prepare-backtrack": "backtrack demo --wait-at 0/10 --read-only",
    "accept-backtrack": "backtrack demo --accept --yes --no-wait",
    "cancel-backtrack": "backtrack demo --cancel",
    "describe-backtracks": "describe-backtracks demo --backtrack-identifier x",
    "peek": "peek demo --at earliest --use-earliest",
    "crash-storage-node": "inject-fault crash-storage-node 3 --duration 10s --cluster demo",
    "hang-storage-node": "inject-fault hang-storage-node 3 --dry-run",
    "wipe-storage-node": "inject-fault wipe-storage-node 3",
    "corrupt-segment": "inject-fault corrupt-segment 3 --how truncate --count 2 --seed 7",
    "crash-instance": "inject-fault crash-instance writer",
    "hang-instance": "inject-fault hang-instance writer",
    "replica-lag": "inject-fault replica-lag demo-instance-2 --delay 30s --duration 1m",
    "partition-instance": "inject-fault partition-instance demo-instance-2",
    "slow-endpoint": "inject-fault slow-endpoint reader --delay 50ms",
    "refuse-endpoint": "inject-fault refuse-endpoint writer",
    "dns-lag": "inject-fault dns-lag --delay 15s --duration 1m --cluster demo",
    "az-outage": "inject-fault az-outage us-east-1b --duration 30s",
    "end-fault": "inject-fault az-restore us-east-1b",
    "supervisor-status": "supervisor status",
    "supervisor-stop": "supervisor stop --all",
}
"""For verbs with options that reach them, a command that sends them all; for others the example in the help is one."""
ASKED = [name for name in VERBS if name not in WITHOUT_A_COMMAND]


def test_every_verb_has_a_handler_and_an_early_one_where_it_answers_early() -> None:
    assert HANDLERS.keys() == VERBS.keys()
    assert {name: each.__module__.rpartition(".")[2] for name, each in HANDLERS.items()} == {
        verb.name: verb.noun for verb in VERBS.values()
    }
    assert EARLY.keys() == {verb.name for verb in VERBS.values() if verb.answers_early}


def test_every_verb_has_a_command_or_a_reason() -> None:
    paths = {command.path for _, command in tree.walk(root_command) if isinstance(command, tree.Command)}
    for verb in VERBS.values():
        assert verb.commands or verb.name in WITHOUT_A_COMMAND, verb.name
        assert set(verb.commands) <= paths, verb.name
    assert SENT.keys() <= set(ASKED)


def test_every_verb_has_a_golden_document_or_a_reason() -> None:
    for verb in VERBS.values():
        documents = [COMMANDS[command].golden for command in verb.commands]
        assert any(documents) or verb.name in WITHOUT_A_DOCUMENT, verb.name


def test_what_the_table_says_goes_together() -> None:
    kinds = {verb.operation for verb in VERBS.values() if verb.operation}
    assert kinds == set(OperationKind)
    assert all(kind.value in VERBS for kind in OperationKind)
    for verb in VERBS.values():
        assert not verb.long or (verb.changes and verb.answers_early), verb.name
        assert verb.changes or not (verb.dry_run or verb.waits_for or verb.operation or verb.step), verb.name
        assert verb.step is None or verb.dry_run is DryRun.STEPS, verb.name
        assert verb.tolerates is None or verb.tolerates in OPTIONS, verb.name


def test_aws_actions_are_those_of_the_commands_under_their_aws_names() -> None:
    def action(name: str) -> str:
        return re.sub("Db", "DB", "".join(map(str.capitalize, name.split("-"))))

    actions = {verb.aws_action for verb in VERBS.values() if not verb.local_only}
    assert {action(alias.name) for alias in aliases.ALIASES} | {
        "DescribeEvents", "DescribeDBEngineVersions", "DescribeEngineDefaultClusterParameters",
        "DescribeEngineDefaultParameters",
    } == actions  # fmt: skip


@pytest.mark.parametrize("verb", ASKED)
def test_what_a_command_sends_is_its_request(
    verb: str, home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # The command fails over an answer that is none, and would leave a log of that behind.
    monkeypatch.setattr(tempfile, "tempdir", str(home.root))
    server = answering(home, {"ProcessId": NO_PROCESS_ID})
    words = (SENT.get(verb) or example(own_commands()[VERBS[verb].commands[0]])).split()
    main(words)
    server.close()
    capsys.readouterr()
    documents = [body for asked, body in server.requests if asked == verb]
    request, options = VERBS[verb].read(documents[0])
    assert {**request.to_json(), **options.to_json()} == _with_defaults(verb, documents[0])
    for option, key in (("--dry-run", "DryRun"), ("--no-wait", "NoWait"), ("--if-exists", "IfExists")):
        assert documents[0].get(key, False) is (option in words and verb != "plan-backtrack")


def _with_defaults(verb: str, document: dict[str, Any]) -> dict[str, Any]:
    """A document with the keys that its request has and it leaves out; null as the default has it."""
    type_ = VERBS[verb].request
    default = type_.from_json({key: document[key] for key in type_.required()}).to_json()
    return {**default, **{key: value for key, value in document.items() if value is not None}}


def test_a_time_reaches_the_supervisor_with_its_zone(
    home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(home.root))
    server = answering(home, {})
    main(SENT["backtrack"].split())
    server.close()
    capsys.readouterr()
    ((verb, body),) = server.requests
    assert (verb, datetime.fromisoformat(body["BacktrackTo"])) == ("backtrack", datetime(2026, 11, 23, 4, tzinfo=UTC))
    assert (body["Lsn"], body["Undo"], body["NoWait"]) == (None, False, True)


def test_requests_are_loaded_by_noun() -> None:
    """A command pays for its own request only; see `auroractl.api.requests`."""
    code = "import sys; import auroractl.cli.main; print([m for m in sys.modules if m.startswith('auroractl.api.requests.')])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[3]
    )
    assert done.stdout.strip() == "[]"
