"""Moments as everything that is printed and everything that is kept tells them."""

from __future__ import annotations

from datetime import datetime


def timestamp(moment: datetime) -> str:
    """ISO 8601 in UTC with milliseconds.

    >>> from datetime import UTC
    >>> timestamp(datetime(2026, 11, 23, 4, 14, 8, tzinfo=UTC))
    '2026-11-23T04:14:08.000Z'
    """
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def exact_timestamp(moment: datetime) -> str:
    """ISO 8601 in UTC with microseconds, as exact as PostgreSQL's own times: who goes back to it finds the commit of then.

    >>> from datetime import UTC
    >>> exact_timestamp(datetime(2026, 11, 23, 4, 14, 8, 17, tzinfo=UTC))
    '2026-11-23T04:14:08.000017Z'
    """
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
