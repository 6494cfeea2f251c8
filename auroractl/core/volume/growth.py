"""Growth and shrinking of a volume, in protection groups.

AWS: "The size of your cluster volume ... automatically grows as the amount of data in your database increases", and is
reduced when data is removed by dropping or truncating tables (Aurora User Guide, "Amazon Aurora storage"). A
protection group is 10 GiB (SIGMOD 2017, section 2.2).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from auroractl.core.volume.model import StorageVolume

GROUP_BYTES_DEFAULT = 10 * 1024**3
MAX_CAPACITY_BYTES = 128 * 1024**4
HEADROOM_PERCENT_DEFAULT = 10
HEADROOM_PERCENT_MAX = 90
_SPARE_INCREMENTS = 1
"""Only an excess greater than this is released, so that a volume does not alternate between growing and shrinking."""


class Reason(StrEnum):
    """The reason for a plan, shown to the user."""

    ENOUGH = "enough is allocated"
    AHEAD_OF_NEED = "less than the headroom is free"
    GIVEN_BACK = "more than an increment beyond the headroom is free"
    DISABLED = "growth is disabled"
    AT_CAP = "the volume is at its maximum capacity"


@dataclass(frozen=True, slots=True)
class GrowthPlan:
    """The planned allocation."""

    groups_before: int
    groups_after: int
    used_bytes: int
    allocated_before_bytes: int
    allocated_after_bytes: int
    reason: Reason
    full: bool
    """True if the data has reached the planned allocation, so that writes must wait for free space."""


def groups_for(size_bytes: int, group_bytes: int) -> int:
    """Return how many groups hold `size_bytes`; at least one."""
    return max(1, -(-size_bytes // group_bytes))


def initial_groups(volume: StorageVolume, used_bytes: int) -> int:
    """Return the groups of a new volume: one, or as many as the empty database already needs."""
    return min(groups_for(used_bytes, volume.group_bytes), groups_for(volume.max_capacity_bytes, volume.group_bytes))


def plan_growth(volume: StorageVolume, groups: int, used_bytes: int) -> GrowthPlan:
    """Plan the allocation of a volume with `groups` groups and `used_bytes` of data.

    It grows by whole increments until `headroom_percent` of the allocation is free, never beyond its cap, and releases
    increments that it does not need. With growth disabled nothing changes.
    """
    group, cap_bytes = volume.group_bytes, volume.max_capacity_bytes
    cap_groups = groups_for(cap_bytes, group)
    step = groups_for(volume.increment_bytes, group)
    wanted = groups_for(used_bytes * 100 // (100 - volume.headroom_percent) + 1, group)
    after, reason = groups, Reason.ENOUGH
    if not volume.auto_grow:
        reason = Reason.DISABLED
    elif wanted > groups:
        after = min(groups + groups_for(wanted - groups, step) * step, cap_groups)
        reason = Reason.AHEAD_OF_NEED if wanted <= cap_groups else Reason.AT_CAP
    elif groups - wanted > _SPARE_INCREMENTS * step:
        after, reason = wanted, Reason.GIVEN_BACK
    # A cap that is no multiple of a group truncates the last group.
    before_bytes, after_bytes = (min(each * group, cap_bytes) for each in (groups, after))
    return GrowthPlan(groups, after, used_bytes, before_bytes, after_bytes, reason, used_bytes >= after_bytes)
