"""Backtracks, pins and timelines in the state, one transaction per method."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select

from auroractl.core.restore.retention import Backtrack, BacktrackStatus, Era
from auroractl.state.backtrack_models import BacktrackRow, EraRow, PinRow
from auroractl.state.models import ClusterRow
from auroractl.state.sessions import Sessions, remembered

_UNFINISHED = (BacktrackStatus.PENDING, BacktrackStatus.APPLYING)


class BacktrackRepository(Sessions):
    """Backtracks, pins and eras in core types. Raises the same errors as Repository."""

    @remembered
    def eras(self, cluster: str) -> list[Era]:
        """List the eras of a cluster in chronological order."""
        query = select(EraRow).where(EraRow.cluster == cluster).order_by(EraRow.id)
        with self._read() as session:
            return [row.to_core() for row in session.scalars(query)]

    def begin_era(
        self, cluster: str, timeline: int, at: datetime, ended_lsn: int | None = None, *, left_behind: bool = False
    ) -> None:
        """Record that a cluster writes on a timeline from a given time on.

        The previous era ends then, at `ended_lsn`. Does nothing if the timeline is known or the cluster is gone.
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
        """Forget the eras of timelines whose WAL is no longer kept."""
        with self._write() as session:
            for row in session.scalars(select(EraRow).where(EraRow.cluster == cluster)):
                if row.timeline in timelines:
                    session.delete(row)

    def backtracks(self, cluster: str | None, limit: int = 1000) -> list[Backtrack]:
        """List the last `limit` backtracks of a cluster, or of all clusters, newest first."""
        query = select(BacktrackRow).order_by(BacktrackRow.id.desc()).limit(limit)
        if cluster is not None:
            query = query.where(BacktrackRow.cluster == cluster)
        with self._read() as session:
            return [row.to_core() for row in session.scalars(query)]

    @remembered
    def unfinished_backtracks(self, cluster: str) -> list[Backtrack]:
        """List the backtracks of a cluster that are in progress or wait for a decision."""
        query = select(BacktrackRow).where(BacktrackRow.cluster == cluster, BacktrackRow.status.in_(_UNFINISHED))
        with self._read() as session:
            return [row.to_core() for row in session.scalars(query)]

    def backtrack(self, identifier: str) -> Backtrack | None:
        """Return one backtrack."""
        with self._read() as session:
            row = session.scalar(select(BacktrackRow).where(BacktrackRow.identifier == identifier))
            return row.to_core() if row else None

    def add_backtrack(self, backtrack: Backtrack) -> None:
        """Record a backtrack."""
        with self._write() as session:
            session.add(BacktrackRow.from_core(backtrack))

    def update_backtrack(self, identifier: str, **values: Any) -> None:
        """Change the given fields of a backtrack, if it exists; one that ends loses its pin."""
        with self._write() as session:
            row = session.scalar(select(BacktrackRow).where(BacktrackRow.identifier == identifier))
            for name, value in values.items():
                if row is not None:
                    setattr(row, name, value)
            if values.get("status", BacktrackStatus.PENDING) not in _UNFINISHED:
                session.execute(delete(PinRow).where(PinRow.holder == identifier))

    @remembered
    def pins(self, cluster: str) -> list[datetime]:
        """List the points in time of a cluster that must stay reachable."""
        with self._read() as session:
            return list(session.scalars(select(PinRow.at).where(PinRow.cluster == cluster).order_by(PinRow.at)))

    def pin(self, cluster: str, holder: str, at: datetime) -> None:
        """Keep a point in time reachable for a holder, in place of the one that it pinned before.

        Does nothing if the cluster is gone.
        """
        with self._write() as session:
            if session.get(ClusterRow, cluster) is not None:
                session.merge(PinRow(cluster=cluster, holder=holder, at=at))

    def unpin(self, holder: str) -> None:
        """Remove the pin of a holder, if any."""
        with self._write() as session:
            session.execute(delete(PinRow).where(PinRow.holder == holder))

    def end_orphans(self, carried_out: Collection[str], error: str) -> None:
        """Fail the backtracks being applied that are not among those `carried_out`, and remove pins without a backtrack.

        For the start of a supervisor, when no recovered copy is in use and nothing but the journal continues.
        """
        with self._write() as session:
            applying = select(BacktrackRow).where(BacktrackRow.status == BacktrackStatus.APPLYING)
            for row in session.scalars(applying.where(BacktrackRow.identifier.not_in(carried_out))):
                row.status, row.error = BacktrackStatus.FAILED, error
            session.flush()
            unfinished = select(BacktrackRow.identifier).where(BacktrackRow.status.in_(_UNFINISHED))
            session.execute(delete(PinRow).where(PinRow.holder.not_in(unfinished), PinRow.holder.not_in(carried_out)))
