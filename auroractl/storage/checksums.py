"""Checksums of finished segments, as recorded when they were finished and as computed now."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from auroractl.core.wal.segments import SEGMENT_BYTES
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

    Lines are not flushed one by one. A checksum lost in a crash is computed again, and a damaged line is one vote
    against those of the other nodes.
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
        aside.rename(self._path)


def _lines(checksums: dict[str, str]) -> bytes:
    return "".join(f"{name} {digest}\n" for name, digest in checksums.items()).encode("ascii")
