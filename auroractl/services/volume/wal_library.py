"""The WAL of a cluster on all its storage nodes and timelines: lookup, verification and staging.

A full node has two folders of WAL: that of the current timeline, which its process receives, and that of abandoned
timelines. A recovery may need both.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from auroractl.core.errors import QuorumLost
from auroractl.core.volume.copies import Copy, judge
from auroractl.core.volume.model import StorageNode
from auroractl.core.wal.segments import SEGMENT_BYTES, Lineage, Segment
from auroractl.runtime.managed_cluster import ManagedCluster
from auroractl.services.volume import storage_nodes
from auroractl.storage.checksums import ChecksumRecord, checksum
from auroractl.storage.folder import Inventory, LogFolder
from auroractl.system.files import exists, make_folder
from auroractl.system.limits import raise_shortage
from auroractl.system.safe_open import make_regular, read_start

log = logging.getLogger(__name__)

_READERS = 2


@dataclass(frozen=True)
class Shelf:
    """One folder of WAL of one node."""

    node: StorageNode
    folder: LogFolder
    inventory: Inventory

    @cached_property
    def recorded(self) -> dict[str, str]:
        """The recorded checksums, by file name."""
        return ChecksumRecord(self.folder.path).load()


class WalLibrary:
    """A snapshot of all folders. WAL that arrives later is not included."""

    def __init__(self, cluster: ManagedCluster) -> None:
        self._cluster = cluster
        self.shelves = list(_shelves(cluster))

    def history(self, timeline: int) -> Path | None:
        """Return a copy of a timeline's history file."""
        paths = (shelf.folder.history(timeline) for shelf in self.shelves)
        return next((path for path in paths if exists(path)), None)

    def histories(self) -> list[Path]:
        """Return a copy of the history file of every timeline."""
        timelines = {timeline for shelf in self.shelves for timeline in shelf.inventory.histories}
        return [path for timeline in sorted(timelines) if (path := self.history(timeline)) is not None]

    def lineage(self, timeline: int) -> Lineage | None:
        """Return the lineage of a timeline; None if its history file is gone."""
        if timeline == 1:
            return Lineage(1)
        forks = next((forks for shelf in self.shelves if (forks := shelf.folder.forks(timeline))), ())
        return Lineage(timeline, forks) if forks else None

    def segments(self, lineage: Lineage) -> list[int]:
        """Return the numbers of the segments of a lineage that any node holds, in order."""
        held = {segment for shelf in self.shelves for segment in shelf.inventory.segments}
        return sorted({each.number for each in held if lineage.at(each.number) == each})

    def written_at(self, segment: Segment) -> datetime | None:
        """Return when the last byte of a segment arrived on the first node; None if no node has it."""
        moments = []
        for shelf in self.shelves:
            for path in (shelf.folder.finished(segment), shelf.folder.partial(segment)):
                try:
                    moments.append(path.stat().st_mtime)
                except OSError:
                    continue
        return datetime.fromtimestamp(min(moments), UTC) if moments else None

    def held_bytes(self) -> int:
        """Return the disk space of all WAL on all nodes."""
        return sum(shelf.inventory.held_bytes for shelf in self.shelves)

    # Staging WAL

    def stage(
        self, lineage: Lineage, numbers: Sequence[int], target: Path, *, whole: Lineage | None = None
    ) -> list[int]:
        """Stage trustworthy copies of segments in a folder, under the names that recovery asks for.

        `whole` is a longer lineage that begins with `lineage`: the last segment of `lineage` may exist only as the
        beginning of the next timeline's. Raises QuorumLost if a segment has no trustworthy copy. Returns the numbers of
        the staged segments, which are those with contents.
        """
        make_folder(target)
        self.stage_histories(target)
        with ThreadPoolExecutor(_READERS) as pool:
            list(pool.map(lambda number: self._stage(lineage, number, target, whole or lineage), numbers))
        return [number for number in numbers if exists(target / lineage.at(number).name)]

    def stage_histories(self, target: Path) -> None:
        """Stage the history files of all timelines in a folder."""
        for path in self.histories():
            _link(path, target / path.name)

    def _stage(self, lineage: Lineage, number: int, target: Path, whole: Lineage) -> None:
        segment = lineage.at(number)
        place = target / segment.name
        if place.is_symlink():
            return
        finished = self.trustworthy_copy(segment)
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
                f"The WAL segment {segment.name} of DBCluster {self._cluster.name} has no trustworthy copy.",
                f"See auroractl describe-volumes {self._cluster.name}",
            )
        self._write(place, content)

    def _content(self, segment: Segment) -> bytes | None:
        """Return a segment's bytes from a finished copy, or else from the unfinished one that was written last."""
        finished = self.trustworthy_copy(segment)
        if finished is not None:
            return read_start(finished, SEGMENT_BYTES)
        newest: tuple[int, Path] | None = None
        for shelf in self.shelves:
            if segment not in shelf.inventory.partial:
                continue
            # The segment may have been finished since the snapshot.
            for path in (shelf.folder.finished(segment), shelf.folder.partial(segment)):
                if exists(path) and (newest is None or path.lstat().st_mtime_ns > newest[0]):
                    newest = path.stat().st_mtime_ns, path
        return read_start(newest[1], SEGMENT_BYTES) if newest else None

    def _write(self, place: Path, content: bytes) -> None:
        """Write a segment, unless it is empty, because pg_waldump reports that as damage."""
        if not content.strip(b"\0"):
            return
        with make_regular(place) as file:
            file.write(content.ljust(SEGMENT_BYTES, b"\0"))

    def trustworthy_copy(self, segment: Segment) -> Path | None:
        """Return a finished copy that matches the majority of records; read all copies if there is no majority."""
        holders = [shelf for shelf in self.shelves if segment in shelf.inventory.finished]
        votes = Counter(digest for each in holders if (digest := each.recorded.get(segment.name)))
        for digest, count in votes.most_common(1):
            # A majority of all holders is needed, because the first record of a new segment may be of a damaged copy.
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


def _shelves(cluster: ManagedCluster) -> Iterable[Shelf]:
    for node in storage_nodes.reachable_nodes(cluster):
        for folder in (cluster.installation.log_folder(node), cluster.installation.past_folder(node)):
            try:
                inventory = folder.inventory(measured=False)
            except OSError as error:
                raise_shortage(error)
                log.info("%s cannot be read: %s", folder.path, error.strerror)
                continue
            yield Shelf(node, folder, inventory)


def _link(source: Path, place: Path) -> None:
    if not place.is_symlink():
        place.symlink_to(source)
