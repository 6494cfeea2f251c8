"""Timestamps in all output and all stored data."""

from __future__ import annotations

from datetime import datetime


def timestamp(moment: datetime) -> str:
    """Format a time as ISO 8601 in UTC with milliseconds.

    >>> from datetime import UTC
    >>> timestamp(datetime(2026, 11, 23, 4, 14, 8, tzinfo=UTC))
    '2026-11-23T04:14:08.000Z'
    """
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def exact_timestamp(moment: datetime) -> str:
    """Format a time as ISO 8601 in UTC with microseconds, PostgreSQL's own precision.

    A backtrack to such a time therefore includes the commit of that time.

    >>> from datetime import UTC
    >>> exact_timestamp(datetime(2026, 11, 23, 4, 14, 8, 17, tzinfo=UTC))
    '2026-11-23T04:14:08.000017Z'
    """
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
