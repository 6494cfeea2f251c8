"""Commands about events, past failovers and automation."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from auroractl.api import requests
from auroractl.cli import name_completion
from auroractl.cli.invocation import pause, session
from auroractl.cli.options import ClusterArgument
from auroractl.cli.render import lazy, sentences, text
from auroractl.core.text.durations import parse_duration_s

if TYPE_CHECKING:
    from auroractl.cli.invocation import Session

_FOLLOW_INTERVAL_S = 0.3


class SourceType(StrEnum):
    """The kind of source of events."""

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
        str, typer.Option(metavar="DURATION", help="How far back to go; a number alone is minutes, as with aws.")
    ] = "1h",
    max_records: Annotated[
        int, typer.Option("--max-records", "--max-items", help="Show only the newest, 20 to 100.")
    ] = 100,
    source_identifier: Annotated[
        str | None,
        typer.Option(help="Show only events of this cluster or instance.", autocompletion=name_completion.either),
    ] = None,
    source_type: Annotated[
        SourceType | None, typer.Option(help="Show only events of clusters, or of instances.")
    ] = None,
    start_time: Annotated[
        str | None, typer.Option(metavar="TIME", help="Show events from this time on, such as 2026-11-23T04:00Z.")
    ] = None,
    end_time: Annotated[str | None, typer.Option(metavar="TIME", help="Show events up to this time.")] = None,
    event_categories: Annotated[
        list[str] | None,
        typer.Option(metavar="CATEGORY", help="Show only this category, such as failover; repeatable."),
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Print new events until Ctrl-C.")] = False,
) -> None:
    """List events, oldest first; with --follow, print new ones as they happen."""
    this = session(context)
    body = {
        "SourceIdentifier": this.named(name) or source_identifier,
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
        pause(_FOLLOW_INTERVAL_S)
        document = this.ask("describe-events", body)


def failover_history(
    context: typer.Context,
    name: ClusterArgument = None,
) -> None:
    """List past failovers: time, reason, old and new writer, and time without a writer."""
    document = session(context).ask("failover-history", {"DBClusterIdentifier": session(context).named(name)})
    session(context).show(document, lazy("failovers"), text.failovers)


def pause_automation(
    context: typer.Context,
    name: ClusterArgument = None,
) -> None:
    """Disable automatic failover and restarts until resume-automation, to examine a failure."""
    _pause(context, name, paused=True)


def resume_automation(
    context: typer.Context,
    name: ClusterArgument = None,
) -> None:
    """Enable automatic failover and restarts again."""
    _pause(context, name, paused=False)


def _pause(context: typer.Context, name: str | None, *, paused: bool) -> None:
    this = session(context)
    request = requests.clusters.PauseAutomation(cluster=this.cluster(name), paused=paused)
    this.show(this.change(request), sentences.automation, text.cluster)
