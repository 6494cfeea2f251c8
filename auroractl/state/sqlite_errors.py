"""SQLite failures explained for a user: one sentence, and what to do next."""

from __future__ import annotations

import shlex
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.exc import DBAPIError, IntegrityError

from auroractl.core.errors import AuroraError, MachineError, StateError

_FULL_BELOW_BYTES = 65_536
_PRIMARY_CODE_MASK = 0xFF
"""SQLite's extended error codes carry the primary one in their lowest byte (https://www.sqlite.org/rescode.html)."""


@dataclass(frozen=True, slots=True)
class StateFiles:
    """The database file and the folder of pre-upgrade copies."""

    path: Path
    backups: Path

    def newest_copy(self) -> Path | None:
        """Return the latest copy; its name ends with the time."""
        copies = self.backups.glob("state-*.db")
        return max(copies, key=lambda copy: copy.stem.rpartition("-")[2], default=None)

    def restore_hint(self) -> str:
        """Return how to restore the latest copy.

        A WAL file left beside it would be replayed into the copy and corrupt it.
        """
        copy = self.newest_copy()
        if copy is None:
            return f"There is no copy in {self.backups}; restore your own backup, or move {self.path} away"
        wal, shm, path = (shlex.quote(f"{self.path}{suffix}") for suffix in ("-wal", "-shm", ""))
        return f"Put the newest copy back: rm -f {wal} {shm} && cp {shlex.quote(str(copy))} {path}"


@contextmanager
def explained(files: StateFiles) -> Iterator[None]:
    """Convert SQLite and system errors to StateError or MachineError."""
    try:
        yield
    except IntegrityError as error:
        raise StateError(f"The state refuses the change: {error.orig}.") from error
    except DBAPIError as error:
        if not isinstance(error.orig, sqlite3.Error):
            raise
        raise _explain(error.orig, files) from error
    except sqlite3.Error as error:
        raise _explain(error, files) from error
    except OSError as error:
        raise MachineError(
            f"The state file {files.path} cannot be used: {error.strerror}.",
            f"Make sure that {error.filename or files.path.parent} exists, can be written and has room",
        ) from error


def _explain(error: sqlite3.Error, files: StateFiles) -> AuroraError:
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & _PRIMARY_CODE_MASK
    if code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
        return damaged(files, str(error))
    if code == sqlite3.SQLITE_FULL or (code == sqlite3.SQLITE_IOERR and _disk_is_full(files.path.parent)):
        return MachineError(
            f"The disk that holds {files.path} is full.", f"Make room on the disk of {files.path.parent} and try again"
        )
    if code in {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_IOERR}:
        return MachineError(
            f"The state file {files.path} cannot be written: {error}.",
            f"Make sure that {files.path.parent} exists, is not mounted read-only and belongs to this account",
        )
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return StateError(
            f"Another program holds {files.path} locked.", "Close programs that have the file open and try again"
        )
    return StateError(f"The state file {files.path} cannot be used: {error}.", files.restore_hint())


def damaged(files: StateFiles, reason: str) -> StateError:
    """Return the error for a file that is not, or no longer, a state file."""
    return StateError(f"The state file {files.path} is damaged: {reason}.", files.restore_hint())


def _disk_is_full(folder: Path) -> bool:
    try:
        return shutil.disk_usage(folder).free < _FULL_BELOW_BYTES
    except OSError:
        return False
