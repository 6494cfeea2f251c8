"""Bounded reading of files that a user names, without blocking on a pipe."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

SIZE_MAX_BYTES = 1024**2


def read_file_text(path: Path) -> str:
    """Read a regular file of at most 1 MiB. Raises OSError as `open` does, ValueError for any other file."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ValueError("it is not a regular file")
    with os.fdopen(descriptor, "rb") as file:
        return read_text(file)


def read_text(file: BinaryIO) -> str:
    """Read an open file. Raises ValueError for more than 1 MiB and for text that is not UTF-8."""
    content = file.read(SIZE_MAX_BYTES + 1)
    if len(content) > SIZE_MAX_BYTES:
        raise ValueError("it is larger than 1 MiB")
    return content.decode()
