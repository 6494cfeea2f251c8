"""Commands that go back in time: the whole cluster, or only a look."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from auroractl.cli.connecting import become
from auroractl.cli.options import ClusterArgument, ClusterOption, OutputOption
from auroractl.cli.render import lazy, sentences, text
from auroractl.cli.session import can_ask, say, session
from auroractl.core.errors import UsageError
from auroractl.core.moments import Target, parse_target
from auroractl.core.timestamps import timestamp

if TYPE_CHECKING:
    from auroractl.cli.session import Session

EarliestOption = Annotated[
    bool,
    typer.Option(
        "--use-earliest",
        "--use-earliest-time-on-point-in-time-unavailable",
        help="Go to the earliest moment where the one that is asked for is before it.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command("backtrack", epilog="Example: auroractl backtrack demo --to -5m")(backtrack)
    app.command("describe-backtracks", epilog="Example: auroractl describe-backtracks demo")(describe_backtracks)
    app.command("peek", epilog='Example: auroractl peek demo --at -5m -- -c "select * from orders where id = 7"')(peek)


def backtrack(
    context: typer.Context,
    name: ClusterArgument = None,
    to: Annotated[
        str | None,
        typer.Option(
            "--to", "--backtrack-to", metavar="WHEN", help='ISO 8601, 14:03, -5m, "10 minutes ago", an LSN or earliest.'
        ),
    ] = None,
    undo: Annotated[bool, typer.Option("--undo", help="Go forward again to where the last one began.")] = False,
    use_earliest: EarliestOption = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done and undone.")] = False,
    wait_at: Annotated[
        str | None, typer.Option(metavar="WHEN", help="Make a copy at that moment to look at before deciding.")
    ] = None,
    read_only: Annotated[bool, typer.Option("--read-only", help="With --wait-at: the copy can be read.")] = False,
    accept: Annotated[bool, typer.Option("--accept", help="Go to the moment of the copy that waits.")] = False,
    cancel: Annotated[bool, typer.Option("--cancel", help="Remove the copy that waits.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Return while it is being done.")] = False,
    cluster: ClusterOption = None,
    output: OutputOption = None,  # noqa: ARG001
) -> None:
    """Bring the whole cluster back to a moment, in place, and forward again."""
    this = session(context)
    _require_one({"--to": to, "--undo": undo, "--wait-at": wait_at, "--accept": accept, "--cancel": cancel})
    if read_only and wait_at is None:
        raise UsageError("--read-only goes with --wait-at.", "auroractl backtrack --wait-at WHEN --read-only")
    when = to or wait_at
    body = {
        "DBClusterIdentifier": this.cluster(name, cluster),
        **_moment(when),
        "UseEarliestTimeOnPointInTimeUnavailable": use_earliest,
        "Undo": undo,
        "DryRun": dry_run,
        "WaitAt": wait_at is not None,
        "Accept": accept,
        "Cancel": cancel,
        "NoWait": no_wait,
    }
    if dry_run:
        this.show(this.ask("backtrack", body), sentences.backtrack_plan, text.backtrack_plan)
        return
    if to is not None and not yes and can_ask():
        _confirm(this, body)
    document = this.change("backtrack", body)
    if wait_at is not None:
        this.show(document, sentences.waits_at, text.backtracks)
    else:
        this.show(document, sentences.backtracked, text.backtracks)


def _require_one(given: dict[str, Any]) -> None:
    if sum(bool(value) for value in given.values()) != 1:
        raise UsageError(
            f"Give one of {', '.join(given)}.", "auroractl backtrack --to -5m, or auroractl backtrack --undo"
        )


def _moment(when: str | None) -> dict[str, Any]:
    """The request's keys for a moment; a local time is said back in UTC."""
    if when is None:
        return {"BacktrackTo": None, "Lsn": None}
    now = datetime.now(UTC)
    target = parse_target(when, now, None)
    _say_back(when, target)
    return {"BacktrackTo": target.at.isoformat() if target.at else None, "Lsn": target.lsn}


def _say_back(when: str, target: Target) -> None:
    if target.at is not None and not when.strip().endswith(("Z", "z")):
        say(f"{when.strip()} is {timestamp(target.at)}.")


def _confirm(this: Session, body: dict[str, Any]) -> None:
    plan = this.ask("backtrack", {**body, "DryRun": True})
    say(sentences.backtrack_plan(plan))
    if not typer.confirm("Go on?", err=True):
        raise UsageError("Nothing was changed.", "Add --yes to be asked nothing")


def describe_backtracks(
    context: typer.Context,
    name: ClusterArgument = None,
    backtrack_identifier: Annotated[str | None, typer.Option(help="Only this one.")] = None,
    cluster: ClusterOption = None,
    output: OutputOption = None,  # noqa: ARG001
) -> None:
    """Show backtracks, newest first: to when, from when, how it stands, for how long nobody could write."""
    body = {"DBClusterIdentifier": name or cluster, "BacktrackIdentifier": backtrack_identifier}
    session(context).show(session(context).ask("describe-backtracks", body), lazy("backtracks"), text.backtracks)


def peek(
    context: typer.Context,
    name: ClusterArgument = None,
    arguments: Annotated[list[str] | None, typer.Argument(metavar="[-- ARGS]", help="Handed to psql.")] = None,
    at: Annotated[str, typer.Option(metavar="WHEN", help="As backtrack --to takes it.")] = "",
    dump: Annotated[str | None, typer.Option(metavar="TABLE", help="Print pg_dump of this table.")] = None,
    use_earliest: EarliestOption = False,
    cluster: ClusterOption = None,
) -> None:
    """Read the past on a throw-away copy, with psql or pg_dump; the cluster goes on untouched."""
    this = session(context)
    if not at:
        raise UsageError("Say which moment.", "auroractl peek --at -5m")
    if name is not None and (name.startswith("-") or " " in name):
        arguments, name = [name, *(arguments or [])], None
    if dump is not None and arguments:
        raise UsageError("--dump and a statement are two things.", "Leave one of them out")
    body = {
        "DBClusterIdentifier": this.cluster(name, cluster),
        **_moment(at),
        "UseEarliestTimeOnPointInTimeUnavailable": use_earliest,
        "ClientProcessId": os.getpid(),
    }
    there = this.change("peek", body)["Peek"]
    say(f"The cluster as it was at {there['ConsistentTime']}:")
    if dump is not None:
        become(there, "PgDumpPath", "pg_dump", [f"--table={dump}"])
    become(there, "PsqlPath", "psql", _statements(arguments or []))


def _statements(arguments: list[str]) -> list[str]:
    """Arguments of psql; a bare statement is one for -c."""
    if len(arguments) == 1 and not arguments[0].startswith("-"):
        return ["-c", arguments[0]]
    return arguments
