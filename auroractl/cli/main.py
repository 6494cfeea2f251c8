"""Running the command line: every error becomes a sentence, a hint and an exit code."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path

import typer

from auroractl.cli.app import root_command
from auroractl.cli.forms import Output
from auroractl.cli.session import Session, say
from auroractl.core.errors import AuroraError, ExitCode, UsageError
from auroractl.core.guessing import closest

_UNKNOWN_COMMAND = re.compile(r"No such command '([^']+)'")


class _Bug(AuroraError):
    """Something that nobody thought of."""

    exit_code = ExitCode.BUG


def main(arguments: list[str] | None = None) -> int:
    """Run a command and return its exit code; nothing is raised."""
    session = Session()
    try:
        code = root_command(args=arguments, prog_name="auroractl", standalone_mode=False, obj=session)
        sys.stdout.flush()
        return int(code or 0)
    except AuroraError as error:
        return _tell(session, error)
    except typer.TyperException as error:
        return _tell_usage(session, error)
    except (KeyboardInterrupt, typer.Abort):
        say("Interrupted.")
        return int(ExitCode.INTERRUPTED)
    except BrokenPipeError:
        # Whoever read the output has enough; Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return int(ExitCode.FAILED)
    except Exception as error:  # noqa: BLE001  (the last place that can turn a bug into a sentence)
        return _tell(session, _bug(error))


def _tell(session: Session, error: AuroraError) -> int:
    # JSON is YAML too.
    if session.output in {Output.JSON, Output.YAML}:
        say(json.dumps({"Error": error.to_json()}, indent=2))
    else:
        say(f"Error: {error.message}")
        if error.hint:
            say(f"Try: {error.hint}")
    return int(error.exit_code)


def _tell_usage(session: Session, error: typer.TyperException) -> int:
    if type(error).__name__ == "NoArgsIsHelpError":
        say(str(getattr(error, "message", error)))
        return int(ExitCode.USAGE)
    return _tell(session, _usage_error(error))


def _usage_error(error: typer.TyperException) -> UsageError:
    message = error.format_message() if hasattr(error, "format_message") else str(error)
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "auroractl"
    unknown = _UNKNOWN_COMMAND.search(message)
    if unknown:
        known = [name for name, command in context.command.commands.items() if not command.hidden] if context else []
        guess = closest(unknown[1], known)
        what = f"{path} {unknown[1]}".removeprefix("auroractl ")
        return UsageError(f"There is no command {what}.", f"{path} {guess}" if guess else f"{path} --help")
    option = getattr(error, "option_name", None)
    if option and context and "No such option" in message:
        known = [each for param in context.command.get_params(context) for each in param.opts if each.startswith("--")]
        guess = closest(option, known)
        return UsageError(f"There is no option {option}.", f"{path} {guess}" if guess else f"{path} --help")
    return UsageError(message, f"{path} --help")


def _bug(error: Exception) -> AuroraError:
    import tempfile  # noqa: PLC0415  (only on the way to an error)
    import traceback  # noqa: PLC0415

    text = "".join(traceback.format_exception(error))
    if os.environ.get("AURORACTL_DEBUG"):
        say(text)
    descriptor, path = tempfile.mkstemp(prefix="auroractl-", suffix=".log")
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    return _Bug(f"Unexpected {type(error).__name__}: {error}. This is a bug.", f"Report it with {Path(path)}")
