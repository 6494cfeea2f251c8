"""The log of a cluster as its storage nodes hold it together, over all timelines: found, believed, and laid ready.

A full node has two folders of log: what its process receives, which is the current history, and what backtracks left
behind. Either may hold what a recovery to some moment needs.
"""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from auroractl.core.copies import Copy, judge
from auroractl.core.errors import QuorumLost
from auroractl.core.storage import StorageNode
from auroractl.core.wal import SEGMENT_BYTES, Lineage, Segment
from auroractl.process.files import make_folder
from auroractl.services import storage_nodes
from auroractl.storage.checksums import ChecksumRecord, checksum
from auroractl.storage.folder import Inventory, LogFolder

if TYPE_CHECKING:
    from auroractl.services.context import Context

log = logging.getLogger(__name__)

_READERS = 2


@dataclass(frozen=True)
class Shelf:
    """One folder of log of one node."""

    node: StorageNode
    folder: LogFolder
    inventory: Inventory

    @cached_property
    def recorded(self) -> dict[str, str]:
        """The checksums that were recorded, by file name."""
        return ChecksumRecord(self.folder.path).load()


class LogLibrary:
    """A look at all folders at one moment; log that arrives later is not in it."""

    def __init__(self, context: Context, cluster: str) -> None:
        self._context = context
        self._cluster = cluster
        self.shelves = list(_shelves(context, cluster))

    def history(self, timeline: int) -> Path | None:
        """A copy of a timeline's history file."""
        paths = (shelf.folder.history(timeline) for shelf in self.shelves)
        return next((path for path in paths if path.exists()), None)

    def histories(self) -> list[Path]:
        """A copy of the history file of every timeline."""
        timelines = {timeline for shelf in self.shelves for timeline in shelf.inventory.histories}
        return [path for timeline in sorted(timelines) if (path := self.history(timeline)) is not None]

    def lineage(self, timeline: int) -> Lineage | None:
        """The history of a timeline; None where its history file is gone."""
        if timeline == 1:
            return Lineage(1)
        forks = next((forks for shelf in self.shelves if (forks := shelf.folder.forks(timeline))), ())
        return Lineage(timeline, forks) if forks else None

    def segments(self, lineage: Lineage) -> list[int]:
        """The numbers of the segments of a history that some node holds, in order."""
        held = {segment for shelf in self.shelves for segment in shelf.inventory.segments}
        return sorted({each.number for each in held if lineage.at(each.number) == each})

    def written_at(self, segment: Segment) -> datetime | None:
        """When the last byte of a segment arrived, by the node that was first to have it; None where none has it."""
        moments = []
        for shelf in self.shelves:
            for path in (shelf.folder.finished(segment), shelf.folder.partial(segment)):
                try:
                    moments.append(path.stat().st_mtime)
                except OSError:
                    continue
        return datetime.fromtimestamp(min(moments), UTC) if moments else None

    def held_bytes(self) -> int:
        """What all log of all nodes takes on disk."""
        return sum(shelf.inventory.held_bytes for shelf in self.shelves)

    # Laying log ready

    def lay(self, lineage: Lineage, numbers: Sequence[int], target: Path, *, whole: Lineage | None = None) -> list[int]:
        """Put believable copies of segments of a history into a folder, under the names that recovery asks for.

        `whole` is the longer history that `lineage` is the beginning of: the segment in which the last timeline of
        `lineage` was left may be held only as the beginning of the next one's. Raises QuorumLost where a segment has no
        copy that can be believed. Returns the numbers that lie there now: those in which something was written.
        """
        make_folder(target, owner=self._context.installation.account)
        self.lay_histories(target)
        with ThreadPoolExecutor(_READERS) as pool:
            list(pool.map(lambda number: self._lay(lineage, number, target, whole or lineage), numbers))
        return [number for number in numbers if (target / lineage.at(number).name).exists()]

    def lay_histories(self, target: Path) -> None:
        """Put the history files of all timelines into a folder."""
        for path in self.histories():
            _link(path, target / path.name)

    def _lay(self, lineage: Lineage, number: int, target: Path, whole: Lineage) -> None:
        segment = lineage.at(number)
        place = target / segment.name
        if place.is_symlink():
            return
        finished = self.believed(segment)
        if finished is not None:
            _link(finished, place)
            return
        longer = whole.at(number)
        if longer != segment:
            fork = next(fork for fork in whole.forks if fork.timeline == segment.timeline)
            content = self._content(longer)
            if content is not None:
                self._write(place, content[: fork.lsn - segment.start])
                return
        content = self._content(segment)
        if content is None:
            raise QuorumLost(
                f"No copy of the log segment {segment.name} of DBCluster {self._cluster} can be believed.",
                f"See auroractl describe-volumes {self._cluster}",
            )
        self._write(place, content)

    def _content(self, segment: Segment) -> bytes | None:
        """A segment's bytes: of a finished copy, else of the unfinished one that was written last."""
        finished = self.believed(segment)
        if finished is not None:
            return finished.read_bytes()
        newest: tuple[int, Path] | None = None
        for shelf in self.shelves:
            if segment not in shelf.inventory.partial:
                continue
            # Finished since this library was opened, or still unfinished.
            for path in (shelf.folder.finished(segment), shelf.folder.partial(segment)):
                if path.exists() and (newest is None or path.stat().st_mtime_ns > newest[0]):
                    newest = path.stat().st_mtime_ns, path
        return newest[1].read_bytes() if newest else None

    def _write(self, place: Path, content: bytes) -> None:
        """Lay a segment; one in which nothing was written yet is left out, because pg_waldump takes it for damage."""
        if not content.strip(b"\0"):
            return
        place.write_bytes(content.ljust(SEGMENT_BYTES, b"\0"))
        account = self._context.installation.account
        if account is not None:
            os.chown(place, account.uid, account.gid)

    def believed(self, segment: Segment) -> Path | None:
        """A finished copy whose content is what most records say; all copies are read where that is not clear at once."""
        holders = [shelf for shelf in self.shelves if segment in shelf.inventory.finished]
        votes = Counter(digest for each in holders if (digest := each.recorded.get(segment.name)))
        for digest, count in votes.most_common(1):
            # Of all that hold it: the first to record a segment that has just been finished may be the one that is damaged.
            if count * 2 > len(holders):
                for each in holders:
                    if checksum(each.folder.finished(segment)) == digest:
                        return each.folder.finished(segment)
        return self._judged(segment, holders)

    def _judged(self, segment: Segment, holders: Sequence[Shelf]) -> Path | None:
        names = {str(place): each for place, each in enumerate(holders)}
        copies = [
            Copy(name, each.recorded.get(segment.name), checksum(each.folder.finished(segment)))
            for name, each in names.items()
        ]
        verdict = judge(copies)
        if not verdict.healthy:
            return None
        return names[verdict.healthy[0]].folder.finished(segment)


def _shelves(context: Context, cluster: str) -> Iterable[Shelf]:
    for node in storage_nodes.reachable_nodes(context, cluster):
        for folder in (context.installation.log_folder(node), context.installation.past_folder(node)):
            try:
                inventory = folder.inventory(measured=False)
            except OSError as error:
                log.info("%s cannot be read: %s", folder.path, error.strerror)
                continue
            yield Shelf(node, folder, inventory)


def _link(source: Path, place: Path) -> None:
    if not place.is_symlink():
        place.symlink_to(source)
