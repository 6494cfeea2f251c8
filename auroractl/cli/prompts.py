"""Confirmation before data is lost. Without a terminal, the command is refused."""

from __future__ import annotations

import typer

from auroractl.cli.invocation import can_ask, say
from auroractl.core.errors import UsageError


def _require_terminal(what: str) -> None:
    if not can_ask():
        raise UsageError(f"{what} needs confirmation.", "Add --yes")


def require_name(name: str, what: str) -> None:
    """Ask for the name of the object to delete. Raises UsageError for any other answer."""
    _require_terminal(what)
    typed = typer.prompt(f"{what}. Type its name to continue", err=True)
    if typed.strip().lower() != name:
        raise UsageError(f"{typed!r} is not {name!r}; nothing was changed.", "Type the name, or add --yes")


def require_yes(what: str, plan: str) -> None:
    """Show the plan and ask whether to continue. Raises UsageError if the answer is no."""
    _require_terminal(what)
    say(plan)
    if not typer.confirm("Continue?", err=True):
        raise UsageError("Nothing was changed.", "Add --yes to skip the question")
