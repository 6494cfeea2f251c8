"""Which storage nodes count when a dead writer's log is read back."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

from auroractl.core.volume.model import StorageNode
from auroractl.core.wal.segments import SEGMENT_BYTES, Fork, Lineage, Segment
from auroractl.services.volume.quorum_recovery import _Reading, _Source
from auroractl.storage.folder import Inventory, LogFolder

FORK = Fork(1, 9 * SEGMENT_BYTES + 500)
CHAIN = Lineage(2, (FORK,))


def _is_whole(segment: Segment, flushed_lsn: int) -> bool:
    """Whether a node counts whose last segment is this one."""
    memory = SimpleNamespace(flushed_lsn={"n": flushed_lsn})
    reading = _Reading.__new__(_Reading)
    reading._cluster = SimpleNamespace(memory=SimpleNamespace(volume=memory))  # type: ignore[assignment]
    reading._target = SimpleNamespace(cluster="demo")  # type: ignore[assignment]
    reading._unreadable = {}
    finished = {Segment(number, 1): SEGMENT_BYTES for number in range(9)}
    node = cast("StorageNode", SimpleNamespace(identifier="n"))
    return reading._is_whole(
        _Source(node, LogFolder(Path("/")), Inventory(finished, {segment: SEGMENT_BYTES})), CHAIN, 5
    )


def test_a_node_that_had_not_begun_with_the_newest_timeline_lacks_nothing() -> None:
    """Its writer died right after it was promoted, before this node had received anything of it."""
    assert _is_whole(Segment(9, 1), FORK.lsn)
    assert _is_whole(Segment(9, 1), FORK.lsn - 100)


def test_a_node_that_has_lost_log_of_the_newest_timeline_does_not_count() -> None:
    assert not _is_whole(Segment(9, 1), FORK.lsn + 1)
    assert _is_whole(Segment(9, 2), FORK.lsn + 1)


def test_a_node_that_has_lost_the_end_of_the_old_timeline_does_not_count() -> None:
    assert not _is_whole(Segment(8, 1), FORK.lsn)
