"""The account under which database processes run.

PostgreSQL refuses to run as root. Started by root (containers, CI), auroractl runs it under an unprivileged account.
"""

from __future__ import annotations

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

from auroractl.core.errors import ConfigurationError, MachineError
from auroractl.process.programs import run

_OWN_ACCOUNT = "auroractl"


@dataclass(frozen=True, slots=True)
class Account:
    """An account to run programs under and to own their files."""

    name: str
    uid: int
    gid: int


def database_account(run_as: str) -> Account | None:
    """The account for database processes; None where the current one serves (any but root).

    As root: `run_as` if given, else `postgres` if it exists, else an account made for it. Raises ConfigurationError
    for a `run_as` that does not exist or is root, MachineError where no account can be made.
    """
    account = existing_account(run_as)
    return _create_account() if account is None and os.geteuid() == 0 else account


def existing_account(run_as: str) -> Account | None:
    """As `database_account`, but None where one would have to be made."""
    if os.geteuid() != 0:
        return None
    for name in (run_as,) if run_as else ("postgres", _OWN_ACCOUNT):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if entry.pw_uid == 0:
            raise ConfigurationError(f"run_as = {name!r} is root; PostgreSQL refuses to run as root.", "Name another")
        return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
    if run_as:
        raise ConfigurationError(f"run_as = {run_as!r}: there is no such account.", "Create it, or name another")
    return None


def _create_account() -> Account:
    try:
        run(["useradd", "--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin", _OWN_ACCOUNT])
    except (MachineError, OSError) as error:
        raise MachineError(
            "Running as root needs an unprivileged account for PostgreSQL, and none could be made.",
            "Create one and name it in the setting run_as",
        ) from error
    entry = pwd.getpwnam(_OWN_ACCOUNT)
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def require_reachable(folder: Path, account: Account | None) -> None:
    """Check that the account can enter `folder` and everything above it.

    Raises ConfigurationError naming the first folder that it cannot enter.
    """
    if account is None:
        return
    for place in (*reversed(folder.parents), folder):
        if not place.exists():
            return
        if not _may_enter(place.stat(), account):
            raise ConfigurationError(
                f"The account {account.name}, under which the databases run, cannot enter {place}.",
                f"Choose a home outside of it with AURORACTL_HOME, or: chmod o+x {place}",
            )


def _may_enter(status: os.stat_result, account: Account) -> bool:
    if status.st_uid == account.uid:
        return bool(status.st_mode & stat.S_IXUSR)
    if status.st_gid in os.getgrouplist(account.name, account.gid):
        return bool(status.st_mode & stat.S_IXGRP)
    return bool(status.st_mode & stat.S_IXOTH)
