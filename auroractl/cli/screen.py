"""A screen that is drawn ten times a second from what the supervisor last said."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING

from rich.console import Console, ConsoleDimensions, Group
from rich.live import Live
from rich.text import Text

from auroractl.cli.keys import quit_key
from auroractl.cli.session import say
from auroractl.core.errors import AuroraError, ExitCode

if TYPE_CHECKING:
    from auroractl.backends import Document
    from auroractl.cli.session import Session

_DRAW_INTERVAL_S = 0.1
_STALE_AFTER_S = 2.5

Frame = Callable[[ConsoleDimensions], Sequence[Text]]


@dataclass
class Latest:
    """The last answer to a verb that is asked again and again, by a thread: a supervisor that is slow stops no screen.

    `heard` is called with each new answer, under `lock`.
    """

    this: Session
    verb: str
    body: Document
    document: Document
    interval_s: float
    heard: Callable[[Document], None] = lambda _document: None
    error: AuroraError | None = None
    lock: Lock = field(default_factory=Lock)
    ended: Event = field(default_factory=Event)
    _heard_s: float = field(default_factory=time.monotonic)

    @property
    def gone(self) -> bool:
        """Whether the cluster was deleted."""
        return self.error is not None and self.error.exit_code is ExitCode.NOT_FOUND

    def listen(self) -> None:
        """Ask until `ended` is set or the cluster is gone."""
        while not self.ended.wait(self.interval_s) and not self.gone:
            try:
                document = self.this.ask(self.verb, self.body)
            except AuroraError as error:
                self.error = error
                continue
            with self.lock:
                self.document, self.error, self._heard_s = document, None, time.monotonic()
                self.heard(document)

    def note(self) -> str:
        """What keeps the picture from being of now; empty where it is."""
        silent_s = time.monotonic() - self._heard_s
        if self.error is not None:
            return f"Of {silent_s:.0f} s ago: {self.error.message}"
        late = silent_s > self.interval_s + _STALE_AFTER_S
        return f"Of {silent_s:.0f} s ago: the supervisor does not answer." if late else ""


def show(latest: Latest, frame: Frame) -> None:
    """Draw until q, Ctrl-C, or the cluster is gone. A frame that is like the one before is not drawn again."""
    Thread(target=latest.listen, name="listen", daemon=True).start()
    try:
        with quit_key() as pressed, _live() as live:
            _draw(latest, frame, live, pressed)
    except KeyboardInterrupt:
        return
    finally:
        latest.ended.set()
    if latest.gone:
        say(f"Cluster {latest.body['DBClusterIdentifier']} is gone.")


def _live() -> Live:
    return Live(console=Console(highlight=False), screen=True, auto_refresh=False, vertical_overflow="crop")


def _draw(latest: Latest, frame: Frame, live: Live, pressed: Callable[[float], bool]) -> None:
    before: object = None
    while not latest.gone:
        size = live.console.size
        with latest.lock:
            lines = frame(size)
        if (now := (size, lines)) != before:
            live.update(Group(*lines), refresh=True)
            before = now
        if pressed(_DRAW_INTERVAL_S):
            return
