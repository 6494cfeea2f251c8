"""Safe opening of files in folders that another user can write.

That user can put a link, a pipe, a device or an endless file in a file's place.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Collection
from pathlib import Path
from typing import BinaryIO, cast

READ_BYTES_MAX = 64 * 1024 * 1024
"""Limit for a file that is read as a whole. The manifest of an image of 100,000 tables is half as large."""


class NotOurs(OSError):
    """A file that is not ours: a link, a pipe, of another owner, or larger than any of ours."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(errno.EPERM, f"it {problem}, and is not used", str(path))


def open_regular(path: Path, owners: Collection[int] | None = None, below: Path | None = None) -> BinaryIO:
    """Open a regular file for reading that another account may have created or replaced.

    With `owners` (uids) it has to belong to one of them and to have one name. Links are not followed, not even in place
    of folders below `below`, and opening never blocks on a pipe. Raises NotOurs, and OSError as `open` does.
    """
    return cast("BinaryIO", os.fdopen(_open(path, os.O_RDONLY, owners, below), "rb"))


def read_regular(path: Path, bytes_max: int = READ_BYTES_MAX, owners: Collection[int] | None = None) -> bytes:
    """Read a regular file. Raises as `open_regular` does, and NotOurs for more than `bytes_max`."""
    with open_regular(path, owners) as file:
        size_bytes = os.fstat(file.fileno()).st_size
        if size_bytes > bytes_max:
            raise NotOurs(path, f"is larger than {bytes_max} bytes")
        # Read no more than the measured size: the file may grow as fast as it is read.
        return file.read(size_bytes)


def read_start(path: Path, bytes_max: int) -> bytes:
    """Read the first bytes of a regular file, whatever its size. Raises as `open_regular` does."""
    with open_regular(path) as file:
        return file.read(bytes_max)


def make_regular(path: Path) -> BinaryIO:
    """Create a file with mode 0600 for writing, replacing any of the same name. Raises OSError."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    try:
        descriptor = os.open(path, flags, 0o600)
    except FileExistsError:
        path.unlink(missing_ok=True)
        descriptor = os.open(path, flags, 0o600)
    return cast("BinaryIO", os.fdopen(descriptor, "wb"))


def open_to_change(path: Path) -> BinaryIO:
    """Open an existing regular file for reading and writing, without truncation. Raises as `open_regular` does."""
    return cast("BinaryIO", os.fdopen(open_lock(path, make=False), "r+b"))


def open_log(path: Path) -> BinaryIO:
    """Open a regular file for appending; create it with mode 0600 if missing. Raises as `open_regular` does."""
    return cast("BinaryIO", os.fdopen(_open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT), "ab"))


def open_lock(path: Path, *, make: bool) -> int:
    """Open a regular file for reading and writing; `make` creates it if missing. Raises as `open_regular` does."""
    return _open(path, os.O_RDWR | (os.O_CREAT if make else 0))


def _open(path: Path, flags: int, owners: Collection[int] | None = None, below: Path | None = None) -> int:
    if below is None:
        # Opening a pipe without a process at its other end would block.
        descriptor = _open_no_link(path, path, None, flags | os.O_NONBLOCK | os.O_NOCTTY)
    else:
        descriptor = _open_below(path, flags, below)
    status = os.fstat(descriptor)
    single = stat.S_ISREG(status.st_mode) and (owners is None or status.st_nlink == 1)
    if single and (owners is None or status.st_uid in owners):
        return descriptor
    os.close(descriptor)
    raise NotOurs(
        path, f"belongs to uid {status.st_uid}" if single else "is not a regular file or has a second hard link"
    )


def _open_below(path: Path, flags: int, below: Path) -> int:
    folder = os.open(below, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for name in path.relative_to(below).parts[:-1]:
            inner = _open_no_link(path, name, folder, os.O_RDONLY | os.O_DIRECTORY)
            os.close(folder)
            folder = inner
        return _open_no_link(path, path.name, folder, flags | os.O_NONBLOCK | os.O_NOCTTY)
    finally:
        os.close(folder)


def _open_no_link(path: Path, name: str | Path, folder: int | None, flags: int) -> int:
    try:
        return os.open(name, flags | os.O_NOFOLLOW, 0o600, dir_fd=folder)
    except OSError as error:
        # A link in place of a file or a folder, a socket or such a pipe.
        if error.errno in {errno.ELOOP, errno.ENXIO} or (folder is not None and error.errno == errno.ENOTDIR):
            raise NotOurs(path, "is not a regular file, or its path leads through a link") from error
        raise
