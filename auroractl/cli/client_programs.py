"""Commands that connect a client to a cluster."""

from __future__ import annotations

import re
import shlex
import shutil
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from auroractl.api.connection_uri import connection_uri, usual_sslmode
from auroractl.cli import name_completion
from auroractl.cli.invocation import session, write
from auroractl.cli.options import HANDED_ON, ClusterArgument
from auroractl.core.errors import InvalidClusterState, MachineError, Unsupported
from auroractl.core.guessing import did_you_mean

if TYPE_CHECKING:
    from auroractl.control_planes import Document


class SslMode(StrEnum):
    """libpq's modes of TLS (https://www.postgresql.org/docs/18/libpq-ssl.html)."""

    DISABLE = "disable"
    ALLOW = "allow"
    PREFER = "prefer"
    REQUIRE = "require"
    VERIFY_CA = "verify-ca"
    VERIFY_FULL = "verify-full"


_UNENCRYPTED = {SslMode.DISABLE, SslMode.ALLOW}
_VERIFYING = {SslMode.VERIFY_CA, SslMode.VERIFY_FULL}

ReaderOption = Annotated[bool, typer.Option("--reader", help="Connect through the reader endpoint.")]
InstanceOption = Annotated[
    str | None,
    typer.Option("--instance", help="Connect directly to this instance.", autocompletion=name_completion.instances),
]
SslModeOption = Annotated[
    SslMode | None,
    typer.Option("--sslmode", help="How the client uses TLS, disable by default; verify-* name the CA too."),
]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command("psql", epilog='Example: auroractl psql demo -- -c "select version()"')(psql)
    app.command("pgbench", epilog="Example: auroractl pgbench demo -- -i -s 10")(pgbench)
    app.command("pg-dump", epilog="Example: auroractl pg-dump demo -- --format custom --file demo.dump")(pg_dump)
    app.command("pg-restore", epilog="Example: auroractl pg-restore demo -- --clean --if-exists demo.dump")(pg_restore)
    app.command("tools", epilog='Example: eval "$(auroractl tools PATH)"')(tools)
    app.command("uri", epilog='Example: psql "$(auroractl uri demo)"')(uri)
    app.command("env", epilog='Example: eval "$(auroractl env demo)"')(env)


def _connection(context: typer.Context, name: str | None, *, reader: bool, instance: str | None = None) -> Document:
    this = session(context)
    chosen = this.named(name) if instance else this.cluster(name)
    role = "reader" if reader else "writer"
    return this.ask("connection", {"DBClusterIdentifier": chosen, "Role": role, "DBInstanceIdentifier": instance})


def psql(
    context: typer.Context,
    name: ClusterArgument = None,
    arguments: Annotated[list[str] | None, typer.Argument(metavar=HANDED_ON, help="Arguments for psql.")] = None,
    reader: ReaderOption = False,
    instance: InstanceOption = None,
) -> None:
    """Open psql, by default through the writer endpoint."""
    there = _connection(context, name, reader=reader, instance=instance)
    become(there, "psql", arguments or [])


def pgbench(
    context: typer.Context,
    name: ClusterArgument = None,
    arguments: Annotated[list[str] | None, typer.Argument(metavar=HANDED_ON, help="Arguments for pgbench.")] = None,
    reader: ReaderOption = False,
    instance: InstanceOption = None,
) -> None:
    """Run pgbench, PostgreSQL's load generator, by default through the writer endpoint."""
    there = _connection(context, name, reader=reader, instance=instance)
    become(there, "pgbench", arguments or [])


def pg_dump(
    context: typer.Context,
    name: ClusterArgument = None,
    arguments: Annotated[list[str] | None, typer.Argument(metavar=HANDED_ON, help="Arguments for pg_dump.")] = None,
    reader: ReaderOption = False,
) -> None:
    """Run pg_dump of the server's version, by default through the writer endpoint.

    It dumps the cluster's first database unless its arguments name another one.
    """
    there = _connection(context, name, reader=reader)
    become(there, "pg_dump", arguments or [])


def pg_restore(
    context: typer.Context,
    name: ClusterArgument = None,
    arguments: Annotated[list[str] | None, typer.Argument(metavar=HANDED_ON, help="Arguments for pg_restore.")] = None,
) -> None:
    """Run pg_restore of the server's version through the writer endpoint.

    It restores into the cluster's first database unless its arguments name another one, or a file for the script.
    """
    there = _connection(context, name, reader=False)
    given = arguments or []
    become(there, "pg_restore", given if _writes_a_script(given) else [f"--dbname={there['Database']}", *given])


