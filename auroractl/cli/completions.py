"""Writes the shell completions that are shipped: python -m auroractl.cli.completions FOLDER."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path

from auroractl.cli import tree
from auroractl.cli.app import app

FILES = {"bash": "auroractl.bash", "zsh": "_auroractl", "fish": "auroractl.fish"}
_NO_DETECTION = "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION"


def script(shell: str) -> str:
    """The completion script for a shell, as Typer makes it."""
    with _detection_off(), redirect_stdout(StringIO()) as printed:
        try:
            tree.root(app)(args=["--show-completion", shell], prog_name="auroractl")
        except SystemExit:
            return printed.getvalue().strip() + "\n"
    raise AssertionError("unreachable: --show-completion exits")


@contextmanager
def _detection_off() -> Iterator[None]:
    """Typer takes the shell from an argument, in place of looking for it, while this variable is set."""
    os.environ[_NO_DETECTION] = "1"
    try:
        yield
    finally:
        del os.environ[_NO_DETECTION]


if __name__ == "__main__":
    for name, file in FILES.items():
        (Path(sys.argv[1]) / file).write_text(script(name))
