"""The tables of backtracks, pins and timelines, and the conversion of their rows to and from core types.

cluster 1-n era        the timeline on which it wrote during a span of time
        1-n backtrack  the request and its result
        1-n pin        a point in time that must stay reachable
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Float, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from auroractl.core.restore.retention import Backtrack, BacktrackStatus, Era
from auroractl.state.mirroring import Mirror
from auroractl.state.models import Base


class EraRow(Mirror[Era], Base):
    """A span of time on one timeline; `id` gives the order."""

    core = Era

    __tablename__ = "era"
    __table_args__ = (UniqueConstraint("cluster", "timeline"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    cluster: Mapped[str] = mapped_column(ForeignKey("cluster.identifier", ondelete="CASCADE"))
    timeline: Mapped[int]
    began_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    ended_lsn: Mapped[int | None] = mapped_column(BigInteger)
    left_behind: Mapped[bool]


class PinRow(Base):
    """A pin; `holder` is the backtrack or the recovered copy that needs the point in time."""

    __tablename__ = "pin"

    cluster: Mapped[str] = mapped_column(ForeignKey("cluster.identifier", ondelete="CASCADE"), primary_key=True)
    holder: Mapped[str] = mapped_column(primary_key=True)
    at: Mapped[datetime]


class BacktrackRow(Mirror[Backtrack], Base):
    """A backtrack; `id` gives the order."""

    core = Backtrack

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
