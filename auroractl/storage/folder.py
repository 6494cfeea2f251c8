"""The contents of a storage node's folder."""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from auroractl.core.wal.segments import (
    SEGMENT_BYTES,
    Fork,
    Segment,
    beyond_fork,
    parse_history,
    parse_segment,
    segment_at,
)
from auroractl.system.files import exists, flush_folder, remove_tree
from auroractl.system.safe_open import NotOurs, make_regular, open_regular, read_regular

_PARTIAL = ".partial"
_HISTORY = ".history"
_ASIDE = ".filling"
"""Suffix of a file that is being copied in; pg_receivewal ignores it."""
_COPY_CHUNK_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Inventory:
    """The WAL files of a folder with their sizes in bytes."""

    finished: dict[Segment, int] = field(default_factory=dict)
    partial: dict[Segment, int] = field(default_factory=dict)
    histories: tuple[int, ...] = ()
    """Timelines whose history files are in the folder."""

    @property
    def segments(self) -> tuple[Segment, ...]:
        """Return all segments, finished or not."""
        return (*self.finished, *self.partial)

    @property
    def held_bytes(self) -> int:
        """Return the total size of the WAL files."""
        return sum(self.finished.values()) + sum(self.partial.values())

    @property
    def newest_finished(self) -> Segment | None:
        """Return the finished segment furthest along the WAL, on the newest timeline that has it."""
        return max(self.finished, default=None, key=lambda each: (each.number, each.timeline))

    @property
    def timeline(self) -> int:
        """Return the newest timeline with WAL here; 0 if there is no WAL."""
        return max((each.timeline for each in self.segments), default=0)


@dataclass(frozen=True, slots=True)
class LogFolder:
    """One copy of the WAL. Every method raises OSError if the folder cannot be read or written."""

    path: Path

    def inventory(self, *, measured: bool = True) -> Inventory:
        """List the folder's contents; empty if the folder is gone.

        Looking up the size of each file takes ten times as long as listing names. Unless `measured`, each file counts
        as whole.
        """
        inventory = Inventory()
        histories = []
        try:
            entries = list(os.scandir(self.path))
        except FileNotFoundError:
            return inventory
        for entry in entries:
            name = entry.name
            if name.endswith(_HISTORY):
                histories.append(int(name.removesuffix(_HISTORY), 16))
                continue
            segment = parse_segment(name.removesuffix(_PARTIAL))
            if segment is not None:
                try:
                    size_bytes = entry.stat().st_size if measured else SEGMENT_BYTES
                except FileNotFoundError:
                    continue
                (inventory.partial if name.endswith(_PARTIAL) else inventory.finished)[segment] = size_bytes
        return Inventory(inventory.finished, inventory.partial, tuple(sorted(histories)))

    def finished(self, segment: Segment) -> Path:
        """Return the path of a finished segment."""
        return self.path / segment.name

    def partial(self, segment: Segment) -> Path:
        """Return the path of a segment that is being received."""
        return self.path / (segment.name + _PARTIAL)

    def history(self, timeline: int) -> Path:
        """Return the path of a timeline's history file."""
        return self.path / f"{timeline:08X}{_HISTORY}"

    def forks(self, timeline: int) -> tuple[Fork, ...]:
        """Return where earlier timelines forked on the way to this one; empty without a history file of ours."""
        try:
            return parse_history(read_regular(self.history(timeline)).decode())
        except (FileNotFoundError, NotOurs):
            return ()

    def free_bytes(self) -> int:
        """Return the free space on the folder's filesystem."""
        return shutil.disk_usage(self.path).free

    def wipe(self) -> None:
        """Remove everything in the folder."""
        for entry in os.scandir(self.path):
            Path(entry.path).unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove the folder with its contents; do nothing if it is gone."""
        remove_tree(self.path)

    def make_ready(self, forks: Sequence[Fork], timeline: int) -> list[str]:
        """Prepare what a crash or a promotion left so that pg_receivewal can continue from it; return the changes.

        A segment whose padding was cut off is padded again, because it would be refused for its size. WAL of an old
        timeline beyond its fork point is removed: it was never acknowledged. The segment that contains the fork point
        becomes unfinished again. It is received again over the same bytes, so that no acknowledged record is missing in
        between.
        """
        done = []
        inventory = self.inventory()
        for segment, size_bytes in inventory.partial.items():
            if size_bytes not in {0, SEGMENT_BYTES}:
                os.truncate(self.partial(segment), SEGMENT_BYTES)
                done.append(f"padded {segment.name}")
        left = {fork.timeline: segment_at(fork.lsn) for fork in forks}
        for segment in (*inventory.finished, *inventory.partial):
            finished = segment in inventory.finished
            if beyond_fork(segment, forks, timeline):
                (self.finished(segment) if finished else self.partial(segment)).unlink()
                done.append(f"removed {segment.name}, which lies beyond the timeline's end")
            elif finished and left.get(segment.timeline) == segment.number:
                self.finished(segment).rename(self.partial(segment))
        return done

    def begin_next(self, forks: Sequence[Fork], timeline: int) -> Segment | None:
        """Begin the next segment on the timeline that the writer can send; return it if it was begun.

        pg_receivewal requests the timeline of the newest file. That is not enough where other timelines forked in the
        next segment: the writer has the history file of the last of them and, after a backtrack, no other. If the last
        one ended exactly where the segment begins, nothing of it is left to send, and pg_receivewal fails at the empty
        answer; its successor is requested.
        """
        inventory = self.inventory()
        newest = max(inventory.segments, default=None, key=lambda each: (each.number, each.timeline))
        if newest is None:
            return None
        number = newest.number + (newest in inventory.finished)
        wanted = newest.timeline
        successors = [*(fork.timeline for fork in forks), timeline][1:]
        for fork, successor in zip(forks, successors, strict=True):
            if segment_at(fork.lsn) == number:
                wanted = successor if fork.lsn == number * SEGMENT_BYTES else fork.timeline
        if wanted <= newest.timeline:
            return None
        segment = Segment(number, wanted)
        self.partial(segment).touch(mode=0o600)
        return segment

    def take(self, source: Path, name: str) -> None:
        """Copy a file in: write it aside, flush, rename. After a crash it is there completely or not at all.

        Its modification time is preserved: it shows when the WAL in it was written.
        """
        changed_ns = source.stat().st_mtime_ns
        aside = self.path / f"{name}.{threading.get_ident()}{_ASIDE}"
        try:
            with open_regular(source) as reading, make_regular(aside) as writing:
                shutil.copyfileobj(reading, writing, _COPY_CHUNK_BYTES)
                writing.flush()
                os.fdatasync(writing.fileno())
            os.utime(aside, ns=(changed_ns, changed_ns))
        except BaseException:
            aside.unlink(missing_ok=True)
            raise
        aside.rename(self.path / name)

    def take_histories(self, source: LogFolder, timelines: Iterable[int]) -> None:
        """Copy history files in that are lacking. What was planted under such a name is none: another peer has it."""
        for timeline in timelines:
            if not exists(self.history(timeline)):
                with contextlib.suppress(NotOurs):
                    self.take(source.history(timeline), source.history(timeline).name)

    def tidy(self) -> None:
        """Remove partial copies that a previous supervisor left."""
        for path in self.path.glob(f"*{_ASIDE}"):
            path.unlink(missing_ok=True)

    def flush(self) -> None:
        """Make renames durable."""
        flush_folder(self.path)
