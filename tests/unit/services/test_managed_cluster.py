"""What is only in memory belongs to the runtime, by cluster; a managed cluster is a handle that can be made anywhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from auroractl.config.paths import Home
from auroractl.config.settings import Settings
from auroractl.core.errors import ClusterNotFound
from auroractl.runtime.endpoint_process import RoutingOverride
from auroractl.runtime.managed_cluster import ManagedCluster, find_cluster
from auroractl.runtime.runtime import Runtime
from auroractl.state.database import open_database
from tests.unit.core.clusters import NOW
from tests.unit.state.conftest import Demo


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[Runtime]:
    """A runtime with the clusters demo and other, which have no process."""
    with closing(open_database(tmp_path / "state.db", tmp_path / "state-backups")) as database:
        for name, block in (("demo", 16), ("other", 17)):
            Demo.of(name, block).create(database.repository)
        yield Runtime(Home(tmp_path), Settings(), database.repository, lambda: None)


def test_forgetting_a_cluster_drops_all_that_is_only_in_memory(runtime: Runtime) -> None:
    demo, other = ManagedCluster(runtime, "demo"), ManagedCluster(runtime, "other")
    for cluster in (demo, other):
        memory = cluster.memory
        memory.failed["demo-instance-1"] = "it crashed five times"
        memory.override = RoutingOverride(without=["demo-instance-2"])
        memory.volume.full_since = NOW
        memory.volume.backtrack.in_use.add("peek")
    find_cluster(runtime, "DEMO").forget()
    assert not runtime.remembers("demo")
    fresh = demo.memory
    assert (fresh.failed, fresh.override) == ({}, RoutingOverride())
    assert (fresh.volume.full_since, fresh.volume.backtrack.in_use) == (None, set())
    assert other.memory.failed
    assert other.memory.volume.full_since == NOW


def test_every_handle_of_a_cluster_reads_the_same_rows_and_memory(runtime: Runtime) -> None:
    demo = ManagedCluster(runtime, "demo")
    demo.memory.failed["demo-instance-1"] = "it crashed five times"
    assert ManagedCluster(runtime, "demo").memory is demo.memory
    assert [each.cluster for each in demo.instances()] == ["demo"] * 3
    assert demo.writer().identifier == "demo-instance-1"
    assert demo.row() == find_cluster(runtime, "Demo").row()


def test_a_handle_may_lead_to_no_cluster(runtime: Runtime) -> None:
    with pytest.raises(ClusterNotFound):
        ManagedCluster(runtime, "gone").snapshot()
    with pytest.raises(ClusterNotFound):
        find_cluster(runtime, "gone")
