"""Pinned PostgreSQL builds in which a program is another one: real processes that fail or hang on purpose."""

from __future__ import annotations

from pathlib import Path

from auroractl.engine.pinning import pinned
from tests.functional.command import Auroractl

HANGS = "exec sleep 600"


def replace_program(auroractl: Auroractl, name: str, script: str) -> Path:
    """Put a shell script in the place of a program of the home's only build.

    In the script `$REAL` is the program itself. Returns the script.
    """
    (folder,) = (auroractl.home.root / "postgresql").iterdir()
    binaries = pinned(folder)
    assert binaries is not None
    replaced = Path(binaries.program(name))
    real = replaced.with_name(f"{name}.real")
    replaced.rename(real)
    replaced.write_text(f"#!/bin/sh\nREAL='{real}'\n{script}\n")
    replaced.chmod(0o755)
    return replaced
