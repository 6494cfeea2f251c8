"""What lies in a storage node's folder."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from auroractl.core.wal import SEGMENT_BYTES, Fork, Segment, beyond_fork, parse_history, parse_segment, segment_at
from auroractl.process.accounts import Account
from auroractl.process.files import flush_folder, remove_tree

_PARTIAL = ".partial"
_HISTORY = ".history"
_ASIDE = ".filling"
"""Ends the name of a file that is being copied in; pg_receivewal overlooks it."""
_COPY_CHUNK_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Inventory:
    """The log files of a folder with their sizes in bytes."""

    finished: dict[Segment, int] = field(default_factory=dict)
    partial: dict[Segment, int] = field(default_factory=dict)
    histories: tuple[int, ...] = ()
    """Timelines whose history files are there."""

    @property
    def segments(self) -> tuple[Segment, ...]:
        """All segments, finished or not."""
        return (*self.finished, *self.partial)

    @property
    def held_bytes(self) -> int:
        """What the log files take."""
        return sum(self.finished.values()) + sum(self.partial.values())

    @property
    def newest_finished(self) -> Segment | None:
        """The finished segment furthest along the log, of the newest timeline that has it."""
        return max(self.finished, default=None, key=lambda each: (each.number, each.timeline))

    @property
    def timeline(self) -> int:
        """The newest timeline of which there is log; 0 where there is none."""
        return max((each.timeline for each in self.segments), default=0)


@dataclass(frozen=True, slots=True)
class LogFolder:
    """One copy of the log. Every method raises OSError where the folder cannot be read or written."""

    path: Path
    account: Account | None = None

    def inventory(self, *, measured: bool = True) -> Inventory:
        """What lies there now; nothing where the folder is gone.

        A look at the size of each file takes ten times as long as their names: unless `measured`, each counts as whole.
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
        """The file of a finished segment."""
        return self.path / segment.name

    def partial(self, segment: Segment) -> Path:
        """The file of a segment that is being received."""
        return self.path / (segment.name + _PARTIAL)

    def history(self, timeline: int) -> Path:
        """The history file of a timeline."""
        return self.path / f"{timeline:08X}{_HISTORY}"

    def forks(self, timeline: int) -> tuple[Fork, ...]:
        """Where earlier timelines were left on the way to this one; none where its history file is not there."""
        try:
            return parse_history(self.history(timeline).read_text())
        except FileNotFoundError:
            return ()

    def free_bytes(self) -> int:
        """Room on the filesystem that holds it."""
        return shutil.disk_usage(self.path).free

    def wipe(self) -> None:
        """Remove everything in it."""
        for entry in os.scandir(self.path):
            Path(entry.path).unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove it with all that is in it; nothing where it is gone."""
        remove_tree(self.path)

    def make_ready(self, forks: Sequence[Fork], timeline: int) -> list[str]:
        """Bring what a crash or a promotion left into the form that pg_receivewal goes on from; returns what was done.

        A segment whose padding was cut off is padded again (it would be refused for its size), and log of an old
        timeline beyond the place where it was left is put away: it was acknowledged to nobody. The segment in which it was left becomes unfinished again, so that it is received anew
        over the same bytes and no acknowledged record is missing in between.
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

    def begin_with_last_of(self, forks: Sequence[Fork]) -> Segment | None:
        """Where several timelines were left within the segment that comes next, have the last of them asked for.

        pg_receivewal asks for the timeline of the newest file, and the writer sends the file of the one that follows that:
        it has that of the last one, and after a backtrack no other. Returns the segment that was begun, if one was.
        """
        inventory = self.inventory()
        newest = max(inventory.segments, default=None, key=lambda each: (each.number, each.timeline))
        if newest is None:
            return None
        number = newest.number + (newest in inventory.finished)
        left = [fork.timeline for fork in forks if segment_at(fork.lsn) == number]
        if not left or left[-1] <= newest.timeline:
            return None
        segment = Segment(number, left[-1])
        path = self.partial(segment)
        path.touch(mode=0o600)
        if self.account is not None:
            os.chown(path, self.account.uid, self.account.gid)
        return segment

    def take(self, source: Path, name: str) -> None:
        """Copy a file in: written aside, flushed, renamed; after a crash it is there whole or not at all.

        Its time of change comes along: it tells when the log in it was written.
        """
        changed_ns = source.stat().st_mtime_ns
        aside = self.path / f"{name}.{threading.get_ident()}{_ASIDE}"
        try:
            with source.open("rb") as reading, aside.open("wb") as writing:
                if self.account is not None:
                    os.fchown(writing.fileno(), self.account.uid, self.account.gid)
                os.fchmod(writing.fileno(), 0o600)
                shutil.copyfileobj(reading, writing, _COPY_CHUNK_BYTES)
                writing.flush()
                os.fdatasync(writing.fileno())
            os.utime(aside, ns=(changed_ns, changed_ns))
        except BaseException:
            aside.unlink(missing_ok=True)
            raise
        aside.rename(self.path / name)

    def tidy(self) -> None:
        """Remove what was being copied in when a supervisor ended."""
        for path in self.path.glob(f"*{_ASIDE}"):
            path.unlink(missing_ok=True)

    def flush(self) -> None:
        """Make renames durable."""
        flush_folder(self.path)
