"""Growth plans over arbitrary volumes."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from auroractl.core.volume.growth import GROUP_BYTES_DEFAULT, MAX_CAPACITY_BYTES, Reason, groups_for, plan_growth
from auroractl.core.volume.model import StorageVolume

MIB = 1024**2
GIB = 1024**3


def volume(
    *, auto_grow: bool = True, cap: int = 1024 * MIB, increment: int = 8 * MIB, headroom: int = 10, group: int = 8 * MIB
) -> StorageVolume:
    return StorageVolume("demo", auto_grow, cap, increment, headroom, group, datetime.now(UTC))


@pytest.mark.parametrize(
    ("groups", "used", "after", "reason"),
    [
        (1, 1 * MIB, 1, Reason.ENOUGH),
        (1, 7 * MIB, 1, Reason.ENOUGH),
        (1, 8 * MIB, 2, Reason.AHEAD_OF_NEED),
        (1, 30 * MIB, 5, Reason.AHEAD_OF_NEED),
        (5, 30 * MIB, 5, Reason.ENOUGH),
        (6, 30 * MIB, 6, Reason.ENOUGH),
        (9, 30 * MIB, 5, Reason.GIVEN_BACK),
    ],
)
def test_a_volume_grows_ahead_of_need_and_gives_back(groups: int, used: int, after: int, reason: Reason) -> None:
    plan = plan_growth(volume(), groups, used)
    assert (plan.groups_after, plan.reason, plan.full) == (after, reason, False)


def test_the_largest_volume_has_13_108_groups() -> None:
    assert groups_for(MAX_CAPACITY_BYTES, GROUP_BYTES_DEFAULT) == 13_108
    largest = volume(cap=MAX_CAPACITY_BYTES, increment=GROUP_BYTES_DEFAULT, group=GROUP_BYTES_DEFAULT)
    plan = plan_growth(largest, 13_107, MAX_CAPACITY_BYTES - 1)
    assert plan.groups_after == 13_108
    assert plan.allocated_after_bytes == MAX_CAPACITY_BYTES
    assert plan.reason is Reason.AT_CAP
    assert not plan.full
    assert plan_growth(largest, 13_108, MAX_CAPACITY_BYTES).full


def test_without_growth_a_volume_fills_up() -> None:
    plan = plan_growth(volume(auto_grow=False), 1, 8 * MIB)
    assert (plan.groups_after, plan.reason, plan.full) == (1, Reason.DISABLED, True)


VOLUMES = st.builds(
    volume,
    auto_grow=st.booleans(),
    cap=st.integers(8 * MIB, 4 * GIB),
    increment=st.integers(1, 256 * MIB),
    headroom=st.integers(0, 90),
    group=st.just(8 * MIB),
)


@given(VOLUMES, st.integers(1, 400), st.integers(0, 4 * GIB))
def test_a_plan_holds_what_it_promises(given_volume: StorageVolume, groups: int, used: int) -> None:
    cap_groups = groups_for(given_volume.max_capacity_bytes, given_volume.group_bytes)
    groups = min(groups, cap_groups)
    plan = plan_growth(given_volume, groups, used)
    assert 1 <= plan.groups_after <= cap_groups
    assert plan.allocated_after_bytes <= given_volume.max_capacity_bytes
    assert plan.full == (used >= plan.allocated_after_bytes)
    if not given_volume.auto_grow:
        assert plan.groups_after == groups
    elif plan.groups_after < cap_groups:
        free_bytes = plan.allocated_after_bytes - used
        assert free_bytes * 100 >= given_volume.headroom_percent * plan.allocated_after_bytes


@given(VOLUMES, st.integers(1, 400), st.integers(0, 4 * GIB))
def test_a_plan_that_was_carried_out_asks_for_nothing_more(given_volume: StorageVolume, groups: int, used: int) -> None:
    assume(given_volume.auto_grow)
    groups = min(groups, groups_for(given_volume.max_capacity_bytes, given_volume.group_bytes))
    once = plan_growth(given_volume, groups, used)
    again = plan_growth(given_volume, once.groups_after, used)
    assert again.groups_after == once.groups_after
