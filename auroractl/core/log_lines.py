"""Lines of several logs on one time line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

_STAMP = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d\.\d{3})(?:Z| UTC) ?")


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of one part."""

    at: datetime
    part: str
    text: str
    """Without its time."""
    exact: bool = True
    """False where the line has no time of its own and this is when it was there at the latest."""


def split_stamp(line: str) -> tuple[datetime | None, str]:
    """The time that a line begins with, as our processes and PostgreSQL write it, and the rest of the line.

    >>> split_stamp("2026-11-25 03:55:33.478 UTC [12] LOG:  ready")
    (datetime.datetime(2026, 11, 25, 3, 55, 33, 478000, tzinfo=datetime.timezone.utc), '[12] LOG:  ready')
    >>> split_stamp("\\tat character 7")
    (None, '\\tat character 7')
    """
    match = _STAMP.match(line)
    if match is None:
        return None, line
    return datetime.fromisoformat(f"{match[1]}T{match[2]}").replace(tzinfo=UTC), line[match.end() :]


def with_times(part: str, lines: Sequence[str], written: datetime) -> list[LogLine]:
    """The lines of a log whose lines begin with a time; one without continues the line before it.

    `written` is when the log was last written, for lines before the first time.
    """
    found = []
    at, exact = written, False
    for line in lines:
        own, text = split_stamp(line)
        if own is not None:
            at, exact = own, True
        found.append(LogLine(at, part, text, exact))
    return found


def with_times_after(part: str, lines: Sequence[str], written: datetime) -> list[LogLine]:
    """The lines of a log in which only some lines have a time: the others were there by the time of the next that has.

    `written` is when the log was last written.
    """
    found = []
    at = written
    for line in reversed(lines):
        own, text = split_stamp(line)
        at = own or at
        found.append(LogLine(at, part, text, exact=own is not None))
    return found[::-1]


def merge(logs: Iterable[Sequence[LogLine]], since: datetime | None, newest: int | None) -> list[LogLine]:
    """All lines by time, those of one moment in their order; from `since` on, and of these the `newest`."""
    lines = sorted((line for log in logs for line in log), key=lambda line: line.at)
    if since is not None:
        lines = [line for line in lines if line.at >= since]
    return lines if newest is None else lines[-newest:] if newest else []
