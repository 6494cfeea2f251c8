"""All commands in one Typer application."""

from __future__ import annotations

from typing import Annotated

import typer

from auroractl import __version__
from auroractl.cli import (
    apply,
    backtrack,
    ca,
    client_programs,
    clusters,
    config,
    demo,
    diagram,
    drill,
    endpoints,
    engine_versions,
    history,
    inject_fault,
    instances,
    logs,
    names,
    parameter_groups,
    simulate,
    supervisor,
    tree,
    troubleshooting,
    volumes,
    waiting,
    watch,
)
from auroractl.cli.invocation import session, write

app = typer.Typer(
    name="auroractl",
    help="A real Aurora-style PostgreSQL cluster on your own machine.",
    rich_markup_mode=None,
    no_args_is_help=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

FIRST_STEPS = """\
auroractl runs a real Aurora-style PostgreSQL cluster on this machine. Start with:

  auroractl create-cluster demo     a writer, two readers, two endpoints
  auroractl status demo             show its status
  auroractl psql demo               connect to it

A guided tour: auroractl demo     Something is wrong: auroractl doctor
All commands: auroractl --help"""

EPILOG = """\
Example: auroractl create-cluster demo

AWS command names and options work too: auroractl create-db-cluster --db-cluster-identifier demo"""


def _version(wanted: bool) -> None:
    if wanted:
        write(f"auroractl {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True, epilog=EPILOG)
def root(
    context: typer.Context,
    home: Annotated[
        str | None, typer.Option(metavar="FOLDER", help="Folder for all data; overrides AURORACTL_HOME.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Do not report progress.")] = False,
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
names.register(app)
parameter_groups.register(app)
backtrack.register(app)
troubleshooting.register(app)
history.register(app)
engine_versions.register(app)
diagram.register(app)
waiting.register(app)
config.register(app)
drill.register(app)
client_programs.register(app)
demo.register(app)
watch.register(app)
app.add_typer(inject_fault.app, name="inject-fault", short_help="Inject a fault.")
apply.register(app)
app.add_typer(ca.app, name="ca")
app.add_typer(simulate.app, name="simulate")
app.add_typer(supervisor.app, name="supervisor")

root_command = tree.root(app)
