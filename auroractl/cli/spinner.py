"""Progress on a terminal."""

from __future__ import annotations

from typing import Self

from rich.console import Console
from rich.text import Text

from auroractl.cli.progress import line
from auroractl.core.text.visible import visible, visible_message

_STYLES = {"done": "green", "failed": "red", "undone": "yellow"}


class SpinnerProgress:
    """Shows a spinner for the current step and a line for each finished one."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, markup=False, emoji=False, highlight=False)
        self._status = self._console.status("Working")

    def __enter__(self) -> Self:
        self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._status.stop()

    def step(self, name: str, state: str, elapsed_ms: float | None) -> None:
        """Show the state of a step."""
        if state in {"started", "undoing"}:
            self._status.update(Text(f"{visible(name)} ..."))
        else:
            self._console.print(line(name, state, elapsed_ms), style=_STYLES.get(state, ""))

    def message(self, text: str) -> None:
        """Print a message."""
        self._console.print(visible_message(text))
