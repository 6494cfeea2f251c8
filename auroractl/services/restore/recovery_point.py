"""Recovery points: the exact LSN for a point in time, and the recovery image from which it is reached."""

from __future__ import annotations

import contextlib
import logging
import time
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from auroractl.core.errors import (
    InvalidClusterState,
    InvalidParameterValue,
    MachineError,
    QuorumLost,
    TimedOut,
)
from auroractl.core.restore.retention import Era, RecoveryImage, choose_image, era_at, goes_on_in
from auroractl.core.restore.target import Commit, Cut, Target, cut_at
from auroractl.core.text.timestamps import exact_timestamp, timestamp
from auroractl.core.wal.lsn import format_lsn
from auroractl.core.wal.segments import SEGMENT_BYTES, Lineage, segment_at
from auroractl.engine import sql
from auroractl.runtime.managed_cluster import ManagedCluster
from auroractl.services.recovery_images import suspect_images
from auroractl.services.volume import storage_nodes
from auroractl.services.volume.wal_library import WalLibrary
from auroractl.storage.wal_contents import Reader
from auroractl.system.files import remove_tree
from auroractl.system.waiting import wait_until

log = logging.getLogger(__name__)

_FLUSHED_TIMEOUT_S = 5.0
_FIRST_LOOK_TIMEOUT_S = 30.0
_LATE = timedelta(seconds=2)
"""How much later a commit may be written than its own timestamp says; WAL beyond that is not searched."""
_BACK_SEGMENTS = 16
"""The number of segments to search at a time for the last commit before a point in time."""
_PAGE_HEADER_BYTES = 41
"""If a timeline ends at the very beginning of a segment, that segment may never have been written."""


@dataclass(frozen=True, slots=True)
class RecoveryPoint:
    """The recovery point of a target, and how to reach it."""

    lineage: Lineage
    """The lineage up to the recovery point."""
    whole: Lineage
    """The lineage beyond the recovery point."""
    cut: Cut
    image: RecoveryImage
    requested_at: datetime | None

    @property
    def timeline(self) -> int:
        """The timeline of the recovery point."""
        return self.lineage.timeline

    @property
    def replay_bytes(self) -> int:
        """The amount of WAL to replay."""
        return max(0, self.cut.lsn - self.image.redo_lsn)

    def to_json(self) -> dict[str, Any]:
        """Return the form that is stored in the journal."""
        return {
            "Timeline": self.lineage.timeline,
            "WholeTimeline": self.whole.timeline,
            "Lsn": self.cut.lsn,
            "At": self.cut.at.isoformat(),
            "Image": self.image.to_json(),
        }


def find_recovery_point(cluster: ManagedCluster, target: Target, *, use_earliest: bool = False) -> RecoveryPoint:
    """Return the recovery point of a target.

    Raises InvalidParameterValue for a time in the future or before the window, unless `use_earliest` replaces it with the
    earliest one, as AWS's UseEarliestTimeOnPointInTimeUnavailable does. Raises InvalidClusterState if there is no window
    or no image yet, QuorumLost if needed WAL has no trustworthy copy.
    """
    earliest = require_window(cluster)
    now = cluster.now()
    if target.lsn is not None:
        return _recovery_point_before(cluster, target.lsn)
    moment = earliest if target.earliest else target.at
    assert moment is not None
    if moment > now:
        raise InvalidParameterValue(
            f"{timestamp(moment)} is in the future; it is {timestamp(now)} now.", "Use a time in the past"
        )
    if moment < earliest:
        if not use_earliest:
            raise InvalidParameterValue(
                f"{exact_timestamp(moment)} is before the backtrack window, which begins at {exact_timestamp(earliest)}.",
                "Add --use-earliest to use that time, or give a later one",
            )
        moment = earliest
    era = era_at(cluster.eras(), moment)
    if era is None:
        raise InvalidClusterState(f"There is no record of DBCluster {cluster.name} at {timestamp(moment)}.", "")
    if era.ended_at is None:
        _wait_flushed(cluster)
    return recovery_point_in(cluster, era, moment)


