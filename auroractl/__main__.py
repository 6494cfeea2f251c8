"""The entry point of the program, and the only place where the command line exits."""

import os
import signal
import sys
from typing import TextIO

from auroractl.cli.main import main
from auroractl.core.errors import ExitCode


def run() -> None:
    """Run the command line and exit with its code.

    If the reader of the output has left, die of SIGPIPE as `cat` does.
    """
    _prepare_streams()
    code = main()
    if code == ExitCode.READER_LEFT:
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        signal.raise_signal(signal.SIGPIPE)
    sys.exit(code)


def _prepare_streams() -> None:
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        stream = getattr(sys, name)
        if stream is None:
            # Closed by the caller. If it stayed closed, the next socket would get its number and receive the output.
            setattr(sys, name, open(os.devnull, "r" if number == 0 else "w"))  # noqa: PTH123, SIM115  (for life)
        elif number:
            # With PYTHONUNBUFFERED, Python takes a part of the output for all of it when the reader leaves. A character
            # that the terminal's encoding lacks is no reason to fail.
            setattr(sys, name, _line_buffered(number, stream.encoding))


def _line_buffered(descriptor: int, encoding: str) -> TextIO:
    return open(descriptor, "w", 1, encoding, errors="backslashreplace", closefd=False)


if __name__ == "__main__":
    run()
