"""Incremental reading of a log while it is written and rotated."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from auroractl.system.log_files import older
from auroractl.system.safe_open import open_regular

_LATER_BYTES_MAX = 16 * 1024 * 1024
"""Limit per call after the first; the rest waits for the next call. A longer line is cut there."""


@dataclass(slots=True)
class LogReader:
    """A log and the position up to which it has been read."""

    path: Path
    first_bytes_max: int
    """Bytes from its end to read first, including the older file."""
    owners: Collection[int] | None = None
    """Required owners of its files (uids); None allows any."""
    below: Path | None = None
    """A folder below which no link is followed."""
    written_s: float = 0.0
    """Time of the last write, in seconds since 1970."""
    _offset: int = 0
    _inode: int = 0
    _rest: bytes = b""

    def read(self) -> list[str]:
        """Return the complete lines since the last call, at first those near the end. Raises OSError."""
        with self._open(self.path) as file:
            status = os.fstat(file.fileno())
            first = not self._inode
            rotated = not first and (status.st_ino != self._inode or status.st_size < self._offset)
            before = self._older_end(max(0, self.first_bytes_max - status.st_size)) if first else b""
            if rotated:
                before, self._offset = self._rest_of_older(), 0
            cut = first and status.st_size > self.first_bytes_max
            file.seek(status.st_size - self.first_bytes_max if cut else self._offset)
            content = self._rest + before + file.read(self.first_bytes_max if first else _LATER_BYTES_MAX)
            self._offset, self._inode, self.written_s = file.tell(), status.st_ino, status.st_mtime
        *lines, self._rest = content.split(b"\n")
        if len(self._rest) > _LATER_BYTES_MAX:
            lines, self._rest = [*lines, self._rest], b""
        return [line.decode(errors="replace") for line in (lines[1:] if cut else lines)]

    def _older_end(self, bytes_max: int) -> bytes:
        """Return complete lines from the end of the older file."""
        with contextlib.suppress(OSError), self._open(older(self.path)) as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - bytes_max))
            content = file.read(bytes_max)
            return content.partition(b"\n")[2] if size > bytes_max else content
        return b""

    def _rest_of_older(self) -> bytes:
        """Return what was unread when the log was rotated, by renaming or by copying."""
        with contextlib.suppress(OSError), self._open(older(self.path)) as file:
            file.seek(self._offset)
            return file.read(self.first_bytes_max)
        return b""

    def _open(self, path: Path) -> BinaryIO:
        return open_regular(path, self.owners, self.below)
