"""Which copy is trusted after the end of the machine, with a real state and real files but no processes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest

from auroractl.config.paths import Home
from auroractl.config.settings import Settings
from auroractl.core.errors import AuroraError, EngineError
from auroractl.core.operation_kinds import OperationKind
from auroractl.core.operations import OperationStatus
from auroractl.core.volume.durability import Durability
from auroractl.core.volume.model import StorageVolume, place_nodes
from auroractl.core.wal.segments import SEGMENT_BYTES, Segment
from auroractl.runtime import flushing
from auroractl.runtime.installation import Installation
from auroractl.runtime.managed_cluster import ManagedCluster
from auroractl.runtime.runtime import Runtime
from auroractl.services.clusters import attachment, power, power_cut
from auroractl.services.instances import durability
from auroractl.services.operations import runner
from auroractl.services.volume import storage_nodes, unflushed_wal
from auroractl.state.database import open_database
from auroractl.storage.checksums import ChecksumRecord, forget_unfinished, record_finished
from auroractl.storage.folder import LogFolder
from auroractl.system.boot import boot_id
from tests.unit.core.clusters import NOW
from tests.unit.state.conftest import Demo

A, B = "demo-instance-1", "demo-instance-2"
OLD, NEW = Segment(3, 1), Segment(4, 2)


def _without_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Installation, "binaries", lambda *_: SimpleNamespace(folder=Path("/nowhere"), major=18))
    monkeypatch.setattr(Installation, "account", None)


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ManagedCluster]:
    """The cluster demo, which ran in another boot with the durability machine; A is its writer and on disk."""
    _without_programs(monkeypatch)
    with closing(open_database(tmp_path / "state.db", tmp_path / "state-backups")) as database:
        repository = database.repository
        demo = Demo.of().create(repository)
        repository.finish_operation(demo.operation.identifier, OperationStatus.COMPLETED, None, NOW)
        nodes = place_nodes("demo", demo.cluster.availability_zones, NOW)
        repository.create_volume(StorageVolume("demo", True, 2**40, 2**30, 10, 2**30, NOW), nodes, 1)
        made = ManagedCluster(Runtime(Home(tmp_path), Settings(), repository, lambda: None), "demo")
        for instance in made.instances():
            data = made.installation.server(instance).data
            (data / "pg_wal").mkdir(parents=True)
            (data / "PG_VERSION").write_text(f"18\n{instance.identifier}")
            (data / "postmaster.pid").unlink(missing_ok=True)
            made.paths.instance(instance.identifier).folder.joinpath("mark").touch()
        for node in nodes:
            folder = made.installation.log_folder(node)
            folder.path.mkdir(parents=True)
            _finish(folder, OLD)
            record_finished(folder, (), flush=False)
            _finish(folder, NEW)
            folder.history(2).write_text("1\t0/1000000\tno reason\n")
        _say(made, Durability.MACHINE, "before", A)
        yield made


def _finish(folder: LogFolder, segment: Segment) -> None:
    folder.finished(segment).touch()
    os.truncate(folder.finished(segment), SEGMENT_BYTES)


def _say(cluster: ManagedCluster, kind: Durability, boot: str, durable: str) -> None:
    cluster.repository.update_durability("demo", durability=kind, unflushed_boot=boot, durable_instance=durable)


def _folders(cluster: ManagedCluster) -> list[LogFolder]:
    return [cluster.installation.log_folder(node) for node in cluster.storage_nodes()]


def _data(cluster: ManagedCluster, name: str) -> Path:
    return cluster.installation.server(cluster.instance(name)).data


def _record(cluster: ManagedCluster) -> tuple[str, str]:
    row = cluster.row()
    return row.unflushed_boot, row.durable_instance


def _failed_over(cluster: ManagedCluster) -> None:
    cluster.repository.set_writer("demo", B)
    (_data(cluster, B) / "pg_wal" / "00000002.history").write_text("1\t0/1000000\tno reason\n")


def test_the_durable_writer_is_trusted_unasked(cluster: ManagedCluster) -> None:
    power_cut.settle_all(cluster.runtime)
    assert _record(cluster) == ("", "")
    assert (_data(cluster, A) / "PG_VERSION").exists()
    assert not _data(cluster, B).exists()
    for folder in _folders(cluster):
        assert list(folder.inventory().finished) == [OLD]
        assert unflushed_wal.lost_from(folder) == NEW.number
        # No trusted copy has it, but it may hold what someone committed.
        (kept,) = folder.path.parent.glob(f"{folder.path.name}.kept-*")
        assert sorted(each.name for each in kept.iterdir()) == ["00000002.history", NEW.name]


def test_to_go_back_over_a_failover_one_is_asked_and_everything_is_kept(cluster: ManagedCluster) -> None:
    _failed_over(cluster)
    before = sorted(cluster.paths.folder.rglob("*"))
    with pytest.raises(
        EngineError, match=f"lacks what was committed since the failover.*go back to {A}.*allow-data-loss"
    ):
        _raise_whole(cluster)
    assert sorted(cluster.paths.folder.rglob("*")) == before
    assert _record(cluster) == ("before", A)
    power_cut.settle(cluster, allow_data_loss=True)
    assert _record(cluster) == ("", "")
    assert cluster.writer().identifier == A
    (kept,) = cluster.paths.instance(B).folder.glob("data.kept-*")
    assert (kept / "PG_VERSION").read_text().endswith(B)
    assert len(list(cluster.paths.storage.glob(f"*.kept-*/{NEW.name}"))) == 6
    assert str(kept) in _messages(cluster)


def _raise_whole(cluster: ManagedCluster) -> None:
    """Raise the error of settling with its hint in the message."""
    try:
        power_cut.settle(cluster)
    except EngineError as error:
        raise EngineError(f"{error.message} {error.hint}", "") from error


def _messages(cluster: ManagedCluster) -> str:
    return "\n".join(each.message for each in cluster.repository.events("demo", None, 100))


def test_a_node_that_cannot_be_looked_through_is_not_trusted(
    cluster: ManagedCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A passing failure changes nothing that would be believed, and the good copy is still the one that is offered."""
    inventory, third = LogFolder.inventory, _folders(cluster)[2]

    def failing(self: LogFolder, *, measured: bool = True) -> object:
        if self.path == third.path:
            raise PermissionError(13, "Permission denied")
        return inventory(self, measured=measured)

    monkeypatch.setattr(LogFolder, "inventory", failing)
    power_cut.settle_all(cluster.runtime)
    assert _record(cluster) == ("before", A)
    assert f"{third.path.name} cannot be looked through" in cluster.memory.failed[A]
    with pytest.raises(AuroraError, match="cannot be looked through"):
        power.start_cluster(cluster, allow_data_loss=True)
    assert (_data(cluster, A) / "PG_VERSION").exists()
    monkeypatch.undo()
    _without_programs(monkeypatch)
    assert power_cut.settle(cluster)
    assert (_data(cluster, A) / "PG_VERSION").read_text().endswith(A)


