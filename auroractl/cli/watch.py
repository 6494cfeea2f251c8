"""watch and top: live screens of a cluster and of its sessions."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from auroractl.cli.invocation import dumb_terminal, session
from auroractl.cli.options import ClusterArgument
from auroractl.cli.render import text
from auroractl.core.text.visible import BLANK

if TYPE_CHECKING:
    from rich.console import RenderableType

    from auroractl.cli.invocation import Rows, Session
    from auroractl.cli.render.live_history import History
    from auroractl.control_planes import Document

_ASK_INTERVAL_S = 0.25
_ASK_ACTIVITY_INTERVAL_S = 1.0
_MEASURE_S = 1.2
"""Long enough for two probes of the writer, between which a rate can be measured."""


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command("watch", epilog="Example: auroractl watch demo")(watch)
    app.command("top", epilog="Example: auroractl top demo")(top)


def watch(
    context: typer.Context,
    name: ClusterArgument = None,
    once: Annotated[bool, typer.Option("--once", help="Print one picture after a second of measuring.")] = False,
) -> None:
    """Watch a cluster on a live screen.

    It shows the topology, LSNs, lag, writes per second, connections, the running operation and events. Press q or Ctrl-C to exit. Writes per second are transactions that changed something, counted by their ids. Without a
    terminal, or with --output, it prints one picture as with --once.
    """
    this = session(context)
    body: Document = {"DBClusterIdentifier": this.cluster(name)}
    first = this.ask("describe-live", body)
    body["DBClusterIdentifier"] = first["DBCluster"]["DBClusterIdentifier"]
    if once or this.output is not None or not _on_a_screen():
        _one_picture(this, body, first)
    else:
        _screen(this, body, first)


def _screen(this: Session, body: Document, first: Document) -> None:
    from auroractl.cli.render.live import frame  # noqa: PLC0415  (Rich, only on a terminal)
    from auroractl.cli.render.live_history import History  # noqa: PLC0415
    from auroractl.cli.screen import Latest, show  # noqa: PLC0415

    history = History()
    history.add(first)
    latest = Latest(this, "describe-live", body, first, _ASK_INTERVAL_S, history.add)
    show(latest, lambda size: frame(latest.document, history, width=size.width, height=size.height, note=latest.note()))


def _on_a_screen() -> bool:
    return sys.stdout.isatty() and not dumb_terminal()


def _one_picture(this: Session, body: Document, first: Document) -> None:
    from auroractl.cli.render.live_history import History  # noqa: PLC0415

    history, document = History(), first
    deadline = time.monotonic() + _MEASURE_S
    while True:
        history.add(document)
        if time.monotonic() > deadline:
            break
        time.sleep(_ASK_INTERVAL_S)
        document = this.ask("describe-live", body)
    rates = history.rates() or (None, None)
    document = {**document, "WriteTransactionsPerSecond": rates[0], "LogBytesPerSecond": rates[1]}
    this.show(document, lambda each: _picture(each, history), text.instances)


def _picture(document: Document, history: History) -> RenderableType:
    from rich.console import Console, Group  # noqa: PLC0415  (only for live screens)

    from auroractl.cli.render.live import frame  # noqa: PLC0415

    return Group(*frame(document, history, width=Console().width, height=None))


def top(
    context: typer.Context,
    name: ClusterArgument = None,
    once: Annotated[bool, typer.Option("--once", help="Print one picture.")] = False,
) -> None:
    """Watch the sessions of clients on all instances.

    The longest running statement is first. Press q or Ctrl-C to exit. Without a terminal, or with --output, it prints one picture as with --once.
    """
    this = session(context)
    body: Document = {"DBClusterIdentifier": this.cluster(name)}
    first = this.ask("describe-activity", body)
    body["DBClusterIdentifier"] = first["DBClusterIdentifier"]
    if once or this.output is not None or not _on_a_screen():
        this.show(first, _sessions, _session_rows, spaces=BLANK)
        return
    from auroractl.cli.render.activity import frame  # noqa: PLC0415  (Rich, only on a terminal)
    from auroractl.cli.screen import Latest, show  # noqa: PLC0415

    latest = Latest(this, "describe-activity", body, first, _ASK_ACTIVITY_INTERVAL_S, spaces=BLANK)
    show(latest, lambda size: frame(latest.document, width=size.width, height=size.height, note=latest.note()))


def _sessions(document: Document) -> RenderableType:
    from rich.console import Console  # noqa: PLC0415

    from auroractl.cli.render.activity import picture  # noqa: PLC0415

    return picture(document, Console().width)


def _session_rows(document: Document) -> Rows:
    from auroractl.cli.render.activity import rows  # noqa: PLC0415

    return rows(document)
