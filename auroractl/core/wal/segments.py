"""WAL files: segments, their names, and the timelines that own them.

Names: https://www.postgresql.org/docs/18/wal-internals.html; history files:
https://www.postgresql.org/docs/18/continuous-archiving.html#BACKUP-TIMELINES
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from auroractl.core.wal.lsn import parse_lsn

SEGMENT_BYTES = 4 * 1024**2
"""Small segments make the padding of a new one and the repair of an old one cheap (initdb --wal-segsize=4)."""
_SEGMENTS_PER_ID = 0x1_0000_0000 // SEGMENT_BYTES
_NAMES_KEPT = 65536
"""The folders of all storage nodes are listed every second; this many names are 256 GiB of WAL."""
_NAME = re.compile(r"[0-9A-F]{24}")
_HISTORY_LINE = re.compile(r"\s*(\d+)\s+([0-9A-F]+/[0-9A-F]+)")


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment of one timeline; `number` counts from the start of the WAL."""

    number: int
    timeline: int

    @property
    def name(self) -> str:
        """Return the file's name.

        >>> Segment(1025, 2).name
        '000000020000000100000001'
        """
        return f"{self.timeline:08X}{self.number // _SEGMENTS_PER_ID:08X}{self.number % _SEGMENTS_PER_ID:08X}"

    @property
    def start(self) -> int:
        """Return the LSN of its first byte."""
        return self.number * SEGMENT_BYTES

    @property
    def end(self) -> int:
        """Return the LSN after its last byte."""
        return self.start + SEGMENT_BYTES


@lru_cache(maxsize=_NAMES_KEPT)
def parse_segment(name: str) -> Segment | None:
    """Parse a segment's file name; None for any other file.

    >>> parse_segment("000000020000000100000001")
    Segment(number=1025, timeline=2)
    """
    if not _NAME.fullmatch(name):
        return None
    number = int(name[8:16], 16) * _SEGMENTS_PER_ID + int(name[16:24], 16)
    return Segment(number, int(name[:8], 16)) if int(name[16:24], 16) < _SEGMENTS_PER_ID else None


def segment_at(lsn: int) -> int:
    """Return the number of the segment that contains the byte at `lsn`."""
    return lsn // SEGMENT_BYTES


@dataclass(frozen=True, slots=True)
class Fork:
    """The end of a timeline: its WAL counts up to `lsn` and no further."""

    timeline: int
    lsn: int


def parse_history(text: str) -> tuple[Fork, ...]:
    """Parse the forks of a timeline history file, oldest first; comments and blank lines are skipped.

    >>> parse_history("1\\t0/5000000\\tno recovery target specified")
    (Fork(timeline=1, lsn=83886080),)
    """
    matches = (_HISTORY_LINE.match(line) for line in text.splitlines())
    return tuple(Fork(int(match[1]), parse_lsn(match[2])) for match in matches if match)


def beyond_fork(segment: Segment, forks: Sequence[Fork], timeline: int) -> bool:
    """Return whether a segment is entirely outside the history of `timeline`, whose forks are given.

    WAL of an old timeline that a storage node received beyond the fork was never acknowledged.
    """
    for fork in forks:
        if segment.timeline == fork.timeline:
            return segment.start >= fork.lsn
    return segment.timeline != timeline


@dataclass(frozen=True, slots=True)
class Lineage:
    """The timelines that own the parts of the WAL on the way to `timeline`, whose earlier forks are given."""

    timeline: int
    forks: tuple[Fork, ...] = ()

    def at(self, number: int) -> Segment:
        """Return the segment with a number.

        A segment that contains a fork belongs to the next timeline, which begins with a copy of it.

        >>> Lineage(2, (Fork(1, 9 * SEGMENT_BYTES + 5),)).at(9)
        Segment(number=9, timeline=2)
        """
        for fork in self.forks:
            if number < segment_at(fork.lsn):
                return Segment(number, fork.timeline)
        return Segment(number, self.timeline)

    def owner(self, lsn: int) -> int:
        """Return the timeline on which the byte at `lsn` was written.

        >>> Lineage(2, (Fork(1, 100),)).owner(99), Lineage(2, (Fork(1, 100),)).owner(100)
        (1, 2)
        """
        return next((fork.timeline for fork in self.forks if lsn < fork.lsn), self.timeline)

    def until(self, lsn: int) -> Lineage:
        """Return the same history as if the WAL ended at `lsn`."""
        owner = self.owner(lsn)
        return Lineage(owner, tuple(fork for fork in self.forks[: self._position(owner)]))

    def _position(self, timeline: int) -> int:
        return next((place for place, fork in enumerate(self.forks) if fork.timeline == timeline), len(self.forks))

    def holds(self, timeline: int, lsn: int) -> bool:
        """Return whether the WAL of timeline `timeline` at `lsn` is part of this history."""
        return self.owner(lsn) == timeline

    def last(self, segments: Iterable[Segment]) -> int:
        """Return the highest number among the segments of this history; -1 if there are none."""
        return max((each.number for each in segments if self.at(each.number) == each), default=-1)
