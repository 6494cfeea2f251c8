"""Growth is decided by the watch loop and by a command, at the same time."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path

import pytest

from auroractl.config.paths import Home
from auroractl.config.settings import Settings
from auroractl.core.volume.growth import GrowthPlan, plan_growth
from auroractl.core.volume.model import StorageVolume
from auroractl.runtime.managed_cluster import ManagedCluster
from auroractl.runtime.runtime import Runtime
from auroractl.services.volume import growth
from auroractl.state.database import open_database
from tests.unit.core.clusters import NOW
from tests.unit.state.conftest import Demo

GROUP_BYTES = 8 << 20


def test_two_decisions_at_once_grow_a_volume_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    both_have_decided = threading.Barrier(2)

    def decide(volume: StorageVolume, groups: int, used_bytes: int) -> GrowthPlan:
        plan = plan_growth(volume, groups, used_bytes)
        with suppress(threading.BrokenBarrierError):
            both_have_decided.wait(timeout=0.5)
        return plan

    monkeypatch.setattr(growth, "plan_growth", decide)
    monkeypatch.setattr(growth, "_configure_writer", lambda *_: None)
    monkeypatch.setattr(ManagedCluster, "publish_routes", lambda *_: None)
    with closing(open_database(tmp_path / "state.db", tmp_path / "state-backups")) as database:
        repository = database.repository
        Demo.of().create(repository)
        volume = StorageVolume(
            cluster="demo",
            auto_grow=True,
            max_capacity_bytes=100 * GROUP_BYTES,
            increment_bytes=GROUP_BYTES,
            headroom_percent=10,
            group_bytes=GROUP_BYTES,
            created_at=NOW,
        )
        repository.create_volume(volume, (), 1)
        cluster = ManagedCluster(Runtime(Home(tmp_path), Settings(), repository, lambda: None), "demo")
        with ThreadPoolExecutor(2) as pool:
            plans = list(pool.map(lambda _: growth.evaluate(cluster, 3 * GROUP_BYTES), range(2)))

        [grown] = repository.growth_history("demo", 10)
        assert (grown.groups_before, grown.groups_after) == (1, repository.protection_groups("demo"))
        assert {plan.groups_after for plan in plans} == {grown.groups_after}
