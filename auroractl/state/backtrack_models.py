"""The tables of backtracks and of the timelines they go between, and how their rows become core types and back.

cluster 1-n era        on which timeline it wrote when
        1-n backtrack  what was asked for and what came of it
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Float, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from auroractl.core.backtrack import Backtrack, BacktrackStatus, Era
from auroractl.state.models import Base


class EraRow(Base):
    """A span of time on one timeline; `id` gives the order."""

    __tablename__ = "era"
    __table_args__ = (UniqueConstraint("cluster", "timeline"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    cluster: Mapped[str] = mapped_column(ForeignKey("cluster.identifier", ondelete="CASCADE"))
    timeline: Mapped[int]
    began_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    ended_lsn: Mapped[int | None] = mapped_column(BigInteger)
    left_behind: Mapped[bool]

    def to_core(self) -> Era:
        """The era that the row says."""
        return Era(self.timeline, self.began_at, self.ended_at, self.ended_lsn, self.left_behind)


class BacktrackRow(Base):
    """A backtrack; `id` gives the order."""

    __tablename__ = "backtrack"
    __table_args__ = (Index(None, "cluster"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    identifier: Mapped[str] = mapped_column(unique=True)
    cluster: Mapped[str] = mapped_column(ForeignKey("cluster.identifier", ondelete="CASCADE"))
    status: Mapped[BacktrackStatus]
    requested_at: Mapped[datetime]
    to: Mapped[datetime | None]
    consistent_at: Mapped[datetime | None]
    timeline: Mapped[int]
    lsn: Mapped[int] = mapped_column(BigInteger)
    backtracked_from: Mapped[datetime | None]
    from_timeline: Mapped[int | None]
    from_lsn: Mapped[int | None] = mapped_column(BigInteger)
    new_timeline: Mapped[int | None]
    downtime_ms: Mapped[float | None] = mapped_column(Float)
    error: Mapped[str]

    _FIELDS = (
        "identifier", "cluster", "status", "requested_at", "to", "consistent_at", "timeline", "lsn", "backtracked_from",
        "from_timeline", "from_lsn", "new_timeline", "downtime_ms", "error",
    )  # fmt: skip

    @classmethod
    def from_core(cls, backtrack: Backtrack) -> BacktrackRow:
        """A new row."""
        return cls(**{name: getattr(backtrack, name) for name in cls._FIELDS})

    def to_core(self) -> Backtrack:
        """The backtrack that the row says."""
        values: dict[str, Any] = {name: getattr(self, name) for name in self._FIELDS}
        return Backtrack(**values)