def likely_image(cluster: ManagedCluster, target: Target) -> RecoveryImage | None:
    """Guess the image for a target before its recovery point is known; None if there is no good guess."""
    if target.at is None or target.at > cluster.now():
        return None
    before = [each for each in _usable_images(cluster) if each.reached_at <= target.at]
    return max(before, default=None, key=lambda each: each.reached_at)


def require_window(cluster: ManagedCluster) -> datetime:
    """Return the beginning of the backtrack window. Raises InvalidClusterState if there is none.

    Right after the supervisor's start, this waits until the recovery images have been listed.
    """
    row = cluster.row()
    if row.backtrack_window_s == 0:
        raise InvalidClusterState(
            f"Backtrack is not enabled on DBCluster {cluster.name}.",
            f"Enable it for future changes: auroractl modify-cluster {cluster.name} --backtrack-window 24h",
        )
    with contextlib.suppress(TimedOut):
        wait_until("the recovery images were not listed", lambda: _not_looked(cluster), _FIRST_LOOK_TIMEOUT_S)
    earliest = cluster.memory.volume.backtrack.earliest
    if earliest is None:
        raise InvalidClusterState(
            f"DBCluster {cluster.name} has no usable recovery image yet.",
            "Try again in a few seconds, when the first one is made",
        )
    return earliest


def _not_looked(cluster: ManagedCluster) -> str:
    # The cluster may be deleted and created again meanwhile.
    return "" if cluster.memory.volume.backtrack.looked else "the supervisor has just started"


def recovery_point_in(cluster: ManagedCluster, era: Era, moment: datetime) -> RecoveryPoint:
    """Return the recovery point of a time within an era. Raises as `find_recovery_point`."""
    return _searched_again(lambda: _recovery_point_in(cluster, era, moment))


def _searched_again(look: Callable[[], RecoveryPoint]) -> RecoveryPoint:
    """Search again if WAL was pruned between listing and reading it; the second listing does not include it.

    WAL that is pruned before its verification causes QuorumLost, later a MachineError of pg_waldump.
    """
    try:
        return look()
    except (QuorumLost, MachineError):
        return look()


def _recovery_point_in(cluster: ManagedCluster, era: Era, moment: datetime) -> RecoveryPoint:
    library = WalLibrary(cluster)
    # If the next era continues from its end, that era's WAL includes all of it, even if it ends within a segment.
    whole = library.lineage(goes_on_in(cluster.eras(), era).timeline)
    if whole is None:
        raise InvalidClusterState(f"The history of timeline {era.timeline} is gone.", "Give a later time")
    search = _Search(cluster, library, whole, era.ended_lsn)
    try:
        found = search.before(moment)
    finally:
        search.close()
    return _reachable(cluster, whole, found, moment)


def _recovery_point_before(cluster: ManagedCluster, lsn: int) -> RecoveryPoint:
    """Return the recovery point of the last commit on the current timeline that begins before an LSN."""
    _wait_flushed(cluster)
    era = cluster.eras()[-1]
    library = WalLibrary(cluster)
    whole = library.lineage(era.timeline)
    if whole is None:
        raise InvalidClusterState(f"The history of timeline {era.timeline} is gone.", "Give a later time")
    end = (max(library.segments(whole), default=0) + 1) * SEGMENT_BYTES
    if lsn >= end:
        raise InvalidParameterValue(f"The WAL does not reach {format_lsn(lsn)} yet.", "Use an LSN in the past")
    return end_of(cluster, era.timeline, lsn)


def end_of(cluster: ManagedCluster, timeline: int, lsn: int) -> RecoveryPoint:
    """Return the recovery point of the last commit of a lineage that begins before `lsn`. Raises as `find_recovery_point`."""
    return _searched_again(lambda: _end_of(cluster, timeline, lsn))


def _end_of(cluster: ManagedCluster, timeline: int, lsn: int) -> RecoveryPoint:
    library = WalLibrary(cluster)
    whole = library.lineage(timeline)
    if whole is None:
        raise InvalidClusterState(f"The history of timeline {timeline} is gone.", "")
    if choose_image(_usable_images(cluster), whole, lsn - 1) is None:
        raise _too_old(cluster)
    search = _Search(cluster, library, whole, lsn)
    try:
        found = search.last()
    finally:
        search.close()
    return _reachable(cluster, whole, found, None)


