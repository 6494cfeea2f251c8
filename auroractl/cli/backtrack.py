"""Commands about the past: backtrack, describe-backtracks and peek."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from auroractl.api import requests
from auroractl.cli import prompts
from auroractl.cli.client_programs import become
from auroractl.cli.invocation import say, session
from auroractl.cli.options import HANDED_ON, ClusterArgument
from auroractl.cli.render import lazy, sentences, text
from auroractl.core.errors import UsageError
from auroractl.core.text.timestamps import timestamp
from auroractl.core.text.visible import visible_data

if TYPE_CHECKING:
    from auroractl.cli.invocation import Session
    from auroractl.core.restore.target import Target

EarliestOption = Annotated[
    bool,
    typer.Option(
        "--use-earliest",
        "--use-earliest-time-on-point-in-time-unavailable",
        help="Use the earliest possible time if WHEN is before it.",
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
            "--to",
            "--backtrack-to",
            metavar="WHEN",
            help='The target: ISO 8601, 14:03, -5m, "10 minutes ago", an LSN or earliest.',
        ),
    ] = None,
    undo: Annotated[bool, typer.Option("--undo", help="Undo the last backtrack.")] = False,
    use_earliest: EarliestOption = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the plan and the changes that would be lost.")
    ] = False,
    wait_at: Annotated[
        str | None, typer.Option(metavar="WHEN", help="Make a copy at that time to inspect before deciding.")
    ] = None,
    read_only: Annotated[bool, typer.Option("--read-only", help="With --wait-at: make the copy readable.")] = False,
    accept: Annotated[bool, typer.Option("--accept", help="Backtrack to the time of the prepared copy.")] = False,
    cancel: Annotated[bool, typer.Option("--cancel", help="Remove the prepared copy.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Skip confirmation.")] = False,
    no_wait: Annotated[
        bool, typer.Option("--no-wait", help="Return as soon as the operation has been accepted.")
    ] = False,
) -> None:
    """Rewind the whole cluster to a point in time, in place."""
    this = session(context)
    _require_one({"--to": to, "--undo": undo, "--wait-at": wait_at, "--accept": accept, "--cancel": cancel})
    if dry_run and (accept or cancel):
        raise UsageError("--dry-run requires --to, --undo or --wait-at.", "auroractl backtrack --to -5m --dry-run")
    if read_only and wait_at is None:
        raise UsageError("--read-only requires --wait-at.", "auroractl backtrack --wait-at WHEN --read-only")
    chosen, target = this.cluster(name), _target(to or wait_at)
    request: requests.Request = requests.restore.Backtrack(
        cluster=chosen, use_earliest=use_earliest, undo=undo, **target
    )
    if dry_run:
        this.show(_plan(this, request), sentences.backtrack_plan, text.backtrack_plan)
        return
    if wait_at is not None:
        request = requests.restore.PrepareBacktrack(cluster=chosen, use_earliest=use_earliest, **target)
        this.show(this.change(request), sentences.waits_at, text.backtracks)
        return
    if accept:
        request = requests.restore.AcceptBacktrack(cluster=chosen)
    if cancel:
        request = requests.restore.CancelBacktrack(cluster=chosen)
    elif not yes:
        _confirm(this, request)
    document = this.change(request, requests.Options(no_wait=no_wait and not cancel))
    this.show(document, sentences.backtracked, text.backtracks)


def _plan(this: Session, request: requests.Request) -> dict[str, Any]:
    """Return the plan of a backtrack, which plan-backtrack computes from the same parameters."""
    return this.ask("plan-backtrack", request.to_json())


def _require_one(given: dict[str, Any]) -> None:
    if sum(bool(value) for value in given.values()) != 1:
        raise UsageError(
            f"Give one of {', '.join(given)}.", "auroractl backtrack --to -5m, or auroractl backtrack --undo"
        )


def _target(when: str | None) -> dict[str, Any]:
    """Return the fields of a request that specify its target; confirm a local time in UTC."""
    if when is None:
        return {}
    # Compiling its patterns takes two milliseconds, which other commands should not spend.
    from auroractl.core.restore.target import parse_target  # noqa: PLC0415

    target = parse_target(when, datetime.now(UTC), None)
    _confirm_time(when, target)
    return {"to": target.at, "lsn": target.lsn, "earliest": target.earliest}


def _confirm_time(when: str, target: Target) -> None:
    if target.at is not None and not when.strip().endswith(("Z", "z")):
        say(f"{when.strip()} is {timestamp(target.at)}.")


def _confirm(this: Session, request: requests.Request) -> None:
    """Show the plan and ask. Raises UsageError if the answer is no or there is no terminal."""
    if request.verb == "accept-backtrack":
        found = this.ask("describe-status", request.to_json())
        name = found["DBCluster"]["DBClusterIdentifier"]
        shown = f"Backtrack {name} to the time of the prepared copy; all later changes are undone."
    else:
        plan = visible_data(_plan(this, request))
        name, shown = plan["BacktrackPlan"]["DBClusterIdentifier"], sentences.backtrack_plan(plan)
    prompts.require_yes(f"Backtracking {name}", shown)


def describe_backtracks(
    context: typer.Context,
    name: ClusterArgument = None,
    backtrack_identifier: Annotated[str | None, typer.Option(help="Show only this one.")] = None,
) -> None:
    """List backtracks, newest first, with their target times, status and downtime."""
    body = {"DBClusterIdentifier": session(context).named(name), "BacktrackIdentifier": backtrack_identifier}
    session(context).show(session(context).ask("describe-backtracks", body), lazy("backtracks"), text.backtracks)


def peek(
    context: typer.Context,
    name: ClusterArgument = None,
    arguments: Annotated[list[str] | None, typer.Argument(metavar=HANDED_ON, help="Arguments for psql.")] = None,
    at: Annotated[str, typer.Option(metavar="WHEN", help="A time or an LSN, as for backtrack --to.")] = "",
    dump: Annotated[str | None, typer.Option(metavar="TABLE", help="Dump this table with pg_dump.")] = None,
    use_earliest: EarliestOption = False,
) -> None:
    """Query the past with psql or pg_dump, on a temporary copy; the cluster is unaffected."""
    this = session(context)
    if not at:
        raise UsageError("The time is missing.", "auroractl peek --at -5m")
    if name is not None and " " in name:
        arguments, name = [name, *(arguments or [])], None
    if dump is not None and arguments:
        raise UsageError("--dump and a statement exclude each other.", "Omit one of them")
    request = requests.restore.Peek(
        cluster=this.cluster(name),
        use_earliest=use_earliest,
        **_target(at),
        client_pid=os.getpid(),
    )
    there = this.change(request)["Peek"]
    say(f"The cluster as of {there['ConsistentTime']}:")
    if dump is not None:
        become(there, "pg_dump", [f"--table={dump}"])
    become(there, "psql", _statements(arguments or []))


def _statements(arguments: list[str]) -> list[str]:
    """Return psql's arguments; a bare statement becomes one for -c."""
    if len(arguments) == 1 and not arguments[0].startswith("-"):
        return ["-c", arguments[0]]
    return arguments
