"""Progress on stderr without a terminal."""

from __future__ import annotations

import sys

from auroractl.api.progress import Silent
from auroractl.core.text.visible import visible, visible_message

_MARKS = {"started": "•", "done": "✓", "failed": "✗", "undoing": "↩", "undone": "↩"}


def line(name: str, state: str, elapsed_ms: float | None) -> str:
    """Format one line about a step.

    >>> line("Start the writer", "done", 123.4)
    '✓ Start the writer (0.12 s)'
    """
    elapsed = "" if elapsed_ms is None else f" ({elapsed_ms / 1000:.2f} s)"
    verb = {"undoing": "Undo: ", "undone": "Undone: "}.get(state, "")
    return f"{_MARKS.get(state, '•')} {verb}{visible(name)}{elapsed}"


class PlainProgress(Silent):
    """Prints one line per finished step, for logs and pipes."""

    def step(self, name: str, state: str, elapsed_ms: float | None) -> None:
        """Print the outcome of a step."""
        if state not in {"started", "undoing"}:
            self.message(line(name, state, elapsed_ms))

    def message(self, text: str) -> None:
        """Print a message."""
        sys.stderr.write(visible_message(text) + "\n")
        sys.stderr.flush()
