"""Checksums of finished segments, as recorded when they were finished and as computed now."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from auroractl.core.wal.segments import SEGMENT_BYTES
from auroractl.storage.folder import LogFolder
from auroractl.system.files import flush_file
from auroractl.system.limits import raise_shortage
from auroractl.system.safe_open import make_regular, open_log, read_regular, read_start

_FILE = "checksums"
_DIGEST_LENGTH = 64


def checksum(path: Path) -> str | None:
    """Compute the SHA-256 of a finished segment; None if it is missing, has a wrong size or cannot be read.

    Raises Shortage.
    """
    try:
        content = read_start(path, SEGMENT_BYTES + 1)
    except OSError as error:
        raise_shortage(error)
        return None
    return hashlib.sha256(content).hexdigest() if len(content) == SEGMENT_BYTES else None


@dataclass(frozen=True, slots=True)
class ChecksumRecord:
    """The file in a node's folder that records each segment's checksum, one line each; the last line counts.

    Lines are not flushed one by one. A checksum lost in a crash of a process is computed again, one lost with the
    machine takes its segment with it, and a damaged line is one vote against those of the other nodes.
    """

    folder: Path

    @property
    def _path(self) -> Path:
        return self.folder / _FILE

    def load(self) -> dict[str, str]:
        """Load the checksums by file name; malformed lines are skipped. Raises Shortage."""
        try:
            text = read_regular(self._path).decode("ascii", errors="replace")
        except OSError as error:
            raise_shortage(error)
            return {}
        lines = (line.split(" ") for line in text.splitlines())
        return {parts[0]: parts[1] for parts in lines if len(parts) == 2 and len(parts[1]) == _DIGEST_LENGTH}

    def add(self, checksums: dict[str, str]) -> None:
        """Record more checksums. Raises OSError if the folder cannot be written."""
        with open_log(self._path) as file:
            file.write(_lines(checksums))

    def keep(self, names: set[str]) -> None:
        """Forget all names but these. Raises OSError if the folder cannot be written."""
        kept = {name: digest for name, digest in self.load().items() if name in names}
        aside = self._path.with_suffix(".new")
        with make_regular(aside) as file:
            file.write(_lines(kept))
            file.flush()
            os.fsync(file.fileno())
        aside.rename(self._path)


def forget_unfinished(folder: LogFolder) -> None:
    """Forget the checksums of segments that are received again: they will not be on disk. Raises OSError."""
    recorded = ChecksumRecord(folder.path).load()
    again = {segment.name for segment in folder.inventory(measured=False).partial}
    if again & recorded.keys():
        ChecksumRecord(folder.path).keep(recorded.keys() - again)
        folder.flush()


def record_finished(folder: LogFolder, recorded: Collection[str], *, flush: bool) -> dict[str, str]:
    """Record the checksums of finished segments that have none, and return them.

    With `flush` they are flushed first: after a power cut, a recorded checksum means that its segment is on disk. Raises
    OSError if the folder cannot be used.
    """
    new: dict[str, str] = {}
    for segment in sorted(folder.inventory(measured=False).finished, key=lambda each: (each.number, each.timeline)):
        path = folder.finished(segment)
        if segment.name not in recorded and (digest := checksum(path)) is not None:
            if flush:
                flush_file(path)
            new[segment.name] = digest
    if new:
        if flush:
            folder.flush()
        ChecksumRecord(folder.path).add(new)
    return new


def _lines(checksums: dict[str, str]) -> bytes:
    return "".join(f"{name} {digest}\n" for name, digest in checksums.items()).encode("ascii")
