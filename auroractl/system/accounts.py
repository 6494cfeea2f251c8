"""The account under which database processes run.

PostgreSQL refuses to run as root. Started by root (containers, CI), auroractl runs it under an unprivileged account.
"""

from __future__ import annotations

import os
import pwd
import stat
import sys
from collections.abc import Iterable
from pathlib import Path, PurePath

from auroractl.core.errors import ConfigurationError, MachineError
from auroractl.system.account import Account
from auroractl.system.programs import find_program, run

_OWN_ACCOUNT = "auroractl"
_NOLOGIN = "/usr/sbin/nologin"
FALLBACK = "postgres"
"""Used if no dedicated account can be created; Debian's PostgreSQL may run under it too."""
_LOGIN_REFUSED_BY = ("nologin", "false")
"""Names of shells that refuse a login."""


def database_account(run_as: str, folders: Iterable[Path]) -> Account | None:
    """Return the account for database processes; None if the current one serves (any but root).

    As root: `run_as` if given; otherwise the owner of the first of `folders` (those of existing databases); otherwise
    `auroractl`, created if necessary; otherwise `postgres`. Raises ConfigurationError for a `run_as` that does not
    exist, is root or does not own the existing folders, and for an `auroractl` that people can log in as. Raises
    MachineError if no account can be created.
    """
    account = usable_account(run_as, folders)
    return _create_account() if account is None and os.geteuid() == 0 else account


def usable_account(run_as: str, folders: Iterable[Path]) -> Account | None:
    """Return the same as `database_account`, but None if an account would have to be created."""
    there = list(folders)
    account = existing_account(run_as, there)
    if account is not None and not run_as and _owner(there) is None:
        _require_no_login(account)
    return account


def existing_account(run_as: str, folders: Iterable[Path]) -> Account | None:
    """Return the same as `usable_account`, for read-only use: the account may allow logins."""
    if os.geteuid() != 0:
        return None
    if sys.platform != "linux":
        raise ConfigurationError("Running as root is possible on Linux only.", "Run auroractl as an ordinary user")
    owner = _owner(folders)
    if not run_as:
        return owner or _find(_OWN_ACCOUNT)
    account = _find(run_as)
    if account is None:
        raise ConfigurationError(f"run_as = {run_as!r}: there is no such account.", "Create it, or name another")
    if account.uid == 0:
        raise ConfigurationError(f"run_as = {run_as!r} is root; PostgreSQL refuses to run as root.", "Name another")
    if owner is not None and owner.uid != account.uid:
        raise ConfigurationError(
            f"run_as = {run_as!r}, but the databases of this home belong to {owner.name}.",
            f"Set run_as to {owner.name}, or use another home",
        )
    return account


def named_account(name: str) -> Account:
    """Look up an account by name. Raises ValueError if there is none."""
    account = _find(name)
    if account is None:
        raise ValueError(f"there is no account {name!r}")
    return account


def _find(name: str) -> Account | None:
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def _require_no_login(account: Account) -> None:
    """Check that an account which was not chosen by a user exists for programs only. Raises ConfigurationError."""
    shell = pwd.getpwnam(account.name).pw_shell
    if account.uid == 0 or PurePath(shell).name not in _LOGIN_REFUSED_BY:
        what = "is root" if account.uid == 0 else f"has the shell {shell or '/bin/sh'}: people can log in as it"
        raise ConfigurationError(
            f"The account {account.name}, under which the databases of a new home run, {what}.",
            f"usermod --shell {_NOLOGIN} {account.name}, or name an account in the setting run_as",
        )


def _owner(folders: Iterable[Path]) -> Account | None:
    """Return the account that owns the first folder not owned by root; None if there is none."""
    for folder in folders:
        uid = folder.lstat().st_uid if folder.exists() else 0
        if uid == 0:
            continue
        try:
            entry = pwd.getpwuid(uid)
        except KeyError:
            raise ConfigurationError(
                f"{folder} belongs to user {uid}, and there is no such account.",
                f"Make one with that number: useradd --system --shell {_NOLOGIN} --uid {uid} {_OWN_ACCOUNT}",
            ) from None
        return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
    return None


def _create_account() -> Account:
    try:
        run(
            [
                find_program("useradd") or "useradd",
                "--system",
                "--user-group",
                "--no-create-home",
                "--shell",
                _NOLOGIN,
                _OWN_ACCOUNT,
            ]
        )
    except MachineError as error:
        # Another command may have created it at the same time.
        account = _find(_OWN_ACCOUNT) or _find(FALLBACK)
        if account is None:
            raise MachineError(
                "Running as root needs an unprivileged account for PostgreSQL, and none could be made.",
                "Create one and name it in the setting run_as",
            ) from error
        return account
    return named_account(_OWN_ACCOUNT)


def require_reachable(folder: Path, account: Account | None) -> None:
    """Check that the account can enter `folder` and all folders above it.

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


def expected_owners(home: Path, run_as: str, folders: Iterable[Path]) -> frozenset[int]:
    """Return the uids that own the files below a home: its owner's and, as root, that of the databases' account.

    `folders` are those of existing databases. Raises ConfigurationError as `database_account` does.
    """
    account = existing_account(run_as, folders)
    owner = home.stat().st_uid if home.exists() else os.geteuid()
    return frozenset({owner, account.uid} if account else {owner})
