"""Commands that tell what happened, and the one that stops more from happening by itself."""

from __future__ import annotations

import time
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from auroractl.cli import names
from auroractl.cli.options import ClusterArgument, ClusterOption, OutputOption
from auroractl.cli.render import lazy, sentences, text
from auroractl.cli.session import session
from auroractl.core.durations import parse_duration_s

if TYPE_CHECKING:
    from auroractl.cli.session import Session

_FOLLOW_INTERVAL_S = 0.3


class SourceType(StrEnum):
    """What events are about."""

    CLUSTER = "db-cluster"
    INSTANCE = "db-instance"


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command("describe-events", epilog="Example: auroractl describe-events demo --follow")(describe_events)
    app.command("failover-history", epilog="Example: auroractl failover-history demo")(failover_history)
    app.command("pause-automation", epilog="Example: auroractl pause-automation demo")(pause_automation)
    app.command("resume-automation", epilog="Example: auroractl resume-automation demo")(resume_automation)


def describe_events(
    context: typer.Context,
    name: ClusterArgument = None,
    duration: Annotated[
        str, typer.Option(metavar="DURATION", help="How far back to look; a number alone is minutes, as with aws.")
    ] = "1h",
    max_records: Annotated[
        int, typer.Option("--max-records", "--max-items", help="The newest of them, 20 to 100.")
    ] = 100,
    source_identifier: Annotated[
        str | None,
        typer.Option(help="Only those of this cluster or instance.", autocompletion=names.either),
    ] = None,
    source_type: Annotated[SourceType | None, typer.Option(help="Only those about clusters, or instances.")] = None,
    start_time: Annotated[
        str | None, typer.Option(metavar="TIME", help="From then on, such as 2026-11-23T04:00Z.")
    ] = None,
    end_time: Annotated[str | None, typer.Option(metavar="TIME", help="Until then.")] = None,
    event_categories: Annotated[
        list[str] | None, typer.Option(metavar="CATEGORY", help="Only of this category, such as failover; repeatable.")
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C, telling what happens.")] = False,
    cluster: ClusterOption = None,
    output: OutputOption = None,  # noqa: ARG001
) -> None:
    """Show events, oldest first; with --follow as they happen, one line each."""
    this = session(context)
    body = {
        "SourceIdentifier": name or cluster or source_identifier,
        "SourceType": source_type.value if source_type else None,
        "DurationSeconds": parse_duration_s(f"{duration}m" if duration.isdecimal() else duration),
        "StartTime": start_time,
        "EndTime": end_time,
        "EventCategories": event_categories or [],
        "MaxRecords": max_records,
    }
    document = this.ask("describe-events", body)
    if not follow:
        this.show(document, lazy("events"), text.events)
        return
    _follow(this, body, document)


def _follow(this: Session, body: dict[str, Any], document: dict[str, Any]) -> None:
    told: list[Any] = []
    while True:
        new = [event for event in document["Events"] if event not in told]
        if new:
            this.show({"Events": new}, sentences.events, text.events)
        told = document["Events"]
        time.sleep(_FOLLOW_INTERVAL_S)
        document = this.ask("describe-events", body)


def failover_history(
    context: typer.Context,
    name: ClusterArgument = None,
    cluster: ClusterOption = None,
    output: OutputOption = None,  # noqa: ARG001
) -> None:
    """Show the last failovers: when, why, from where to where, and for how long nobody could write."""
    document = session(context).ask("failover-history", {"DBClusterIdentifier": name or cluster})
    session(context).show(document, lazy("failovers"), text.failovers)


def pause_automation(
    context: typer.Context,
    name: ClusterArgument = None,
    cluster: ClusterOption = None,
    output: OutputOption = None,  # noqa: ARG001
) -> None:
    """Promote and restart nothing by itself until resume-automation, so that a failure can be looked at."""
    _pause(context, name, cluster, paused=True)


def resume_automation(
    context: typer.Context,
    name: ClusterArgument = None,
    cluster: ClusterOption = None,
    output: OutputOption = None,  # noqa: ARG001
) -> None:
    """Let a cluster heal by itself again."""
    _pause(context, name, cluster, paused=False)


def _pause(context: typer.Context, name: str | None, cluster: str | None, *, paused: bool) -> None:
    this = session(context)
    body = {"DBClusterIdentifier": this.cluster(name, cluster), "Paused": paused}
    this.show(this.change("pause-automation", body), sentences.automation, text.cluster)
