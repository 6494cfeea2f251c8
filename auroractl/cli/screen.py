"""Live screens, drawn ten times a second from the supervisor's last answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING

from rich.console import Console, ConsoleDimensions, Group
from rich.live import Live
from rich.text import Text

from auroractl.cli.invocation import say
from auroractl.cli.keys import quit_key
from auroractl.core.errors import AuroraError, ExitCode
from auroractl.core.text.visible import ESCAPED, Spaces, visible, visible_data

if TYPE_CHECKING:
    from auroractl.cli.invocation import Session
    from auroractl.control_planes import Document

_DRAW_INTERVAL_S = 0.1
_STALE_AFTER_S = 2.5

Frame = Callable[[ConsoleDimensions], Sequence[Text]]


@dataclass
class Latest:
    """The last answer to a repeated request. A thread sends the requests, so that a slow supervisor stops no screen.

    `heard` is called with each new answer, while `lock` is held. Unsafe characters in `document` are made visible.
    """

    this: Session
    verb: str
    body: Document
    document: Document
    interval_s: float
    heard: Callable[[Document], None] = lambda _document: None
    spaces: Spaces = field(default_factory=lambda: ESCAPED)
    error: AuroraError | None = None
    lock: Lock = field(default_factory=Lock)
    ended: Event = field(default_factory=Event)
    _heard_s: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.document = visible_data(self.document, self.spaces)

    @property
    def gone(self) -> bool:
        """Return whether the cluster was deleted."""
        return self.error is not None and self.error.exit_code is ExitCode.NOT_FOUND

    def listen(self) -> None:
        """Send requests until `ended` is set or the cluster is gone."""
        while not self.ended.wait(self.interval_s) and not self.gone:
            try:
                document = self.this.ask(self.verb, self.body)
            except AuroraError as error:
                self.error = error
                continue
            with self.lock:
                self.document, self.error, self._heard_s = visible_data(document, self.spaces), None, time.monotonic()
                self.heard(document)

    def note(self) -> str:
        """Return why the picture is not current; empty if it is."""
        silent_s = time.monotonic() - self._heard_s
        if self.error is not None:
            return f"{silent_s:.0f} s old: {visible(self.error.message)}"
        late = silent_s > self.interval_s + _STALE_AFTER_S
        return f"{silent_s:.0f} s old: the supervisor does not answer." if late else ""


def show(latest: Latest, frame: Frame) -> None:
    """Draw until q, Ctrl-C, or the cluster is gone. Unchanged frames are not drawn again."""
    Thread(target=latest.listen, name="listen", daemon=True).start()
    try:
        with quit_key() as pressed, _live() as live:
            _draw(latest, frame, live, pressed)
    except KeyboardInterrupt:
        return
    finally:
        latest.ended.set()
    if latest.gone:
        say(f"Cluster {latest.body['DBClusterIdentifier']} was deleted.")


def _live() -> Live:
    return Live(
        console=Console(markup=False, emoji=False, highlight=False),
        screen=True,
        auto_refresh=False,
        vertical_overflow="crop",
    )


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
