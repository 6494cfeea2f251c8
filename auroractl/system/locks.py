"""Locks that a process holds until it ends, for whatever reason."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

from auroractl.system.safe_open import NotOurs, open_lock

_ATTEMPTS = 10
_ATTEMPT_PAUSE_S = 0.005


class LockFile:
    """A file locked by one process at a time, holding its process id.

    The kernel releases the lock with the process, so a SIGKILL leaves nothing stale. The file is never removed:
    otherwise a second process could lock a file that no longer has a name.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def acquire(self) -> bool:
        """Take the lock and write this process's id; return False if another process holds it.

        Raises OSError if the file cannot be made, or a different kind of file is in its place.
        """
        descriptor = open_lock(self._path, make=True)
        if not _lock_soon(descriptor):
            os.close(descriptor)
            return False
        os.ftruncate(descriptor, 0)
        os.write(descriptor, str(os.getpid()).encode())
        self._descriptor = descriptor
        return True

    @property
    def descriptor(self) -> int:
        """Return the locked descriptor, to be inherited by a child that then keeps the lock. Only while held."""
        assert self._descriptor is not None
        return self._descriptor

    def name_holder(self, pid: int) -> None:
        """Write the id of the child that now holds the lock."""
        os.ftruncate(self.descriptor, 0)
        os.pwrite(self.descriptor, str(pid).encode(), 0)

    def still_named(self) -> bool:
        """Return whether the locked file still has its name; it does not if the folder around it was removed."""
        try:
            found, held = self._path.stat(), os.fstat(self.descriptor)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError:
            # A failed check (no memory, a disk error) does not mean that the file is gone.
            return True
        return (found.st_dev, found.st_ino) == (held.st_dev, held.st_ino)

    def is_removed(self) -> bool:
        """Return whether the locked file has no name any more; it still has one if its folder was only moved."""
        return os.fstat(self.descriptor).st_nlink == 0

    def release(self) -> None:
        """Release the lock."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _lock_soon(descriptor: int) -> bool:
    """Take the lock, waiting for a process in `lock_holder`, which holds it only for a moment."""
    for _ in range(_ATTEMPTS):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_ATTEMPT_PAUSE_S)
        else:
            return True
    return False


def lock_holder(path: Path) -> int | None:
    """Return the id of the process that holds a lock file; None if none does."""
    try:
        descriptor = open_lock(path, make=False)
    except (FileNotFoundError, NotOurs):
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        text = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
        return int(text) if text.isdigit() else None
    finally:
        os.close(descriptor)
    return None
