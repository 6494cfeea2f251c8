"""Log lines, each with its time and its source."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from auroractl.core.text.visible import Spaces

Document = dict[str, Any]
_PART_COLOURS = (36, 32, 34, 35, 33, 96, 92, 94, 95, 93)
_BAD = re.compile(r"\b(ERROR|FATAL|PANIC|error|fatal):? ")
_DOUBTFUL = re.compile(r"\bWARNING:? ")
_RED, _YELLOW, _DIM = 31, 33, 2
TABS: Spaces = {"\t": "    "}
"""PostgreSQL begins continuation lines of a message with a tab."""


def _coloured() -> bool:
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM", "dumb") != "dumb"


@dataclass
class Printer:
    """Formats batches of lines, and remembers the day, the column width and the colours of sources.

    It writes escape codes directly, because Rich would be too slow for thousands of lines.
    """

    day: str = ""
    width: int = 10
    parts: dict[str, int] | None = None

    def lines(self, document: Document) -> str:
        """Format a batch, without a line break at the end."""
        views = document["LogLines"]
        if not views:
            return "There are no log lines in that time."
        colours = self.parts = self.parts or {}
        self.width = max([self.width, *(len(view["Part"]) for view in views)])
        found = []
        for view in views:
            colours.setdefault(view["Part"], _PART_COLOURS[len(colours) % len(_PART_COLOURS)])
            day = view["Time"][:10]
            if day != self.day:
                self.day = day
                found.append(_painted(f"{day} (UTC)", _DIM))
            found.append(self._line(view, colours[view["Part"]]))
        return "\n".join(found)

    def _line(self, view: Document, colour: int) -> str:
        time = f"{' ' if view['TimeIsExact'] else '~'}{view['Time'][11:23]}"
        message = view["Message"]
        style = _RED if _BAD.search(message) else _YELLOW if _DOUBTFUL.search(message) else 0
        return f"{_painted(time, _DIM)}  {_painted(view['Part'].ljust(self.width), colour)}  {_painted(message, style)}"


def _painted(text: str, code: int) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if code and _coloured() else text


def rows(document: Document) -> Iterable[tuple[object, ...]]:
    """Return one row per line: time, source, message."""
    return [(view["Time"], view["Part"], view["Message"]) for view in document["LogLines"]]
