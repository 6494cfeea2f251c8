"""What doctor found, for people and for scripts."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.text import Text

Document = dict[str, Any]
_MARKS = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "failed": ("✗", "red")}
_NAME_WIDTH = 16


def sentences(document: Document) -> Text:
    """One paragraph per check with its hint, and a line that sums up."""
    from rich.text import Text  # noqa: PLC0415  (only where a person looks)

    width = max(40, shutil.get_terminal_size().columns - 1)
    # A path that is longer than a line is left to the terminal, so that it can be copied in one piece.
    lines = Text(no_wrap=True, overflow="ignore")
    for check in document["Checks"]:
        mark, style = _MARKS[check["Status"]]
        lines.append(f"{mark} ", style).append(f"{check['Name']:<{_NAME_WIDTH}}", "bold" if style != "green" else "")
        lines.append(_wrapped(check["Message"], width) + "\n")
        if check["Hint"]:
            lines.append(" " * (2 + _NAME_WIDTH) + _wrapped(f"→ {check['Hint']}", width) + "\n", style)
    return lines.append("\n" + _summary(document["Checks"]))


def _wrapped(text: str, width: int) -> str:
    indent = " " * (2 + _NAME_WIDTH)
    wrapped = textwrap.wrap(text, width - len(indent), break_long_words=False, break_on_hyphens=False)
    return f"\n{indent}".join(wrapped)


def _summary(checks: Iterable[Document]) -> str:
    found = [check["Status"] for check in checks]
    failures, warnings = found.count("failed"), found.count("warning")
    if not failures and not warnings:
        return "All is well."
    said = [
        f"{count} {word}{'s' * (count != 1)}" for count, word in ((failures, "failure"), (warnings, "warning")) if count
    ]
    return f"{' and '.join(said)}." + ("" if failures else " auroractl works here.")


def rows(document: Document) -> Iterable[tuple[object, ...]]:
    """One row per check: status, name, sentence, hint."""
    return [(each["Status"], each["Name"], each["Message"], each["Hint"]) for each in document["Checks"]]
