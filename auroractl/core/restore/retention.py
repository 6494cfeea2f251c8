"""Backtrack retention: which points in time are reachable, from which recovery image, and what must be kept for that.

A point in time refers to the cluster's contents at that time. At any time the cluster wrote on one timeline, so points
in time map to timelines (`Era`, a span of time on one timeline). This holds after a backtrack too: the changes that it
undid existed at their time, and can be reached again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import Any

from auroractl.core.wal.segments import Lineage

WORTH_AN_IMAGE_BYTES = 16 * 1024**2
"""Less WAL than this since the last image is replayed in negligible time."""
_IMAGES_PER_WINDOW = 4
_SHARE_OF_BOUND = 0.5
"""Share of the bound that is replayed before the next image's checkpoint.

The rest covers the distance between checkpoints and the making of the image.
"""
_SHARE_WHERE_SPARE = 0.125
"""The same share while processors are idle, also relative to the image's own size, which is written again each time.

The less WAL has to be replayed, the sooner the past can be read.
"""
_SHARE_AT_MOST = 0.6
"""Share of the bound after which an earlier checkpoint is used.

At this point there is still time to make the image at low priority.
"""


class BacktrackStatus(StrEnum):
    """AWS's statuses of a backtrack."""

    PENDING = "pending"
    """Also the status of a backtrack that has reached its point in time and waits for a user's decision."""
    APPLYING = "applying"
    COMPLETED = "completed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Backtrack:
    """A backtrack's row."""

    identifier: str
    cluster: str
    status: BacktrackStatus
    requested_at: datetime
    to: datetime | None
    """The requested point in time; None if an LSN was requested."""
    consistent_at: datetime | None
    """The exact point in time: everything committed at or before it is included, and nothing else."""
    timeline: int
    lsn: int
    """The last commit record that is included."""
    backtracked_from: datetime | None = None
    from_timeline: int | None = None
    from_lsn: int | None = None
    """The end of the abandoned WAL."""
    new_timeline: int | None = None
    downtime_ms: float | None = None
    error: str = ""


@dataclass(frozen=True, slots=True)
class Era:
    """A span of time during which the cluster wrote on one timeline."""

    timeline: int
    began_at: datetime
    ended_at: datetime | None = None
    """None while it is the current era."""
    ended_lsn: int | None = None
    """The end of its WAL; None while it is the current era."""
    left_behind: bool = False
    """True if a backtrack ended it: its WAL extends beyond the start of the next era."""


def era_at(eras: Sequence[Era], moment: datetime) -> Era | None:
    """Return the era at a point in time; None before the first. `eras` are in chronological order."""
    return next((era for era in reversed(eras) if era.began_at <= moment), None)


def goes_on_in(eras: Sequence[Era], era: Era) -> Era:
    """Return the next era if it continues this one without a gap, otherwise the era itself.

    It continues this one if it began at its very end, as after a failover.
    """
    following = next((each for each in eras[eras.index(era) + 1 :]), None)
    return era if following is None or era.left_behind else following


@dataclass(frozen=True, slots=True)
class RecoveryImage:
    """A consistent, stopped data directory from which recovery can start."""

    identifier: str
    node: str
    timeline: int
    redo_lsn: int
    """The LSN from which WAL is needed."""
    checkpoint_lsn: int
    """The checkpoint record at which it stopped; points in time from there on are reachable from it."""
    reached_at: datetime
    """When the cluster had reached that LSN, or later by at most one observation."""
    held_bytes: int = 0

    @property
    def key(self) -> tuple[str, str]:
        """Return its identity; copies on several nodes may share an identifier."""
        return self.node, self.identifier

    def to_json(self) -> dict[str, Any]:
        """Convert it for the journal."""
        return {**asdict(self), "reached_at": self.reached_at.isoformat()}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> RecoveryImage:
        """Convert it from the journal."""
        return cls(**{**document, "reached_at": datetime.fromisoformat(document["reached_at"])})

    def serves(self, lineage: Lineage, lsn: int) -> bool:
        """Return whether an LSN of a history is reachable from this image."""
        return self.checkpoint_lsn <= lsn and lineage.until(lsn).holds(self.timeline, self.checkpoint_lsn)


