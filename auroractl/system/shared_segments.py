"""POSIX shared memory of servers whose data directory is gone: nothing but their mappings says which it is."""

from __future__ import annotations

import contextlib
import re
import stat
from collections.abc import Iterable
from pathlib import Path

from auroractl.system.file_credentials import trusted_owners

_SEGMENT = re.compile(r"/dev/shm/PostgreSQL\.\d+$", re.MULTILINE)  # noqa: S108  (where Linux keeps it)


def mapped_by(pids: Iterable[int]) -> set[Path]:
    """Return the segments that processes have mapped; none of a process that has ended (Linux only)."""
    found: set[Path] = set()
    for pid in pids:
        with contextlib.suppress(OSError):
            found |= set(map(Path, _SEGMENT.findall(Path(f"/proc/{pid}/maps").read_text())))
    return found


def remove(segments: Iterable[Path]) -> None:
    """Remove segments whose processes have ended, if a trusted account owns them."""
    for segment in segments:
        with contextlib.suppress(FileNotFoundError):
            found = segment.lstat()
            if stat.S_ISREG(found.st_mode) and found.st_uid in trusted_owners():
                segment.unlink()
