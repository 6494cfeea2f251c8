"""Points in time as users enter them, and the exact cut through the WAL for a point in time."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

from auroractl.core.errors import InvalidParameterValue
from auroractl.core.wal.lsn import parse_lsn

EARLIEST = "earliest"
_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_RELATIVE = re.compile(r"-\s*(\d+(?:\.\d+)?)\s*([smhd])")
_AGO = re.compile(r"(\d+(?:\.\d+)?)\s*(seconds?|secs?|minutes?|mins?|hours?|days?|[smhd])\s+ago")
_LSN = re.compile(r"[0-9A-Fa-f]{1,8}/[0-9A-Fa-f]{1,8}")
_TIME_OF_DAY = re.compile(r"\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?")
_FORMS = 'Write 2026-11-23T04:14:08Z, 14:03, -5m, "10 minutes ago", an LSN such as 0/3B5A2C8, or earliest'


@dataclass(frozen=True, slots=True)
class Target:
    """The target of a backtrack or a look into the past.

    It is exactly one of a point in time, an LSN, or the earliest available point.
    """

    at: datetime | None = None
    lsn: int | None = None

    @property
    def earliest(self) -> bool:
        """Return whether the earliest point in time is requested."""
        return self.at is None and self.lsn is None


def parse_target(text: str, now: datetime, zone: tzinfo | None) -> Target:
    """Parse a target that a user typed; `now` is timezone-aware, `zone` is the user's (None: the system's).

    ISO 8601 with or without a zone, a time of day (its last occurrence), `-90s`, `-5m`, `-2h`, `10 minutes ago`, an LSN,
    or `earliest`. Raises InvalidParameterValue for anything else.

    >>> from datetime import UTC
    >>> now = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
    >>> parse_target("-5m", now, UTC).at.isoformat()
    '2026-11-23T11:55:00+00:00'
    >>> parse_target("14:03", now, UTC).at.isoformat()
    '2026-11-22T14:03:00+00:00'
    >>> parse_target("0/10", now, UTC).lsn
    16
    """
    words = " ".join(text.split())
    lowered = words.lower()
    if lowered == EARLIEST:
        return Target()
    if _LSN.fullmatch(words):
        return Target(lsn=parse_lsn(words))
    match = _RELATIVE.fullmatch(lowered) or _AGO.fullmatch(lowered)
    if match:
        try:
            return Target(at=now - timedelta(seconds=float(match[1]) * _UNIT_S[match[2][0]]))
        except OverflowError:
            raise _not_a_moment(text) from None
    if lowered == "now":
        return Target(at=now)
    return Target(at=_clock_time(words, now, zone))


def _clock_time(text: str, now: datetime, zone: tzinfo | None) -> datetime:
    local = now.astimezone(zone)
    try:
        if _TIME_OF_DAY.fullmatch(text):
            hour, _, rest = text.partition(":")
            naive = datetime.fromisoformat(f"{local.date().isoformat()}T{int(hour):02}:{rest}")
            moment = naive.replace(tzinfo=zone) if zone else naive.astimezone()
            return (moment if moment <= now else moment - timedelta(days=1)).astimezone(UTC)
        parsed = datetime.fromisoformat(text)
        if parsed.tzinfo is not None:
            return parsed.astimezone(UTC)
        return (parsed.replace(tzinfo=zone) if zone else parsed.astimezone()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise _not_a_moment(text) from None


def _not_a_moment(text: str) -> InvalidParameterValue:
    return InvalidParameterValue(f"{text!r} is not a point in time.", _FORMS)


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit record: its LSN, and the commit time that its transaction recorded.

    Records that prepare a transaction, or decide about a prepared one, are included: they were acknowledged.
    """

    lsn: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Cut:
    """An LSN such that everything before it was committed at or before `at`, and nothing after it was."""

    lsn: int
    """The start of the last commit record that is included."""
    at: datetime


def cut_at(commits: Sequence[Commit], target: datetime) -> Cut | None:
    """Find the latest exact cut not after `target`, among commits in WAL order; None if there is none.

    Transactions read the clock before they write the record, so two concurrent commits may be in the WAL in the other order.
    A cut between them would include the later and not the earlier one, so it is made before or after both.

    >>> at = lambda second: datetime(2026, 1, 1, 0, 0, second, tzinfo=UTC)
    >>> commits = [Commit(10, at(1)), Commit(20, at(3)), Commit(30, at(2)), Commit(40, at(5))]
    >>> cut_at(commits, at(2))
    Cut(lsn=10, at=datetime.datetime(2026, 1, 1, 0, 0, 1, tzinfo=datetime.timezone.utc))
    >>> cut_at(commits, at(4)).lsn
    30
    """
    earliest_after: list[datetime] = []
    for commit in reversed(commits):
        earliest_after.append(min(commit.at, earliest_after[-1]) if earliest_after else commit.at)
    earliest_after.reverse()
    found: Cut | None = None
    latest: datetime | None = None
    for position, commit in enumerate(commits):
        latest = commit.at if latest is None else max(latest, commit.at)
        if latest > target:
            break
        following = earliest_after[position + 1] if position + 1 < len(commits) else None
        if following is None or following > latest:
            found = Cut(commit.lsn, latest)
    return found
