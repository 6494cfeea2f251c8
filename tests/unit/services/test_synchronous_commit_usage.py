"""Counts of statements are told while they rise, and for an hour after."""

from __future__ import annotations

from datetime import UTC, datetime

from auroractl.core.synchronous_commit.setting import CommitStatements
from auroractl.runtime.synchronous_commit_usage import SynchronousCommitUsage

SINCE = datetime(2026, 11, 26, tzinfo=UTC)


def _found(calls: int) -> list[CommitStatements]:
    return [CommitStatements("app", "shop", calls, SINCE)]


def test_a_count_that_stays_is_told_for_an_hour() -> None:
    memory = SynchronousCommitUsage()
    memory.note(_found(3), 100.0)
    memory.note(_found(3), 2000.0)
    assert memory.told(3600.0) == tuple(_found(3))
    assert memory.told(3701.0) == ()


def test_a_count_that_rises_or_begins_again_is_told_afresh() -> None:
    memory = SynchronousCommitUsage()
    memory.note(_found(3), 100.0)
    memory.note(_found(4), 3000.0)
    assert memory.told(6000.0) == tuple(_found(4))
    memory.note(_found(1), 6500.0)
    assert memory.told(7000.0) == tuple(_found(1))


def test_what_is_gone_is_forgotten() -> None:
    memory = SynchronousCommitUsage()
    memory.note(_found(3), 100.0)
    memory.note([], 200.0)
    assert memory.told(200.0) == ()
