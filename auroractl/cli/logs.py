"""logs: the logs of all processes, merged by time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from auroractl.cli.invocation import pause, say, session
from auroractl.cli.options import ClusterArgument
from auroractl.cli.render import logs as render
from auroractl.core.text.durations import parse_duration_s

_FOLLOW_INTERVAL_S = 0.2


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("logs", epilog="Example: auroractl logs demo --since 10m --follow")(logs)


def logs(
    context: typer.Context,
    name: ClusterArgument = None,
    instance: Annotated[
        str | None, typer.Option("--instance", metavar="NAME", help="Show only this instance or storage node.")
    ] = None,
    since: Annotated[str | None, typer.Option(metavar="DURATION", help="How far back to go, such as 10m.")] = None,
    lines: Annotated[
        int | None,
        typer.Option("--lines", "-n", min=0, help="Show only the newest.  [default: 100, or all with --since]"),
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Print new lines until Ctrl-C.")] = False,
) -> None:
    """Show the logs of all processes, merged by time.

    These are the supervisor, the endpoint process, the servers and the storage nodes. Needs no supervisor. A time that begins with ~ is approximate: the latest time at which the line can have been written.
    """
    from auroractl.api.documents import log_view  # noqa: PLC0415
    from auroractl.diagnostics.logs import Logs  # noqa: PLC0415

    this = session(context)
    this.say_configuration_error()
    found = Logs(this.home, this.owners, this.cluster(name), instance)
    start = None if since is None else datetime.now(UTC) - timedelta(seconds=parse_duration_s(since))
    newest = 100 if lines is None and since is None else lines
    printer = render.Printer()
    document = {"LogLines": [log_view(line) for line in found.read(start, newest)]}
    for problem in found.problems():
        say(f"Not read: {problem}")
    if document["LogLines"] or not follow:
        this.show(document, printer.lines, render.rows, spaces=render.TABS)
    while follow:
        pause(_FOLLOW_INTERVAL_S)
        new = [log_view(line) for line in found.read()]
        if new:
            this.show({"LogLines": new}, printer.lines, render.rows, spaces=render.TABS)
