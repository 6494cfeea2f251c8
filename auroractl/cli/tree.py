"""The command tree. A command's options are worked out when it is run, not for all commands each time: that would take
as long as everything else a command does.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from typing import Any, cast

import typer
import typer.main
from typer.core import TyperCommand, TyperGroup
from typer.models import CommandInfo, TyperInfo

from auroractl.cli import aliases, shared
from auroractl.cli.session import session


class Command(TyperCommand):
    """A command with the options that it shares with others; under its AWS name it takes AWS's options too."""

    def __init__(self, info: CommandInfo, group: str = "", alias: aliases.Alias | None = None) -> None:
        assert info.callback is not None
        name = info.name or typer.main.get_command_name(info.callback.__name__)
        super().__init__(
            alias.name if alias else name,
            help=info.help or info.callback.__doc__,
            epilog=alias.example if alias else info.epilog,
            context_settings=info.context_settings,
            hidden=info.hidden or alias is not None,
            rich_markup_mode=None,
        )
        self.path = f"{group} {name}".strip()
        """Its name, after its group's; an alias has that of the command that it stands for."""
        self.alias = alias
        self._info = info
        self._complete = False

    def complete(self) -> None:
        """Work out options and callback; they are there from then on."""
        if self._complete:
            return
        self._complete = True
        found = typer.main.get_params_convertors_ctx_param_name_from_function(self._info.callback)
        params, convertors, context_name = found
        params = [*params, *shared.options(self.path, [param.name or "" for param in params])]
        self.callback = typer.main.get_callback(
            callback=self._info.callback,
            params=[param for param in params if param.expose_value],
            convertors=convertors,
            context_param_name=context_name,
            pretty_exceptions_short=True,
        )
        self.params = list(self.alias.params(params) if self.alias else params)
        for param in self.params:
            param.metavar = param.metavar or _metavar(param)

    def under(self, alias: aliases.Alias) -> Command:
        """The same command under its AWS name."""
        return Command(self._info, alias=alias)

    def get_params(self, ctx: Any) -> list[Any]:
        """All parameters, help included."""
        self.complete()
        return list(super().get_params(ctx))

    def get_short_help_str(self, limit: int = 45) -> str:  # noqa: ARG002  (what is too long for a line is wrapped)
        """What it does in a few words: the beginning of its help, up to the first explanation."""
        sentence = (self.help or "").strip().splitlines()[0]
        return re.split(r"[;:]|\. ", sentence)[0].rstrip(".") + "."

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Take the arguments apart, AWS's lists and tags first brought into our form."""
        return list(super().parse_args(ctx, self.alias.translated(args) if self.alias else args))

    def invoke(self, ctx: Any) -> Any:
        """Run it, unless its options contradict each other."""
        shared.check(session(ctx))
        return super().invoke(ctx)


def _metavar(param: Any) -> str | None:
    """What stands for an option's value in its help: what it is, not the type that it has here."""
    if param.param_type_name != "option" or param.is_flag or param.count:
        return None
    kind = param.type.name
    if kind.startswith(("int", "float")):
        return "NUMBER"
    return str(param.name).rpartition("_")[2].upper() if kind in {"str", "path"} else None


def root(app: typer.Typer) -> TyperGroup:
    """The tree of an application, with the AWS names of its commands."""
    group = cast("TyperGroup", typer.main.get_command(_bare(app)))
    group.commands = _commands(app, "")
    infos = {command.path: command for command in group.commands.values() if isinstance(command, Command)}
    for alias in aliases.ALIASES:
        stands_for = infos.get(alias.command)
        if stands_for is not None:
            group.commands[alias.name] = stands_for.under(alias)
    return group


def _commands(app: typer.Typer, path: str) -> dict[str, Any]:
    commands: dict[str, Any] = {}
    for info in app.registered_commands:
        command = Command(info, path)
        commands[command.name or ""] = command
    for below in app.registered_groups:
        group = _group(below, path)
        commands[group.name or ""] = group
    return commands


def _group(info: TyperInfo, path: str) -> TyperGroup:
    app = info.typer_instance
    assert app is not None
    bare = copy.copy(info)
    bare.typer_instance = _bare(app)
    group = typer.main.get_group_from_info(
        bare, pretty_exceptions_short=True, suggest_commands=True, rich_markup_mode=None
    )
    group.commands = _commands(app, f"{path} {group.name}".strip())
    return group


def _bare(app: typer.Typer) -> typer.Typer:
    """The same application without what is below it."""
    bare = copy.copy(app)
    bare.registered_commands, bare.registered_groups = [], []
    return bare


def walk(command: Any, path: str = "auroractl") -> Iterator[tuple[str, Any]]:
    """Every command with its path as it is typed, groups before what is in them, all with their options."""
    if isinstance(command, Command):
        command.complete()
    yield path, command
    for name, below in getattr(command, "commands", {}).items():
        yield from walk(below, f"{path} {name}")
