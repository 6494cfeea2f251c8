"""Progress of long-running work."""

from __future__ import annotations

from typing import Protocol, Self


class Progress(Protocol):
    """Receives the progress of an operation."""

    def step(self, name: str, state: str, elapsed_ms: float | None) -> None:
        """Report a step as `started`, `done`, `failed`, `undoing` or `undone`."""

    def message(self, text: str) -> None:
        """Report something else worth knowing."""


class Silent:
    """Progress that is discarded; a context manager, as spinners are."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def step(self, name: str, state: str, elapsed_ms: float | None) -> None:
        """Discard it."""

    def message(self, text: str) -> None:
        """Discard it."""