def load_recovery_point(
    cluster: ManagedCluster, document: dict[str, Any], requested_at: datetime | None
) -> RecoveryPoint:
    """Load a recovery point from the journal. Raises InvalidClusterState if its history file is gone."""
    whole = WalLibrary(cluster).lineage(document["WholeTimeline"])
    if whole is None:
        raise InvalidClusterState("The history of the recovery point is gone.", "Start the operation again")
    cut = Cut(document["Lsn"], datetime.fromisoformat(document["At"]))
    return RecoveryPoint(whole.until(cut.lsn), whole, cut, RecoveryImage.from_json(document["Image"]), requested_at)


@dataclass(frozen=True, slots=True)
class _Found:
    """The result of a search."""

    cut: Cut | None
    """None if the available WAL has no matching commit."""
    free_until_lsn: int
    """No commit begins between the cut and here."""


def _reachable(cluster: ManagedCluster, whole: Lineage, found: _Found, moment: datetime | None) -> RecoveryPoint:
    images = _usable_images(cluster)
    cut = found.cut
    image = choose_image(images, whole, cut.lsn) if cut is not None else None
    if image is None:
        # If nothing was committed for long, the oldest image is newer than the last commit, but has the same contents.
        image = choose_image(images, whole, found.free_until_lsn - 1)
        if image is not None:
            cut = Cut(image.checkpoint_lsn, cut.at if cut else min(image.reached_at, moment or image.reached_at))
    if cut is None or image is None:
        raise _too_old(cluster)
    return RecoveryPoint(whole.until(cut.lsn), whole, cut, image, moment)


def _too_old(cluster: ManagedCluster) -> InvalidParameterValue:
    earliest = cluster.memory.volume.backtrack.earliest
    return InvalidParameterValue(
        "No recovery image is old enough for that LSN.",
        f"The backtrack window begins at {exact_timestamp(earliest)}" if earliest else "",
    )


def _usable_images(cluster: ManagedCluster) -> list[RecoveryImage]:
    """List the images that are not known to be damaged and whose storage node can be reached."""
    images = cluster.memory.volume.backtrack.images
    reachable = {node.identifier for node in storage_nodes.reachable_nodes(cluster)}
    return [each for each in images if each.node in reachable and not suspect_images.is_suspect(cluster, each)]


def from_another_image(cluster: ManagedCluster, place: RecoveryPoint) -> RecoveryPoint | None:
    """Return the same recovery point with another usable image; None if there is none."""
    image = choose_image(_usable_images(cluster), place.whole, place.cut.lsn)
    return replace(place, image=image) if image else None


def _wait_flushed(cluster: ManagedCluster) -> None:
    """Wait until all commits so far have reached a storage node, before the nodes' WAL is searched."""
    writer = cluster.writer()
    if not cluster.observer.refresh(writer).accepting:
        raise InvalidClusterState(
            f"The writer of DBCluster {cluster.name} does not answer.", f"See auroractl status {cluster.name}"
        )
    with sql.session(cluster.installation.access(writer)) as connection:
        sql.wait_some_node(connection, [node.identifier for node in cluster.storage_nodes()], _FLUSHED_TIMEOUT_S)


