"""Generator of the packaged shell completions: python -m auroractl.cli.completions FOLDER."""

from __future__ import annotations

import os
import sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

from auroractl.cli.main import main

FILES = {"bash": "auroractl.bash", "zsh": "_auroractl", "fish": "auroractl.fish"}
_ASKED = "_AURORACTL_COMPLETE"
"""Prints Typer's answer to a shell instead of running a command."""


def script(shell: str) -> str:
    """Return Typer's completion script for a shell."""
    os.environ[_ASKED] = f"source_{shell}"
    try:
        with redirect_stdout(StringIO()) as printed:
            main([])
    except SystemExit:
        return printed.getvalue().strip() + "\n"
    finally:
        del os.environ[_ASKED]
    raise AssertionError("unreachable: Typer exits")


if __name__ == "__main__":
    for name, file in FILES.items():
        (Path(sys.argv[1]) / file).write_text(script(name))
