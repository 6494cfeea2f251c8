"""The reason for a server's failure: the last error in its log since the failed step began."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from pathlib import Path

from auroractl.core.text.log_lines import split_stamp
from auroractl.system.files import tail

_LINES = 400
_LINE = re.compile(r"\[(?P<pid>\d+)\] (?P<level>PANIC|FATAL|ERROR|DETAIL):  (?P<text>.*)")
"""A line of a server process. Lines of sessions name user and database before the level, and concern only the client.
"""
_ROUNDING = timedelta(milliseconds=1)

_step_began_at: ContextVar[datetime | None] = ContextVar("step_began_at", default=None)


@contextmanager
def step_begins() -> Iterator[None]:
    """Within this block, take only log entries from now on as the reason for a failure."""
    token = _step_began_at.set(datetime.now(UTC) - _ROUNDING)
    try:
        yield
    finally:
        _step_began_at.reset(token)


def last_error(log: Path, since: datetime | None = None) -> str:
    """Return the last FATAL, PANIC or ERROR of a server's processes with its DETAIL; empty if there is none.

    `since` is when the failed action began, by default when the operation's step began.
    """
    return last_error_in(tail(log, _LINES), since or _step_began_at.get())


def last_error_in(text: str, since: datetime | None) -> str:
    """Find the last error in the text of a log.

    >>> last_error_in("2026-11-25 03:55:33.478 UTC [12] FATAL:  could not start\\n"
    ...               "2026-11-25 03:55:33.478 UTC [12] DETAIL:  No room.\\n", None)
    'FATAL: could not start (No room.)'
    """
    found, pid = "", ""
    for line in text.splitlines():
        at, rest = split_stamp(line)
        match = _LINE.match(rest)
        if at is None or match is None or (since is not None and at < since):
            continue
        if match["level"] != "DETAIL":
            found, pid = f"{match['level']}: {match['text']}", match["pid"]
        elif match["pid"] == pid and found and not found.endswith(")"):
            found = f"{found} ({match['text']})"
    return found


def said(log: Path, since: datetime | None = None) -> str:
    """Format the last error as the end of a sentence: a colon and the error, or a full stop."""
    error = last_error(log, since)
    return f": {error}" if error else "."
