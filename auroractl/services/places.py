"""The exact place in the log that a moment means, looked up in what the storage nodes hold, and the image to begin from."""

from __future__ import annotations

import logging
import time
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from auroractl.core.backtrack import Era, PageImage, choose_image, era_at, goes_on_in
from auroractl.core.errors import (
    InvalidClusterState,
    InvalidParameterValue,
    QuorumLost,
)
from auroractl.core.lsn import format_lsn
from auroractl.core.moments import Commit, Cut, Target, cut_at
from auroractl.core.timestamps import exact_timestamp, timestamp
from auroractl.core.wal import SEGMENT_BYTES, Lineage, segment_at
from auroractl.engine import sql
from auroractl.process.files import remove_tree
from auroractl.services import image_damage
from auroractl.services.log_library import LogLibrary
from auroractl.storage.log_contents import Reader

if TYPE_CHECKING:
    from auroractl.services.context import Context

log = logging.getLogger(__name__)

_FLUSHED_TIMEOUT_S = 5.0
_LATE = timedelta(seconds=2)
"""A transaction may take its time and write it this much later; what is further on in the log is not looked at."""
_BACK_SEGMENTS = 16
"""How many segments at a time are looked through for the last commit before a moment."""
_PAGE_HEADER_BYTES = 41
"""Where a history was left right at the beginning of a segment, that segment may never have been written."""


@dataclass(frozen=True, slots=True)
class Place:
    """The exact place that a target means, and how it is reached."""

    lineage: Lineage
    """The history up to there."""
    whole: Lineage
    """The history that goes on from there."""
    cut: Cut
    image: PageImage
    requested_at: datetime | None

    @property
    def timeline(self) -> int:
        """The timeline on which it lies."""
        return self.lineage.timeline

    @property
    def replay_bytes(self) -> int:
        """How much log is replayed."""
        return max(0, self.cut.lsn - self.image.redo_lsn)

    def to_json(self) -> dict[str, Any]:
        """As the journal keeps it."""
        return {
            "Timeline": self.lineage.timeline,
            "WholeTimeline": self.whole.timeline,
            "Lsn": self.cut.lsn,
            "At": self.cut.at.isoformat(),
            "Image": self.image.to_json(),
        }


def find_place(context: Context, cluster: str, target: Target, *, use_earliest: bool = False) -> Place:
    """The place in the log that a target means.

    Raises InvalidParameterValue for a moment in the future or before the earliest (`use_earliest`: the earliest is taken
    then, as AWS's UseEarliestTimeOnPointInTimeUnavailable does), InvalidClusterState where there is no window or no image
    yet, QuorumLost where log that is needed has no copy that can be believed.
    """
    earliest = require_window(context, cluster)
    now = context.now()
    if target.lsn is not None:
        return _place_of_lsn(context, cluster, target.lsn)
    moment = earliest if target.earliest else target.at
    assert moment is not None
    if moment > now:
        raise InvalidParameterValue(
            f"{timestamp(moment)} is in the future; it is {timestamp(now)} now.", "Give a moment that was"
        )
    if moment < earliest:
        if not use_earliest:
            raise InvalidParameterValue(
                f"{exact_timestamp(moment)} is before the earliest moment that can be reached, {exact_timestamp(earliest)}.",
                "Go to that one with --use-earliest, or give a later one",
            )
        moment = earliest
    era = era_at(context.repository.eras(cluster), moment)
    if era is None:
        raise InvalidClusterState(f"Nothing is known of DBCluster {cluster} at {timestamp(moment)}.", "")
    if era.ended_at is None:
        _wait_flushed(context, cluster)
    return place_on(context, cluster, era, moment)


def likely_image(context: Context, cluster: str, target: Target) -> PageImage | None:
    """The image from which a moment will most likely be reached, before its place is looked up; None where it is open."""
    if target.at is None or target.at > context.now():
        return None
    before = [each for each in _believed_images(context, cluster) if each.reached_at <= target.at]
    return max(before, default=None, key=lambda each: each.reached_at)


def require_window(context: Context, cluster: str) -> datetime:
    """The earliest moment that can be reached. Raises InvalidClusterState where none can."""
    row = context.cluster(cluster)
    if row.backtrack_window_s == 0:
        raise InvalidClusterState(
            f"Backtrack is not enabled on DBCluster {cluster}.",
            f"Enable it for what happens from now on: auroractl modify-cluster {cluster} --backtrack-window 24h",
        )
    earliest = context.volume_memory(cluster).backtrack.earliest
    if earliest is None:
        raise InvalidClusterState(
            f"No page image of DBCluster {cluster} can be used yet.", "The first is made within seconds; try again"
        )
    return earliest


