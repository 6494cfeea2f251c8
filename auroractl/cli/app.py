"""All commands in one Typer application."""

from __future__ import annotations

from typing import Annotated

import typer

from auroractl import __version__
from auroractl.cli import (
    backtracking,
    clusters,
    configuring,
    connecting,
    declaring,
    drawing,
    drilling,
    endpoints,
    helping,
    history,
    injecting,
    instances,
    logs,
    simulating,
    supervising,
    touring,
    tree,
    volumes,
    waiting,
    watching,
)
from auroractl.cli.session import session, write

app = typer.Typer(
    name="auroractl",
    help="A real Aurora-style PostgreSQL cluster on your own machine.",
    rich_markup_mode=None,
    no_args_is_help=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

FIRST_STEPS = """\
auroractl gives you a real Aurora-style PostgreSQL cluster on this machine. Begin with:

  auroractl create-cluster demo     a writer, two readers, two endpoints
  auroractl status demo             see it
  auroractl psql demo               use it

See it all first: auroractl demo     Something is wrong: auroractl doctor
All commands: auroractl --help"""

EPILOG = """\
Example: auroractl create-cluster demo

The names and options of the AWS command line work too: auroractl create-db-cluster --db-cluster-identifier demo"""


def _version(wanted: bool) -> None:
    if wanted:
        write(f"auroractl {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True, epilog=EPILOG)
def root(
    context: typer.Context,
    home: Annotated[
        str | None, typer.Option(metavar="FOLDER", help="Folder that holds everything; else AURORACTL_HOME.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing while working.")] = False,
    version: Annotated[  # noqa: ARG001  (handled by its callback)
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """A real Aurora-style PostgreSQL cluster on your own machine."""
    this = session(context)
    this.home_flag, this.quiet = home, quiet
    if context.invoked_subcommand is None:
        write(FIRST_STEPS)


clusters.register(app)
instances.register(app)
logs.register(app)
volumes.register(app)
endpoints.register(app)
backtracking.register(app)
helping.register(app)
history.register(app)
drawing.register(app)
waiting.register(app)
configuring.register(app)
drilling.register(app)
connecting.register(app)
touring.register(app)
watching.register(app)
app.add_typer(injecting.app, name="inject-fault", short_help="Break something on purpose.")
declaring.register(app)
app.add_typer(simulating.app, name="simulate")
app.add_typer(supervising.app, name="supervisor")

root_command = tree.root(app)
