"""Checksums of finished segments: what they were when they were finished, and what they are now."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from auroractl.core.wal import SEGMENT_BYTES

_FILE = "checksums"
_DIGEST_LENGTH = 64


def checksum(path: Path) -> str | None:
    """The SHA-256 of a finished segment; None where it is missing, has a wrong size or cannot be read."""
    try:
        with path.open("rb") as file:
            content = file.read(SEGMENT_BYTES + 1)
    except OSError:
        return None
    return hashlib.sha256(content).hexdigest() if len(content) == SEGMENT_BYTES else None


@dataclass(frozen=True, slots=True)
class ChecksumRecord:
    """The file in a node's folder that records each segment's checksum, one line each; the last line counts.

    It is not flushed line by line: what a crash loses is computed again, and a line that was damaged is one vote
    against those of the other nodes.
    """

    folder: Path

    @property
    def _path(self) -> Path:
        return self.folder / _FILE

    def load(self) -> dict[str, str]:
        """Checksums by file name; lines that make no sense are skipped."""
        try:
            text = self._path.read_text(encoding="ascii", errors="replace")
        except OSError:
            return {}
        lines = (line.split(" ") for line in text.splitlines())
        return {parts[0]: parts[1] for parts in lines if len(parts) == 2 and len(parts[1]) == _DIGEST_LENGTH}

    def add(self, checksums: dict[str, str]) -> None:
        """Record more. Raises OSError where the folder cannot be written."""
        with self._path.open("a", encoding="ascii") as file:
            file.writelines(f"{name} {digest}\n" for name, digest in checksums.items())

    def keep(self, names: set[str]) -> None:
        """Forget what is not named. Raises OSError where the folder cannot be written."""
        kept = {name: digest for name, digest in self.load().items() if name in names}
        aside = self._path.with_suffix(".new")
        aside.write_text("".join(f"{name} {digest}\n" for name, digest in kept.items()), encoding="ascii")
        aside.rename(self._path)
