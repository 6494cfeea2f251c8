"""wait: until something has come about that a script needs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from auroractl.cli import names
from auroractl.cli.session import session
from auroractl.core.durations import parse_duration_ms
from auroractl.core.errors import AuroraError, ExitCode, TimedOut, UsageError
from auroractl.core.timestamps import timestamp
from auroractl.core.waiting import Condition, Seen, look, parse_condition

if TYPE_CHECKING:
    from auroractl.cli.session import Session

_POLL_S = 0.1
_LOST_MAX = 3
_CONDITIONS = [condition.value for condition in Condition]


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("wait", epilog="Example: auroractl wait cluster-available demo --timeout 2m")(wait)


def _conditions(incomplete: str) -> list[str]:
    return [name for name in _CONDITIONS if name.startswith(incomplete)]


def wait(
    context: typer.Context,
    condition: Annotated[
        str,
        typer.Argument(metavar="CONDITION", help=f"{', '.join(_CONDITIONS)}.", autocompletion=_conditions),
    ],
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="The cluster, or the instance.", autocompletion=names.either)
    ] = None,
    timeout: Annotated[str, typer.Option(metavar="DURATION", help="For how long at most.")] = "10m",
    cluster: Annotated[
        str | None,
        typer.Option(
            "--cluster", "--db-cluster-identifier", help="The cluster by option.", autocompletion=names.clusters
        ),
    ] = None,
    instance: Annotated[
        str | None,
        typer.Option(
            "--instance", "--db-instance-identifier", help="The instance by option.", autocompletion=names.instances
        ),
    ] = None,
) -> None:
    """Wait until a condition holds and nothing is on its way to change that; exit code 6 where it takes too long.

    Prints nothing to stdout. A cluster that does not exist is an error (exit code 4), except for cluster-deleted.
    """
    this = session(context)
    wanted = parse_condition(condition)
    timeout_s = parse_duration_ms(f"{timeout}s" if timeout.isdecimal() else timeout) / 1000
    if wanted is Condition.INSTANCE_AVAILABLE:
        about = name or instance
        if about is None:
            raise UsageError("Which instance?", f"auroractl wait {condition} INSTANCE")
    else:
        about = this.cluster(name, cluster)
        about = about or this.ask("describe-status", {"DBClusterIdentifier": None})["DBCluster"]["DBClusterIdentifier"]
    began_s = time.monotonic()
    _wait(this, wanted, about.lower(), timeout_s)
    with this.progress() as progress:
        progress.step(f"{wanted} {about.lower()}", "done", (time.monotonic() - began_s) * 1000)


def _wait(this: Session, condition: Condition, about: str, timeout_s: float) -> None:
    from datetime import UTC, datetime  # noqa: PLC0415  (only here, and not at the start of every command)

    since = timestamp(datetime.now(UTC))
    deadline_s = time.monotonic() + timeout_s
    lost = 0
    while True:
        try:
            seen, lost = _look(this, condition, about, since), 0
        except AuroraError as error:
            # A supervisor that ended is started again by the next request, and goes on with the work.
            lost += 1
            if error.exit_code is not ExitCode.NOT_RUNNING or lost > _LOST_MAX:
                raise
            seen = Seen(False, error.message.rstrip("."))
        if seen.met:
            return
        left_s = deadline_s - time.monotonic()
        if left_s <= 0:
            raise TimedOut(
                f"{condition} {about} did not come about within {timeout_s:g} s; last seen: {seen.last}.",
                f"Wait longer with --timeout, or look: auroractl status {_cluster_hint(condition, about)}".rstrip(),
            )
        time.sleep(min(_POLL_S, left_s))


def _cluster_hint(condition: Condition, about: str) -> str:
    return "" if condition is Condition.INSTANCE_AVAILABLE else about


def _look(this: Session, condition: Condition, about: str, since: str) -> Seen:
    if condition is Condition.INSTANCE_AVAILABLE:
        body: dict[str, Any] = {"DBClusterIdentifier": None, "DBInstanceIdentifier": about}
        views = this.ask("describe-instances", body)["DBInstances"]
        return look(condition, {"DBInstances": views}, since, about)
    try:
        document = this.ask("describe-status", {"DBClusterIdentifier": about})
    except AuroraError as error:
        if condition is Condition.CLUSTER_DELETED and error.exit_code is ExitCode.NOT_FOUND:
            return look(condition, None, since)
        raise
    return look(condition, document, since)
