"""When what Aurora's functions show is written again: after a change, while someone asks, and now and then."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from auroractl.config.paths import Home
from auroractl.config.settings import Settings
from auroractl.engine import aurora_topology
from auroractl.runtime.managed_cluster import ManagedCluster
from auroractl.runtime.runtime import Runtime
from auroractl.services.healing.controllers import AuroraFunctions
from auroractl.state.database import open_database
from tests.unit.core.clusters import snapshot, well


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[ManagedCluster]:
    """A cluster of which only the folders of the instances exist."""
    with closing(open_database(tmp_path / "state.db", tmp_path / "state-backups")) as database:
        yield ManagedCluster(Runtime(Home(tmp_path), Settings(), database.repository, lambda: None), "demo")


def _file(cluster: ManagedCluster, instance: str) -> Path:
    return cluster.paths.instance(instance).data / aurora_topology.FILE


def _write(file: Path, *, was_read: bool) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("{}")
    os.utime(file, (200 if was_read else 100, 150))


def test_they_are_renewed_often_only_while_someone_asks(cluster: ManagedCluster) -> None:
    seen = snapshot(well(1), well(2), well(3))
    files = [_file(cluster, each.identifier) for each in seen.instances]
    for file in files:
        _write(file, was_read=False)
    functions = AuroraFunctions()
    everyone = [f"figures of {each.identifier}" for each in seen.instances]

    def renewed(now_s: float) -> list[str]:
        return [task.subject for task in functions.attend(cluster, seen, now_s)]

    assert renewed(100.0) == everyone
    assert renewed(100.5) == []
    assert renewed(101.5) == everyone
    assert renewed(120.0) == []
    assert renewed(162.0) == everyone
    _write(files[-1], was_read=True)
    assert renewed(170.0) == []
    assert renewed(173.0) == everyone


def test_it_shows_whether_a_file_was_read(tmp_path: Path) -> None:
    assert aurora_topology.was_read(tmp_path)
    file = tmp_path / aurora_topology.FILE
    _write(file, was_read=False)
    unnoted = os.statvfs(tmp_path).f_flag & getattr(os, "ST_NOATIME", 0)
    assert aurora_topology.was_read(tmp_path) == bool(unnoted)
    _write(file, was_read=True)
    assert aurora_topology.was_read(tmp_path)
