"""Options and arguments that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

from auroractl.cli import names
from auroractl.cli.forms import Output
from auroractl.cli.session import session
from auroractl.core.errors import InvalidParameterValue


def _set_output(context: typer.Context, value: Output | None) -> Output | None:
    if value is not None:
        session(context).output = value
    return value


ClusterArgument = Annotated[
    str | None, typer.Argument(metavar="[CLUSTER]", help="The cluster.", autocompletion=names.clusters)
]
ClusterOption = Annotated[
    str | None,
    typer.Option(
        "--cluster",
        "--db-cluster-identifier",
        help="The cluster, in place of the argument.",
        autocompletion=names.clusters,
    ),
]
InstanceArgument = Annotated[
    str, typer.Argument(metavar="INSTANCE", help="The instance.", autocompletion=names.instances)
]
OutputOption = Annotated[
    Output | None, typer.Option("--output", "-o", callback=_set_output, is_eager=True, help="Form of the output.")
]
TagsOption = Annotated[list[str] | None, typer.Option("--tags", metavar="KEY=VALUE", help="A tag; repeat for several.")]


def parse_tags(pairs: list[str] | None) -> dict[str, str] | None:
    """Tags from KEY=VALUE texts; None for none. Raises InvalidParameterValue for another form."""
    if not pairs:
        return None
    for pair in pairs:
        if "=" not in pair:
            raise InvalidParameterValue(f"{pair!r} is not a tag.", "Write --tags KEY=VALUE")
    return {key: value for key, _, value in (pair.partition("=") for pair in pairs)}
