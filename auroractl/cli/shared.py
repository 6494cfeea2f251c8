"""Options that commands have in common without naming them: the one place where the scripting contract is entered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import typer
from typer.core import TyperOption

from auroractl.cli import forms
from auroractl.cli.session import Session, session
from auroractl.core.errors import UsageError

LONG = frozenset(
    {
        "create-cluster", "delete-cluster", "start-cluster", "stop-cluster", "scale-readers", "failover",
        "reboot-instance", "delete-instance", "replace-storage-node",
    }
)  # fmt: skip
"""Commands that may take a while: they have --no-wait."""

REHEARSED = LONG | {
    "modify-cluster", "modify-instance", "create-endpoint", "modify-endpoint", "delete-endpoint", "pause-automation",
    "resume-automation", "scrub-volume", "drill", "use",
}  # fmt: skip
"""Commands that change something and can say what they would do: they have --dry-run, as all faults do."""

_FAULTS = "inject-fault "

_OUTPUT = "output"


def options(path: str, own: list[str]) -> list[TyperOption]:
    """The options that a command has beside its own; `path` is its name, after its group's if it has one."""
    found = []
    if _OUTPUT in own:
        found += [_query(), _quiet()]
    if path in REHEARSED or path.startswith(_FAULTS):
        found.append(_flag("dry_run", "--dry-run", "Check everything, change nothing, print the steps as JSON."))
    if path in LONG:
        found.append(_flag("no_wait", "--no-wait", "Return as soon as nothing can refuse it any more."))
    return found


def check(asked: Session) -> None:
    """Refuse options that exclude each other, before anything is done. Raises UsageError."""
    if asked.query is not None and asked.identifiers_only:
        raise UsageError("--query and --quiet exclude each other.", "Leave one of them out")
    if asked.query is not None and asked.output is forms.Output.TABLE:
        raise UsageError("--query has no table.", "--output json, yaml or text")
    if asked.dry_run and asked.no_wait:
        raise UsageError("--dry-run and --no-wait exclude each other.", "Leave one of them out")


def _query() -> TyperOption:
    def take(context: typer.Context, _parameter: object, value: str | None) -> None:
        if value is not None and not context.resilient_parsing:
            session(context).query = forms.compiled(value)

    return _option(
        ["query", "--query"], take, metavar="JMESPATH", help="Print only what this finds in the JSON, as with aws."
    )


def _quiet() -> TyperOption:
    def take(context: typer.Context, _parameter: object, value: bool) -> None:
        if value and not context.resilient_parsing:
            session(context).quiet = session(context).identifiers_only = True

    help_ = "Print identifiers only, and nothing while working."
    return _option(["quiet", "--quiet", "-q"], take, is_flag=True, default=False, help=help_)


def _flag(name: str, option: str, help_: str) -> TyperOption:
    def take(context: typer.Context, _parameter: object, value: bool) -> None:
        if value and not context.resilient_parsing:
            setattr(session(context), name, True)

    return _option([name, option], take, is_flag=True, default=False, help=help_)


def _option(declarations: list[str], callback: Callable[..., Any], **more: Any) -> TyperOption:
    return TyperOption(param_decls=declarations, callback=callback, expose_value=False, is_eager=True, **more)
