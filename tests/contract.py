"""What is checked of every command: a document that has a golden file, and an error path.

A command without a row is checked by the example in its help: against the golden file of its name, and by naming a
cluster that does not exist. Golden files are in tests/golden; all are written again, for the eye to compare, by the whole
of: AURORACTL_WRITE_GOLDEN=1 pytest tests/unit/cli/test_contract.py tests/functional/test_contract.py
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from auroractl.cli import tree
from auroractl.cli.app import root_command
from tests.shapes import assert_fits, merge, shape

GOLDEN = Path(__file__).parent / "golden"
FAULT = "inject-fault"


@dataclass(frozen=True)
class Checked:
    """How a command is checked; the commands run in the order of the table, on the cluster demo."""

    golden: str | None
    """The golden file of its document, without the ending; None where it prints no document."""
    runs: tuple[str, ...] = ()
    """Arguments of runs whose documents are compared; none where another command has the same document."""
    wrong: str = ""
    """Arguments with which it fails."""
    code: int = 2
    sentence: str = ""


def _nobody(golden: str | None, *runs: str, wrong: str = "nobody", sentence: str = "not found") -> Checked:
    return Checked(golden, runs, wrong, 4, sentence)


def example(command: tree.Command) -> str:
    """The example in a command's help, without the program's name."""
    words = re.search(r"Example: auroractl (.+)", command.epilog or "")
    assert words is not None, f"{command.path} has no example"
    return words[1]


def own_commands() -> dict[str, tree.Command]:
    """All commands by their paths, without those that only have an AWS name."""
    found = [each for _, each in tree.walk(root_command) if isinstance(each, tree.Command)]
    return {each.path: each for each in found if each.alias is None}


def _by_example(command: tree.Command) -> Checked:
    return _nobody(command.path, example(command).removeprefix(command.path).strip())


def _groups(part: str) -> dict[str, Checked]:
    """The commands about one kind of parameter groups; `part` is its part of their names."""
    group, family = f"{part}parameter-group", "aurora-postgresql18"
    named, changed = f"{group}-name", "tuned --parameters work_mem=8MB"
    return {
        f"create-{group}": Checked(
            group, (f"tuned --family {family} --tags a=b",), f"a--b --family {family}", 2, "not provided correctly"
        ),
        f"copy-{group}": _nobody(group, "tuned other", wrong="nobody other"),
        f"modify-{group}": _nobody(named, changed, wrong="nobody --parameters work_mem=8MB"),
        f"describe-{group}s": _nobody(f"describe-{group}s", "", "tuned"),
        f"describe-{part}parameters": _nobody("describe-parameters", "tuned", "tuned --source user"),
        f"describe-engine-default-{part}parameters": Checked(
            "engine-defaults", (family,), "aurora-postgresql9", 2, "not a valid parameter group family"
        ),
        f"reset-{group}": _nobody(named, "tuned --parameters work_mem", "tuned --all", wrong="nobody --all"),
        f"delete-{group}": _nobody(named, "tuned", "other"),
    }


_BY_HAND: dict[str, Checked] = {
    "create-cluster": Checked(
        "create-cluster", ("second --readers 0", "second --if-not-exists"), "a--b", 2, "not a valid identifier"
    ),
    "describe-clusters": _nobody("describe-clusters", ""),
    "describe-instances": _nobody("describe-instances", "", "demo --instance demo-instance-1"),
    "describe-endpoints": _nobody("describe-endpoints", "demo"),
    "describe-volumes": _nobody("describe-volumes", "demo"),
    "status": _nobody("status", "demo"),
    "modify-cluster": _nobody("modify-cluster", "demo --tags purpose=contract"),
    "modify-instance": Checked(
        "instance", ("demo-instance-2 --promotion-tier 1",), "demo-instance-2 --promotion-tier 16", 2, "0 to 15"
    ),
    "hosts": Checked("hosts", ("",), "--write --remove", 2, "exclude each other"),
    "dns": Checked("dns", ("",), "now", 2, "unexpected extra argument"),
    "create-endpoint": Checked(
        "endpoint",
        ("reports --cluster demo --static-members demo-instance-2",),
        "reports --cluster nobody",
        4,
        "nobody",
    ),
    "modify-endpoint": _nobody("endpoint", "reports --endpoint-type ANY"),
    "delete-endpoint": _nobody("endpoint", "reports"),
    "pause-automation": _nobody("changed", "demo"),
    "resume-automation": _nobody("changed", "demo", "demo"),
    "storage-autogrow": _nobody("storage-autogrow", "demo", "demo --dry-run"),
    "scrub-volume": _nobody("scrub-volume", "demo"),
    "failover": _nobody("failover", "demo", "demo --target demo-instance-1"),
    "describe-db-engine-versions": Checked(
        "describe-db-engine-versions", ("", "--default-only"), "--engine-version", 2, "requires an argument"
    ),
    "ca show": Checked("ca", ("",), "now", 2, "unexpected extra argument"),
    "ca rotate": Checked("ca", ("", "--discard-previous"), "now", 2, "unexpected extra argument"),
    "failover-history": _nobody("failover-history", "demo"),
    "describe-events": Checked(
        "describe-events", ("demo", "--source-type db-cluster"), "--start-time soon", 2, "not a time"
    ),
    **_groups("cluster-"),
    **_groups(""),
    "reboot-instance": _nobody("instance", "demo-instance-2"),
    "scale-readers": Checked(
        "scale-readers", ("demo --to 3", "demo --to 3"), "demo --to 2 --add 1", 2, "exactly one of"
    ),
    "create-instance": _nobody("instance", "demo --db-instance-identifier extra --promotion-tier 3"),
    "delete-instance": _nobody("instance", "demo-instance-4", "extra"),
    "replace-storage-node": Checked(
        "replace-storage-node", ("demo-storage-6 --cluster demo",), "9 --cluster demo", 4, "has no storage node 9"
    ),
    "drill": Checked("drill", ("planned demo --duration 300ms",), "earthquake demo", 2, "earthquake"),
    "stop-cluster": _nobody("changed", "second", "second"),
    "start-cluster": _nobody("changed", "second", "second"),
    "delete-cluster": Checked(
        "delete-cluster", ("second --yes", "second --yes --if-exists"), "demo", 2, "needs confirmation"
    ),
    "cancel-operation": _nobody("cancel-operation"),
    "describe-backtracks": _nobody("describe-backtracks", "demo"),
    "backtrack": Checked("backtrack", ("demo --to -2s --yes", "demo --undo --yes"), "demo --to soon", 2, "soon"),
    "peek": Checked(None, wrong="demo --at soon -- -c select", sentence="soon"),
    "logs": Checked("logs", ("demo",), "demo --since soon", 2, "not a duration"),
    "apply": Checked("apply", ("-f tests/golden/demo.toml",), "-f /nowhere.toml", 2, "/nowhere.toml"),
    "export": _nobody("export", "demo"),
    "doctor": Checked("doctor", ("",), "now", 2, "unexpected extra argument"),
    "report": Checked("report", (), "now", 2, "unexpected extra argument"),
    "diagram": _nobody("diagram", "demo"),
    "watch": _nobody("watch", "demo"),
    "top": _nobody("top", "demo"),
    "demo": Checked("demo", (), "now", 2, "unexpected extra argument"),
    "psql": _nobody(None),
    "pgbench": _nobody(None),
    "pg-dump": _nobody(None),
    "pg-restore": _nobody(None),
    "tools": _nobody(None, wrong="--cluster nobody"),
    "uri": _nobody(None),
    "env": _nobody(None),
    "wait": Checked(None, wrong="for-ever demo", sentence="There is no condition 'for-ever'"),
    "use": _nobody("use", "demo", "--unset"),
    "config show": Checked("config-show", ("",), "now", 2, "unexpected extra argument"),
    "simulate volume": Checked("simulate-volume", ("--runs 2 --years 0.1",), "--size big", 2, "is not a size"),
    "supervisor run": Checked(None, wrong="now", sentence="unexpected extra argument"),
    "supervisor start": Checked("supervisor", ("",), "now", 2, "unexpected extra argument"),
    "supervisor status": Checked("supervisor", ("",), "now", 2, "unexpected extra argument"),
    "supervisor stop": Checked(None, wrong="now", sentence="unexpected extra argument"),
    "supervisor logs": Checked(None, wrong="--lines many", sentence="not a valid int"),
    "inject-fault crash-storage-node": _nobody(FAULT, "demo-storage-1 --cluster demo", sentence="has no storage node"),
    "inject-fault hang-storage-node": _nobody(FAULT, sentence="has no storage node"),
    "inject-fault wipe-storage-node": _nobody(FAULT, sentence="has no storage node"),
    "inject-fault corrupt-segment": _nobody(FAULT, sentence="has no storage node"),
    "inject-fault crash-instance": _nobody(FAULT),
    "inject-fault hang-instance": _nobody(FAULT),
    "inject-fault replica-lag": _nobody(FAULT, wrong="nobody --delay 1s"),
    "inject-fault partition-instance": _nobody(FAULT),
    "inject-fault slow-endpoint": _nobody(FAULT, wrong="nobody --delay 1s", sentence="has no endpoint"),
    "inject-fault refuse-endpoint": _nobody(FAULT, sentence="has no endpoint"),
    "inject-fault dns-lag": _nobody(FAULT, wrong="--delay 1s --cluster nobody"),
    "inject-fault az-outage": _nobody(FAULT, sentence="has no Availability Zone"),
    "inject-fault az-restore": _nobody(FAULT, sentence="There is no injected fault"),
    "inject-fault restore": _nobody(FAULT, sentence="There is no injected fault"),
}

COMMANDS = {
    **_BY_HAND,
    **{path: _by_example(command) for path, command in own_commands().items() if path not in _BY_HAND},
}


MAY_BE_NULL = {
    "ProcessId": "integer",
    "EndpointProcessId": "integer",
    "UsedBytes": "integer",
    "Connections": "integer",
    "ReplicaLagBytes": "integer",
    "ReplicaLagMilliseconds": "number",
    "Following": "boolean",
    "Timeline": "integer",
    "DatabaseConnections": "integer",
    "ReceivedLsn": "string",
    "FlushedLsn": "string",
    "LagBytes": "integer",
    "LagMilliseconds": "integer",
    "HeldBytes": "integer",
    "LostSince": "time",
    "Until": "time",
    "GapMilliseconds": "number",
    "DurationMilliseconds": "number",
    "EarliestBacktrackTime": "time",
    "BacktrackWindowActual": "integer",
    "BacktrackLogBytesPerHour": "integer",
    "BacktrackImageBytesPerHour": "integer",
    "BacktrackedFrom": "time",
    "BacktrackedFromTimeline": "integer",
    "BacktrackedFromLsn": "string",
    "NewTimeline": "integer",
    "DowntimeMilliseconds": "number",
}
"""What may be unknown or not be so, whether or not it was when the golden files were written."""


_written: set[str] = set()
"""Golden files that this run has begun; further documents add to them."""


def _nullable(golden: Any) -> Any:
    match golden:
        case dict():
            return {
                key: merge(value, f"{MAY_BE_NULL[key]}|null") if key in MAY_BE_NULL else _nullable(value)
                for key, value in golden.items()
            }
        case list():
            return [_nullable(each) for each in golden]
    return golden


def check_golden(name: str, document: dict[str, Any]) -> None:
    """Compare a document with its golden file, or write that."""
    path = GOLDEN / f"{name}.json"
    found = shape(document)
    if os.environ.get("AURORACTL_WRITE_GOLDEN"):
        golden = _nullable(merge(json.loads(path.read_text()), found) if name in _written else found)
        _written.add(name)
        path.write_text(json.dumps(golden, indent=2) + "\n")
        return
    assert_fits(found, json.loads(path.read_text()))