def _writes_a_script(arguments: list[str]) -> bool:
    """Return whether pg_restore writes a file instead of connecting; it refuses a database then.

    >>> _writes_a_script(["-vf", "script.sql"]), _writes_a_script(["--filter=tables", "-Fc", "a.dump"])
    (True, False)
    """
    return any(re.match(r"-[A-Za-z]*f|--file(=|$)", each) for each in arguments)


def tools(
    context: typer.Context,
    program: Annotated[
        str, typer.Argument(metavar="[PROGRAM]", help="A program such as pg_dumpall, or PATH.", show_default=True)
    ] = "PATH",
) -> None:
    """Print the path of a client program of the server's version, or a PATH export for eval.

    Together with the exports of env, each of them connects to the cluster.
    """
    there = _connection(context, None, reader=False)
    if program == "PATH":
        write(f'export PATH={shlex.quote(str(_folder(there)))}:"$PATH"')
    else:
        write(_program(there, program.replace("-", "_")))


def uri(
    context: typer.Context,
    name: ClusterArgument = None,
    reader: ReaderOption = False,
    instance: InstanceOption = None,
    sslmode: SslModeOption = None,
) -> None:
    """Print the connection URI, including the password."""
    there = _connection(context, name, reader=reader, instance=instance)
    if sslmode is None:
        write(connection_uri(there))
        return
    given = _tls(there, sslmode)
    trusted = {"sslrootcert": given["PGSSLROOTCERT"]} if sslmode in _VERIFYING else {}
    write(connection_uri(there, host=given["PGHOST"], sslmode=sslmode.value, **trusted))


def env(
    context: typer.Context,
    name: ClusterArgument = None,
    reader: ReaderOption = False,
    sslmode: SslModeOption = None,
) -> None:
    """Print shell exports for eval: PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE and others of libpq."""
    there = _connection(context, name, reader=reader)
    variables = _variables(there) | (_tls(there, sslmode) if sslmode is not None else {})
    for variable, value in variables.items():
        write(f"export {variable}={shlex.quote(value)}")


def _tls(there: Document, sslmode: SslMode) -> dict[str, str]:
    """Return the variables for a mode of TLS. Raises Unsupported if it needs TLS and there is none."""
    host = there.get("TlsHost")
    if sslmode in _UNENCRYPTED or (host is None and sslmode is SslMode.PREFER):
        host = there["Host"]
    elif host is None:
        raise Unsupported(
            "There is no TLS at this address.",
            "Connect through an endpoint; TLS is off if `auroractl config show` says that tls is false",
        )
    return {"PGHOST": host, "PGSSLMODE": sslmode.value, "PGSSLROOTCERT": there["CaBundle"]}


def become(there: Document, program: str, arguments: list[str]) -> NoReturn:
    """Replace this process with a PostgreSQL client of the server's version, connected to the cluster."""
    from auroractl.system.programs import replace_process  # noqa: PLC0415  (only here)

    if not there.get("ProgramsHaveTls", True):
        raise Unsupported(
            f"{program} of this build of PostgreSQL has no TLS, and the endpoints refuse it because rds.force_ssl is 1.",
            'Use the system\'s: psql "$(auroractl uri --sslmode verify-full)"; or add --instance INSTANCE',
        )
    if there.get("UsedBy"):
        # It could relay messages to a server, and read and change the session.
        raise InvalidClusterState(
            f"Another process listens on {there['Host']}:{there['Port']}: {there['UsedBy']}.",
            "Stop that process, or see auroractl status",
        )
    replace_process(_program(there, program), arguments, _variables(there))


def _folder(there: Document) -> Path:
    """Return the folder of the programs of the server's version."""
    return Path(there["PsqlPath"]).parent


def _program(there: Document, name: str) -> str:
    """Return the path of a program. Raises MachineError if it is not installed."""
    folder = _folder(there)
    path = folder / name
    if path.parent != folder or not shutil.which(path):
        otherwise = "Install it there, or remove the setting postgresql_folder to use auroractl's own PostgreSQL"
        hint = did_you_mean(name, [each.name for each in folder.glob("*")], otherwise)
        raise MachineError(f"PostgreSQL in {folder} has no program {name}.", hint)
    return str(path)


def _variables(there: Document) -> dict[str, str]:
    return {
        "PGHOST": there["Host"],
        "PGPORT": str(there["Port"]),
        "PGUSER": there["User"],
        "PGPASSWORD": there["Password"],
        "PGDATABASE": there["Database"],
        # Another process on the address must not receive the password (supported by libpq 16 and later).
        "PGREQUIREAUTH": "scram-sha-256",
        "PGSSLMODE": usual_sslmode(there),
        **({"PGSSLROOTCERT": there["CaBundle"]} if there.get("TlsHost") else {}),
    }
