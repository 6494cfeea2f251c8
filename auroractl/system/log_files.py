"""Log files of bounded size: FILE, and FILE.1 with the older entries."""

from __future__ import annotations

import contextlib
import logging
import logging.handlers
import os
import shutil
import stat
import sys
import time
from pathlib import Path
from typing import Any

from auroractl.system.file_credentials import as_self
from auroractl.system.limits import shortage
from auroractl.system.log_format import LineFormatter

LOG_BYTES_MAX = 10_000_000
_MOVED_BYTES_MAX = 1_000_000_000
"""Limit on what is copied from the end of another program's log.

A sparse log can be larger than any disk.
"""
"""Limit for a log of our own processes; the older file may be as large again."""
_REPEAT_INTERVAL_S = 60.0
_REMEMBERED_MAX = 256
_AS_A_BUG = "; please report it as a bug"


def older(path: Path) -> Path:
    """Return the file with the entries from before a log was rotated."""
    return path.with_name(f"{path.name}.1")


class RepeatFilter(logging.Filter):
    """Passes the same warning or error once a minute, and then reports how often it was suppressed."""

    def __init__(self, interval_s: float = _REPEAT_INTERVAL_S) -> None:
        super().__init__()
        self._interval_s = interval_s
        self._seen: dict[str, tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a record is written."""
        if record.levelno < logging.WARNING:
            return True
        text = record.getMessage()
        key = f"{text} {record.exc_info[1]!r}" if record.exc_info else text
        now_s = time.monotonic()
        passed_s, left_out = self._seen.get(key, (-self._interval_s, 0))
        if now_s - passed_s < self._interval_s:
            self._seen[key] = (passed_s, left_out + 1)
            return False
        self._seen.pop(key, None)
        while len(self._seen) >= _REMEMBERED_MAX:
            del self._seen[next(iter(self._seen))]
        self._seen[key] = (now_s, 0)
        if left_out:
            record.msg, record.args = f"{text} (and {left_out} more times since {now_s - passed_s:.0f} s ago)", None
        return True


def without_trace_of_shortage(record: logging.LogRecord) -> bool:
    """Drop the traceback of an error that means that a limit is reached; pass every record.

    Such an error is no bug, and one sentence describes it.
    """
    short = shortage(record.exc_info[1]) if record.exc_info and record.exc_info[1] else None
    if short is not None:
        record.msg = f"{record.getMessage().removesuffix(_AS_A_BUG)}: {short}"
        record.args = record.exc_info = None
        record.levelno, record.levelname = logging.WARNING, logging.getLevelName(logging.WARNING)
    return True


class OwnLog(logging.handlers.RotatingFileHandler):
    """The log of a background process. It also receives the process's output, even after a rotation."""

    def __init__(self, path: Path, *, takes_output: bool) -> None:
        self._takes_output = takes_output
        super().__init__(path, maxBytes=LOG_BYTES_MAX, backupCount=1, encoding="utf-8", errors="backslashreplace")

    def _open(self) -> Any:
        with as_self():
            stream = super()._open()
        if self._takes_output:
            for descriptor in (1, 2):
                os.dup2(stream.fileno(), descriptor)
        return stream

    def doRollover(self) -> None:
        """Begin a new file; a process that has dropped the rights to do so truncates the current one."""
        try:
            with as_self():
                super().doRollover()
        except OSError:
            self.stream = self.stream or os.fdopen(os.dup(sys.stderr.fileno()), "a")
            os.ftruncate(self.stream.fileno(), 0)


def log_to(path: Path, *, in_foreground: bool = False) -> None:
    """Log to a file of this process.

    In the foreground the log also goes to stderr; otherwise stdout and stderr are redirected to the file. Raises
    OSError if the file cannot be opened.
    """
    handlers: list[logging.Handler] = [OwnLog(path, takes_output=not in_foreground)]
    if in_foreground:
        handlers.append(logging.StreamHandler(sys.stderr))
    logging.basicConfig(level=logging.INFO, handlers=handlers, force=True)
    for handler in handlers:
        handler.setFormatter(LineFormatter())
        # One filter for each: a shared one would suppress in the second handler what it passed in the first.
        handler.addFilter(without_trace_of_shortage)
        handler.addFilter(RepeatFilter())


def shorten(path: Path, bytes_max: int) -> bool:
    """Move a log's contents to the older file if it is larger than `bytes_max`; return whether it was.

    For a log that another program appends to and never reopens. What it writes in the instant between the copy and the
    truncation is lost. Of a log larger than any that is bounded regularly, only the last gigabyte is kept. Only a
    regular file with one name is touched, and no link is followed. Raises OSError.
    """
    with contextlib.suppress(FileNotFoundError):
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb", buffering=0) as log:
            status = os.fstat(descriptor)
            if status.st_size <= bytes_max or not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
                return False
            log.seek(max(0, status.st_size - _MOVED_BYTES_MAX))
            with _replacement(older(path), status) as copy:
                shutil.copyfileobj(log, copy)
            os.ftruncate(descriptor, 0)
            return True
    return False


def _replacement(path: Path, status: os.stat_result) -> Any:
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    if status.st_uid != os.geteuid():
        os.fchown(descriptor, status.st_uid, status.st_gid)
    return os.fdopen(descriptor, "wb")
