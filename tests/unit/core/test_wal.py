"""Segments, their names and what lies beyond a fork."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auroractl.core.wal.segments import (
    SEGMENT_BYTES,
    Fork,
    Segment,
    beyond_fork,
    parse_history,
    parse_segment,
    segment_at,
)


@given(st.integers(0, 2**40), st.integers(1, 2**31))
def test_names_are_read_back(number: int, timeline: int) -> None:
    segment = Segment(number, timeline)
    assert parse_segment(segment.name) == segment
    assert segment_at(segment.start) == number
    assert segment_at(segment.end - 1) == number


@pytest.mark.parametrize(
    "name", ["", "00000002.history", "000000010000000000000001.partial", "0000000100000000000004FF", "checksums"]
)
def test_other_files_are_no_segments(name: str) -> None:
    assert parse_segment(name) is None


def test_a_history_file() -> None:
    text = "# comment\n1\t0/1000028\tno recovery target specified\n\n2\t1/0\tbefore\n"
    assert parse_history(text) == (Fork(1, 0x1000028), Fork(2, 1 << 32))


def test_what_a_timeline_received_after_it_was_left_counts_for_nothing() -> None:
    forks = (Fork(1, 5 * SEGMENT_BYTES + 100), Fork(2, 9 * SEGMENT_BYTES))
    assert not beyond_fork(Segment(4, 1), forks, 3)
    assert not beyond_fork(Segment(5, 1), forks, 3)
    assert beyond_fork(Segment(6, 1), forks, 3)
    assert not beyond_fork(Segment(8, 2), forks, 3)
    assert beyond_fork(Segment(9, 2), forks, 3)
    assert not beyond_fork(Segment(100, 3), forks, 3)
    assert beyond_fork(Segment(1, 4), forks, 3)
