"""Commands that connect a person or a tool."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Annotated, NoReturn
from urllib.parse import quote

import typer

from auroractl.cli import names
from auroractl.cli.options import ClusterArgument, ClusterOption
from auroractl.cli.session import session, write

if TYPE_CHECKING:
    from auroractl.backends import Document

ReaderOption = Annotated[bool, typer.Option("--reader", help="Through the reader endpoint.")]
InstanceOption = Annotated[
    str | None, typer.Option("--instance", help="To this instance, past the endpoints.", autocompletion=names.instances)
]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command("psql", epilog='Example: auroractl psql demo -- -c "select version()"')(psql)
    app.command("pgbench", epilog="Example: auroractl pgbench demo -- -i -s 10")(pgbench)
    app.command("uri", epilog='Example: psql "$(auroractl uri demo)"')(uri)
    app.command("env", epilog='Example: eval "$(auroractl env demo)"')(env)


def _connection(
    context: typer.Context, name: str | None, cluster: str | None, *, reader: bool, instance: str | None = None
) -> Document:
    this = session(context)
    chosen = (name or cluster) if instance else this.cluster(name, cluster)
    role = "reader" if reader else "writer"
    return this.ask("connection", {"DBClusterIdentifier": chosen, "Role": role, "DBInstanceIdentifier": instance})


def psql(
    context: typer.Context,
    name: ClusterArgument = None,
    arguments: Annotated[list[str] | None, typer.Argument(metavar="[-- ARGS]", help="Handed to psql.")] = None,
    reader: ReaderOption = False,
    instance: InstanceOption = None,
    cluster: ClusterOption = None,
) -> None:
    """Open psql, through the writer endpoint unless told otherwise."""
    if name is not None and name.startswith("-"):
        arguments, name = [name, *(arguments or [])], None
    there = _connection(context, name, cluster, reader=reader, instance=instance)
    become(there, "PsqlPath", "psql", arguments or [])


def pgbench(
    context: typer.Context,
    name: ClusterArgument = None,
    arguments: Annotated[list[str] | None, typer.Argument(metavar="[-- ARGS]", help="Handed to pgbench.")] = None,
    reader: ReaderOption = False,
    instance: InstanceOption = None,
    cluster: ClusterOption = None,
) -> None:
    """Run pgbench, PostgreSQL's own load generator, through the writer endpoint unless told otherwise."""
    if name is not None and name.startswith("-"):
        arguments, name = [name, *(arguments or [])], None
    there = _connection(context, name, cluster, reader=reader, instance=instance)
    become(there, "PgbenchPath", "pgbench", arguments or [])


def uri(
    context: typer.Context,
    name: ClusterArgument = None,
    reader: ReaderOption = False,
    instance: InstanceOption = None,
    cluster: ClusterOption = None,
) -> None:
    """Print the connection URI, password included."""
    there = _connection(context, name, cluster, reader=reader, instance=instance)
    user, password = quote(there["User"], safe=""), quote(there["Password"], safe="")
    write(f"postgresql://{user}:{password}@{there['Host']}:{there['Port']}/{quote(there['Database'], safe='')}")


def env(
    context: typer.Context,
    name: ClusterArgument = None,
    reader: ReaderOption = False,
    cluster: ClusterOption = None,
) -> None:
    """Print shell exports for eval: PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE."""
    for variable, value in _variables(_connection(context, name, cluster, reader=reader)).items():
        write(f"export {variable}={shlex.quote(value)}")


def become(there: Document, path_key: str, program: str, arguments: list[str]) -> NoReturn:
    """Become a program of PostgreSQL that connects there; `path_key` is where the document says that it lies."""
    from auroractl.process.programs import replace_process  # noqa: PLC0415  (only here)

    replace_process(there[path_key], [program, *arguments], _variables(there))


def _variables(there: Document) -> dict[str, str]:
    return {
        "PGHOST": there["Host"],
        "PGPORT": str(there["Port"]),
        "PGUSER": there["User"],
        "PGPASSWORD": there["Password"],
        "PGDATABASE": there["Database"],
    }
