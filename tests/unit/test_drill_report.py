"""What is made of what the clients of a drill saw."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from auroractl.cli.render import plots
from auroractl.cli.render.sentences import consumed
from auroractl.core.errors import AuroraError
from auroractl.drills.drill import Changes, Round, longest_gap
from auroractl.drills.kinds import Kind
from auroractl.drills.report import drill_view

ROUND = Round(
    target="i1", detection_ms=10.0, fence_ms=5.0, promotion_ms=90.0, first_commit_ms=300.0, longest_gap_ms=280.0,
    healthy_ms=900.0, commits=1000, rows_lost=0, rows_in_doubt=4, rows_in_doubt_there=2, reads=500, reads_failed=0,
    commits_by_bucket=(*[8] * 20, 0, 0, 4, 8),
)  # fmt: skip


def test_the_longest_gap_is_the_one_that_ends_after_the_fault() -> None:
    assert longest_gap([0.0, 5.0, 5.25, 6.5, 6.75], 5.125) == (1.25, 6.5)
    assert longest_gap([6.75, 5.25, 5.0, 6.5], 5.125) == (1.25, 6.5)
    with pytest.raises(AuroraError):
        longest_gap([1.0, 2.0], 3.0)


def test_a_lost_row_or_a_gap_beyond_the_limit_fails_a_drill() -> None:
    worse = replace(ROUND, longest_gap_ms=900.0)
    assert drill_view("demo", Kind.WRITER_CRASH, [ROUND, worse], None)["Passed"]
    assert drill_view("demo", Kind.WRITER_CRASH, [ROUND, worse], 900.0)["Passed"]
    assert not drill_view("demo", Kind.WRITER_CRASH, [ROUND, worse], 899.0)["Passed"]
    assert not drill_view("demo", Kind.WRITER_CRASH, [ROUND, replace(ROUND, rows_lost=1)], None)["Passed"]


def test_changes_that_are_lost_or_come_again_although_confirmed_fail_a_drill() -> None:
    kept = Changes(
        received=9, lost=0, repeated=3, repeated_below=0, not_stored=1, connections=2, slot_kept=True, major=18
    )
    lost = replace(kept, lost=1, slot_kept=False)

    def view(*changes: Changes) -> Any:
        return drill_view("demo", Kind.CDC_FAILOVER, [replace(ROUND, changes=each) for each in changes], None)

    assert view(kept)["Passed"]
    assert not view(kept, lost)["Passed"]
    assert not view(replace(kept, repeated_below=1))["Passed"]
    assert view(replace(lost, major=16))["Passed"]
    assert view(kept, lost)["Summary"]["Changes"]["Received"] == 18
    assert "PostgreSQL 16 loses" in consumed(view(replace(lost, major=16))["Summary"]["Changes"])[1]
    assert consumed(view(lost)["Summary"]["Changes"])[1] == "The consumer's slot was lost."
    assert consumed(None) == []


def test_the_summary_is_of_all_rounds() -> None:
    rounds = [replace(ROUND, longest_gap_ms=float(ms), promotion_ms=None) for ms in (100, 200, 300)]
    summary = drill_view("demo", Kind.PLANNED, rounds, None)["Summary"]
    assert summary["LongestGapMilliseconds"] == {"Median": 200.0, "P95": 300.0, "Worst": 300.0}
    assert summary["PromotionMilliseconds"] is None
    assert (summary["CommitsAcknowledged"], summary["RowsInDoubt"]) == (3000, 12)


def test_the_plot_marks_the_fault() -> None:
    document = {"Drill": drill_view("demo", Kind.PLANNED, [ROUND], None)}
    _, bars, mark = plots.commits(document).splitlines()
    assert bars == "█" * 20 + "  ▄█"
    assert mark.index("^") == 20
