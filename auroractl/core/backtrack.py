"""Backtrack: which moments can be reached, from which page image, and which images and log are kept for that.

A moment of the clock means what the cluster held at that moment. At any moment it wrote on one timeline, so moments map to
timelines (`Era`), also after a backtrack: what that undid was there at its time and can be gone forward to again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import Any

from auroractl.core.wal import Lineage

WORTH_AN_IMAGE_BYTES = 16 * 1024**2
"""Less log than this since the last image is replayed in no time."""
_IMAGES_PER_WINDOW = 4
_SHARE_OF_BOUND = 0.5
"""Of the bound is replayed up to the next image's checkpoint; the rest is for its distance and for the making."""
_SHARE_WHERE_SPARE = 0.125
"""The same while nobody else wants the processors, and of the image's own size, which is written again each time: the less is
replayed, the sooner the past can be read.
"""
_SHARE_AT_MOST = 0.6
"""Of the bound has been written: a checkpoint that came earlier has to do, while there is time to make it at leisure."""


class BacktrackStatus(StrEnum):
    """AWS's statuses of a backtrack."""

    PENDING = "pending"
    """Also of one that waits at its moment for a person to look and to decide."""
    APPLYING = "applying"
    COMPLETED = "completed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Backtrack:
    """A backtrack as its row says."""

    identifier: str
    cluster: str
    status: BacktrackStatus
    requested_at: datetime
    to: datetime | None
    """The moment that was asked for; None where a place in the log was."""
    consistent_at: datetime | None
    """The exact moment: everything committed at or before it is there, and nothing else."""
    timeline: int
    lsn: int
    """The last commit record that is kept."""
    backtracked_from: datetime | None = None
    from_timeline: int | None = None
    from_lsn: int | None = None
    """Where the log ended that was left behind."""
    new_timeline: int | None = None
    downtime_ms: float | None = None
    error: str = ""


@dataclass(frozen=True, slots=True)
class Era:
    """A span of time during which the cluster wrote on one timeline."""

    timeline: int
    began_at: datetime
    ended_at: datetime | None = None
    """None while it lasts."""
    ended_lsn: int | None = None
    """Where its log ends; None while it lasts."""
    left_behind: bool = False
    """It was ended by a backtrack: its log goes on beyond where the next era began."""


def era_at(eras: Sequence[Era], moment: datetime) -> Era | None:
    """The era of a moment; None before the first. `eras` are in the order of time."""
    return next((era for era in reversed(eras) if era.began_at <= moment), None)


def goes_on_in(eras: Sequence[Era], era: Era) -> Era:
    """The next era where it began at the very end of this one, as after a failover; else the era itself."""
    following = next((each for each in eras[eras.index(era) + 1 :]), None)
    return era if following is None or era.left_behind else following


@dataclass(frozen=True, slots=True)
class PageImage:
    """A consistent, stopped data directory that recovery can start from."""

    identifier: str
    node: str
    timeline: int
    redo_lsn: int
    """From where on log is needed."""
    checkpoint_lsn: int
    """The checkpoint record at which it stopped; moments from there on can be reached from it."""
    reached_at: datetime
    """When the cluster had got there, or later by no more than a look."""
    held_bytes: int = 0

    @property
    def key(self) -> tuple[str, str]:
        """What it is known by: copies on several nodes may bear one name."""
        return self.node, self.identifier

    def to_json(self) -> dict[str, Any]:
        """As the journal keeps it."""
        return {**asdict(self), "reached_at": self.reached_at.isoformat()}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> PageImage:
        """From the journal."""
        return cls(**{**document, "reached_at": datetime.fromisoformat(document["reached_at"])})

    def serves(self, lineage: Lineage, lsn: int) -> bool:
        """Whether a place of a history can be reached from here."""
        return self.checkpoint_lsn <= lsn and lineage.until(lsn).holds(self.timeline, self.checkpoint_lsn)


def choose_image(images: Iterable[PageImage], lineage: Lineage, lsn: int) -> PageImage | None:
    """The newest image from which a place of a history can be reached; None where there is none."""
    return max(
        (image for image in images if image.serves(lineage, lsn)), default=None, key=lambda image: image.checkpoint_lsn
    )


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint that the writer has completed."""

    timeline: int
    lsn: int
    redo_lsn: int


@dataclass(frozen=True, slots=True)
class Limits:
    """What a cluster's owner allows."""

    window_s: int
    bound_bytes: int
    """The most log that a backtrack may have to replay."""


def image_due(
    newest: PageImage | None, checkpoint: Checkpoint, end_lsn: int, limits: Limits, now: datetime, *, spare: bool
) -> bool:
    """Whether an image should now be made that stops at the writer's last checkpoint.

    `newest` is the newest image of the current history, `end_lsn` where the log ends now; `spare` says that the machine has
    processors to spare. By log, so that no replay grows beyond the bound; by time, so that images and log that are older
    than the window can be given up.
    """
    if newest is None:
        return True
    if checkpoint.lsn <= newest.checkpoint_lsn:
        return False
    replay_bytes = end_lsn - newest.redo_lsn
    enough_bytes = limits.bound_bytes * _SHARE_OF_BOUND
    if spare:
        enough_bytes = min(enough_bytes, max(limits.bound_bytes, newest.held_bytes) * _SHARE_WHERE_SPARE)
    # By the checkpoint and not by the end: right after one, the image is newest and the next one furthest away.
    if checkpoint.lsn - newest.redo_lsn >= enough_bytes:
        return True
    if replay_bytes >= limits.bound_bytes * _SHARE_AT_MOST:
        return True
    age_s = (now - newest.reached_at).total_seconds()
    return replay_bytes >= WORTH_AN_IMAGE_BYTES and age_s >= limits.window_s / _IMAGES_PER_WINDOW


