"""Commands about parameter groups, the same for DB cluster parameter groups and DB parameter groups."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from auroractl.api import requests
from auroractl.cli.invocation import session
from auroractl.cli.options import TagsOption, once, parse_tags
from auroractl.cli.render import parameters as render
from auroractl.core.errors import InvalidParameterValue, UsageError

if TYPE_CHECKING:
    from auroractl.core.parameters.model import ParameterChange

GroupArgument = Annotated[str, typer.Argument(metavar="GROUP", help="The parameter group.")]
SomeGroupArgument = Annotated[str | None, typer.Argument(metavar="[GROUP]", help="The parameter group.")]
FamilyOption = Annotated[
    str, typer.Option("--family", "--db-parameter-group-family", help="Such as aurora-postgresql18.")
]
FamilyArgument = Annotated[
    str | None, typer.Argument(metavar="[FAMILY]", help="Such as aurora-postgresql18; same as --family.")
]
SameFamilyOption = Annotated[
    str | None, typer.Option("--family", "--db-parameter-group-family", help="Such as aurora-postgresql18.")
]
DescriptionOption = Annotated[str | None, typer.Option(metavar="TEXT", help="What the group is for.")]
ParametersOption = Annotated[
    list[str],
    typer.Option(
        "--parameters",
        metavar="NAME=VALUE",
        help="A parameter; repeat for several. AWS's ParameterName=..,ParameterValue=..,ApplyMethod=.. works too.",
    ),
]
NamesOption = Annotated[
    list[str] | None, typer.Option("--parameters", metavar="NAME", help="A parameter; repeat for several.")
]
AllOption = Annotated[
    bool, typer.Option("--all", "--reset-all-parameters/--no-reset-all-parameters", help="Reset all parameters.")
]
SourceOption = Annotated[
    str | None, typer.Option(help="Show only those from user, system (auroractl) or engine-default.")
]
_KEY = re.compile(r",(?=(?:ParameterName|ParameterValue|ApplyMethod)=)")
_AWS_KEYS = frozenset({"ParameterName", "ParameterValue", "ApplyMethod"})


class _Kind(NamedTuple):
    """One of the two kinds of groups."""

    part: str
    """Its part of the names of commands."""
    words: str
    classes: str
    """Its part of the names of requests."""

    def request(self, name: str) -> Any:
        """Return the request of a verb, in which * stands for the kind."""
        return getattr(requests.parameter_groups, name.replace("*", self.classes))


_CLUSTER = _Kind("cluster-", "a DB cluster parameter group", "Cluster")
_INSTANCE = _Kind("", "a DB parameter group", "")


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    for kind, name in ((_CLUSTER, "tuned"), (_INSTANCE, "reports")):
        part = kind.part
        family = "aurora-postgresql18"
        for verb, make, example in (
            ("create-*parameter-group", _create, f"{name} --family {family}"),
            ("copy-*parameter-group", _copy, f"{name} {name}-2"),
            ("modify-*parameter-group", _modify, f"{name} --parameters work_mem=8MB"),
            ("reset-*parameter-group", _reset, f"{name} --all"),
            ("delete-*parameter-group", _delete, name),
            ("describe-*parameter-groups", _describe_groups, name),
            ("describe-*parameters", _describe_parameters, f"{name} --source user"),
            ("describe-engine-default-*parameters", _describe_defaults, family),
        ):
            path = verb.replace("*", part)
            app.command(path, epilog=f"Example: auroractl {path} {example}")(make(kind))


Command = Callable[..., None]


def _documented(command: Command, text: str) -> Command:
    command.__doc__ = text
    return command


def _create(kind: _Kind) -> Command:
    def create(
        context: typer.Context,
        group: GroupArgument,
        family: FamilyOption,
        description: DescriptionOption = None,
        tags: TagsOption = None,
    ) -> None:
        request = kind.request("Create*ParameterGroup")(
            group=group, family=family, description=description or "", tags=parse_tags(tags) or {}
        )
        session(context).show(session(context).change(request), render.created, render.groups_text)

    return _documented(create, f"Create {kind.words} with the defaults of a family.")


def _copy(kind: _Kind) -> Command:
    def copy(
        context: typer.Context,
        source: Annotated[str, typer.Argument(metavar="SOURCE", help="The group to copy.")],
        target: Annotated[str, typer.Argument(metavar="TARGET", help="The name of the new group.")],
        description: DescriptionOption = None,
        tags: TagsOption = None,
    ) -> None:
        request = kind.request("Copy*ParameterGroup")(
            source=source, target=target, description=description or "", tags=parse_tags(tags) or {}
        )
        session(context).show(session(context).change(request), render.created, render.groups_text)

    return _documented(copy, f"Create {kind.words} with the values of another one.")


def _modify(kind: _Kind) -> Command:
    def modify(context: typer.Context, group: GroupArgument, parameters: ParametersOption) -> None:
        changes = tuple(change for text in parameters for change in parse_changes(text))
        request = kind.request("Modify*ParameterGroup")(group=group, parameters=changes)
        session(context).show(session(context).change(request), render.changed, render.name_text)

    return _documented(
        modify,
        f"Change parameters of {kind.words}; dynamic ones take effect at once, static ones when an instance is rebooted.",
    )


def _reset(kind: _Kind) -> Command:
    def reset(
        context: typer.Context,
        group: GroupArgument,
        everything: AllOption = False,
        parameters: NamesOption = None,
    ) -> None:
        changes = tuple(change for text in parameters or () for change in parse_changes(text, named_only=True))
        request = kind.request("Reset*ParameterGroup")(group=group, everything=everything, parameters=changes)
        session(context).show(session(context).change(request), render.changed, render.name_text)

    return _documented(reset, f"Reset parameters of {kind.words} to their defaults.")


def _delete(kind: _Kind) -> Command:
    def delete(context: typer.Context, group: GroupArgument) -> None:
        request = kind.request("Delete*ParameterGroup")(group=group)
        session(context).show(session(context).change(request), render.deleted, render.name_text)

    return _documented(delete, f"Delete {kind.words} that is not in use.")


def _describe_groups(kind: _Kind) -> Command:
    def describe(context: typer.Context, group: SomeGroupArgument = None) -> None:
        request = kind.request("Describe*ParameterGroups")(group=group)
        session(context).show(session(context).ask(request.verb, request.to_json()), render.groups, render.groups_text)

    return _documented(describe, f"Describe {kind.words.removeprefix('a ')}s: all, or one.")


def _describe_parameters(kind: _Kind) -> Command:
    def describe(context: typer.Context, group: GroupArgument, source: SourceOption = None) -> None:
        request = kind.request("Describe*Parameters")(group=group, source=source)
        document = session(context).ask(request.verb, request.to_json())
        session(context).show(document, render.parameters, render.parameters_text)

    return _documented(describe, f"Describe the parameters of {kind.words}.")


def _describe_defaults(kind: _Kind) -> Command:
    def describe(context: typer.Context, name: FamilyArgument = None, family: SameFamilyOption = None) -> None:
        chosen = once(name, family, "--family")
        if chosen is None:
            raise UsageError("No family was named.", "Name one, such as aurora-postgresql18")
        request = kind.request("DescribeEngineDefault*Parameters")(family=chosen)
        document = session(context).ask(request.verb, request.to_json())
        session(context).show(document, render.parameters, render.parameters_text)

    return _documented(describe, f"Describe the defaults of a family for {kind.words}.")


def parse_changes(text: str, *, named_only: bool = False) -> list[ParameterChange]:
    """Parse one value of --parameters: NAME=VALUE, AWS's shorthand, or JSON; with `named_only` also a bare name.

    >>> parse_changes("work_mem=8MB")
    [ParameterChange(name='work_mem', value='8MB', method=None)]
    >>> parse_changes("ParameterName=datestyle,ParameterValue='ISO, MDY',ApplyMethod=immediate")
    [ParameterChange(name='datestyle', value='ISO, MDY', method=<ApplyMethod.IMMEDIATE: 'immediate'>)]

    Raises InvalidParameterValue.
    """
    from auroractl.core.parameters.model import ParameterChange  # noqa: PLC0415  (other commands start quicker)

    if text.startswith(("[", "{")):
        return [_change(each, text) for each in _loaded(text)]
    if text.startswith("ParameterName="):
        pairs = (part.partition("=") for part in _KEY.split(text))
        return [_change({key: _unquoted(value) for key, _, value in pairs}, text)]
    name, equals, value = text.partition("=")
    if not name.strip() or not (equals or named_only):
        raise _not_a_parameter(text)
    return [ParameterChange(name.strip(), value if equals and not named_only else None)]


def _loaded(text: str) -> list[Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise _not_a_parameter(text) from None
    return found if isinstance(found, list) else [found]


def _change(found: Any, text: str) -> ParameterChange:
    from auroractl.core.parameters.model import ApplyMethod, ParameterChange  # noqa: PLC0415  (other commands start quicker)

    if (
        not isinstance(found, dict)
        or not found.get("ParameterName")
        or not found.keys() <= _AWS_KEYS
        or not all(isinstance(value, str) for value in found.values())
    ):
        raise _not_a_parameter(text)
    method = found.get("ApplyMethod", "")
    if method not in {"", *(each.value for each in ApplyMethod)}:
        raise InvalidParameterValue(f"ApplyMethod {method[:40]!r} is not known.", "Use immediate or pending-reboot")
    return ParameterChange(found["ParameterName"], found.get("ParameterValue"), ApplyMethod(method) if method else None)


def _unquoted(value: str) -> str:
    quoted = len(value) >= 2 and value[0] == value[-1] and value[0] in "'\""
    return value[1:-1] if quoted else value


def _not_a_parameter(text: str) -> InvalidParameterValue:
    return InvalidParameterValue(f"{text[:60]!r} is not a parameter.", "Write --parameters NAME=VALUE")
