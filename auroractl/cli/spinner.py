"""Telling how long work gets on, on a terminal."""

from __future__ import annotations

from typing import Self

from rich.console import Console
from rich.markup import escape

from auroractl.cli.progress import line

_STYLES = {"done": "green", "failed": "red", "undone": "yellow"}


class SpinnerProgress:
    """A spinner for the step that runs and a line for each that ended."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._status = self._console.status("Working")

    def __enter__(self) -> Self:
        self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._status.stop()

    def step(self, name: str, state: str, elapsed_ms: float | None) -> None:
        """Show how a step stands."""
        if state in {"started", "undoing"}:
            self._status.update(escape(f"{name} ..."))
        else:
            self._console.print(line(name, state, elapsed_ms), style=_STYLES.get(state, ""), markup=False)

    def message(self, text: str) -> None:
        """Say something."""
        self._console.print(text, markup=False)
