"""The valid end of a WAL: pg_waldump checks every record's checksum and chain up to the first incomplete one.

https://www.postgresql.org/docs/18/pgwaldump.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from auroractl.core.errors import MachineError
from auroractl.core.wal.lsn import format_lsn, parse_lsn
from auroractl.core.wal.segments import SEGMENT_BYTES, Segment, parse_segment
from auroractl.system.account import Account
from auroractl.system.programs import run
from auroractl.system.safe_open import make_regular, read_start

_TIMEOUT_S = 600.0
_PAGE_BYTES = 8192
_LAST_RECORD = re.compile(r"error in WAL record at ([0-9A-F]+/[0-9A-F]+): ")
_POSITION = re.compile(r"(?:at|LSN) ([0-9A-F]+/[0-9A-F]+)")
_NO_FILE = re.compile(r'could not find file "([0-9A-F]{24})"')
_NO_RECORD = "could not find a valid record after"


@dataclass(frozen=True, slots=True)
class LogEnd:
    """The end of a WAL, in bytes from its start."""

    last_record_lsn: int
    """Start of the last record known to be complete; the start of the search if there is none."""
    lsn: int
    """Position at which reading stops: the next record, or the page or segment that is cut off."""


def find_end(program: str, folder: Path, timeline: int, start_lsn: int, account: Account | None) -> LogEnd:
    """Find how far the WAL in `folder` is valid, beginning with the segment at `start_lsn`.

    An invalid segment is placed behind the last one. Raises MachineError for files that contain no WAL, OSError.
    """
    _place_invalid_segment(folder, timeline)
    argv = [program, "--quiet", f"--path={folder}", f"--timeline={timeline}", f"--start={format_lsn(start_lsn)}"]
    try:
        run(argv, account=account, timeout_s=_TIMEOUT_S)
    except MachineError as error:
        return _end(error.message, start_lsn)
    raise MachineError(f"{program} found no end of the WAL in {folder}.", "")


def _place_invalid_segment(folder: Path, timeline: int) -> None:
    """Place an invalid segment behind the last one, so that pg_waldump stops there at once.

    Behind a complete segment it would wait five seconds for the next one. The page claims a different position. It has
    to be a valid page header, because pg_waldump may read the segment size from any of the files.
    """
    found = {each: path for path in folder.iterdir() if (each := parse_segment(path.name)) is not None}
    last = max((each for each in found if each.timeline == timeline), default=None, key=lambda each: each.number)
    if last is None:
        return
    # It may be a link to a storage node's segment.
    page = read_start(found[last].resolve(), _PAGE_BYTES)
    with make_regular(folder / Segment(last.number + 1, timeline).name) as end:
        end.write(page)
        end.truncate(SEGMENT_BYTES)


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
    position = _POSITION.search(message, last.end())
    lsn = parse_lsn(last[1])
    return LogEnd(lsn, max(lsn, parse_lsn(position[1]) if position else lsn))
