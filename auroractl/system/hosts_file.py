"""Replacement of the machine's hosts file, which belongs to root and which other programs change too."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
import stat
from collections.abc import Callable
from pathlib import Path

from auroractl.core.errors import MachineError
from auroractl.system.waiting import holds_in_time

_SIZE_MAX_BYTES = 4 * 1024**2
_ATTEMPTS = 5
_LOCK_TIMEOUT_S = 2.0
_LOCK_POLL_S = 0.02
_ROOT = 0


def change_hosts_file(path: Path, change: Callable[[str], str], hint: str) -> bool:
    """Replace a hosts file atomically by what `change` makes of it; return whether it differs.

    Mode, owner and extended attributes are kept. A file that another program changes meanwhile is read again. Raises
    MachineError, with `hint` where the right to write is missing, if the file is a link, has a second name, or belongs to
    an account other than root and this one, and whatever `change` raises; the file is then as it was.
    """
    try:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            _require_safe_folder(path, folder)
            for _ in range(_ATTEMPTS):
                changed = _try_to_change(path, folder, change)
                if changed is not None:
                    return changed
        finally:
            os.close(folder)
    except OSError as error:
        denied = error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}
        raise MachineError(
            f"{path} cannot be changed: {error.strerror or error}.", hint if denied else "Check the file and its folder"
        ) from error
    raise MachineError(f"{path} is being changed by another program.", "Repeat the command")


def require_home_of_caller(home: str) -> None:
    """Raise MachineError if root, called by sudo, would write the names of another account's home."""
    caller = os.environ.get("SUDO_UID", "")
    if os.geteuid() != _ROOT or caller in {"", str(_ROOT)}:
        return
    try:
        owner = Path(home).stat().st_uid
    except OSError as error:
        raise MachineError(
            f"The home {home} cannot be read: {error.strerror}.", "Check the home of the block"
        ) from error
    if str(owner) != caller:
        raise MachineError(
            f"The home {home} belongs to another account than the one that called sudo.",
            "Let its owner call auroractl hosts",
        )


def _require_safe_folder(path: Path, folder: int) -> None:
    """Raise MachineError if another account could replace the file while it is being changed."""
    status = os.fstat(folder)
    shared = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not status.st_mode & stat.S_ISVTX
    if shared or status.st_uid not in {_ROOT, os.geteuid()}:
        raise MachineError(f"Another account can replace {path}.", f"Check the owner and mode of {path.parent}")


def _try_to_change(path: Path, folder: int, change: Callable[[str], str]) -> bool | None:
    """Change the file; None if another program replaced it meanwhile."""
    # Opening a pipe in its place would block.
    try:
        descriptor = os.open(path.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY, dir_fd=folder)
    except OSError as error:
        if error.errno in {errno.ELOOP, errno.ENXIO}:
            raise _unusable(path) from error
        raise
    try:
        before = os.fstat(descriptor)
        owned = before.st_uid in {_ROOT, os.geteuid()}
        if not (stat.S_ISREG(before.st_mode) and owned and before.st_nlink == 1 and before.st_size < _SIZE_MAX_BYTES):
            raise _unusable(path)
        _lock(descriptor)
        before = os.fstat(descriptor)
        content = _read(descriptor)
        changed = change(content.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
        if changed == content:
            return False
        return _replace(path.name, folder, descriptor, before, changed)
    finally:
        os.close(descriptor)


def _unusable(path: Path) -> MachineError:
    return MachineError(
        f"{path} is a link, no regular file, too large, or belongs to another account, and is not changed.",
        "Name the hosts file itself in the setting hosts_file",
    )


def _lock(descriptor: int) -> None:
    """Wait for the auroractl of another home. An account that only reads the file could hold this lock forever."""

    def locked() -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    holds_in_time(locked, _LOCK_TIMEOUT_S, _LOCK_POLL_S)


def _read(descriptor: int) -> bytes:
    with os.fdopen(os.dup(descriptor), "rb") as file:
        return file.read(_SIZE_MAX_BYTES)


def _replace(name: str, folder: int, old: int, before: os.stat_result, content: bytes) -> bool | None:
    """Put the new content in the file's place; None if the file has changed since `before`, its status before reading."""
    aside = f".{name}.auroractl-{secrets.token_hex(8)}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    new = os.open(aside, flags, 0o600, dir_fd=folder)
    try:
        with os.fdopen(new, "wb") as file:
            file.write(content)
            file.flush()
            if (before.st_uid, before.st_gid) != (os.geteuid(), os.fstat(new).st_gid):
                os.fchown(new, before.st_uid, before.st_gid)
            _copy_attributes(old, new)
            os.fchmod(new, stat.S_IMODE(before.st_mode))
            os.fsync(new)
        there = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if _version(there) != _version(before):
            return None
        return _put(aside, name, folder, content)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(aside, dir_fd=folder)


def _version(status: os.stat_result) -> tuple[int, ...]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _put(aside: str, name: str, folder: int, content: bytes) -> bool:
    try:
        os.replace(aside, name, src_dir_fd=folder, dst_dir_fd=folder)
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        # In a container the file is a mount point, which can only be written in place.
        descriptor = os.open(name, os.O_RDWR | os.O_NOFOLLOW, dir_fd=folder)
        try:
            _write_in_place(descriptor, content)
        finally:
            os.close(descriptor)
    os.fsync(folder)
    return True


def _write_in_place(descriptor: int, content: bytes) -> None:
    """Overwrite the file. If that fails, as on a full filesystem, write the old content back."""
    old = _read(descriptor)
    try:
        _reserve(descriptor, len(content))
        _overwrite(descriptor, content)
    except OSError:
        _overwrite(descriptor, old)
        raise


def _reserve(descriptor: int, length: int) -> None:
    """Reserve space for a length, where the system and the filesystem can."""
    if length and hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(descriptor, 0, length)
        except OSError as error:
            if error.errno not in {errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS}:
                raise


def _overwrite(descriptor: int, content: bytes) -> None:
    written = 0
    while written < len(content):
        written += os.pwrite(descriptor, content[written:], written)
    os.ftruncate(descriptor, len(content))
    os.fsync(descriptor)


def _copy_attributes(old: int, new: int) -> None:
    """Copy extended attributes such as labels of SELinux, where the system has them and allows it."""
    if hasattr(os, "listxattr"):
        with contextlib.suppress(OSError):
            for name in os.listxattr(old):
                with contextlib.suppress(OSError):
                    os.setxattr(new, name, os.getxattr(old, name))
