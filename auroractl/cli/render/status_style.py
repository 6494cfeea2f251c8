"""Formatting of status words and sizes."""

from __future__ import annotations

from rich.text import Text

_GOOD = {"available", "ok", "completed"}
_BAD = {"failed", "unavailable", "down", "inactive", "unreachable", "write-quorum-lost", "storage-full"}


def state(word: str) -> Text:
    """Colour a status word: green if healthy, red if something is lost, otherwise yellow."""
    style = "green" if word in _GOOD else "red" if word in _BAD else "yellow"
    return Text(word, style=style)


def size(count: int | None) -> str:
    """Format a size for people.

    >>> size(32_715_571)
    '31.2 MiB'
    """
    if count is None:
        return "unknown"
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"
