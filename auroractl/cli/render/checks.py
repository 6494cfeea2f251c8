"""What doctor found and what report wrote, for people and for scripts."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from auroractl.core.sizes import format_size

if TYPE_CHECKING:
    from rich.text import Text

Document = dict[str, Any]
_MARKS = {"ok": ("✓", ""), "warning": ("!", "yellow"), "failed": ("✗", "red")}
_NAME_WIDTH = 16
_INDENT = " " * (2 + _NAME_WIDTH)


def sentences(document: Document) -> Text | str:
    """A paragraph per check with its hint, and a line that sums up; in a pipe each is one line, however long."""
    if not sys.stdout.isatty():
        return "\n".join(part for part, _ in _parts(document, None))
    from rich.text import Text  # noqa: PLC0415  (only where a person looks)

    width = max(40, shutil.get_terminal_size().columns - 1)
    return Text("\n").join(Text(part, style) for part, style in _parts(document, width))


def _parts(document: Document, width: int | None) -> Iterator[tuple[str, str]]:
    for check in document["Checks"]:
        mark, style = _MARKS[check["Status"]]
        yield _wrapped(f"{mark} {check['Name']:<{_NAME_WIDTH}}{check['Message']}", width), style
        if check["Hint"]:
            yield _wrapped(f"{_INDENT}→ {check['Hint']}", width), style
    yield f"\n{_summary(document['Checks'])}", ""


def _wrapped(text: str, width: int | None) -> str:
    if width is None:
        return text
    return textwrap.fill(text, width, subsequent_indent=_INDENT, break_on_hyphens=False)


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


def report(document: Document) -> str:
    """Where the bundle is and what is in it."""
    view = document["Report"]
    lines = [f"{view['File']} ({format_size(view['Bytes'])}, {len(view['Entries'])} files, passwords removed)."]
    lines += [f"Not in it: {problem}" for problem in view["Problems"]]
    return "\n".join([*lines, f"Look before you send it: tar -tzf {view['File']}"])
