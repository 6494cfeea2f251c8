"""demo: a first look at everything, on a cluster of its own."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from auroractl.cli.options import OutputOption
from auroractl.cli.progress import Silent
from auroractl.cli.render import sentences
from auroractl.cli.session import leave, say, session
from auroractl.core.errors import ExitCode

if TYPE_CHECKING:
    from auroractl.cli.session import Session
    from auroractl.drills.tour import Seen, Tour

_PAUSE_S = 2.0


def register(app: typer.Typer) -> None:
    """Add the command to the application."""

    @app.command("demo", epilog="Example: auroractl demo")
    def demo(
        context: typer.Context,
        name: Annotated[str, typer.Option("--name", help="The cluster that is made for it.")] = "tour",
        keep: Annotated[bool, typer.Option("--keep", help="Keep the cluster at the end.")] = False,
        output: OutputOption = None,  # noqa: ARG001
    ) -> None:
        """See a real failover and a real backtrack in half a minute.

        On a cluster of its own: create, write, kill the writer, watch it heal, count, drop a table, go back to before;
        then delete it. Asks nothing. Exit code 1 where an acknowledged row was lost.
        """
        _demo(session(context), name, keep=keep)


def _demo(this: Session, name: str, *, keep: bool) -> None:
    from auroractl.drills.tour import Tour  # noqa: PLC0415  (psycopg, which only this and drill need)

    tell = (lambda _text: None) if this.quiet else say
    tour = Tour(this.backend, name, tell, _pause)
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
    if not tour.left_something():
        return
    tell("")
    if keep:
        tell(f"The cluster stays until: auroractl delete-cluster {name}")
        return
    tell("Last: delete the cluster.")
    tell(f"   $ auroractl delete-cluster {name} --yes")
    tour.delete(Silent())


def _pause() -> None:
    """Time to read, where somebody does."""
    if sys.stderr.isatty():
        time.sleep(_PAUSE_S)


def _view(name: str, seen: Seen, *, kept: bool) -> dict[str, Any]:
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