@pytest.mark.parametrize("durable", ["", A])
def test_without_a_copy_on_disk_the_writer_is_taken_only_if_asked(cluster: ManagedCluster, durable: str) -> None:
    cluster.repository.set_writer("demo", B)
    _say(cluster, Durability.MACHINE, "before", durable)
    (_data(cluster, A) / "PG_VERSION").unlink()
    with pytest.raises(EngineError, match="no copy is trusted unasked"):
        power_cut.settle(cluster)
    power_cut.settle(cluster, allow_data_loss=True)
    assert cluster.writer().identifier == B
    assert (_data(cluster, B) / "PG_VERSION").exists()
    assert list(cluster.paths.instance(A).folder.glob("data.kept-*"))


def test_what_still_runs_is_of_this_boot(cluster: ManagedCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    before = sorted(cluster.paths.folder.rglob("*"))
    monkeypatch.setattr(power_cut, "_data_processes", lambda _: [None, 4711])
    assert power_cut.settle(cluster)
    assert sorted(cluster.paths.folder.rglob("*")) == before
    assert flushing.is_settled(cluster.repository, "demo")
    assert _record(cluster)[1] == A


def test_an_interrupted_operation_waits_until_it_is_settled(cluster: ManagedCluster) -> None:
    _failed_over(cluster)
    record = runner.new_record(cluster, OperationKind.FAILOVER, {"From": A, "To": B, "Planned": False})
    cluster.repository.begin_operation(record)
    with pytest.raises(EngineError, match="not settled"):
        runner.resume(cluster, record)
    cluster.memory.failed[B] = "it is not settled"
    with pytest.raises(EngineError, match="not settled"):
        durability.release(cluster, cluster.instance(A))
    assert _record(cluster) == ("before", A)
    with pytest.raises(EngineError, match="not settled"):
        runner.perform(cluster, OperationKind.REBOOT_INSTANCE, prepare=lambda: record)
    power_cut.settle(cluster, allow_data_loss=True)
    assert not cluster.repository.running_operations()


def test_a_cluster_without_instances_goes_on_with_its_base(cluster: ManagedCluster) -> None:
    _data(cluster, A).rename(cluster.paths.base)
    for instance in cluster.instances():
        cluster.repository.delete_instance(instance.identifier)
    assert power_cut.settle(cluster)
    assert _record(cluster) == ("", "")


def test_data_that_is_not_flushed_is_not_kept_with_the_volume(
    cluster: ManagedCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> None:
        raise EngineError("no room", "")

    monkeypatch.setattr(durability, "flush_stopped", fail)
    _say(cluster, Durability.MACHINE, boot_id(), A)
    with pytest.raises(EngineError, match="no room"):
        attachment.stop_and_keep(cluster, cluster.instance(A))
    assert (_data(cluster, A) / "PG_VERSION").exists()


def test_the_writer_is_on_record_when_the_first_copy_stops_flushing(cluster: ManagedCluster) -> None:
    _say(cluster, Durability.MACHINE, "", "")
    assert flushing.record_start(cluster.repository, "demo", copy=False)
    assert _record(cluster) == ("", "")
    assert not flushing.record_start(cluster.repository, "demo", copy=True)
    assert _record(cluster) == (boot_id(), A)
    cluster.repository.set_writer("demo", B)
    assert not flushing.record_start(cluster.repository, "demo", copy=True)
    assert _record(cluster) == (boot_id(), A)


def test_a_writer_that_does_not_flush_any_more_is_not_recorded_as_durable(cluster: ManagedCluster) -> None:
    repository = cluster.repository
    _say(cluster, Durability.MACHINE, boot_id(), "")
    assert not repository.record_durable("demo", B), "a reader"
    assert repository.record_durable("demo", A)
    flushing.record_durability(repository, "demo", Durability.NONE)
    flushing.record_start(repository, "demo", copy=False)
    assert not repository.record_durable("demo", A)
    assert _record(cluster)[1] == ""


def test_the_former_writer_is_let_go_if_the_new_one_is_lost(cluster: ManagedCluster) -> None:
    _say(cluster, Durability.MACHINE, boot_id(), A)
    cluster.repository.set_writer("demo", B)
    (_data(cluster, B) / "postgresql.conf").touch()
    with pytest.raises(AuroraError):
        durability.release(cluster, cluster.instance(A))
    assert _record(cluster)[1] == A
    (_data(cluster, B) / "PG_VERSION").unlink()
    durability.release(cluster, cluster.instance(A))
    assert _record(cluster)[1] == ""
    assert "is lost before all of it was on disk" in _messages(cluster)


def test_a_segment_that_is_received_again_loses_its_checksum(tmp_path: Path) -> None:
    folder = LogFolder(tmp_path)
    for segment in (OLD, NEW):
        _finish(folder, segment)
    record_finished(folder, (), flush=True)
    folder.finished(NEW).rename(folder.partial(NEW))
    forget_unfinished(folder)
    assert list(ChecksumRecord(folder.path).load()) == [OLD.name]


def test_a_node_that_lost_wal_begins_later_only_where_the_writer_has_it_no_more(cluster: ManagedCluster) -> None:
    writer, node = cluster.instance(A), cluster.storage_nodes()[0]
    folder, sent = cluster.installation.log_folder(node), _data(cluster, A) / "pg_wal"
    (sent / Segment(9, 1).name).touch()
    storage_nodes._begin_later(cluster, node, writer)
    assert OLD in folder.inventory().finished, "it lost nothing; its peers may be unreachable"
    power_cut.settle(cluster)
    storage_nodes._begin_later(cluster, node, writer)
    assert list(folder.inventory().segments) == [Segment(9, 1)]
    assert unflushed_wal.lost_from(folder) is None
    (kept,) = cluster.paths.storage.glob(f"{node.identifier}.kept-*/wal")
    assert (kept / OLD.name).exists()


def test_a_young_cluster_receives_all_that_it_lost_again(cluster: ManagedCluster) -> None:
    writer, node = cluster.instance(A), cluster.storage_nodes()[0]
    folder, sent = cluster.installation.log_folder(node), _data(cluster, A) / "pg_wal"
    for number in (1, 3, 4):
        (sent / Segment(number, 1).name).touch()
    (folder.path / "checksums").unlink()
    power_cut.settle(cluster)
    storage_nodes._begin_later(cluster, node, writer)
    assert list(folder.inventory().segments) == [OLD]
