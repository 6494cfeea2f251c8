"""The history of a watched cluster: rates from successive counters, and lag."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from auroractl.core.wal.lsn import parse_lsn

Document = dict[str, Any]
_KEPT = 240
_RATE_OVER_S = 2.0
_UNKNOWN_AFTER_S = 2.5
"""The writer is probed twice a second; an older counter is no longer current."""


@dataclass(frozen=True, slots=True)
class _Count:
    at_s: float
    transactions: int
    lsn: int


@dataclass(slots=True)
class History:
    """Measurements from successive documents of `describe-live`."""

    writes_per_s: deque[float] = field(default_factory=lambda: deque(maxlen=_KEPT))
    """Between every two probes, about half a second apart."""
    log_bytes_per_s: deque[float] = field(default_factory=lambda: deque(maxlen=_KEPT))
    lag_bytes: dict[str, deque[float]] = field(default_factory=dict)
    """By reader and by storage node."""
    connections: dict[str, deque[float]] = field(default_factory=dict)
    """By endpoint."""
    _writer: str = ""
    _counts: deque[_Count] = field(default_factory=lambda: deque(maxlen=_KEPT))
    _looked_s: float = 0.0
    _now_s: float = 0.0

    def add(self, document: Document) -> None:
        """Add a document; one without new measurements changes nothing."""
        self._now_s = _seconds(document["Time"])
        writer = next((each for each in document["DBInstances"] if each["IsClusterWriter"]), None)
        if writer is None or writer["WriteTransactions"] is None or writer["CurrentLsn"] is None:
            self._nobody_writes()
            return
        count = _Count(_seconds(writer["ObservedTime"]), writer["WriteTransactions"], parse_lsn(writer["CurrentLsn"]))
        if writer["DBInstanceIdentifier"] != self._writer:
            self._writer = writer["DBInstanceIdentifier"]
            self._counts.clear()
        elif self._counts and count.at_s <= self._counts[-1].at_s:
            return
        self._take(count)
        self._looked_s = self._now_s
        volume = document["StorageVolume"] or {"StorageNodes": ()}
        _append(
            self.lag_bytes,
            ((each["DBInstanceIdentifier"], each["ReplicaLagBytes"]) for each in document["DBInstances"]),
        )
        _append(self.lag_bytes, ((each["StorageNodeIdentifier"], each["LagBytes"]) for each in volume["StorageNodes"]))
        ends = document["DBClusterEndpoints"]
        _append(self.connections, ((each["DBClusterEndpointIdentifier"], each["Connections"]) for each in ends))

    def _take(self, count: _Count) -> None:
        if self._counts:
            before = self._counts[-1]
            took_s = count.at_s - before.at_s
            self.writes_per_s.append(max(0, count.transactions - before.transactions) / took_s)
            self.log_bytes_per_s.append(max(0, count.lsn - before.lsn) / took_s)
        self._counts.append(count)

    def _nobody_writes(self) -> None:
        """Record zeros twice a second while no writer answers, because nothing is committed."""
        if self._now_s - self._looked_s >= 0.5:
            self._looked_s = self._now_s
            self._counts.clear()
            for series in (self.writes_per_s, self.log_bytes_per_s):
                series.append(0.0)

    def rates(self) -> tuple[float, float] | None:
        """Return writing transactions and bytes of WAL per second over the last two seconds; None if unknown."""
        if len(self._counts) < 2 or self._now_s - self._counts[-1].at_s > _UNKNOWN_AFTER_S:
            return None
        last = self._counts[-1]
        first = next(each for each in self._counts if last.at_s - each.at_s <= _RATE_OVER_S)
        if first is last:
            first = self._counts[-2]
        took_s = last.at_s - first.at_s
        return max(0, last.transactions - first.transactions) / took_s, max(0, last.lsn - first.lsn) / took_s


def _append(series: dict[str, deque[float]], values: Iterable[tuple[str, int | None]]) -> None:
    for name, value in values:
        if value is not None:
            series.setdefault(name, deque(maxlen=_KEPT)).append(value)


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
