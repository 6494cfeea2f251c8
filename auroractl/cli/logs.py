"""logs: one time line over everything that runs."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from auroractl.cli.options import ClusterArgument, ClusterOption, OutputOption
from auroractl.cli.render import logs as render
from auroractl.cli.session import session
from auroractl.core.durations import parse_duration_s

_FOLLOW_INTERVAL_S = 0.2


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("logs", epilog="Example: auroractl logs demo --since 10m --follow")(logs)


def logs(
    context: typer.Context,
    name: ClusterArgument = None,
    instance: Annotated[
        str | None, typer.Option("--instance", metavar="NAME", help="Only this instance or storage node.")
    ] = None,
    since: Annotated[str | None, typer.Option(metavar="DURATION", help="How far back to look, such as 10m.")] = None,
    lines: Annotated[
        int | None, typer.Option("--lines", "-n", min=0, help="The newest of them.  [default: 100, with --since all]")
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
    cluster: ClusterOption = None,
    output: OutputOption = None,  # noqa: ARG001
) -> None:
    """Show the logs of all parts on one time line.

    Supervisor, endpoint process, servers, storage nodes. Works without the supervisor. A time that begins with ~ is not the line's own, but when the line was there at the latest.
    """
    from auroractl.core.views import log_view  # noqa: PLC0415
    from auroractl.services.logs import Logs  # noqa: PLC0415

    this = session(context)
    found = Logs(this.home, this.cluster(name, cluster), instance)
    start = None if since is None else datetime.now(UTC) - timedelta(seconds=parse_duration_s(since))
    newest = 100 if lines is None and since is None else lines
    printer = render.Printer()
    document = {"LogLines": [log_view(line) for line in found.read(start, newest)]}
    if document["LogLines"] or not follow:
        this.show(document, printer.lines, render.rows)
    while follow:
        time.sleep(_FOLLOW_INTERVAL_S)
        new = [log_view(line) for line in found.read()]
        if new:
            this.show({"LogLines": new}, printer.lines, render.rows)
