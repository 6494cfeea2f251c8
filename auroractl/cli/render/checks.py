"""The output of doctor and report."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from auroractl.core.text.sizes import format_size

if TYPE_CHECKING:
    from rich.text import Text

Document = dict[str, Any]
_MARKS = {"ok": ("✓", ""), "warning": ("!", "yellow"), "failed": ("✗", "red")}
_NAME_WIDTH = 16
_INDENT = " " * (2 + _NAME_WIDTH)


def sentences(document: Document) -> Text | str:
    """Format a paragraph per check with its hint, and a summary; in a pipe, paragraphs are not wrapped."""
    if not sys.stdout.isatty():
        return "\n".join(part for part, _ in _parts(document, None))
    from rich.text import Text  # noqa: PLC0415  (only on a terminal)

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
        return "All checks passed."
    said = [
        f"{count} {word}{'s' * (count != 1)}" for count, word in ((failures, "failure"), (warnings, "warning")) if count
    ]
    return f"{' and '.join(said)}." + ("" if failures else " auroractl works here.")


def rows(document: Document) -> Iterable[tuple[object, ...]]:
    """Return one row per check: status, name, message, hint."""
    return [(each["Status"], each["Name"], each["Message"], each["Hint"]) for each in document["Checks"]]


def report(document: Document) -> str:
    """Format the path and the contents of the bundle."""
    view = document["Report"]
    removed = "passwords" if view["WithStatements"] else "passwords and client data"
    lines = [f"{view['File']} ({format_size(view['Bytes'])}, {len(view['Entries'])} files, {removed} removed)."]
    lines += [f"Not included: {problem}" for problem in view["Problems"]]
    return "\n".join([*lines, f"Check it before you send it: tar -tzf {view['File']}"])
