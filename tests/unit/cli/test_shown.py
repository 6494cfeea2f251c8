"""What clients write is shown, and does nothing: to terminals and pipes, in every form of output, in talk and in errors."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
import yaml

from auroractl.cli.invocation import Session
from auroractl.cli.main import main
from auroractl.cli.progress import PlainProgress
from auroractl.cli.render import tables
from auroractl.cli.screen import Latest
from auroractl.cli.spinner import SpinnerProgress
from auroractl.config.paths import Home
from auroractl.core.errors import EngineError
from tests.unit.cli.conftest import NO_CLUSTERS, Supervisor, answering, on_terminal
from tests.unit.core.test_visible import unsafe

HOSTILE = (
    "\x1b]0;owned\x07\x1b[2J\x9b31m\r\nTry: forged\u202e\u2028[bold red]x[/] :skull: [link=http://evil]here[/link]"
)
VISIBLE = "\\x1b]0;owned\\x07\\x1b[2J\\x9b31m"
LAYOUT = "\n\t"
_OUR_COLOURS = re.compile(r"\x1b\[[0-9;]*m|\r")


def activity() -> dict[str, Any]:
    session = dict.fromkeys(
        ("User", "Database", "ApplicationName", "ClientAddress", "State", "WaitEventType", "WaitEvent", "Statement"),
        HOSTILE,
    )
    numbers = {"ProcessId": 7, "StatementMilliseconds": 12.0, "TransactionMilliseconds": 12.0}
    return {
        "DBClusterIdentifier": "demo",
        "Time": "2026-11-26T18:00:00.000Z",
        "Sessions": [{"DBInstanceIdentifier": "demo-instance-1", **session, **numbers}],
        "Unanswered": [],
    }


def events() -> dict[str, Any]:
    event = {"SourceIdentifier": "demo", "SourceType": "db-cluster", "EventId": "RDS-EVENT-0170", "Message": HOSTILE}
    return {"Events": [{**event, "Date": "2026-11-26T18:00:00.000Z", "EventCategories": ["failure"]}]}


def plan() -> dict[str, Any]:
    return {
        "BacktrackPlan": {
            "DBClusterIdentifier": "demo", "ConsistentTime": "2026-11-26T18:00:00.000Z", "ConsistentLsn": "0/1",
            "ReplayBytes": 1, "EstimatedMilliseconds": 1, "EstimatedDowntimeMilliseconds": 1,
            "PageImage": {"ReachedTime": "2026-11-26T18:00:00", "StorageNodeIdentifier": "n", "Bytes": 1},
            "Undone": {
                "Commits": 1, "Complete": True, "LogBytes": 1,
                "Tables": [{"Table": HOSTILE, "Database": HOSTILE, "Changes": 1}],
            },
        }
    }  # fmt: skip


SHOWN = [
    (["top", "demo"], activity()),
    (["describe-events", "demo"], events()),
    (["backtrack", "demo", "--undo", "--dry-run"], plan()),
]


@pytest.mark.parametrize(("arguments", "document"), SHOWN)
@pytest.mark.parametrize("form", ["table", "text", "json", "yaml"])
def test_in_every_form(
    home: Home,
    arguments: list[str],
    document: dict[str, Any],
    form: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    server = answering(home, document)
    assert main([*arguments, "--output", form]) == 0
    server.close()
    printed = capsys.readouterr().out
    assert unsafe(printed, LAYOUT) == []
    assert "\nTry: forged" not in printed
    if form in {"json", "yaml"}:
        assert (json.loads(printed) if form == "json" else yaml.safe_load(printed)) == document
    elif arguments[0] != "backtrack" or form == "table":
        assert VISIBLE in printed
        assert ":skull:" in printed


def test_what_a_query_finds_and_names_alone(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    server = answering(home, {"DBClusters": [{"DBClusterIdentifier": HOSTILE}]})
    assert main(["describe-clusters", "--query", "DBClusters[].DBClusterIdentifier", "--output", "text"]) == 0
    assert main(["describe-clusters", "-q"]) == 0
    server.close()
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == printed[1]
    assert unsafe("".join(printed)) == []


@pytest.mark.parametrize(("arguments", "document"), SHOWN)
def test_on_a_terminal(home: Home, arguments: list[str], document: dict[str, Any]) -> None:
    printed = on_terminal(home, document, *arguments, *(["--once"] if arguments[0] == "top" else ["-o", "table"]))
    assert unsafe(_OUR_COLOURS.sub("", printed), LAYOUT) == []
    assert "\\x1b]0;own" in printed.replace("\r\n", "")
    assert "\x1b]8" not in printed, "no link is made of what a client wrote"


def test_on_a_live_screen() -> None:
    latest = Latest(Session(), "describe-activity", {}, activity(), 1.0)
    assert unsafe(str(latest.document["Sessions"])) == []
    latest.error = EngineError(HOSTILE)
    assert unsafe(latest.note()) == []


@pytest.mark.parametrize("terminal", [False, True])
def test_in_errors_and_steps(home: Home, terminal: bool, capsys: pytest.CaptureFixture[str]) -> None:
    step = {"Type": "step", "Name": HOSTILE, "State": "done", "ElapsedMilliseconds": 1.0}
    error = {"Code": "X", "Message": HOSTILE, "Hint": HOSTILE, "ExitCode": 5}
    server = Supervisor(home, step, {"Type": "message", "Text": HOSTILE}, {"Type": "error", "Error": error})
    assert main(["stop-cluster", "demo"]) == 5
    assert main(["stop-cluster", "demo", "--output", "json"]) == 5
    server.close()
    told = capsys.readouterr().err
    assert unsafe(told, LAYOUT) == []
    assert [line for line in told.splitlines() if line.startswith("Try: ")] != []
    assert not any(line.startswith("Try: forged") for line in told.splitlines())


@pytest.mark.parametrize("kind", [PlainProgress, SpinnerProgress])
def test_while_work_goes_on(
    kind: type[PlainProgress] | type[SpinnerProgress], capsys: pytest.CaptureFixture[str]
) -> None:
    with kind() as progress:
        for state in ("started", "done", "undone"):
            progress.step(f"{HOSTILE}\\", state, 1.0)
        progress.message(HOSTILE)
    told = capsys.readouterr().err
    assert unsafe(told, LAYOUT) == []
    assert "[bold red]x[/] :skull:" in told
    assert "\nTry: forged" not in told


def test_the_question_before_a_backtrack(home: Home) -> None:
    printed = on_terminal(home, plan(), "backtrack", "demo", "--undo", typed="n\n", NO_COLOR="1")
    assert "Continue?" in printed
    assert "Nothing was changed." in printed
    assert unsafe(printed, "\r\n\t") == []


def test_the_plan_of_a_file_that_somebody_else_wrote(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    file = home.root / "cluster.toml"
    file.write_text(f"[clusters.demo.tags]\nx = {json.dumps(HOSTILE)}\n")
    server = answering(home, NO_CLUSTERS)
    assert main(["apply", "-f", str(file), "--dry-run"]) == 1
    server.close()
    printed = capsys.readouterr()
    assert VISIBLE in printed.err
    assert unsafe(printed.err + printed.out, LAYOUT) == []
    assert "\nTry: forged" not in printed.err


@pytest.mark.parametrize("form", ["table", "text", "json"])
def test_logs(home: Home, form: str, capsys: pytest.CaptureFixture[str]) -> None:
    log = home.cluster("demo").instance("demo-1").log
    log.parent.mkdir(parents=True)
    now = datetime.now(UTC)
    line = HOSTILE.replace("\n", "\n\t")
    log.write_text(f"{now:%Y-%m-%d %H:%M:%S}.000 UTC [1] x@y ERROR:  {line}\n", newline="")
    home.supervisor_log.write_text(f"{now:%Y-%m-%dT%H:%M:%S}.000Z INFO {HOSTILE}\n", newline="")
    assert main(["logs", "demo", "--output", form]) == 0
    assert main(["supervisor", "logs"]) == 0
    printed = capsys.readouterr().out
    assert "x1b]0;owned" in printed
    assert unsafe(printed, LAYOUT) == []


@pytest.mark.parametrize(
    ("status", "held", "shown"),
    [
        ("available", False, "Write quorum  its nodes wait for an instance"),
        ("write-quorum-lost", False, "Write quorum  4 needed, 0 available: LOST, 4 missing"),
        ("available", True, "Write quorum  4 needed, 6 available: held, 2 more may fail"),
    ],
)
def test_a_volume_without_an_instance_has_not_lost_its_quorum(status: str, held: bool, shown: str) -> None:
    quorum = {"Required": 4, "Available": 6 if held else 0, "Held": held, "Margin": 2 if held else -4}
    assert tables._waiting_or_quorum({"Status": status, "WriteQuorum": quorum}) == shown