def choose_image(images: Iterable[RecoveryImage], lineage: Lineage, lsn: int) -> RecoveryImage | None:
    """Choose the newest image from which an LSN of a history is reachable; None if there is none."""
    return max(
        (image for image in images if image.serves(lineage, lsn)), default=None, key=lambda image: image.checkpoint_lsn
    )


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A completed checkpoint of the writer."""

    timeline: int
    lsn: int
    redo_lsn: int


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits set by a cluster's owner."""

    window_s: int
    bound_bytes: int
    """The most WAL that a backtrack may have to replay."""


def image_due(
    newest: RecoveryImage | None, checkpoint: Checkpoint, end_lsn: int, limits: Limits, now: datetime, *, spare: bool
) -> bool:
    """Return whether an image that stops at the writer's last checkpoint should be made now.

    `newest` is the newest image of the current history, `end_lsn` the current end of the WAL; `spare` means that the
    machine has idle processors. An image is due by WAL, so that no replay exceeds the bound, and by time, so that
    images and WAL older than the window can be pruned.
    """
    if newest is None:
        return True
    if checkpoint.lsn <= newest.checkpoint_lsn:
        return False
    replay_bytes = end_lsn - newest.redo_lsn
    enough_bytes = limits.bound_bytes * _SHARE_OF_BOUND
    if spare:
        enough_bytes = min(enough_bytes, max(limits.bound_bytes, newest.held_bytes) * _SHARE_WHERE_SPARE)
    # By the checkpoint and not by the end: right after a checkpoint the image is newest and the next one furthest away.
    if checkpoint.lsn - newest.redo_lsn >= enough_bytes:
        return True
    if replay_bytes >= limits.bound_bytes * _SHARE_AT_MOST:
        return True
    age_s = (now - newest.reached_at).total_seconds()
    return replay_bytes >= WORTH_AN_IMAGE_BYTES and age_s >= limits.window_s / _IMAGES_PER_WINDOW


@dataclass(frozen=True, slots=True)
class BacktrackReach:
    """The current reach of backtracks, and its cost."""

    earliest: datetime | None = None
    log_bytes: int = 0
    image_bytes: int = 0
    log_bytes_per_hour: int | None = None
    """WAL written per hour, for each copy; None before the first measurement."""
    image_bytes_per_hour: int | None = None
    images: tuple[RecoveryImage, ...] = ()


@dataclass(frozen=True, slots=True)
class Retention:
    """What must be kept so that every point in time since `earliest` is reachable."""

    earliest: datetime | None
    """None if no point in time is reachable yet."""
    images: frozenset[tuple[str, str]] = frozenset()
    """(node, image) of all images that are kept."""
    first_lsn: Mapping[int, int] = field(default_factory=dict)
    """The first LSN that is needed of each timeline. A timeline that is not listed is not needed at all."""


def retain(
    eras: Sequence[Era], lineages: Mapping[int, Lineage], images: Sequence[RecoveryImage], since: datetime
) -> Retention:
    """Determine the images and WAL needed for every point in time since `since`, or since the first reachable one.

    For each era that overlaps the window, these are the newest image that is old enough for the era's first point in
    the window, and all newer images. `lineages` are by timeline.
    """
    kept: set[tuple[str, str]] = set()
    first_lsn: dict[int, int] = {}
    earliest: datetime | None = None
    for era in reversed(eras):
        if era.ended_at is not None and era.ended_at <= since:
            break
        lineage = lineages.get(era.timeline)
        if lineage is None:
            break
        own = [image for image in images if _on(image, lineage, era)]
        begin = max(since, era.began_at)
        base = max(
            (each for each in own if each.reached_at <= begin), default=None, key=lambda each: each.checkpoint_lsn
        )
        needed = [each for each in own if base is None or each.checkpoint_lsn >= base.checkpoint_lsn]
        if not needed:
            break
        kept |= {each.key for each in needed}
        _need(first_lsn, lineage, min(each.redo_lsn for each in needed))
        if base is None:
            earliest = min(each.reached_at for each in needed)
            break
        earliest = begin
    return Retention(earliest, frozenset(kept), first_lsn)


def _on(image: RecoveryImage, lineage: Lineage, era: Era) -> bool:
    within = era.ended_lsn is None or image.checkpoint_lsn <= era.ended_lsn
    return within and lineage.holds(image.timeline, image.checkpoint_lsn)