def place_on(context: Context, cluster: str, era: Era, moment: datetime) -> Place:
    """The place of a moment of an era. Raises as `find_place`."""
    return _looked_for_again(lambda: _place_on(context, cluster, era, moment))


def _looked_for_again(look: Callable[[], Place]) -> Place:
    """Log that was given up between the look at the folders and the look into them is not needed, and not seen again."""
    try:
        return look()
    except QuorumLost:
        return look()


def _place_on(context: Context, cluster: str, era: Era, moment: datetime) -> Place:
    library = LogLibrary(context, cluster)
    # Where the next era goes on from its end, that one's log holds all of it, also where it was left within a segment.
    whole = library.lineage(goes_on_in(context.repository.eras(cluster), era).timeline)
    if whole is None:
        raise InvalidClusterState(f"The history of timeline {era.timeline} is gone.", "Give a later moment")
    search = _Search(context, cluster, library, whole, era.ended_lsn)
    try:
        found = search.before(moment)
    finally:
        search.close()
    return _reachable(context, cluster, whole, found, moment)


def _place_of_lsn(context: Context, cluster: str, lsn: int) -> Place:
    """The last commit of the current history that begins before an LSN."""
    _wait_flushed(context, cluster)
    era = context.repository.eras(cluster)[-1]
    library = LogLibrary(context, cluster)
    whole = library.lineage(era.timeline)
    if whole is None:
        raise InvalidClusterState(f"The history of timeline {era.timeline} is gone.", "Give a later moment")
    end = (max(library.segments(whole), default=0) + 1) * SEGMENT_BYTES
    if lsn >= end:
        raise InvalidParameterValue(f"The log does not go as far as {format_lsn(lsn)} yet.", "Give an LSN that was")
    return end_of(context, cluster, era.timeline, lsn)


def end_of(context: Context, cluster: str, timeline: int, lsn: int) -> Place:
    """The last commit of a timeline's history that begins before `lsn`. Raises as `find_place`."""
    return _looked_for_again(lambda: _end_of(context, cluster, timeline, lsn))


def _end_of(context: Context, cluster: str, timeline: int, lsn: int) -> Place:
    library = LogLibrary(context, cluster)
    whole = library.lineage(timeline)
    if whole is None:
        raise InvalidClusterState(f"The history of timeline {timeline} is gone.", "")
    if choose_image(_believed_images(context, cluster), whole, lsn - 1) is None:
        raise _too_old(context, cluster)
    search = _Search(context, cluster, library, whole, lsn)
    try:
        found = search.last()
    finally:
        search.close()
    return _reachable(context, cluster, whole, found, None)


def restore_place(context: Context, cluster: str, document: dict[str, Any], requested_at: datetime | None) -> Place:
    """A place from the journal. Raises InvalidClusterState where its history is gone."""
    whole = LogLibrary(context, cluster).lineage(document["WholeTimeline"])
    if whole is None:
        raise InvalidClusterState("What the operation began from is gone.", "Begin it again")
    cut = Cut(document["Lsn"], datetime.fromisoformat(document["At"]))
    return Place(whole.until(cut.lsn), whole, cut, PageImage.from_json(document["Image"]), requested_at)


@dataclass(frozen=True, slots=True)
class _Found:
    """What a search found."""

    cut: Cut | None
    """None where the log that there is holds no commit that counts."""
    free_until_lsn: int
    """No commit begins between the cut and here."""


def _reachable(context: Context, cluster: str, whole: Lineage, found: _Found, moment: datetime | None) -> Place:
    images = _believed_images(context, cluster)
    cut = found.cut
    image = choose_image(images, whole, cut.lsn) if cut is not None else None
    if image is None:
        # Where nothing was committed for long, the oldest image is newer than the last commit and holds the same.
        image = choose_image(images, whole, found.free_until_lsn - 1)
        if image is not None:
            cut = Cut(image.checkpoint_lsn, cut.at if cut else min(image.reached_at, moment or image.reached_at))
    if cut is None or image is None:
        raise _too_old(context, cluster)
    return Place(whole.until(cut.lsn), whole, cut, image, moment)


def _too_old(context: Context, cluster: str) -> InvalidParameterValue:
    earliest = context.volume_memory(cluster).backtrack.earliest
    return InvalidParameterValue(
        "No page image is old enough for that place in the log.",
        f"The earliest moment is {exact_timestamp(earliest)}" if earliest else "",
    )


def _believed_images(context: Context, cluster: str) -> list[PageImage]:
    images = context.volume_memory(cluster).backtrack.images
    return [each for each in images if not image_damage.is_suspect(context, cluster, each)]


def from_another_image(context: Context, cluster: str, place: Place) -> Place | None:
    """The same place, reached from an image that is not known to be damaged; None where there is none."""
    image = choose_image(_believed_images(context, cluster), place.whole, place.cut.lsn)
    return replace(place, image=image) if image else None


