"""Options and arguments that several commands declare. Those that are added to commands are in shared.py."""

from __future__ import annotations

from typing import Annotated, TypeVar

import typer

from auroractl.cli import name_completion
from auroractl.core.errors import InvalidParameterValue, UsageError

Value = TypeVar("Value")
HANDED_ON = "[-- ARGS]"
"""Represents the arguments of another program in help; they follow the first --."""


ClusterArgument = Annotated[
    str | None, typer.Argument(metavar="[CLUSTER]", help="The cluster.", autocompletion=name_completion.clusters)
]
InstanceArgument = Annotated[
    str, typer.Argument(metavar="INSTANCE", help="The instance.", autocompletion=name_completion.instances)
]
ClusterGroupOption = Annotated[
    str | None,
    typer.Option(
        "--db-cluster-parameter-group-name", "--parameter-group", metavar="GROUP", help="DB cluster parameter group."
    ),
]
InstanceGroupOption = Annotated[
    str | None,
    typer.Option("--db-parameter-group-name", "--parameter-group", metavar="GROUP", help="DB parameter group."),
]
TagsOption = Annotated[list[str] | None, typer.Option("--tags", metavar="KEY=VALUE", help="A tag; repeat for several.")]


def parse_tags(pairs: list[str] | None) -> dict[str, str] | None:
    """Parse KEY=VALUE tags; None for none. Raises InvalidParameterValue for another form."""
    if not pairs:
        return None
    for pair in pairs:
        if "=" not in pair:
            raise InvalidParameterValue(f"{pair!r} is not a tag.", "Write --tags KEY=VALUE")
    return {key: value for key, _, value in (pair.partition("=") for pair in pairs)}


def once(argument: Value | None, option: Value | None, name: str) -> Value | None:
    """Return the value given as an argument or as the option `name`. Raises UsageError for both.

    >>> once(3, None, "--to")
    3
    """
    if argument is not None and option is not None:
        raise UsageError(f"Both {argument} and {name} {option} were given.", "Omit one of them")
    return option if argument is None else argument
