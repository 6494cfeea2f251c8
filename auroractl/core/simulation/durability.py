"""Loss of quorum in a volume of many protection groups: the model and its exact expectation.

The argument is that of Verbitski et al., SIGMOD 2017, sections 2.1 and 2.2. With small segments and a fast network a
lost copy is restored within seconds. A second and third failure within that window, even together with the outage of an
Availability Zone, are therefore unlikely. Two of three copies cannot survive the loss of one zone and one more copy.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import cached_property

from auroractl.core.errors import InvalidParameterValue
from auroractl.core.volume.growth import GROUP_BYTES_DEFAULT, HEADROOM_PERCENT_DEFAULT, MAX_CAPACITY_BYTES, groups_for
from auroractl.core.volume.model import place_nodes
from auroractl.core.volume.quorum import Membership, Quorum, read_quorum, write_quorum

YEAR_S = 365.25 * 86_400
ZONES = ("a", "b", "c")


class Loss(StrEnum):
    """The kinds of loss of a protection group."""

    WRITE_QUORUM = "write quorum"
    READ_QUORUM = "read quorum"
    DATA = "data"
    """Fewer copies than a read quorum survived, because the others were destroyed before they were restored.

    An acknowledged write may then be on none of the remaining copies.
    """


@dataclass(frozen=True)
class Scheme:
    """Copies in zones and the quorums over them. Sets of copies are bit masks here."""

    name: str
    zone_of: tuple[str, ...]
    """The zone of each copy."""
    writes: Quorum
    reads: Quorum
    """Read quorum, over the copies' numbers as text."""

    @cached_property
    def zone_masks(self) -> dict[str, int]:
        """Return the copies of each zone."""
        return {
            zone: sum(1 << number for number, own in enumerate(self.zone_of) if own == zone)
            for zone in sorted(set(self.zone_of))
        }

    @cached_property
    def lost(self) -> dict[Loss, tuple[bool, ...]]:
        """Return for every set of missing copies whether too few remain."""
        copies = len(self.zone_of)
        present = [{str(n) for n in range(copies) if not mask >> n & 1} for mask in range(1 << copies)]
        reads = tuple(not self.reads.met_by(each) for each in present)
        return {
            Loss.WRITE_QUORUM: tuple(not self.writes.met_by(each) for each in present),
            Loss.READ_QUORUM: reads,
            Loss.DATA: reads,
        }


def four_of_six() -> Scheme:
    """Return Aurora's scheme, as a cluster's volume places and counts its nodes."""
    nodes = place_nodes("simulated", ZONES, datetime(2000, 1, 1, tzinfo=UTC))
    members = [(str(number), Membership.VOTER) for number in range(len(nodes))]
    return Scheme(
        "4/6", tuple(node.availability_zone for node in nodes), write_quorum(members), read_quorum(members)
    )  # fmt: skip


def two_of_three() -> Scheme:
    """Return the scheme that the paper finds inadequate: one copy in each zone, any two for writes and for reads."""
    copies = Quorum(2, frozenset(str(number) for number in range(3)))
    return Scheme("2/3", ZONES, copies, copies)


SCHEMES = {"4/6": four_of_six, "2/3": two_of_three}


