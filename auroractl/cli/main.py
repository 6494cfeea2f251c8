"""Running the command line: every error becomes a sentence, a hint and an exit code."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path

import typer

from auroractl.cli.app import app
from auroractl.cli.session import Output, Session, say
from auroractl.core.errors import AuroraError, ExitCode, UsageError

_UNKNOWN_COMMAND = re.compile(r"No such command '([^']+)'")


class _Bug(AuroraError):
    """Something that nobody thought of."""

    exit_code = ExitCode.BUG


def main(arguments: list[str] | None = None) -> int:
    """Run a command and return its exit code; nothing is raised."""
    session = Session()
    try:
        code = app(args=arguments, standalone_mode=False, obj=session)
        sys.stdout.flush()
        return int(code or 0)
    except AuroraError as error:
        return _tell(session, error)
    except typer.TyperException as error:
        return _tell(session, _usage_error(error))
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
    if session.output is Output.JSON:
        say(json.dumps({"Error": error.to_json()}, indent=2))
    else:
        say(f"Error: {error.message}")
        if error.hint:
            say(f"Try: {error.hint}")
    return int(error.exit_code)


def _usage_error(error: typer.TyperException) -> UsageError:
    message = error.format_message() if hasattr(error, "format_message") else str(error)
    unknown = _UNKNOWN_COMMAND.search(message)
    if unknown:
        import difflib  # noqa: PLC0415  (only on the way to an error)

        known = [command.name or "" for command in app.registered_commands]
        close = difflib.get_close_matches(unknown[1], known, 1)
        hint = f"auroractl {close[0]}" if close else "auroractl --help"
        return UsageError(f"There is no command {unknown[1]}.", hint)
    context = getattr(error, "ctx", None)
    return UsageError(message, f"{context.command_path} --help" if context else "auroractl --help")


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
