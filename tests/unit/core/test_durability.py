"""Simulated years of a volume, against what can be calculated by hand."""

from __future__ import annotations

import math
import statistics
from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auroractl.cli.simulate import parse_bits_per_s
from auroractl.core.errors import InvalidParameterValue
from auroractl.core.simulation.durability import (
    SCHEMES,
    YEAR_S,
    Assumptions,
    Loss,
    four_of_six,
    losses_per_group_year,
    two_of_three,
)
from auroractl.core.simulation.fleet import mean, probability, simulate
from auroractl.core.simulation.view import simulation_view

GIB = 1024**3
DAY_S = 86_400.0
FRAIL = Assumptions(
    size_bytes=20 * GIB, years=2, node_mttf_s=30 * DAY_S, az_outages_per_year=4, az_outage_s=DAY_S,
    detection_s=DAY_S, bandwidth_bits_per_s=1e9,
)  # fmt: skip
"""Fails so often that a few hundred runs show every kind of loss."""


def test_a_copy_of_ten_gibibytes_is_back_in_ten_seconds() -> None:
    """SIGMOD 2017, section 2.2: "A 10GB segment can be repaired in 10 seconds on a 10Gbps network link"."""
    assert Assumptions(detection_s=0).repair_s == pytest.approx(8.6, abs=0.1)


def test_an_az_and_one_more_copy() -> None:
    """SIGMOD 2017, section 2.1: 4/6 cannot write then and loses nothing; 2/3 cannot even read."""
    for name, (reads, writes) in {"4/6": (True, False), "2/3": (False, False)}.items():
        scheme = SCHEMES[name]()
        for zone, mask in scheme.zone_masks.items():
            others = [n for n, own in enumerate(scheme.zone_of) if own != zone]
            for one in others:
                assert scheme.lost[Loss.READ_QUORUM][mask | 1 << one] is not reads
                assert scheme.lost[Loss.WRITE_QUORUM][mask | 1 << one] is not writes
            assert not scheme.lost[Loss.WRITE_QUORUM][mask]


def test_every_set_of_missing_copies() -> None:
    scheme = four_of_six()
    for count in range(7):
        for missing in combinations(range(6), count):
            mask = sum(1 << number for number in missing)
            assert scheme.lost[Loss.WRITE_QUORUM][mask] is (count > 2)
            assert scheme.lost[Loss.READ_QUORUM][mask] is (count > 3)


@given(mttf_d=st.floats(1, 10_000), detection_s=st.floats(0, 1e6))
def test_the_exact_frequency_without_zones_is_the_textbook_formula(mttf_d: float, detection_s: float) -> None:
    given = Assumptions(node_mttf_s=mttf_d * DAY_S, detection_s=detection_s, az_outages_per_year=0)
    missing = given.repair_s / (given.node_mttf_s + given.repair_s)
    for scheme, loss, tolerated in (
        (four_of_six(), Loss.WRITE_QUORUM, 2),
        (four_of_six(), Loss.READ_QUORUM, 3),
        (four_of_six(), Loss.DATA, 3),
        (two_of_three(), Loss.READ_QUORUM, 1),
    ):
        copies = len(scheme.zone_of)
        at_the_edge = math.comb(copies, tolerated) * missing**tolerated * (1 - missing) ** (copies - tolerated)
        expected = at_the_edge * (copies - tolerated) / given.node_mttf_s * YEAR_S
        assert losses_per_group_year(scheme, given, loss) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_simulation_agrees_with_the_exact_frequency(scheme: str) -> None:
    made = SCHEMES[scheme]()
    runs = list(simulate(made, FRAIL, runs=400, seed=7))
    for loss in Loss:
        counts = [run.losses[loss].groups / FRAIL.years for run in runs]
        expected = losses_per_group_year(made, FRAIL, loss) * runs[0].groups
        error = statistics.stdev(counts) / math.sqrt(len(counts))
        assert sum(counts) > 0, loss
        assert statistics.fmean(counts) == pytest.approx(expected, abs=4 * error), loss


def test_two_of_three_loses_its_read_quorum_where_four_of_six_does_not() -> None:
    """The argument of the paper, on a full volume of 128 TiB: an AZ outage finds copies missing somewhere."""
    given = Assumptions(node_mttf_s=100 * DAY_S, az_outages_per_year=6, az_outage_s=600, years=0.25)
    lost = {
        name: [run.losses[Loss.READ_QUORUM].groups for run in simulate(SCHEMES[name](), given, runs=2, seed=3)]
        for name in SCHEMES
    }
    assert sum(lost["2/3"]) > 0
    assert sum(lost["4/6"]) == 0


def test_the_same_seed_gives_the_same_runs_and_another_one_others() -> None:
    first, again, other = (list(simulate(four_of_six(), FRAIL, 3, seed)) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_time_and_traffic_are_those_of_the_failures() -> None:
    (run,) = simulate(two_of_three(), replace(FRAIL, az_outages_per_year=0), 1, seed=5)
    assert run.outages == 0
    assert 0 < run.losses[Loss.DATA].volume_s < run.losses[Loss.DATA].groups * FRAIL.repair_s
    assert run.repaired_bytes / FRAIL.group_bytes == pytest.approx(run.failures, abs=6)


def test_a_growing_volume_counts_its_growths() -> None:
    growing = replace(FRAIL, size_bytes=100 * GIB, initial_bytes=10 * GIB)
    (run,) = simulate(four_of_six(), growing, 1, seed=1)
    assert run.groups == 10
    assert run.growths == 8
    view = simulation_view(growing, 1, {"4/6": (four_of_six(), [run])})
    assert view["Schemes"][0]["ReadQuorumLoss"]["GroupLossesPerYearExpected"] is None


def test_intervals() -> None:
    assert probability(50, 100).low == pytest.approx(0.404, abs=0.001)
    assert probability(50, 100).high == pytest.approx(0.596, abs=0.001)
    assert probability(100, 100).high == 1
    assert mean([0, 0, 0, 0], years=2).high == pytest.approx(3.689 / 8, abs=0.001)
    assert mean([2, 4]).value == 3


@pytest.mark.parametrize(
    "wrong",
    [
        {"size_bytes": 0}, {"years": 0}, {"node_mttf_s": -1}, {"bandwidth_bits_per_s": 0}, {"group_bytes": 0},
        {"az_outages_per_year": -1}, {"az_outage_s": -1}, {"detection_s": -1}, {"years": math.nan},
        {"size_bytes": 129 * 1024**4}, {"initial_bytes": 200 * 1024**4}, {"initial_bytes": 0},
    ],
)  # fmt: skip
def test_assumptions_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidParameterValue):
        Assumptions(**wrong)  # type: ignore[arg-type]


def test_bandwidths() -> None:
    assert parse_bits_per_s("800Mbit/s") == 8e8
    for wrong in ("10", "10GB/s", "-1Gbit/s"):
        with pytest.raises(InvalidParameterValue):
            parse_bits_per_s(wrong)
