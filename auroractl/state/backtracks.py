"""What the state says of backtracks and timelines, one transaction per method."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import select

from auroractl.core.backtrack import Backtrack, BacktrackStatus, Era
from auroractl.state.backtrack_models import BacktrackRow, EraRow
from auroractl.state.models import ClusterRow
from auroractl.state.sessions import Sessions, remembered


class BacktrackRepository(Sessions):
    """Backtracks and eras in core types. Errors as the Repository raises them."""

    @remembered
    def eras(self, cluster: str) -> list[Era]:
        """The eras of a cluster in the order of time."""
        query = select(EraRow).where(EraRow.cluster == cluster).order_by(EraRow.id)
        with self._read() as session:
            return [row.to_core() for row in session.scalars(query)]

    def begin_era(
        self, cluster: str, timeline: int, at: datetime, ended_lsn: int | None = None, *, left_behind: bool = False
    ) -> None:
        """Record that a cluster writes on a timeline since a moment.

        The era before ends then, at `ended_lsn`. Nothing where the timeline is known or the cluster is gone.
        """
        with self._write() as session:
            query = select(EraRow).where(EraRow.cluster == cluster).order_by(EraRow.id)
            rows = session.scalars(query).all()
            if session.get(ClusterRow, cluster) is None or any(row.timeline == timeline for row in rows):
                return
            if rows:
                rows[-1].ended_at, rows[-1].ended_lsn, rows[-1].left_behind = at, ended_lsn, left_behind
            session.add(EraRow(cluster=cluster, timeline=timeline, began_at=at, left_behind=False))

    def forget_eras(self, cluster: str, timelines: set[int]) -> None:
        """Forget the eras of timelines whose log is no longer kept."""
        with self._write() as session:
            for row in session.scalars(select(EraRow).where(EraRow.cluster == cluster)):
                if row.timeline in timelines:
                    session.delete(row)

    def backtracks(self, cluster: str | None, limit: int = 1000) -> list[Backtrack]:
        """The last `limit` backtracks of a cluster, or of all, newest first."""
        query = select(BacktrackRow).order_by(BacktrackRow.id.desc()).limit(limit)
        if cluster is not None:
            query = query.where(BacktrackRow.cluster == cluster)
        with self._read() as session:
            return [row.to_core() for row in session.scalars(query)]

    @remembered
    def unfinished_backtracks(self, cluster: str) -> list[Backtrack]:
        """The backtracks of a cluster that are being done or wait for a decision."""
        unfinished = (BacktrackStatus.PENDING, BacktrackStatus.APPLYING)
        query = select(BacktrackRow).where(BacktrackRow.cluster == cluster, BacktrackRow.status.in_(unfinished))
        with self._read() as session:
            return [row.to_core() for row in session.scalars(query)]

    def backtrack(self, identifier: str) -> Backtrack | None:
        """One backtrack."""
        with self._read() as session:
            row = session.scalar(select(BacktrackRow).where(BacktrackRow.identifier == identifier))
            return row.to_core() if row else None

    def add_backtrack(self, backtrack: Backtrack) -> None:
        """Record a backtrack."""
        with self._write() as session:
            session.add(BacktrackRow.from_core(backtrack))

    def update_backtrack(self, identifier: str, **values: Any) -> None:
        """Change the fields of a backtrack that are given; nothing where it is gone."""
        with self._write() as session:
            row = session.scalar(select(BacktrackRow).where(BacktrackRow.identifier == identifier))
            for name, value in values.items():
                if row is not None:
                    setattr(row, name, value)
