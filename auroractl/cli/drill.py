"""drill: inject a fault under load and report its effects on clients."""

from __future__ import annotations

from typing import Annotated

import typer

from auroractl.api.progress import Silent
from auroractl.cli.invocation import leave, session, write
from auroractl.cli.options import ClusterArgument
from auroractl.cli.render import lazy, text
from auroractl.core.errors import ExitCode
from auroractl.core.text.durations import parse_duration_ms
from auroractl.drills.kinds import Kind


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("drill", epilog="Example: auroractl drill writer-crash demo --rounds 5 --max-gap 2s")(drill)


def drill(
    context: typer.Context,
    kind: Annotated[
        Kind,
        typer.Argument(metavar="KIND", help=f"The fault: {', '.join(Kind)}.", show_default=False),
    ],
    name: ClusterArgument = None,
    clients: Annotated[int, typer.Option(min=1, max=64, help="Number of writing clients; half as many read.")] = 4,
    rounds: Annotated[int, typer.Option(min=1, max=1000, help="Number of rounds.")] = 1,
    duration: Annotated[str, typer.Option(metavar="DURATION", help="Load before each fault, up to 10m.")] = "2s",
    max_gap: Annotated[
        str | None, typer.Option(metavar="DURATION", help="Fail if no client could commit for longer, such as 2s.")
    ] = None,
    plot: Annotated[bool, typer.Option("--plot", help="Draw commits over time.")] = False,
) -> None:
    """Rehearse a failure under load; exit code 1 if acknowledged rows are lost or --max-gap is exceeded.

    Clients write numbered rows through the writer endpoint into a separate table, and remember each acknowledged row.
    Afterwards every acknowledged row must be in the table, which is then dropped.

    like-aws is a planned failover that takes as long as on AWS, with the endpoint closed meanwhile.

    cdc-failover does this with a consumer of the table's changes, through planned failovers and crashes of the writer in
    turn: it must receive each row, and nothing again that it confirmed. It needs rds.logical_replication = 1.
    """
    from auroractl.drills.drill import Drill  # noqa: PLC0415  (psycopg, which only this command needs)
    from auroractl.drills.report import drill_view  # noqa: PLC0415

    this = session(context)
    limit_ms = None if max_gap is None else parse_duration_ms(max_gap)
    duration_s = min(600.0, parse_duration_ms(duration) / 1000)
    body = {"DBClusterIdentifier": this.cluster(name)}
    chosen = this.ask("describe-status", body)["DBCluster"]["DBClusterIdentifier"]
    if this.dry_run:
        steps = Drill(this.control_plane, chosen, Silent()).plan(kind, clients=clients, duration_s=duration_s)
        this.show_plan("drill", chosen, steps)
        return
    with this.progress() as progress:
        found = Drill(this.control_plane, chosen, progress).run(
            kind, clients=clients, rounds=rounds, duration_s=duration_s
        )
    document = {"Drill": drill_view(chosen, kind, found, limit_ms)}
    this.show(document, lazy("drill"), text.drill)
    if plot:
        from auroractl.cli.render.plots import commits  # noqa: PLC0415

        write(commits(document))
    if not document["Drill"]["Passed"]:
        leave(ExitCode.FAILED)
