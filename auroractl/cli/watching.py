"""watch: a live screen of one cluster."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Annotated

import typer

from auroractl.cli.keys import quit_key
from auroractl.cli.options import ClusterArgument, ClusterOption, OutputOption
from auroractl.cli.render import text
from auroractl.cli.session import say, session
from auroractl.core.errors import AuroraError, ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console, RenderableType

    from auroractl.backends import Document
    from auroractl.cli.render.live_history import History
    from auroractl.cli.session import Session

_ASK_INTERVAL_S = 0.25
_DRAW_INTERVAL_S = 0.1
_MEASURE_S = 1.2
"""Long enough for two looks of the supervisor at the writer, between which a rate can be measured."""
_STALE_AFTER_S = 2.0


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("watch", epilog="Example: auroractl watch demo")(watch)


def watch(
    context: typer.Context,
    name: ClusterArgument = None,
    once: Annotated[bool, typer.Option("--once", help="One picture, after a second of measuring.")] = False,
    cluster: ClusterOption = None,
    output: OutputOption = None,
) -> None:
    """Watch a cluster live: topology, positions, lag, writes per second, connections, the work in progress, events.

    Ends with q or Ctrl-C. Writes per second are transactions that changed something, counted by their ids. Without a
    terminal, and with --output, one picture is given as with --once.
    """
    this = session(context)
    body: Document = {"DBClusterIdentifier": this.cluster(name, cluster)}
    first = this.ask("describe-live", body)
    body["DBClusterIdentifier"] = first["DBCluster"]["DBClusterIdentifier"]
    if once or output is not None or not sys.stdout.isatty():
        _one_picture(this, body, first)
    else:
        _screen(this, body, first)


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
    from rich.console import Console, Group  # noqa: PLC0415  (only where a person looks)

    from auroractl.cli.render.live import frame  # noqa: PLC0415

    return Group(*frame(document, history, width=Console().width, height=None))


@dataclass
class _Latest:
    """What was last heard of the cluster; filled by a thread, so that a supervisor that is slow never stops the screen."""

    this: Session
    body: Document
    document: Document
    history: History
    heard_s: float = field(default_factory=time.monotonic)
    error: AuroraError | None = None
    lock: Lock = field(default_factory=Lock)
    ended: Event = field(default_factory=Event)

    def listen(self) -> None:
        """Ask again and again until `ended` is set or the cluster is gone."""
        while not self.ended.wait(_ASK_INTERVAL_S):
            try:
                document = self.this.ask("describe-live", self.body)
            except AuroraError as error:
                self.error = error
                if error.exit_code is ExitCode.NOT_FOUND:
                    return
                continue
            with self.lock:
                self.document, self.error, self.heard_s = document, None, time.monotonic()
                self.history.add(document)

    def note(self) -> str:
        """What keeps the picture from being of now; empty where it is."""
        silent_s = time.monotonic() - self.heard_s
        if self.error is not None:
            return f"Of {silent_s:.0f} s ago: {self.error.message}"
        return f"Of {silent_s:.0f} s ago: the supervisor does not answer." if silent_s > _STALE_AFTER_S else ""


def _screen(this: Session, body: Document, first: Document) -> None:
    from rich.console import Console  # noqa: PLC0415

    from auroractl.cli.render.live_history import History  # noqa: PLC0415

    latest = _Latest(this, body, first, History())
    latest.history.add(first)
    listener = Thread(target=latest.listen, name="listen", daemon=True)
    listener.start()
    try:
        with quit_key() as pressed:
            _draw(latest, Console(highlight=False), pressed)
    except KeyboardInterrupt:
        return
    finally:
        latest.ended.set()
    if isinstance(latest.error, AuroraError) and latest.error.exit_code is ExitCode.NOT_FOUND:
        say(f"Cluster {body['DBClusterIdentifier']} is gone.")


def _draw(latest: _Latest, console: Console, pressed: Callable[[float], bool]) -> None:
    """Draw until a key ends it or the cluster is gone; a frame like the one before costs nothing."""
    from rich.console import Group  # noqa: PLC0415
    from rich.live import Live  # noqa: PLC0415

    from auroractl.cli.render.live import frame  # noqa: PLC0415

    before: object = None
    with Live(console=console, screen=True, auto_refresh=False, vertical_overflow="crop") as live:
        while not (latest.error is not None and latest.error.exit_code is ExitCode.NOT_FOUND):
            width, height = console.size
            with latest.lock:
                lines = frame(latest.document, latest.history, width=width, height=height, note=latest.note())
            if (now := (width, height, lines)) != before:
                live.update(Group(*lines), refresh=True)
                before = now
            if pressed(_DRAW_INTERVAL_S):
                return
