"""A recovery image is only used where its storage node can be reached and it is not known to be damaged."""

from __future__ import annotations

from collections.abc import Set
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from auroractl.core.restore.retention import RecoveryImage
from auroractl.core.restore.target import Target
from auroractl.services.restore.recovery_point import likely_image

NOW = datetime(2026, 11, 27, tzinfo=UTC)
OLD = RecoveryImage("old", "demo-storage-4", 1, 0x1000, 0x2000, NOW - timedelta(minutes=30))
NEW = RecoveryImage("new", "demo-storage-1", 1, 0x8000, 0x9000, NOW - timedelta(minutes=10))


def chosen(*, down: Set[str] = frozenset(), damaged: Set[RecoveryImage] = frozenset()) -> RecoveryImage | None:
    backtrack = SimpleNamespace(images=(OLD, NEW), suspects={each.key for each in damaged})
    nodes = [
        SimpleNamespace(identifier=f"demo-storage-{number}", availability_zone=f"us-east-1{zone}")
        for number, zone in enumerate("abcabc", start=1)
    ]
    cluster: Any = SimpleNamespace(
        now=lambda: NOW,
        memory=SimpleNamespace(volume=SimpleNamespace(backtrack=backtrack)),
        faults=lambda: [SimpleNamespace(target=target) for target in down],
        storage_nodes=lambda: nodes,
    )
    return likely_image(cluster, Target(at=NOW))


def test_the_newest_is_used() -> None:
    assert chosen() == NEW


def test_not_one_on_a_node_or_in_a_zone_that_is_down() -> None:
    assert chosen(down={"demo-storage-1"}) == OLD
    assert chosen(down={"us-east-1b"}) == NEW
    assert chosen(down={"us-east-1a"}) is None


def test_not_a_damaged_one() -> None:
    assert chosen(damaged={NEW}) == OLD
