"""demo: a guided tour on a cluster of its own."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from auroractl.api.progress import Silent
from auroractl.cli.invocation import leave, say, session
from auroractl.cli.render import sentences
from auroractl.core.errors import ExitCode

if TYPE_CHECKING:
    from auroractl.cli.invocation import Session
    from auroractl.drills.tour import Tour, TourResult

_PAUSE_S = 2.0


def register(app: typer.Typer) -> None:
    """Add the command to the application."""

    @app.command("demo", epilog="Example: auroractl demo")
    def demo(
        context: typer.Context,
        name: Annotated[str, typer.Option("--name", help="Name of the cluster that the demo creates.")] = "tour",
        keep: Annotated[bool, typer.Option("--keep", help="Do not delete the cluster at the end.")] = False,
    ) -> None:
        """See a real failover and a real backtrack in half a minute.

        Creates a cluster, writes rows, kills the writer, counts the rows after the failover, drops the table,
        backtracks, and deletes the cluster. Never asks. Exit code 1 if an acknowledged row was lost.
        """
        _demo(session(context), name, keep=keep)


def _demo(this: Session, name: str, *, keep: bool) -> None:
    from auroractl.drills.tour import Tour  # noqa: PLC0415  (psycopg, which only this and drill need)

    tell = (lambda _text: None) if this.quiet else say
    tour = Tour(this.control_plane, name, tell, _pause)
    try:
        seen = tour.run(Silent())
    finally:
        _leave_behind(tour, name, tell, keep=keep)
    this.show(
        {"Demo": _view(name, seen, kept=keep)}, sentences.demo, lambda document: [tuple(document["Demo"].values())]
    )
    if seen.rows_lost:
        leave(ExitCode.FAILED)


def _leave_behind(tour: Tour, name: str, tell: Any, *, keep: bool) -> None:
    if not tour.has_cluster():
        return
    tell("")
    if keep:
        tell(f"The cluster is kept. Delete it with: auroractl delete-cluster {name}")
        return
    tell("6. Delete the cluster.")
    tell(f"   $ auroractl delete-cluster {name} --yes")
    tour.delete(Silent())


def _pause() -> None:
    """Leave time to read on a terminal."""
    if sys.stderr.isatty():
        time.sleep(_PAUSE_S)


def _view(name: str, seen: TourResult, *, kept: bool) -> dict[str, Any]:
    return {
        "DBClusterIdentifier": name,
        "CreateMilliseconds": round(seen.create_ms),
        "RowsAcknowledged": seen.rows_acknowledged,
        "AcknowledgedRowsLost": seen.rows_lost,
        "From": seen.killed,
        "To": seen.promoted,
        "GapMilliseconds": round(seen.gap_ms),
        "RowsAfterBacktrack": seen.backtracked_rows,
        "Kept": kept,
    }
