"""Locks that a process holds for as long as it lives, whatever ends it."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

_ATTEMPTS = 10
_ATTEMPT_PAUSE_S = 0.005


class LockFile:
    """A file locked by one process at a time, holding its process id.

    The kernel releases the lock with the process, so a SIGKILL leaves nothing stale. The file is never removed: a
    second process could otherwise lock a file that no longer has a name.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def acquire(self) -> bool:
        """Take the lock and write this process's id; False where another process holds it."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if not _lock_soon(descriptor):
            os.close(descriptor)
            return False
        os.ftruncate(descriptor, 0)
        os.write(descriptor, str(os.getpid()).encode())
        self._descriptor = descriptor
        return True

    @property
    def descriptor(self) -> int:
        """The locked descriptor, for a child to inherit: the lock then lasts as long as the child. Only while held."""
        assert self._descriptor is not None
        return self._descriptor

    def name_holder(self, pid: int) -> None:
        """Write the id of the child that holds the lock from now on."""
        os.ftruncate(self.descriptor, 0)
        os.pwrite(self.descriptor, str(pid).encode(), 0)

    def still_named(self) -> bool:
        """Whether the locked file is still the one of that name; not where someone removed the folder around it."""
        try:
            found, held = self._path.stat(), os.fstat(self.descriptor)
        except OSError:
            return False
        return (found.st_dev, found.st_ino) == (held.st_dev, held.st_ino)

    def release(self) -> None:
        """Give the lock back."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _lock_soon(descriptor: int) -> bool:
    """Whoever asks for the holder of a lock (`lock_holder`) holds it for a moment and is waited for."""
    for _ in range(_ATTEMPTS):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_ATTEMPT_PAUSE_S)
        else:
            return True
    return False


def lock_holder(path: Path) -> int | None:
    """The id of the process that holds a lock file; None where none does."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        text = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
        return int(text) if text.isdigit() else None
    finally:
        os.close(descriptor)
    return None
