"""Telling how long work gets on, on stderr, where that is no terminal."""

from __future__ import annotations

import sys
from typing import Self

_MARKS = {"started": "•", "done": "✓", "failed": "✗", "undoing": "↩", "undone": "↩"}


def line(name: str, state: str, elapsed_ms: float | None) -> str:
    """One line about a step.

    >>> line("Start the writer", "done", 123.4)
    '✓ Start the writer (0.12 s)'
    """
    elapsed = "" if elapsed_ms is None else f" ({elapsed_ms / 1000:.2f} s)"
    verb = {"undoing": "Undo: ", "undone": "Undone: "}.get(state, "")
    return f"{_MARKS.get(state, '•')} {verb}{name}{elapsed}"


class Silent:
    """Says nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def step(self, name: str, state: str, elapsed_ms: float | None) -> None:
        """Say nothing."""

    def message(self, text: str) -> None:
        """Say nothing."""


class PlainProgress(Silent):
    """One line per step that ended, for logs and pipes."""

    def step(self, name: str, state: str, elapsed_ms: float | None) -> None:
        """Say how a step ended."""
        if state not in {"started", "undoing"}:
            self.message(line(name, state, elapsed_ms))

    def message(self, text: str) -> None:
        """Say something."""
        sys.stderr.write(text + "\n")
        sys.stderr.flush()
