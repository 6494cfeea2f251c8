"""Options that are added to commands: the one place that implements the scripting contract."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import typer

from auroractl.api.verb import DryRun
from auroractl.api.verbs import VERBS
from auroractl.cli import name_completion, output_formats
from auroractl.cli.aliases import Alias
from auroractl.cli.invocation import Session, session
from auroractl.cli.options import ClusterArgument
from auroractl.core.errors import UsageError

LONG = frozenset(command for verb in VERBS.values() if verb.long for command in verb.commands)
"""Commands that may take long: they get --no-wait."""

_WITHOUT_A_VERB = frozenset({"drill", "hosts", "use"})

REHEARSED = _WITHOUT_A_VERB | {
    command for verb in VERBS.values() if verb.dry_run is DryRun.STEPS for command in verb.commands
}
"""Commands that change something and have a plan: they get --dry-run."""

WITHOUT_OUTPUT = frozenset(
    {
        "psql", "pgbench", "pg-dump", "pg-restore", "peek", "tools", "uri", "env", "wait", "supervisor run",
        "supervisor stop", "supervisor logs",
    }
)  # fmt: skip
"""Commands that print no document: they get none of the output options."""

WITHIN_A_CLUSTER = frozenset({"create-endpoint", "replace-storage-node", "tools"})
"""Commands without a cluster argument that get --cluster, as do all faults."""

_FAULTS = "inject-fault "


def with_shared_options(path: str, command: Callable[..., None], alias: Alias | None = None) -> Callable[..., None]:
    """Add the shared options to a command; `path` is its name, preceded by its group's if it has one.

    Their values are stored in the session and not passed to the command. With `alias`, all are declared as AWS has them.
    """
    signature = inspect.signature(command, eval_str=True)
    own = signature.parameters
    added = list(_added(path, [each.annotation for each in own.values()]))

    def run(**values: Any) -> None:
        command(**{name: values[name] for name in own})

    parameters = [*own.values(), *added]
    taken: Any = functools.update_wrapper(run, command)
    taken.__signature__ = signature.replace(parameters=alias.declared(parameters) if alias else parameters)
    taken.__annotations__ = {each.name: each.annotation for each in taken.__signature__.parameters.values()}
    return run


def _added(path: str, own: list[Any]) -> Iterator[inspect.Parameter]:
    if ClusterArgument in own or path in WITHIN_A_CLUSTER or path.startswith(_FAULTS):
        yield _CLUSTER
    if path not in WITHOUT_OUTPUT:
        yield from (_OUTPUT, _QUERY, _QUIET)
    if path in REHEARSED:
        yield _DRY_RUN
    if path in LONG:
        yield _NO_WAIT


def check(asked: Session) -> None:
    """Check that no options exclude each other. Raises UsageError."""
    if asked.query is not None and asked.identifiers_only:
        raise UsageError("--query and --quiet exclude each other.", "Omit one of them")
    if asked.query is not None and asked.output is output_formats.Output.TABLE:
        raise UsageError("--query cannot print a table.", "--output json, yaml or text")
    if asked.dry_run and asked.no_wait:
        raise UsageError("--dry-run and --no-wait exclude each other.", "Omit one of them")


def _take_cluster(context: typer.Context, value: str | None) -> None:
    session(context).cluster_option = value


def _take_output(context: typer.Context, value: output_formats.Output | None) -> None:
    if value is not None:
        session(context).output = value


def _take_query(context: typer.Context, value: str | None) -> None:
    if value is not None and not context.resilient_parsing:
        session(context).query = output_formats.compiled(value)


def _take_quiet(context: typer.Context, value: bool) -> None:
    if value and not context.resilient_parsing:
        session(context).quiet = session(context).identifiers_only = True


def _take_dry_run(context: typer.Context, value: bool) -> None:
    session(context).dry_run = value


def _take_no_wait(context: typer.Context, value: bool) -> None:
    session(context).no_wait = value


def _parameter(name: str, kind: Any, option: Any) -> inspect.Parameter:
    default = False if kind is bool else None
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, option])


_CLUSTER = _parameter(
    "cluster",
    str | None,
    typer.Option(
        "--cluster",
        "--db-cluster-identifier",
        callback=_take_cluster,
        expose_value=False,
        help="The cluster, instead of the argument.",
        autocompletion=name_completion.clusters,
    ),
)
_OUTPUT = _parameter(
    "output",
    output_formats.Output | None,
    typer.Option("--output", "-o", callback=_take_output, expose_value=False, is_eager=True, help="Output format."),
)
_QUERY = _parameter(
    "query",
    str | None,
    typer.Option(
        "--query",
        callback=_take_query,
        expose_value=False,
        is_eager=True,
        metavar="JMESPATH",
        help="A JMESPath expression to filter the output, as with aws.",
    ),
)
_QUIET = _parameter(
    "quiet",
    bool,
    typer.Option(
        "--quiet",
        "-q",
        callback=_take_quiet,
        expose_value=False,
        is_eager=True,
        help="Print identifiers only, and no progress.",
    ),
)
_DRY_RUN = _parameter(
    "dry_run",
    bool,
    typer.Option(
        "--dry-run",
        callback=_take_dry_run,
        expose_value=False,
        is_eager=True,
        help="Check everything and print the steps as JSON; change nothing.",
    ),
)
_NO_WAIT = _parameter(
    "no_wait",
    bool,
    typer.Option(
        "--no-wait",
        callback=_take_no_wait,
        expose_value=False,
        is_eager=True,
        help="Return as soon as the operation has been accepted.",
    ),
)
