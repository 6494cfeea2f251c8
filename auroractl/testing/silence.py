"""Progress that nobody reads."""

from __future__ import annotations


class Silent:
    """Says nothing."""

    def step(self, name: str, state: str, elapsed_ms: float | None) -> None:
        """Say nothing."""

    def message(self, text: str) -> None:
        """Say nothing."""