@dataclass(frozen=True, slots=True)
class BacktrackReach:
    """How far a cluster can be brought back now, and what that takes."""

    earliest: datetime | None = None
    log_bytes: int = 0
    image_bytes: int = 0
    log_bytes_per_hour: int | None = None
    """Created, of each copy; None where nothing has been measured yet."""
    image_bytes_per_hour: int | None = None
    images: tuple[PageImage, ...] = ()


@dataclass(frozen=True, slots=True)
class Retention:
    """What is kept so that every moment since `earliest` can be reached."""

    earliest: datetime | None
    """None where no moment can be reached yet."""
    images: frozenset[tuple[str, str]] = frozenset()
    """(node, image) of all that are kept."""
    first_lsn: Mapping[int, int] = field(default_factory=dict)
    """From where on the log of each timeline is needed; a timeline that is not named is not needed at all."""


def retain(
    eras: Sequence[Era], lineages: Mapping[int, Lineage], images: Sequence[PageImage], since: datetime
) -> Retention:
    """Which images and which log are needed for every moment since `since`, or since the first that can be reached.

    Of each era that reaches into the window: the newest image that is old enough for its beginning there, and all that
    are newer. `lineages` are by timeline.
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


def _on(image: PageImage, lineage: Lineage, era: Era) -> bool:
    within = era.ended_lsn is None or image.checkpoint_lsn <= era.ended_lsn
    return within and lineage.holds(image.timeline, image.checkpoint_lsn)


def _need(first_lsn: dict[int, int], lineage: Lineage, lsn: int) -> None:
    """The log of a history from `lsn` on: of the timeline that wrote there from there, of later ones all."""
    owner = lineage.owner(lsn)
    timelines = [*(fork.timeline for fork in lineage.forks), lineage.timeline]
    for timeline in timelines[timelines.index(owner) :]:
        least = lsn if timeline == owner else 0
        first_lsn[timeline] = min(first_lsn.get(timeline, least), least)


def image_to_copy(images: Iterable[PageImage], room_bytes: int) -> PageImage | None:
    """The newest that only one node has; None where its copy would not leave room for one more image."""
    found = list(images)
    nodes = Counter(each.identifier for each in found)
    alone = [each for each in found if nodes[each.identifier] == 1 and 2 * each.held_bytes <= room_bytes]
    return max(alone, default=None, key=lambda each: each.checkpoint_lsn)


def thin_out(
    images: Sequence[PageImage], lineages: Iterable[Lineage], bound_bytes: int, over_bytes: int
) -> list[PageImage]:
    """The images without as many as have to go to free `over_bytes`, oldest first: second copies, then those in between.

    In between are those without which no more log has to be replayed than a busy cluster would have to replay anyway.
    """
    kept = sorted(images, key=lambda each: (each.checkpoint_lsn, each.identifier))
    histories = list(lineages)
    while over_bytes > 0 and (spare := _second_copy(kept) or _in_between(kept, histories, bound_bytes)):
        kept.remove(spare)
        over_bytes -= spare.held_bytes
    return kept


def _second_copy(images: Sequence[PageImage]) -> PageImage | None:
    """The first that another node has too; `images` are in order."""
    return next((after for each, after in pairwise(images) if each.identifier == after.identifier), None)


def _in_between(images: Sequence[PageImage], lineages: Iterable[Lineage], bound_bytes: int) -> PageImage | None:
    """The first such; `images` are in order."""
    spare: set[tuple[str, str]] = set()
    needed: set[tuple[str, str]] = set()
    for lineage in lineages:
        own = [image for image in images if lineage.holds(image.timeline, image.checkpoint_lsn)]
        needed |= {image.key for image in (*own[:1], *own[-1:])}
        for before, image, after in zip(own, own[1:], own[2:], strict=False):
            near = after.checkpoint_lsn - before.redo_lsn <= bound_bytes * _SHARE_AT_MOST
            (spare if near else needed).add(image.key)
    return next((image for image in images if image.key in spare - needed), None)


def shrink_to_budget(
    eras: Sequence[Era],
    lineages: Mapping[int, Lineage],
    images: Sequence[PageImage],
    since: datetime,
    over_bytes: int,
    freed_bytes: Mapping[tuple[str, str], int],
) -> Retention:
    """As `retain`, with a later beginning if that is what it takes to free `over_bytes`.

    `freed_bytes` tells for each (node, image) what giving it up frees, the log that only it needs included. The newest
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
    """Where a window that ends now begins."""
    return now - timedelta(seconds=window_s)
