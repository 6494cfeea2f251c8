"""Users whose statements set synchronous_commit, and how long they are reported."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from auroractl.core.synchronous_commit.setting import CommitStatements

_REPORTED_S = 3600.0
"""Counts remain until a server's statistics are reset; they are reported for this long after their last increase."""


@dataclass(slots=True)
class SynchronousCommitUsage:
    """The latest counts of one cluster's statements.

    None of it survives a restart of the supervisor.
    """

    due_s: float = 0.0
    """Time of the next query, on the monotonic clock. After a restart: due at once."""
    undo_due_s: float = 0.0
    """Time of the next reset of settings, on the monotonic clock. After a restart: due at once."""
    _found: dict[tuple[str, str], tuple[CommitStatements, float]] = field(default_factory=dict)
    """Counts by user and database, with the time of their last change.

    After a restart: read from the writer's statistics, as if they had just changed.
    """

    def note(self, found: Sequence[CommitStatements], now_s: float) -> None:
        """Record the current counts."""
        before = self._found
        self._found = {}
        for each in found:
            key = (each.role, each.database)
            known, changed_s = before.get(key, (None, now_s))
            self._found[key] = (each, changed_s if known is not None and known.calls == each.calls else now_s)

    def told(self, now_s: float) -> tuple[CommitStatements, ...]:
        """Return the recent counts, most frequent first."""
        recent = [each for each, changed_s in self._found.values() if now_s - changed_s < _REPORTED_S]
        return tuple(sorted(recent, key=lambda each: -each.calls))
