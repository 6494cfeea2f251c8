"""Which log may be given up, by what is known of recovery images."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from auroractl.core.restore.retention import Retention
from auroractl.core.wal.segments import SEGMENT_BYTES, Segment
from auroractl.runtime.volume_memory import BacktrackMemory

OLD = Segment(1, 2)


@pytest.mark.parametrize("over_budget", [False, True])
def test_all_log_is_needed_until_there_is_an_image_or_it_fills_the_disk(over_budget: bool) -> None:
    memory = BacktrackMemory()
    assert (memory.floor, memory.needs(OLD)) == (0, True)
    memory.decide(Retention(None), over_budget=over_budget)
    assert (memory.known, memory.needs(OLD)) == (over_budget, not over_budget)
    reached_at = datetime(2026, 11, 26, tzinfo=UTC)
    memory.decide(Retention(reached_at, frozenset(), {1: 5 * SEGMENT_BYTES}), over_budget=over_budget)
    assert (memory.floor, memory.needs(OLD), memory.earliest) == (5, False, reached_at)
