"""The first and the last instance of a cluster whose rows are real: what is refused, ended and left alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from auroractl.config.paths import Home
from auroractl.config.settings import Settings
from auroractl.core.errors import EngineError
from auroractl.core.operation_kinds import OperationKind
from auroractl.core.operations import OperationStatus
from auroractl.engine import sql
from auroractl.engine.server import Server
from auroractl.runtime.installation import Installation
from auroractl.runtime.managed_cluster import ManagedCluster
from auroractl.runtime.runtime import Runtime
from auroractl.services.clusters import instances, kept_data
from auroractl.services.clusters.attachment import OnlyInstance, has_base, take_over
from auroractl.services.clusters.readers import Readers
from auroractl.services.instances import replication
from auroractl.services.operations import runner
from auroractl.services.operations.runner import Plan, Step
from auroractl.services.volume import storage_nodes
from auroractl.state.database import open_database
from tests.unit.core.clusters import NOW
from tests.unit.state.conftest import Demo

NAME = "demo-instance-1"


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ManagedCluster]:
    """A cluster of three instances that is recorded and has no process."""
    monkeypatch.setattr(ManagedCluster, "publish_routes", lambda *_: None)
    # Its folders are this process's own.
    monkeypatch.setattr(Installation, "account", None)
    with closing(open_database(tmp_path / "state.db", tmp_path / "state-backups")) as database:
        Demo.of().create(database.repository)
        database.repository.finish_operation("op-demo", OperationStatus.COMPLETED, None, NOW)
        made = ManagedCluster(Runtime(Home(tmp_path), Settings(), database.repository, lambda: None), "demo")
        made.paths.instances.mkdir(parents=True)
        made.paths.storage.mkdir()
        yield made


@pytest.fixture
def fenced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The clusters whose storage nodes were fenced."""
    names: list[str] = []
    monkeypatch.setattr(storage_nodes, "fence_nodes", lambda each: names.append(each.name))
    return names


def _forget(cluster: ManagedCluster, *names: str) -> None:
    for name in names:
        cluster.repository.delete_instance(name)


def _make_data(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "PG_VERSION").write_text("18\n")
    return folder


@pytest.fixture(autouse=True)
def _control_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """What pg_controldata would print: the version file has the LSN."""

    def read(data: Path, *_: object) -> dict[str, str]:
        lsn = (data / "PG_VERSION").read_text().strip()
        return {**dict.fromkeys(kept_data._LABELS, "1"), "Latest checkpoint location": lsn}

    monkeypatch.setattr(kept_data, "read_control_data", read)


def test_what_the_writer_leaves_is_ended_even_if_its_row_is_gone(cluster: ManagedCluster, fenced: list[str]) -> None:
    """A supervisor that ended right after the deletion of the row is resumed."""
    _forget(cluster, *(each.identifier for each in cluster.instances()))
    OnlyInstance(cluster, NAME).going().steps[-1].do()
    assert fenced == ["demo"]
    OnlyInstance(cluster, NAME).coming().steps[0].undo()
    assert fenced == ["demo", "demo"]


def test_nothing_is_repaired_in_a_writer_that_is_gone(cluster: ManagedCluster, fenced: list[str]) -> None:
    _forget(cluster, *(each.identifier for each in cluster.instances()))
    cluster.observer._internals["demo"] = (0.0, False)
    OnlyInstance(cluster, NAME).going().steps[-1].do()
    assert fenced
    assert cluster.observer.internals_in_order("demo")


def test_data_left_of_an_instance_is_refused_before_anything_is_recorded(cluster: ManagedCluster) -> None:
    """The writer would be started on it, and the storage nodes would follow."""
    announced = cluster.instance(NAME)
    _forget(cluster, *(each.identifier for each in cluster.instances()))
    left = cluster.paths.instance(NAME).data
    for folder in (left, cluster.paths.base):
        _make_data(folder)
    with pytest.raises(EngineError, match="data of an earlier DBInstance demo-instance-1"):
        instances._prepare_creation(cluster, announced)
    assert cluster.repository.running_operations() == []
    assert cluster.instances() == []
    left.parent.rename(left.parent.with_name("away"))
    instances._prepare_creation(cluster, announced)
    assert [each.is_writer for each in cluster.instances()] == [True]


