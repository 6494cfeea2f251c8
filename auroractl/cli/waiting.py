"""wait: block until a condition holds, for scripts."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from auroractl.api.waiting import Condition, WaitState, judge, parse_condition
from auroractl.cli import name_completion
from auroractl.cli.invocation import session
from auroractl.core.errors import AuroraError, ExitCode, UsageError
from auroractl.core.text.durations import parse_duration_ms
from auroractl.core.text.timestamps import timestamp

if TYPE_CHECKING:
    from auroractl.cli.invocation import Session

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
        str | None,
        typer.Argument(metavar="[NAME]", help="The cluster, or the instance.", autocompletion=name_completion.either),
    ] = None,
    timeout: Annotated[str, typer.Option(metavar="DURATION", help="Maximum time to wait.")] = "10m",
    cluster: Annotated[
        str | None,
        typer.Option(
            "--cluster",
            "--db-cluster-identifier",
            help="The cluster, instead of the argument.",
            autocompletion=name_completion.clusters,
        ),
    ] = None,
    instance: Annotated[
        str | None,
        typer.Option(
            "--instance",
            "--db-instance-identifier",
            help="The instance, instead of the argument.",
            autocompletion=name_completion.instances,
        ),
    ] = None,
) -> None:
    """Wait until a condition holds and no running operation will change it; exit code 6 for a timeout.

    Prints nothing to stdout. A cluster that does not exist is an error (exit code 4), except for cluster-deleted.
    """
    this = session(context)
    wanted = parse_condition(condition)
    timeout_s = parse_duration_ms(f"{timeout}s" if timeout.isdecimal() else timeout) / 1000
    if wanted is Condition.INSTANCE_AVAILABLE:
        about = name or instance
        if about is None:
            raise UsageError("The instance is missing.", f"auroractl wait {condition} INSTANCE")
    else:
        this.cluster_option = cluster
        about = this.cluster(name)
        about = about or this.ask("describe-status", {"DBClusterIdentifier": None})["DBCluster"]["DBClusterIdentifier"]
    began_s = time.monotonic()
    _wait(this, wanted, about.lower(), timeout_s)
    with this.progress() as progress:
        progress.step(f"{wanted} {about.lower()}", "done", (time.monotonic() - began_s) * 1000)


def _wait(this: Session, condition: Condition, about: str, timeout_s: float) -> None:
    from datetime import UTC, datetime  # noqa: PLC0415  (only here, and not at the start of every command)

    from auroractl.system.waiting import wait_until  # noqa: PLC0415  (only here)

    since = timestamp(datetime.now(UTC))
    lost = 0

    def unmet() -> str:
        nonlocal lost
        try:
            seen, lost = _look(this, condition, about, since), 0
        except AuroraError as error:
            # The next request starts a supervisor that ended, and it continues the work.
            lost += 1
            if error.exit_code is not ExitCode.NOT_RUNNING or lost > _LOST_MAX:
                raise
            seen = WaitState(False, error.message.rstrip("."))
        return "" if seen.met else f"last state: {seen.last}"

    hint = f"Wait longer with --timeout, or see auroractl status {_cluster_hint(condition, about)}".rstrip()
    wait_until(f"the condition {condition} of {about} was not reached", unmet, timeout_s, _POLL_S, hint=hint)


def _cluster_hint(condition: Condition, about: str) -> str:
    return "" if condition is Condition.INSTANCE_AVAILABLE else about


def _look(this: Session, condition: Condition, about: str, since: str) -> WaitState:
    if condition is Condition.INSTANCE_AVAILABLE:
        body: dict[str, Any] = {"DBClusterIdentifier": None, "DBInstanceIdentifier": about}
        views = this.ask("describe-instances", body)["DBInstances"]
        return judge(condition, {"DBInstances": views}, since, about)
    try:
        document = this.ask("describe-status", {"DBClusterIdentifier": about})
    except AuroraError as error:
        if condition is Condition.CLUSTER_DELETED and error.exit_code is ExitCode.NOT_FOUND:
            return judge(condition, None, since)
        raise
    return judge(condition, document, since)