def _wait_flushed(context: Context, cluster: str) -> None:
    """What was committed before the question was asked has to be on a node before the nodes are looked at."""
    writer = context.writer(cluster)
    if not context.observer.refresh(writer).accepting:
        raise InvalidClusterState(
            f"The writer of DBCluster {cluster} does not answer.", f"See auroractl status {cluster}"
        )
    with sql.session(writer.address, context.installation.secrets.admin) as connection:
        sql.wait_some_node(
            connection, [node.identifier for node in context.repository.storage_nodes(cluster)], _FLUSHED_TIMEOUT_S
        )


class _Search:
    """Looks for commits in laid-out log, from a place backwards."""

    def __init__(
        self, context: Context, cluster: str, library: LogLibrary, whole: Lineage, end_lsn: int | None
    ) -> None:
        self._cluster = cluster
        self._library = library
        self._whole = whole
        self._end_lsn = end_lsn
        numbers = library.segments(whole)
        self._held = frozenset(numbers)
        if end_lsn is not None:
            numbers = [number for number in numbers if number <= segment_at(end_lsn)]
            if not numbers or numbers[-1] < segment_at(max(0, end_lsn - _PAGE_HEADER_BYTES)):
                raise _log_is_gone(cluster)
        self._numbers = numbers
        self._folder = context.home.cluster(cluster).moments / f"search-{time.monotonic_ns()}"
        self._in_use = context.volume_memory(cluster).backtrack.in_use
        self._in_use.add(self._folder.name)
        self._reader = Reader(context.installation.binaries.program("pg_waldump"), context.installation.account)

    def close(self) -> None:
        """Remove what was laid out."""
        remove_tree(self._folder)
        self._in_use.discard(self._folder.name)

    def before(self, moment: datetime) -> _Found:
        """The latest exact cut that is not after a moment. Raises QuorumLost where log in between is missing."""
        until = min(bisect_right(self._numbers, moment + _LATE, key=self._written), len(self._numbers) - 1)
        commits: list[Commit] = []
        stop = min(until + 2, len(self._numbers))
        end_lsn = self._end_of(self._numbers[:stop])
        while stop > 0:
            start = self._begin(stop - _BACK_SEGMENTS if commits or stop <= until else until - 1, stop)
            commits = self._read(self._numbers[start:stop]) + commits
            cut = cut_at(commits, moment)
            # What stands before the stretch could still be later than the first commits in it.
            if cut is not None and (start == 0 or cut.at - commits[0].at > _LATE):
                return _located(commits, cut, end_lsn)
            stop = self._further(start)
        return _located(commits, cut_at(commits, moment), end_lsn)

    def last(self) -> _Found:
        """The last commit before the end. Raises as `before`."""
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
        """Where a stretch begins that is to begin at `start`: after a lost segment, if there is one in it."""
        start = max(0, start)
        while self._numbers[stop - 1] - self._numbers[start] >= stop - start:
            start += 1
        return start

    def _further(self, stop: int) -> int:
        """`stop`, where the log before it is there. Raises QuorumLost where a segment is lost between them."""
        if 0 < stop < len(self._numbers) and self._numbers[stop] - self._numbers[stop - 1] > 1:
            raise _log_is_gone(self._cluster)
        return stop

    def _end_of(self, numbers: list[int]) -> int:
        end = (numbers[-1] + 1) * SEGMENT_BYTES if numbers else 0
        return end if self._end_lsn is None else min(end, self._end_lsn)

    def _written(self, number: int) -> datetime:
        return self._library.written_at(self._whole.at(number)) or datetime.max.replace(tzinfo=UTC)

    def _read(self, numbers: list[int]) -> list[Commit]:
        """The commits of consecutive segments, a stretch of one timeline at a time."""
        found: list[Commit] = []
        for timeline in dict.fromkeys(self._whole.at(number).timeline for number in numbers):
            found += self._read_on(timeline, [each for each in numbers if self._whole.at(each).timeline == timeline])
        return found

    def _read_on(self, timeline: int, numbers: list[int]) -> list[Commit]:
        """The commits of consecutive segments of one timeline; the last may go on into the next segment."""
        fork = next((fork for fork in self._whole.forks if fork.timeline == timeline), None)
        lineage = self._whole.until(fork.lsn - 1) if fork else self._whole
        following = numbers[-1] + 1
        laid = [*numbers, following] if following in self._held else numbers
        there = self._library.lay(lineage, laid, self._folder, whole=self._whole)
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
        f"No storage node has all log of DBCluster {cluster} that is needed for that.",
        f"Give a later moment, or see auroractl describe-volumes {cluster}",
    )
