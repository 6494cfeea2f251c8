"""Requests about backtracks and peeks."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from auroractl.api.field_types import FLAG, LSN, PROCESS_ID, TEXT, TIME
from auroractl.api.request import Request
from auroractl.core.errors import UsageError
from auroractl.core.restore.target import Target


@dataclass(frozen=True, kw_only=True)
class BacktrackRequest(Request):
    """A request about a backtrack of a cluster."""

    cluster: str | None = field(default=None, metadata=TEXT.key("DBClusterIdentifier"))


@dataclass(frozen=True, kw_only=True)
class _TargetRequest(BacktrackRequest):
    """A request with a target: a time, an LSN or the earliest point in time.

    There is no default target, because a wrong guess would discard data.
    """

    to: datetime | None = field(default=None, metadata=TIME.key("BacktrackTo"))
    lsn: int | None = field(default=None, metadata=LSN.key("Lsn"))
    earliest: bool = field(default=False, metadata=FLAG.key("Earliest"))
    use_earliest: bool = field(default=False, metadata=FLAG.key("UseEarliestTimeOnPointInTimeUnavailable"))
    """Use the earliest point in time if the target is before it."""

    @property
    def target(self) -> Target:
        """Return the requested target. Raises UsageError unless exactly one is given."""
        if (self.to is not None) + (self.lsn is not None) + self.earliest != 1:
            raise UsageError("The request needs exactly one target.", "Give BacktrackTo, Lsn or Earliest")
        return Target(at=self.to, lsn=self.lsn)


@dataclass(frozen=True, kw_only=True)
class Backtrack(_TargetRequest):
    """Backtrack the whole cluster in place, or undo the last backtrack."""

    undo: bool = field(default=False, metadata=FLAG.key("Undo"))


class PlanBacktrack(Backtrack):
    """Report what a backtrack with the same parameters would do and undo."""


class PrepareBacktrack(_TargetRequest):
    """Make a readable copy at the target and keep it until the backtrack is accepted or cancelled."""


class AcceptBacktrack(BacktrackRequest):
    """Backtrack to the point in time of the prepared copy."""


class CancelBacktrack(BacktrackRequest):
    """Remove the prepared copy."""


@dataclass(frozen=True, kw_only=True)
class DescribeBacktracks(BacktrackRequest):
    """List backtracks: all, those of a cluster, or one."""

    identifier: str | None = field(default=None, metadata=TEXT.key("BacktrackIdentifier"))


@dataclass(frozen=True, kw_only=True)
class Peek(_TargetRequest):
    """Make a temporary copy at the target, removed when the client process ends."""

    client_pid: int = field(metadata=PROCESS_ID.key("ClientProcessId"))