def _need(first_lsn: dict[int, int], lineage: Lineage, lsn: int) -> None:
    """Lower the first LSN that is needed of each timeline to what a history needs from `lsn` on.

    Of the timeline that wrote at `lsn` that is the part from there on, of later timelines all.
    """
    owner = lineage.owner(lsn)
    timelines = [*(fork.timeline for fork in lineage.forks), lineage.timeline]
    for timeline in timelines[timelines.index(owner) :]:
        least = lsn if timeline == owner else 0
        first_lsn[timeline] = min(first_lsn.get(timeline, least), least)


def image_to_copy(images: Iterable[RecoveryImage], room_bytes: int) -> RecoveryImage | None:
    """Return the newest image that only one node has; None if there is none whose copy fits.

    The copy must leave space for one more image.
    """
    found = list(images)
    nodes = Counter(each.identifier for each in found)
    alone = [each for each in found if nodes[each.identifier] == 1 and 2 * each.held_bytes <= room_bytes]
    return max(alone, default=None, key=lambda each: each.checkpoint_lsn)


def thin_out(
    images: Sequence[RecoveryImage],
    lineages: Iterable[Lineage],
    bound_bytes: int,
    over_bytes: int,
    first_lsn: Mapping[int, int] | None = None,
) -> list[RecoveryImage]:
    """Return the images that remain after the oldest spare ones are removed to free `over_bytes`.

    Second copies go first, then images in between: those without which no replay exceeds what a busy cluster would need
    anyway.
    `first_lsn` holds the first kept LSN of each timeline (None: all WAL is kept). An image stays if WAL would otherwise
    be needed that is not kept.
    """
    kept = sorted(images, key=lambda each: (each.checkpoint_lsn, each.identifier))
    histories = list(lineages)
    while over_bytes > 0 and (spare := _second_copy(kept) or _in_between(kept, histories, bound_bytes, first_lsn)):
        kept.remove(spare)
        over_bytes -= spare.held_bytes
    return kept


def _second_copy(images: Sequence[RecoveryImage]) -> RecoveryImage | None:
    """Return the first image that another node has too; `images` are in order."""
    return next((after for each, after in pairwise(images) if each.identifier == after.identifier), None)


def _in_between(
    images: Sequence[RecoveryImage], lineages: Iterable[Lineage], bound_bytes: int, first_lsn: Mapping[int, int] | None
) -> RecoveryImage | None:
    """Return the first image in between; `images` are in order."""
    spare: set[tuple[str, str]] = set()
    needed: set[tuple[str, str]] = set()
    for lineage in lineages:
        own = [image for image in images if lineage.holds(image.timeline, image.checkpoint_lsn)]
        needed |= {image.key for image in (*own[:1], *own[-1:])}
        for before, image, after in zip(own, own[1:], own[2:], strict=False):
            near = after.checkpoint_lsn - before.redo_lsn <= bound_bytes * _SHARE_AT_MOST
            near = near and (first_lsn is None or _log_is_kept(lineage, before.redo_lsn, first_lsn))
            (spare if near else needed).add(image.key)
    return next((image for image in images if image.key in spare - needed), None)


def _log_is_kept(lineage: Lineage, lsn: int, first_lsn: Mapping[int, int]) -> bool:
    needed: dict[int, int] = {}
    _need(needed, lineage, lsn)
    return all(timeline in first_lsn and first_lsn[timeline] <= least for timeline, least in needed.items())


def shrink_to_budget(
    eras: Sequence[Era],
    lineages: Mapping[int, Lineage],
    images: Sequence[RecoveryImage],
    since: datetime,
    over_bytes: int,
    freed_bytes: Mapping[tuple[str, str], int],
) -> Retention:
    """Shrink a retention as `retain` builds it, with a later beginning if necessary to free `over_bytes`.

    `freed_bytes` holds for each (node, image) what its removal frees, including WAL that only it needs. The newest
    image of the current history always stays.
    """
    result = retain(eras, lineages, images, since)
    moments = {image.reached_at for image in images} | {era.began_at for era in eras}
    begins = sorted(moment for moment in moments if moment > since)
    every = {image.key for image in images}
    for begin in begins:
        freed = sum(freed_bytes.get(key, 0) for key in every - result.images)
        if freed >= over_bytes:
            break
        result = retain(eras, lineages, images, begin)
    return result


def window_start(now: datetime, window_s: int) -> datetime:
    """Return the beginning of a window that ends now."""
    return now - timedelta(seconds=window_s)
