"""Histories made up of writes, failovers, backtracks and recovery images: whatever is given up, the window stays reachable."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from auroractl.core.restore.retention import (
    WORTH_AN_IMAGE_BYTES,
    Checkpoint,
    Era,
    Limits,
    RecoveryImage,
    Retention,
    choose_image,
    era_at,
    goes_on_in,
    image_due,
    image_to_copy,
    retain,
    shrink_to_budget,
    thin_out,
    window_start,
)
from auroractl.core.wal.segments import SEGMENT_BYTES, Fork, Lineage

BEGAN = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
NODES = ("demo-storage-1", "demo-storage-3", "demo-storage-5")
LIMITS = Limits(window_s=3600, bound_bytes=1024**3)


@dataclass
class History:
    """What a cluster has been through: where it was at every second, and on which timeline."""

    lsn: int = 2 * SEGMENT_BYTES
    second: int = 0
    eras: list[Era] = field(default_factory=lambda: [Era(1, BEGAN)])
    lineages: dict[int, Lineage] = field(default_factory=lambda: {1: Lineage(1)})
    images: list[RecoveryImage] = field(default_factory=list)
    places: list[tuple[datetime, int]] = field(default_factory=list)
    """Where the log ended at moments, in the order of time."""

    @property
    def now(self) -> datetime:
        return BEGAN + timedelta(seconds=self.second)

    @property
    def current(self) -> Lineage:
        return self.lineages[self.eras[-1].timeline]

    def write(self, size_bytes: int) -> None:
        self.second += 1
        self.lsn += size_bytes
        self.places.append((self.now, self.lsn))

    def begin_era(self, lineage: Lineage, lsn: int, ended_lsn: int, *, left_behind: bool) -> None:
        self.second += 1
        self.eras[-1] = replace(self.eras[-1], ended_at=self.now, ended_lsn=ended_lsn, left_behind=left_behind)
        timeline = max(self.lineages) + 1
        self.lineages[timeline] = Lineage(timeline, (*lineage.forks, Fork(lineage.timeline, lsn)))
        self.eras.append(Era(timeline, self.now))
        self.lsn = lsn + 1
        self.places.append((self.now, self.lsn))

    def fail_over(self) -> None:
        self.begin_era(self.current, self.lsn, self.lsn, left_behind=False)

    def backtrack(self, which: int) -> None:
        at, lsn = self.places[which % len(self.places)]
        era = era_at(self.eras, at)
        assert era is not None
        self.begin_era(self.lineages[era.timeline].until(lsn), lsn, self.lsn, left_behind=True)

    def make_image(self, node: str, distance_bytes: int) -> None:
        """Of the log's end, begun `distance_bytes` before it, but never before its timeline."""
        self.second += 1
        fork = max((fork.lsn for fork in self.current.forks), default=SEGMENT_BYTES)
        redo_lsn = max(fork, self.lsn - distance_bytes)
        identifier = f"{self.current.timeline:08X}-{self.lsn:016X}"
        image = RecoveryImage(identifier, node, self.current.timeline, redo_lsn, self.lsn, self.now, 1000)
        if (node, identifier) not in {(each.node, each.identifier) for each in self.images}:
            self.images.append(image)
        self.lsn += 1
        self.places.append((self.now, self.lsn))


_ALL = ("write", "write", "image", "image", "failover", "backtrack")


@st.composite
def _histories(draw: st.DrawFn, happens: tuple[str, ...] = _ALL, first: str = "write") -> History:
    history = History()
    history.write(draw(st.integers(1, 1000)))
    for what in (first, *draw(st.lists(st.sampled_from(happens), max_size=20))):
        if what == "write":
            history.write(draw(st.integers(1, 3 * SEGMENT_BYTES)))
        elif what == "image":
            history.make_image(draw(st.sampled_from(NODES)), draw(st.integers(0, 2 * SEGMENT_BYTES)))
        elif what == "failover":
            history.fail_over()
        else:
            history.backtrack(draw(st.integers(0, 1000)))
    return history


def _kept(history: History, retention: Retention) -> list[RecoveryImage]:
    return [each for each in history.images if (each.node, each.identifier) in retention.images]


