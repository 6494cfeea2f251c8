"""Usage errors with suggestions for unknown commands and options."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from typing import Any

import typer

from auroractl.cli.command_synonyms import MEANINGS
from auroractl.cli.options import HANDED_ON
from auroractl.core.errors import UsageError
from auroractl.core.guessing import closest

_UNKNOWN_COMMAND = re.compile(r"No such command '([^']+)'")
_MISTYPED = 0.8
"""The similarity from which an option counts as mistyped, and not as one of the other program."""


def usage_error(error: typer.TyperException, typed: Sequence[str]) -> UsageError:
    """Return the error for the words `typed`, with a suggestion if there is a similar word."""
    message = error.format_message() if hasattr(error, "format_message") else str(error)
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "auroractl"
    unknown = _UNKNOWN_COMMAND.search(message)
    if unknown:
        return _unknown_command(context, path, unknown[1])
    option = getattr(error, "option_name", None)
    if option and context and "No such option" in message:
        return _unknown_option(context, path, option, typed)
    return UsageError(message, f"{path} --help")


def _unknown_command(context: Any, path: str, word: str) -> UsageError:
    what = f"{path} {word}".removeprefix("auroractl ")
    said = f"There is no command {what}."
    meaning = MEANINGS.get(what.lower())
    if meaning:
        return UsageError(meaning.sentence or said, meaning.hint)
    known = [name for name, command in context.command.commands.items() if not command.hidden] if context else []
    guess = closest(word, known)
    return UsageError(said, f"{path} {guess}" if guess else f"{path} --help")


def _unknown_option(context: Any, path: str, option: str, typed: Sequence[str]) -> UsageError:
    said = f"There is no option {option}."
    params = context.command.get_params(context)
    known = [each for param in params for each in param.opts if each.startswith("--")]
    if any(param.metavar == HANDED_ON for param in params):
        guess = closest(option, known, _MISTYPED)
        return UsageError(said, f"{path} {guess}" if guess else _handed_on(option, typed))
    guess = closest(option, known)
    return UsageError(said, f"{path} {guess}" if guess else f"{path} --help")


def _handed_on(option: str, typed: Sequence[str]) -> str:
    """Return the words `typed` up to an option, with that option after -- for the other program.

    >>> _handed_on("-A", ["psql", "demo", "-Atc", "select 1"])
    'auroractl psql demo -- -Atc ...'
    """
    at = next((place for place, word in enumerate(typed) if word.startswith(option)), len(typed) - 1)
    letters = typed[at].removeprefix("-")
    return f"auroractl {shlex.join(typed[:at])} -- {f'-{letters}' if letters.isalpha() else option} ..."