@dataclass(frozen=True, slots=True)
class Assumptions:
    """The assumptions of a simulation. Raises InvalidParameterValue for an invalid figure."""

    size_bytes: int = MAX_CAPACITY_BYTES
    initial_bytes: int | None = None
    """Size at the beginning, growing evenly to `size_bytes`; None: the final size from the beginning."""
    years: float = 1.0
    node_mttf_s: float = YEAR_S
    """Mean time until a copy is destroyed; lifetimes are exponential and independent."""
    az_outages_per_year: float = 0.1
    """Outages per zone. Its copies are unreachable but not destroyed."""
    az_outage_s: float = 4 * 3600.0
    detection_s: float = 10.0
    bandwidth_bits_per_s: float = 10e9
    """Bandwidth for restoring one copy."""
    group_bytes: int = GROUP_BYTES_DEFAULT

    def __post_init__(self) -> None:
        positive = {
            "--size": self.size_bytes, "--years": self.years, "--node-mttf": self.node_mttf_s,
            "--bandwidth": self.bandwidth_bits_per_s, "--group-size": self.group_bytes,
        }  # fmt: skip
        for name, value in positive.items():
            if not 0 < value < math.inf:
                raise InvalidParameterValue(f"{name} must be greater than 0.", "See auroractl simulate volume --help")
        for name, value in {
            "--az-outages-per-year": self.az_outages_per_year, "--az-outage-duration": self.az_outage_s,
            "--detection-time": self.detection_s,
        }.items():  # fmt: skip
            if not 0 <= value < math.inf:
                raise InvalidParameterValue(f"{name} must not be negative.", "See auroractl simulate volume --help")
        if self.size_bytes > MAX_CAPACITY_BYTES:
            raise InvalidParameterValue("A volume holds 128 TiB at most.", "Write --size 128TiB or less")
        if self.initial_bytes is not None and not 0 < self.initial_bytes <= self.size_bytes:
            raise InvalidParameterValue("--initial-size must lie between 0 and --size.", "Leave it out for no growth")

    @property
    def repair_s(self) -> float:
        """Return how long a destroyed copy is missing: until its loss is noticed, and until it is restored."""
        return self.detection_s + self.group_bytes * 8 / self.bandwidth_bits_per_s

    @property
    def groups(self) -> int:
        """Return the final number of groups in the volume, without headroom."""
        return groups_for(self.size_bytes, self.group_bytes)

    @property
    def headroom_percent(self) -> int:
        """Return the headroom, which is that of every cluster's volume."""
        return HEADROOM_PERCENT_DEFAULT


def losses_per_group_year(scheme: Scheme, assumptions: Assumptions, loss: Loss) -> float:
    """Return the average number of times per year that one group loses what `loss` names.

    Exact for copies and zones that fail and return independently: the failure frequency of a system of independent
    repairable parts is, over all its working states, the probability of the state times the rate of the single failures
    that end it (Barlow and Proschan, "Statistical Theory of Reliability and Life Testing", 1975, section 7.3). Only the
    means of the up and down times matter.
    """
    zones = scheme.zone_masks if loss is not Loss.DATA else {}
    missing = _share_down(assumptions.node_mttf_s, assumptions.repair_s)
    apart_s = YEAR_S / assumptions.az_outages_per_year if assumptions.az_outages_per_year else math.inf
    out = _share_down(apart_s, assumptions.az_outage_s)
    lost = scheme.lost[loss]
    copies = range(len(scheme.zone_of))
    frequency_per_s = 0.0
    for destroyed in range(1 << len(scheme.zone_of)):
        for zones_out in _subsets(list(zones)):
            unreachable = sum(zones[zone] for zone in zones_out)
            if lost[destroyed | unreachable]:
                continue
            ends = sum(
                1 / assumptions.node_mttf_s
                for copy in copies
                if not destroyed >> copy & 1 and lost[destroyed | unreachable | 1 << copy]
            )
            ends += sum(
                1 / apart_s
                for zone, mask in zones.items()
                if zone not in zones_out and lost[destroyed | unreachable | mask]
            )
            down = destroyed.bit_count()
            probability = missing**down * (1 - missing) ** (len(copies) - down)
            probability *= out ** len(zones_out) * (1 - out) ** (len(zones) - len(zones_out))
            frequency_per_s += probability * ends
    return frequency_per_s * YEAR_S


def _share_down(up_s: float, down_s: float) -> float:
    return 0.0 if math.isinf(up_s) else down_s / (up_s + down_s)


def _subsets(names: Sequence[str]) -> list[tuple[str, ...]]:
    return [tuple(n for i, n in enumerate(names) if mask >> i & 1) for mask in range(1 << len(names))]
