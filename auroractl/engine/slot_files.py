"""The logical slots of a stopped server, in the files of its data directory.

A server reads these files only when it starts, and neither pg_basebackup nor pg_rewind copies them. Format:
ReplicationSlotOnDisk in src/backend/replication/slot.c, the same in 17 and 18.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

from auroractl.core.engine.logical_slots import LogicalSlot
from auroractl.core.wal.segments import Segment, parse_segment, segment_at
from auroractl.system.files import exists, make_folder, remove_tree
from auroractl.system.safe_open import NotOurs, make_regular, read_regular, read_start

_SLOTS, _SNAPSHOTS, _WAL = Path("pg_replslot"), Path("pg_logical", "snapshots"), Path("pg_wal")
_MAGIC, _VERSION = 0x1051CA1, 5
_HEADER = struct.Struct("=IIII64sI")
"""Magic number, checksum, version, length, name, database."""
_POSITIONS = struct.Struct("=QI4xQ")
_RESTART_OFFSET, _PLUGIN_OFFSET, _NAME_BYTES = 96, 129, 64
_STATE_BYTES_MAX = 4096
_PAGE_BYTES = 8192
_PAGE = struct.Struct("=HHIQ")
"""Magic number, flags, timeline and position of a page of WAL (src/include/access/xlog_internal.h)."""


def has_slots(data: Path) -> bool:
    """Return whether a server has any replication slot."""
    try:
        return any((data / _SLOTS).iterdir())
    except OSError:
        return False


def logical_slots(data: Path) -> list[LogicalSlot]:
    """Read the logical slots as they were last saved: at the latest by the shutdown checkpoint. Raises OSError."""
    found = [_parse(state) for _, state in _states(data)]
    return [slot for slot, _ in found if slot is not None]


def remove_logical_slots(data: Path) -> list[str]:
    """Remove the logical slots of a stopped server and return their names. Raises OSError."""
    folders = [folder for folder, _ in _states(data)]
    for folder in folders:
        remove_tree(folder)
    return sorted(folder.name for folder in folders)


def copy_logical_slots(source: Path, target: Path) -> None:
    """Give a stopped server the logical slots of a running one, with what decoding from there needs.

    These are the snapshots that decoding has saved, and the WAL from the oldest slot on that the target lacks. The source
    keeps all of it as long as it has the slots. Raises OSError.
    """
    remove_logical_slots(target)
    states = [(folder.name, state, *_parse(state)) for folder, state in _states(source)]
    oldest_lsn = min((restart_lsn for *_, slot, restart_lsn in states if slot and slot.valid), default=None)
    if oldest_lsn is None:
        return
    make_folder(target / _SNAPSHOTS)
    for path in (source / _SNAPSHOTS).iterdir():
        if path.suffix == ".snap":
            _copy(path, target / _SNAPSHOTS / path.name)
    _copy_wal(source / _WAL, target / _WAL, segment_at(oldest_lsn))
    for name, state, slot, _ in states:
        if slot is not None and slot.valid:
            make_folder(target / _SLOTS / name)
            with make_regular(target / _SLOTS / name / "state") as file:
                file.write(state)


def _copy_wal(source: Path, target: Path, first: int) -> None:
    """Copy the segments from number `first` to where the target's own begin, and the histories of timelines."""
    own = [found.number for path in target.iterdir() if (found := parse_segment(path.name))]
    for path in source.iterdir():
        segment = parse_segment(path.name)
        is_lacking = segment is not None and first <= segment.number < min(own, default=0)
        if is_lacking or (path.suffix == ".history" and not exists(target / path.name)):
            _copy(path, target / path.name)


def _copy(source: Path, target: Path) -> None:
    content = read_regular(source)
    with make_regular(target) as file:
        file.write(content)


def wal_end(data: Path, after_lsn: int) -> int:
    """Return the end of the last page of a dead server's WAL; `after_lsn` if that is further.

    A page that was written says where it belongs; one of a segment that waits for its reuse says something else. Raises
    OSError.
    """
    names = [found for path in (data / _WAL).iterdir() if (found := parse_segment(path.name))]
    end_lsn = after_lsn
    for segment in sorted(names, key=lambda each: (each.number, each.timeline)):
        if segment.end > after_lsn:
            end_lsn = max(end_lsn, _end_of(data / _WAL / segment.name, segment))
    return end_lsn


def _end_of(path: Path, segment: Segment) -> int:
    """Return the end of the last page of a segment that was written for it; 0 if there is none."""
    content = read_start(path, _PAGE_BYTES)
    if not _belongs(content, 0, segment):
        return 0
    content = read_regular(path)
    pages = (offset for offset in range(0, len(content), _PAGE_BYTES) if not _belongs(content, offset, segment))
    return segment.start + next(pages, len(content))


def _belongs(content: bytes, offset: int, segment: Segment) -> bool:
    if len(content) < offset + _PAGE.size:
        return False
    _, _, timeline, lsn = _PAGE.unpack_from(content, offset)
    return (timeline, lsn) == (segment.timeline, segment.start + offset)


def _states(data: Path) -> Iterator[tuple[Path, bytes]]:
    """Yield the folders and contents of logical slots. One that is being created or dropped may have no file."""
    for folder in (data / _SLOTS).iterdir():
        try:
            state = read_regular(folder / "state", _STATE_BYTES_MAX)
        except (FileNotFoundError, NotADirectoryError, NotOurs):
            continue
        if len(state) >= _HEADER.size and _HEADER.unpack_from(state)[5]:
            yield folder, state


def _parse(state: bytes) -> tuple[LogicalSlot | None, int]:
    """Return a slot and the position from which it decodes; None if it is of an unknown version or incomplete."""
    magic, _, version, _, name, database = _HEADER.unpack_from(state)
    if (magic, version) != (_MAGIC, _VERSION) or len(state) < _PLUGIN_OFFSET + _NAME_BYTES:
        return None, 0
    restart_lsn, invalidated, confirmed_lsn = _POSITIONS.unpack_from(state, _RESTART_OFFSET)
    if not confirmed_lsn:
        return None, 0
    plugin = state[_PLUGIN_OFFSET : _PLUGIN_OFFSET + _NAME_BYTES]
    slot = LogicalSlot(_text(name), _text(plugin), database, confirmed_lsn, not invalidated)
    return slot, restart_lsn


def _text(name: bytes) -> str:
    return name.partition(b"\0")[0].decode(errors="replace")