def test_a_reader_without_data_is_removed_also_beside_a_writer_without_data(cluster: ManagedCluster) -> None:
    """A copy failed because the writer's data is with the volume already; its deletion is then repeated."""
    _make_data(cluster.paths.base)
    with pytest.raises(EngineError) as refused:
        replication.start_writer(cluster, cluster.writer())
    assert refused.value.hint.endswith("auroractl delete-instance demo-instance-1")
    kept = _make_data(cluster.paths.instance("demo-instance-3").data)
    with pytest.raises(EngineError, match="nothing is removed"):
        Readers(cluster, ["demo-instance-3"]).remove()
    assert kept.exists()
    Readers(cluster, ["demo-instance-2"]).remove()
    assert [each.identifier for each in cluster.instances()] == [NAME, "demo-instance-3"]


def test_a_deletion_of_the_last_instance_touches_nothing_of_a_cluster_with_others(
    cluster: ManagedCluster, fenced: list[str]
) -> None:
    """Its record may be older than they are."""
    data = _make_data(cluster.paths.instance(NAME).data)
    only = OnlyInstance(cluster, NAME)
    for act in (only.going().steps[2].do, only.going().steps[3].do, only.coming().steps[0].undo):
        with pytest.raises(EngineError, match="is not the only instance"):
            act()
    assert data.exists()
    assert len(cluster.instances()) == 3
    assert fenced == []


def test_an_operation_that_has_ended_meanwhile_is_not_resumed(
    cluster: ManagedCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    steps = [Step("Begin", lambda: done.append("done"), lambda: done.append("undone"))]
    monkeypatch.setitem(runner.PLANNERS, OperationKind.REBOOT_INSTANCE, lambda *_: Plan(steps, "Begin"))
    old, new = (runner.new_record(cluster, OperationKind.REBOOT_INSTANCE, {}) for _ in range(2))
    for record in (old, new):
        cluster.repository.begin_operation(record)
    runner.resume(cluster, old)
    assert done == []
    runner.resume(cluster, new)
    assert done == ["undone"]


def test_a_checkpoint_precedes_the_stop_of_the_last_writer(
    cluster: ManagedCluster, fenced: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that its shutdown is short, and it is not killed in it."""
    _forget(cluster, "demo-instance-2", "demo-instance-3")
    _make_data(cluster.paths.instance(NAME).data)
    done: list[str] = []

    @contextmanager
    def session(*_: object, statement_timeout_s: float) -> Iterator[SimpleNamespace]:
        yield SimpleNamespace(execute=lambda statement: done.append(f"{statement} within {statement_timeout_s:g} s"))

    monkeypatch.setattr(sql, "session", session)
    monkeypatch.setattr(Server, "is_ready", lambda _: True)
    monkeypatch.setattr(Server, "stop", lambda *_: done.append("stop"))
    OnlyInstance(cluster, NAME).going().steps[2].do()
    assert done == ["CHECKPOINT within 300 s", "stop"]
    assert fenced
    assert has_base(cluster)


def test_the_start_of_a_first_writer_may_take_long_while_it_makes_progress(
    cluster: ManagedCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Data of a server that was killed is recovered, and an end of that would let the next one begin again."""
    waits: list[tuple[float, Callable[[], bool]]] = []
    monkeypatch.setattr(Server, "pid", lambda _: 1)
    monkeypatch.setattr(Server, "start", lambda _, timeout_s, worth_waiting: waits.append((timeout_s, worth_waiting)))
    monkeypatch.setattr(cluster.observer, "refresh", lambda _: None)
    now_s, used_s = 1000.0, 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now_s)
    monkeypatch.setattr(replication, "cpu_time_s", lambda _: used_s)
    OnlyInstance(cluster, NAME).coming().steps[1].do()
    ((timeout_s, worth_waiting),) = waits
    assert timeout_s == 3600
    for _ in range(20):
        now_s, used_s = now_s + 5, used_s + 1
        assert worth_waiting()
    now_s += 30
    assert not worth_waiting()


def test_an_older_copy_in_place_of_the_data_that_was_kept_is_refused(
    cluster: ManagedCluster, fenced: list[str]
) -> None:
    _forget(cluster, "demo-instance-2", "demo-instance-3")
    announced = cluster.instance(NAME)
    data, base = _make_data(cluster.paths.instance(NAME).data), cluster.paths.base
    steps = OnlyInstance(cluster, NAME).going().steps
    for step in (*steps[2:], *steps[2:]):
        step.do()
    assert fenced
    (base / "PG_VERSION").write_text("17")
    with pytest.raises(EngineError, match=r"it is at 17 on timeline 1 of system 1 and was at 18 on"):
        instances._prepare_creation(cluster, announced)
    assert cluster.repository.running_operations() == []
    (base / "PG_VERSION").write_text("18")
    instances._prepare_creation(cluster, announced)
    take_over(cluster, announced)
    assert data.exists()
    assert not cluster.paths.base_position.exists()