class _Search:
    """Searches staged WAL backwards for commits."""

    def __init__(self, cluster: ManagedCluster, library: WalLibrary, whole: Lineage, end_lsn: int | None) -> None:
        self._cluster = cluster
        self._library = library
        self._whole = whole
        self._end_lsn = end_lsn
        numbers = library.segments(whole)
        self._held = frozenset(numbers)
        if end_lsn is not None:
            numbers = [number for number in numbers if number <= segment_at(end_lsn)]
            if not numbers or numbers[-1] < segment_at(max(0, end_lsn - _PAGE_HEADER_BYTES)):
                raise _log_is_gone(cluster.name)
        self._numbers = numbers
        self._folder = cluster.paths.moments / f"search-{time.monotonic_ns()}"
        self._in_use = cluster.memory.volume.backtrack.in_use
        self._in_use.add(self._folder.name)
        self._reader = Reader(cluster.binaries.program("pg_waldump"), cluster.installation.account)

    def close(self) -> None:
        """Remove the staged WAL."""
        remove_tree(self._folder)
        self._in_use.discard(self._folder.name)

    def before(self, moment: datetime) -> _Found:
        """Find the latest commit up to a time. Raises QuorumLost if WAL in between is missing."""
        until = min(bisect_right(self._numbers, moment + _LATE, key=self._written), len(self._numbers) - 1)
        commits: list[Commit] = []
        stop = min(until + 2, len(self._numbers))
        end_lsn = self._end_of(self._numbers[:stop])
        while stop > 0:
            start = self._begin(stop - _BACK_SEGMENTS if commits or stop <= until else until - 1, stop)
            commits = self._read(self._numbers[start:stop]) + commits
            cut = cut_at(commits, moment)
            # Commits before this range could still have later timestamps than its first ones.
            if cut is not None and (start == 0 or cut.at - commits[0].at > _LATE):
                return _located(commits, cut, end_lsn)
            stop = self._further(start)
        return _located(commits, cut_at(commits, moment), end_lsn)

    def last(self) -> _Found:
        """Find the last commit before the end. Raises as `before`."""
        stop = len(self._numbers)
        end_lsn = self._end_of(self._numbers)
        while stop > 0:
            start = self._begin(stop - _BACK_SEGMENTS, stop)
            commits = self._read(self._numbers[start:stop])
            if commits:
                return _Found(Cut(commits[-1].lsn, max(commit.at for commit in commits)), end_lsn)
            stop = self._further(start)
        return _Found(None, end_lsn)

    def _begin(self, start: int, stop: int) -> int:
        """Return the beginning of a range from `start`, moved behind a lost segment if it has one."""
        start = max(0, start)
        while self._numbers[stop - 1] - self._numbers[start] >= stop - start:
            start += 1
        return start

    def _further(self, stop: int) -> int:
        """Return `stop` if the WAL before it is available. Raises QuorumLost if a segment in between is lost."""
        if 0 < stop < len(self._numbers) and self._numbers[stop] - self._numbers[stop - 1] > 1:
            raise _log_is_gone(self._cluster.name)
        return stop

    def _end_of(self, numbers: list[int]) -> int:
        end = (numbers[-1] + 1) * SEGMENT_BYTES if numbers else 0
        return end if self._end_lsn is None else min(end, self._end_lsn)

    def _written(self, number: int) -> datetime:
        return self._library.written_at(self._whole.at(number)) or datetime.max.replace(tzinfo=UTC)

    def _read(self, numbers: list[int]) -> list[Commit]:
        """Read the commits of consecutive segments, one timeline at a time."""
        found: list[Commit] = []
        for timeline in dict.fromkeys(self._whole.at(number).timeline for number in numbers):
            found += self._read_on(timeline, [each for each in numbers if self._whole.at(each).timeline == timeline])
        return found

    def _read_on(self, timeline: int, numbers: list[int]) -> list[Commit]:
        """Read the commits of consecutive segments of one timeline; the last may extend into the next segment."""
        fork = next((fork for fork in self._whole.forks if fork.timeline == timeline), None)
        lineage = self._whole.until(fork.lsn - 1) if fork else self._whole
        following = numbers[-1] + 1
        laid = [*numbers, following] if following in self._held else numbers
        there = self._library.stage(lineage, laid, self._folder, whole=self._whole)
        if not there:
            return []
        found = self._reader.decisions(
            self._folder, timeline, numbers[0] * SEGMENT_BYTES, (there[-1] + 1) * SEGMENT_BYTES
        )
        end_lsn = self._end_of(numbers)
        return [commit for commit in found if commit.lsn < end_lsn]


def _located(commits: list[Commit], cut: Cut | None, end_lsn: int) -> _Found:
    after = (commit.lsn for commit in commits if cut is None or commit.lsn > cut.lsn)
    return _Found(cut, next(after, end_lsn))


def _log_is_gone(cluster: str) -> QuorumLost:
    return QuorumLost(
        f"No storage node has all the WAL of DBCluster {cluster} that is needed for this.",
        f"Give a later time, or see auroractl describe-volumes {cluster}",
    )
