"""The command line: every error becomes a sentence, a hint and an exit code."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import typer

from auroractl.cli.app import root_command
from auroractl.cli.invocation import Session, discard, say
from auroractl.cli.output_formats import Output
from auroractl.core.errors import AuroraError, ExitCode
from auroractl.core.text.visible import visible_message


class _Bug(AuroraError):
    """An unexpected error."""

    exit_code = ExitCode.BUG


def main(arguments: list[str] | None = None) -> int:
    """Run a command and return its exit code. Never raises."""
    try:
        return _main(arguments)
    except BrokenPipeError:
        return _reader_left()
    except SystemExit as ending:
        # Typer converts the interruption to this if it catches it first.
        if isinstance(ending.__context__, BrokenPipeError):
            return _reader_left()
        raise


def _reader_left() -> int:
    discard(sys.stdout, sys.stderr)
    return int(ExitCode.READER_LEFT)


def _main(arguments: list[str] | None) -> int:
    session = Session()
    try:
        code = root_command(args=arguments, prog_name="auroractl", standalone_mode=False, obj=session)
        sys.stdout.flush()
        return int(code or 0)
    except AuroraError as error:
        return _tell(session, error)
    except typer.TyperException as error:
        return _tell_usage(session, error, sys.argv[1:] if arguments is None else arguments)
    except (KeyboardInterrupt, typer.Abort):
        say("Interrupted.")
        return int(ExitCode.INTERRUPTED)
    except BrokenPipeError:
        raise
    except Exception as error:  # noqa: BLE001  (the last chance to report a bug properly)
        return _tell(session, _bug(error))


def _tell(session: Session, error: AuroraError) -> int:
    # JSON is valid YAML.
    if session.output in {Output.JSON, Output.YAML}:
        say(json.dumps({"Error": error.to_json()}, indent=2))
    else:
        say(f"Error: {visible_message(error.message)}")
        if error.hint:
            say(f"Try: {visible_message(error.hint)}")
    return int(error.exit_code)


def _tell_usage(session: Session, error: typer.TyperException, typed: list[str]) -> int:
    if type(error).__name__ == "NoArgsIsHelpError":
        say(str(getattr(error, "message", error)))
        return int(ExitCode.USAGE)
    from auroractl.cli.mistakes import usage_error  # noqa: PLC0415  (only on the way to an error)

    return _tell(session, usage_error(error, typed))


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
