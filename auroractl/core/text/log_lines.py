"""Lines of several logs, merged by time."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

_STAMP = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d\.\d{3})(?:Z| UTC) ?")


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of one component's log."""

    at: datetime
    part: str
    text: str
    """Without its timestamp."""
    exact: bool = True
    """False if the line has no timestamp of its own; its time is then the latest possible one."""


def split_stamp(line: str) -> tuple[datetime | None, str]:
    """Split a line into its leading timestamp, as our processes and PostgreSQL write it, and the rest.

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
    """Parse the lines of a log whose lines begin with a time; one without continues the line before it.

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
    """Parse the lines of a log in which only some have a time.

    The other lines were written before the next one that has a time. `written` is when the log was last written.
    """
    found = []
    at = written
    for line in reversed(lines):
        own, text = split_stamp(line)
        at = own or at
        found.append(LogLine(at, part, text, exact=own is not None))
    return found[::-1]


def merge(logs: Iterable[Sequence[LogLine]], since: datetime | None, newest: int | None) -> list[LogLine]:
    """Merge all lines by time, keeping the order of equal times; return the `newest` ones from `since` on."""
    lines = sorted((line for log in logs for line in log), key=lambda line: line.at)
    if since is not None:
        lines = [line for line in lines if line.at >= since]
    return lines if newest is None else lines[-newest:] if newest else []