def _assert_reachable(history: History, retention: Retention) -> None:
    """Every moment since the earliest has an image on its history, and all log from its redo on is kept."""
    assert retention.earliest is not None
    for at, lsn in history.places:
        if at < retention.earliest:
            continue
        era = era_at(history.eras, at)
        assert era is not None
        lineage = history.lineages[era.timeline]
        image = choose_image(_kept(history, retention), lineage, lsn)
        assert image is not None, f"{at} (LSN {lsn}) cannot be reached"
        for place in range(image.redo_lsn, lsn, max(1, (lsn - image.redo_lsn) // 50)):
            first = retention.first_lsn.get(lineage.owner(place))
            assert first is not None, f"the log of timeline {lineage.owner(place)} is not kept"
            assert first <= place, f"the log at {place} on timeline {lineage.owner(place)} is not kept"


def _newest_of_current(history: History) -> RecoveryImage | None:
    return choose_image(history.images, history.current, history.lsn)


@given(_histories(first="image"), st.integers(-5, 40))
def test_every_moment_since_the_earliest_can_be_reached(history: History, second: int) -> None:
    since = BEGAN + timedelta(seconds=second)
    assume(since <= history.now)
    retention = retain(history.eras, history.lineages, history.images, since)
    newest = _newest_of_current(history)
    if newest is None:
        assert retention == Retention(None)
        return
    assert retention.earliest is not None
    assert retention.earliest >= min(since, history.eras[-1].began_at) or since < BEGAN
    assert (newest.node, newest.identifier) in retention.images
    _assert_reachable(history, retention)


@given(_histories(), st.integers(0, 40))
def test_what_is_not_kept_for_a_window_is_not_needed_for_a_shorter_one(history: History, second: int) -> None:
    """So that what was given up is never missed later."""
    since = BEGAN + timedelta(seconds=second)
    before = retain(history.eras, history.lineages, history.images, since)
    left = _kept(history, before)
    for later in range(1, 10):
        after = retain(history.eras, history.lineages, left, since + timedelta(seconds=later))
        assert after.images <= before.images
        assert all(before.first_lsn[timeline] <= lsn for timeline, lsn in after.first_lsn.items())
        if after.earliest is not None:
            _assert_reachable(replace(history, images=left), after)


@given(_histories(("write", "image"), "image"))
def test_moments_of_the_first_image_onwards_are_within_a_window_without_bounds(history: History) -> None:
    retention = retain(history.eras, history.lineages, history.images, BEGAN - timedelta(days=1))
    assert retention.earliest == min(each.reached_at for each in history.images)
    assert len(retention.images) == len(history.images)


@given(_histories(first="image"), st.integers(0, 20), st.integers(0, 30_000))
def test_a_disk_budget_makes_the_window_smaller_and_never_empty(history: History, second: int, over_bytes: int) -> None:
    since = BEGAN + timedelta(seconds=second)
    newest = _newest_of_current(history)
    if newest is None:
        return
    plain = retain(history.eras, history.lineages, history.images, since)
    freed = {(each.node, each.identifier): each.held_bytes for each in history.images}
    shrunk = shrink_to_budget(history.eras, history.lineages, history.images, since, over_bytes, freed)
    assert (newest.node, newest.identifier) in shrunk.images
    assert shrunk.images <= plain.images
    assert plain.earliest is not None
    assert shrunk.earliest is not None
    assert shrunk.earliest >= plain.earliest
    _assert_reachable(history, shrunk)
    gone = sum(freed[each.node, each.identifier] for each in history.images) - 1000 * len(shrunk.images)
    on_current = {
        (each.node, each.identifier) for each in history.images if each.checkpoint_lsn == newest.checkpoint_lsn
    }
    assert gone >= over_bytes or shrunk.images <= on_current, "more could have been given up"


@given(
    _histories(first="image"),
    st.integers(0, 20),
    st.integers(0, 30_000),
    st.integers(SEGMENT_BYTES, 20 * SEGMENT_BYTES),
)
def test_thinner_images_reach_the_same_moments_within_the_bound(
    history: History, second: int, over_bytes: int, bound_bytes: int
) -> None:
    since = BEGAN + timedelta(seconds=second)
    plain = retain(history.eras, history.lineages, history.images, since)
    images = _kept(history, plain)
    thinner = thin_out(images, history.lineages.values(), bound_bytes, over_bytes, plain.first_lsn)
    assert set(thinner) <= set(images)
    assert 1000 * (len(images) - len(thinner)) < over_bytes + 1000, "more than was asked for was given up"
    if plain.earliest is None:
        return
    after = retain(history.eras, history.lineages, thinner, since)
    assert after.earliest == plain.earliest
    assert after.first_lsn.keys() <= plain.first_lsn.keys()
    assert all(plain.first_lsn[timeline] <= lsn for timeline, lsn in after.first_lsn.items())
    _assert_reachable(replace(history, images=thinner), after)
    for at, lsn in history.places:
        if at >= plain.earliest and (era := era_at(history.eras, at)):
            lineage = history.lineages[era.timeline]
            before, now = choose_image(images, lineage, lsn), choose_image(thinner, lineage, lsn)
            assert before is not None
            assert now is not None
            assert now.identifier == before.identifier or lsn - now.redo_lsn <= bound_bytes * 0.6


def test_of_images_that_lie_close_the_oldest_are_given_up_first() -> None:
    images = [replace(_image(1000 + each * 100), held_bytes=10) for each in range(9)]

    def left(over_bytes: int, bound_bytes: int = 10_000) -> list[int]:
        thinner = thin_out(images, [Lineage(1)], bound_bytes, over_bytes)
        return [(each.checkpoint_lsn - 1000) // 100 for each in thinner]

    assert left(0) == list(range(9))
    assert left(1) == [0, 2, 3, 4, 5, 6, 7, 8]
    assert left(11) == [0, 3, 4, 5, 6, 7, 8]
    assert left(1000) == [0, 8]
    assert left(1000, bound_bytes=500) == [0, 3, 6, 8]


def test_second_copies_of_images_are_given_up_before_any_moment_gets_further_away() -> None:
    images = [replace(_image(1000 + each * 100), held_bytes=10) for each in range(3)]
    copies = [replace(each, node=NODES[1]) for each in images]
    thinner = thin_out([*copies, *images], [Lineage(1)], 10_000, 11)
    assert sorted(each.identifier for each in thinner) == ["1000", "1100", "1200", "1200"]
    assert {each.identifier for each in thin_out([*copies, *images], [Lineage(1)], 10_000, 30)} == {
        "1000", "1100", "1200",
    }  # fmt: skip


def test_the_newest_image_that_stands_alone_is_copied_to_another_node() -> None:
    images = [replace(_image(1000 + each * 100), held_bytes=10) for each in range(3)]
    assert image_to_copy(images, 20) == images[2]
    assert image_to_copy([*images, replace(images[2], node=NODES[1])], 20) == images[1]
    assert image_to_copy(images, 19) is None, "the next image would have to make room"
    assert image_to_copy([], 100) is None


@given(_histories(), st.integers(0, 60))
def test_the_era_of_a_moment_is_the_one_that_wrote_then(history: History, second: int) -> None:
    moment = BEGAN + timedelta(seconds=second)
    era = era_at(history.eras, moment)
    assert era is not None
    assert era.began_at <= moment
    assert era.ended_at is None or moment < era.ended_at
    assert era_at(history.eras, BEGAN - timedelta(microseconds=1)) is None


def _image(checkpoint_lsn: int, *, timeline: int = 1, redo_lsn: int | None = None, second: int = 0) -> RecoveryImage:
    reached_at = BEGAN + timedelta(seconds=second)
    return RecoveryImage(
        str(checkpoint_lsn), NODES[0], timeline, redo_lsn or checkpoint_lsn, checkpoint_lsn, reached_at
    )


def test_the_image_of_a_place_is_the_newest_on_its_history() -> None:
    lineage = Lineage(3, (Fork(1, 100), Fork(2, 200)))
    images = [_image(50), _image(120), _image(110, timeline=2), _image(250, timeline=2), _image(210, timeline=3)]
    assert choose_image(images, lineage, 300) == images[4]
    assert choose_image(images, lineage, 210) == images[4]
    assert choose_image(images, lineage, 209) == images[2]
    assert choose_image(images, lineage, 109) == images[0]
    assert choose_image(images, lineage, 49) is None
    assert choose_image(images, Lineage(1), 300) == images[1]


def _due(checkpoint_lsn: int, end_lsn: int, now: datetime = BEGAN, *, spare: bool = False, held_bytes: int = 0) -> bool:
    checkpoint = Checkpoint(1, checkpoint_lsn, checkpoint_lsn)
    return image_due(replace(_image(1000), held_bytes=held_bytes), checkpoint, end_lsn, LIMITS, now, spare=spare)


def test_an_image_is_due_at_once_where_there_is_none() -> None:
    assert image_due(None, Checkpoint(1, 100, 90), 100, LIMITS, BEGAN, spare=False)


def test_no_image_is_due_without_a_later_checkpoint_or_for_next_to_nothing() -> None:
    long_after = BEGAN + timedelta(days=9)
    assert not _due(1000, 2**40, long_after, spare=True)
    assert not _due(2000, 1000 + WORTH_AN_IMAGE_BYTES - 1, long_after, spare=True)


@pytest.mark.parametrize(
    ("spare", "held_bytes", "far_bytes"),
    [
        (False, 0, 2**29),
        (True, 0, 2**27),
        (True, 2**30, 2**27),
        (True, 2**31, 2**28),
        (True, 2**40, 2**29),
    ],
    ids=["busy", "idle", "idle, 1 GiB", "idle, 2 GiB are not written for so little", "idle, huge"],
)
def test_an_image_is_due_at_a_checkpoint_that_is_far_enough(spare: bool, held_bytes: int, far_bytes: int) -> None:
    far = 1000 + far_bytes
    assert not _due(far - 1, far + 10**6, spare=spare, held_bytes=held_bytes)
    assert _due(far, far, spare=spare, held_bytes=held_bytes)


def test_an_image_is_due_at_any_checkpoint_once_the_bound_comes_near() -> None:
    near = 1000 + math.ceil(LIMITS.bound_bytes * 0.6)
    assert not _due(2000, near - 1)
    assert _due(2000, near)


def test_an_image_is_due_by_time() -> None:
    quarter = timedelta(seconds=LIMITS.window_s / 4)
    worth = 1000 + WORTH_AN_IMAGE_BYTES
    assert not _due(2000, worth, BEGAN + quarter - timedelta(seconds=1))
    assert _due(2000, worth, BEGAN + quarter)


@given(st.integers(0, 2**30), st.integers(0, 2**33), st.integers(0, 2**33), st.integers(0, 10**6), st.booleans())
def test_due_stays_due_as_log_and_time_go_on(
    checkpoint_bytes: int, distance_bytes: int, more_bytes: int, age_s: int, spare: bool
) -> None:
    now = BEGAN + timedelta(seconds=age_s)
    checkpoint_lsn = 1000 + checkpoint_bytes
    end_lsn = checkpoint_lsn + distance_bytes
    if _due(checkpoint_lsn, end_lsn, now, spare=spare):
        assert _due(checkpoint_lsn, end_lsn + more_bytes, now + timedelta(hours=1), spare=spare)
        assert _due(checkpoint_lsn + more_bytes, end_lsn + more_bytes, now, spare=spare)
        assert _due(checkpoint_lsn, end_lsn, now, spare=True)


def test_a_window_ends_now() -> None:
    assert window_start(BEGAN, 90) == BEGAN - timedelta(seconds=90)


@given(_histories())
def test_an_era_goes_on_in_the_next_one_unless_it_was_left_behind(history: History) -> None:
    for era, following in pairwise(history.eras):
        whole = history.lineages[goes_on_in(history.eras, era).timeline]
        assert goes_on_in(history.eras, era) == (era if era.left_behind else following)
        for at, lsn in history.places:
            if era.began_at <= at < following.began_at:
                assert whole.owner(lsn - 1) == history.lineages[era.timeline].owner(lsn - 1)
    assert goes_on_in(history.eras, history.eras[-1]) == history.eras[-1]
