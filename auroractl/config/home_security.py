"""Ownership of a home: it must be the user's own, and root's must not be replaceable by other users."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from auroractl.core.errors import ConfigurationError

_ROOT = 0
_LINKS_MAX = 40
"""The system follows at most this many links on the way to a file (path_resolution(7))."""


def require_ours(home: Path) -> None:
    """Check that a home belongs to this user, or can be created where no other user can replace it.

    Raises ConfigurationError that names the owner and the command to type.
    """
    try:
        link, found = home.lstat(), home.stat()
    except OSError:
        # Other problems with the location are reported when the home is created.
        if os.geteuid() == _ROOT:
            _require_safe_place(home)
        return
    user = os.geteuid()
    owner = next((each for each in (found.st_uid, link.st_uid) if each not in {user, _ROOT}), found.st_uid)
    if owner != user:
        raise ConfigurationError(
            f"The home {home} belongs to {_name(owner)}, and this command runs as {_name(user)}.",
            f"{_prefix(owner)} auroractl --home {home} ..., or set AURORACTL_HOME to a folder of your own",
        )


def require_private(folder: Path) -> None:
    """Check that a folder for sockets, if it exists, is this user's and closed to others. Raises ConfigurationError."""
    try:
        found = folder.lstat()
    except OSError:
        return
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise ConfigurationError(
            f"{folder} is not a folder that only {_name(os.geteuid())} can use; it belongs to {_name(found.st_uid)} "
            f"and has mode {stat.S_IMODE(found.st_mode):04o}.",
            "Have it removed, or set AURORACTL_HOME to a shorter path, below which the sockets then lie",
        )


def who_can_change(path: Path, *, with_parents: bool) -> tuple[Path, str] | None:
    """Return what other users than root can change of a file or folder, and who; None if nothing.

    `with_parents` adds the folders above it, and all links and folders on the way.
    """
    places = _passed(path) if with_parents else [(path, path.lstat())]
    return next(((place, who) for place, found in places if (who := _who_can_change(found))), None)


def _require_safe_place(home: Path) -> None:
    """Check a location's folders: a user who can write a folder can rename its entries, unless it is sticky.

    A uid without an account here (a folder that was mounted into a container) does not count as such a user.
    """
    changeable = who_can_change(home, with_parents=True)
    if changeable:
        place, who = changeable
        raise ConfigurationError(
            f"root does not make a home in {home.parent}: {who} can change {place} and replace the home.",
            "Set AURORACTL_HOME to a folder below folders of root, or unset it",
        )


def _passed(path: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """List a path, the folders above it, and all links and folders through which links on the way lead."""
    waiting, links = [path], 0
    while waiting:
        path = waiting.pop()
        for place in (path, *path.parents):
            try:
                found = place.lstat()
                if stat.S_ISLNK(found.st_mode) and links < _LINKS_MAX:
                    waiting.append(place.parent / place.readlink())
                    links += 1
            except OSError:
                continue
            yield place, found


def _who_can_change(found: os.stat_result) -> str | None:
    """Return the users other than root who can rename entries of a folder, or replace a link."""
    if found.st_uid != _ROOT and _account(found.st_uid):
        return _name(found.st_uid)
    if stat.S_ISLNK(found.st_mode) or found.st_mode & stat.S_ISVTX:
        return None
    if found.st_mode & stat.S_IWOTH:
        return "everybody"
    return _group_of_others(found.st_gid) if found.st_mode & stat.S_IWGRP and found.st_gid != _ROOT else None


def _group_of_others(gid: int) -> str | None:
    """Return a group's name if it has members other than root: systems give folders to groups without members."""
    import grp  # noqa: PLC0415  (not in a client that starts quickly)
    import pwd  # noqa: PLC0415

    try:
        group = grp.getgrgid(gid)
    except KeyError:
        return None
    members = {*group.gr_mem, *(each.pw_name for each in pwd.getpwall() if each.pw_gid == gid)}
    return f"the group {group.gr_name}" if members - {_account(_ROOT)} else None


def _account(uid: int) -> str | None:
    import pwd  # noqa: PLC0415  (not in a client that starts quickly)

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return None


def _name(uid: int) -> str:
    return _account(uid) or f"user {uid}"


def _prefix(uid: int) -> str:
    return "sudo" if uid == _ROOT else "sudo -u " + (_account(uid) or f"'#{uid}'")
