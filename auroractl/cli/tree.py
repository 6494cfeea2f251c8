"""The command tree, which inspects only the options of the command that is run.

Inspecting those of all commands would take as long as the rest of a command.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from typing import Any

import typer
import typer.main
from typer.core import TyperCommand, TyperGroup
from typer.models import CommandInfo

from auroractl.cli import aliases, shared
from auroractl.cli.invocation import session
from auroractl.cli.options import HANDED_ON
from auroractl.cli.parameters import converting, without_conversion


class Group(TyperGroup):
    """A group of commands."""

    def get_help_option(self, ctx: Any) -> Any:
        """The option --help."""
        return without_conversion(super().get_help_option(ctx))


class Command(TyperCommand):
    """A command with its shared options, and as an alias with AWS's options."""

    def __init__(self, info: CommandInfo, group: str = "", alias: aliases.Alias | None = None) -> None:
        assert info.callback is not None
        name = info.name or info.callback.__name__.replace("_", "-")
        super().__init__(
            alias.name if alias else name,
            help=info.help or info.callback.__doc__,
            epilog=alias.example if alias else info.epilog,
            context_settings=info.context_settings,
            hidden=info.hidden or alias is not None,
            rich_markup_mode=None,
        )
        self.path = f"{group} {name}".strip()
        """Its name, preceded by its group's; for an alias that of its command."""
        self.alias = alias
        self._info = info
        self._complete = False

    def complete(self) -> None:
        """Load the options and the callback, once."""
        if self._complete:
            return
        self._complete = True
        assert self._info.callback is not None
        callback = shared.with_shared_options(self.path, self._info.callback, self.alias)
        alone = typer.Typer(add_completion=False)
        alone.command()(callback)
        made = typer.main.get_command(alone)
        self.callback, self.params = made.callback, converting(made.params, callback)
        if self.alias:
            self.alias.spell(self.params)

    def under(self, alias: aliases.Alias) -> Command:
        """Return the same command as an alias."""
        return Command(self._info, alias=alias)

    def get_params(self, ctx: Any) -> list[Any]:
        """Return all parameters including --help."""
        self.complete()
        return list(super().get_params(ctx))

    def get_help_option(self, ctx: Any) -> Any:
        """The option --help."""
        return without_conversion(super().get_help_option(ctx))

    def get_short_help_str(self, limit: int = 45) -> str:  # noqa: ARG002  (long texts are wrapped)
        """Return the beginning of its help, up to the first explanation."""
        sentence = (self.help or "").strip().splitlines()[0]
        return re.split(r"[;:]|\. ", sentence)[0].rstrip(".") + "."

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the arguments, after converting AWS's lists and tags."""
        self.complete()
        taken_by = next((param.name for param in self.params if param.metavar == HANDED_ON), None)
        if taken_by is None or "--" not in args:
            return list(super().parse_args(ctx, self.alias.translated(args) if self.alias else args))
        at = args.index("--")
        left = list(super().parse_args(ctx, args[:at]))
        ctx.params[taken_by] = [*(ctx.params[taken_by] or ()), *args[at + 1 :]]
        return left

    def invoke(self, ctx: Any) -> Any:
        """Run the command, unless its options exclude each other."""
        shared.check(session(ctx))
        return super().invoke(ctx)


def root(app: typer.Typer) -> TyperGroup:
    """Return the tree of an application, with the aliases of its commands."""
    group = typer.main.get_command(_bare(app))
    assert isinstance(group, TyperGroup)
    assert app.registered_callback is not None
    assert app.registered_callback.callback is not None
    group.params = converting(group.params, app.registered_callback.callback)
    _add_commands(group, app, "")
    for alias in aliases.ALIASES:
        stands_for = group.commands.get(alias.command)
        if isinstance(stands_for, Command):
            group.add_command(stands_for.under(alias))
    return group


def _add_commands(group: TyperGroup, app: typer.Typer, path: str) -> None:
    """Add the commands of an application and of its groups to `group`."""
    groups = [group.commands.pop(name) for name in list(group.commands)]
    for info in app.registered_commands:
        group.add_command(Command(info, path))
    for below, declared in zip(groups, app.registered_groups, strict=True):
        assert isinstance(below, TyperGroup)
        assert declared.typer_instance is not None
        _add_commands(below, declared.typer_instance, f"{path} {below.name}".strip())
        group.add_command(below)


def _bare(app: typer.Typer) -> typer.Typer:
    """Return the same application and groups without commands."""
    bare, bare.info = copy.copy(app), copy.copy(app.info)
    bare.info.cls = Group
    bare.registered_commands = []
    bare.registered_groups = [copy.copy(info) for info in app.registered_groups]
    for group in bare.registered_groups:
        assert group.typer_instance is not None
        group.typer_instance = _bare(group.typer_instance)
    return bare


def walk(command: Any, path: str = "auroractl") -> Iterator[tuple[str, Any]]:
    """Yield every command with its path, groups before their commands, all with their options."""
    if isinstance(command, Command):
        command.complete()
    yield path, command
    for name, below in getattr(command, "commands", {}).items():
        yield from walk(below, f"{path} {name}")
