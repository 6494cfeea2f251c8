"""What the files of a stopped server say of its slots and its WAL."""

from __future__ import annotations

import struct
from pathlib import Path

from auroractl.core.wal.segments import SEGMENT_BYTES, Segment
from auroractl.engine.slot_files import wal_end


def test_the_end_of_a_dead_writers_wal(tmp_path: Path) -> None:
    """Pages that were written for another segment, or for another timeline, do not count."""
    (tmp_path / "pg_wal").mkdir()

    def write(segment: Segment, pages: int, *, belongs_to: Segment) -> None:
        headers = [struct.pack("=HHIQ", 0, 0, belongs_to.timeline, belongs_to.start + n * 8192) for n in range(pages)]
        content = b"".join(each.ljust(8192, b"x") for each in headers)
        (tmp_path / "pg_wal" / segment.name).write_bytes(content.ljust(SEGMENT_BYTES, b"\0"))

    write(Segment(3, 2), 512, belongs_to=Segment(3, 2))
    write(Segment(4, 2), 10, belongs_to=Segment(4, 2))
    write(Segment(5, 2), 512, belongs_to=Segment(1, 2))
    assert wal_end(tmp_path, 3 * SEGMENT_BYTES + 5) == 4 * SEGMENT_BYTES + 10 * 8192
    assert wal_end(tmp_path, 4 * SEGMENT_BYTES + 11 * 8192) == 4 * SEGMENT_BYTES + 11 * 8192
