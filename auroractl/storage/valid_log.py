"""How far a log is valid: pg_waldump checks every record's checksum and chain up to the first that is not whole.

https://www.postgresql.org/docs/18/pgwaldump.html
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from auroractl.core.errors import MachineError
from auroractl.core.lsn import format_lsn, parse_lsn
from auroractl.core.wal import SEGMENT_BYTES, Segment, parse_segment
from auroractl.process.accounts import Account
from auroractl.process.programs import run

_TIMEOUT_S = 600.0
_PAGE_BYTES = 8192
_LAST_RECORD = re.compile(r"error in WAL record at ([0-9A-F]+/[0-9A-F]+): ")
_PLACE = re.compile(r"(?:at|LSN) ([0-9A-F]+/[0-9A-F]+)")
_NO_FILE = re.compile(r'could not find file "([0-9A-F]{24})"')
_NO_RECORD = "could not find a valid record after"


@dataclass(frozen=True, slots=True)
class LogEnd:
    """Where a log ends, in bytes from its start."""

    last_record_lsn: int
    """Where the last record begins that is known to be whole; the start of the search where there is none."""
    lsn: int
    """Where reading stops: at the next record, or at the page or segment in which it is cut off."""


def find_end(program: str, folder: Path, timeline: int, start_lsn: int, account: Account | None) -> LogEnd:
    """How far the log in `folder` is whole, from the segment that begins at `start_lsn` on.

    What is no segment is laid behind the last one. Raises MachineError for what is no log at all, OSError.
    """
    _lay_end(folder, timeline)
    argv = [program, "--quiet", f"--path={folder}", f"--timeline={timeline}", f"--start={format_lsn(start_lsn)}"]
    try:
        run(argv, account=account, timeout_s=_TIMEOUT_S)
    except MachineError as error:
        return _end(error.message, start_lsn)
    raise MachineError(f"{program} came to no end in {folder}.", "")


def _lay_end(folder: Path, timeline: int) -> None:
    """Behind a segment that is whole pg_waldump waits five seconds for the next one; that this is none it sees at once.

    The page says that it stands elsewhere. It has to be one, because the size of all segments is read from any of them.
    """
    found = {each: path for path in folder.iterdir() if (each := parse_segment(path.name)) is not None}
    last = max((each for each in found if each.timeline == timeline), default=None, key=lambda each: each.number)
    if last is None:
        return
    with found[last].open("rb") as file:
        page = file.read(_PAGE_BYTES)
    end = folder / Segment(last.number + 1, timeline).name
    end.write_bytes(page)
    end.chmod(0o644)
    os.truncate(end, SEGMENT_BYTES)


def _end(message: str, start_lsn: int) -> LogEnd:
    if _NO_RECORD in message:
        return LogEnd(start_lsn, start_lsn)
    missing = _NO_FILE.search(message)
    if missing:
        segment = parse_segment(missing[1])
        assert segment is not None
        return LogEnd(start_lsn, max(start_lsn, segment.start))
    last = _LAST_RECORD.search(message)
    if last is None:
        raise MachineError(message, "")
    place = _PLACE.search(message, last.end())
    lsn = parse_lsn(last[1])
    return LogEnd(lsn, max(lsn, parse_lsn(place[1]) if place else lsn))
