"""The data of a cluster's last instance: renamed and never removed, and left alone where something is not as it should be."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from auroractl.config.paths import ClusterPaths
from auroractl.core.errors import EngineError, MachineError
from auroractl.core.model import Instance
from auroractl.services.clusters import attachment
from auroractl.services.clusters.readers import Readers
from tests.unit.core.clusters import instance

WRITER, READER = instance(1), instance(2)


@dataclass
class Files:
    """A cluster of which there are only files."""

    paths: ClusterPaths

    @property
    def cluster(self) -> Any:
        """What the functions are called with."""
        return SimpleNamespace(
            name="demo",
            paths=self.paths,
            installation=SimpleNamespace(
                server=lambda each: SimpleNamespace(
                    data=self.data(each), has_data=(self.data(each) / "PG_VERSION").exists
                ),
                make_instance_folder=lambda each: self.data(each).parent.mkdir(exist_ok=True),
            ),
            instances=lambda: [WRITER, READER],
            writer=lambda: WRITER,
            route=lambda *_: None,
        )

    def data(self, each: Instance) -> Path:
        """The data directory of an instance."""
        return self.paths.instance(each.identifier).data

    def make(self, folder: Path) -> None:
        """Make a data directory."""
        folder.mkdir(parents=True)
        (folder / "PG_VERSION").write_text("18\n")


@pytest.fixture
def files(tmp_path: Path) -> Files:
    made = Files(ClusterPaths(tmp_path / "demo", tmp_path / "run"))
    made.paths.instances.mkdir(parents=True)
    made.paths.storage.mkdir()
    return made


def test_data_goes_to_the_volume_and_comes_back(files: Files) -> None:
    files.make(files.data(WRITER))
    for _ in range(2):
        attachment.keep_data(files.cluster, WRITER)
        assert attachment.has_base(files.cluster)
        assert not files.data(WRITER).exists()
    for _ in range(2):
        attachment.take_over(files.cluster, READER)
        assert (files.data(READER) / "PG_VERSION").exists()
        assert not files.paths.base.exists()


def test_of_two_copies_none_is_touched(files: Files) -> None:
    files.make(files.data(WRITER))
    files.make(files.paths.base)
    for act in (attachment.keep_data, attachment.take_over):
        with pytest.raises(EngineError, match="data of an instance and of the volume"):
            act(files.cluster, WRITER)
    assert (files.data(WRITER) / "PG_VERSION").exists()
    assert attachment.has_base(files.cluster)
    with pytest.raises(EngineError, match="holds data already"):
        attachment.require_no_base(files.cluster)


def test_what_is_no_data_directory_is_not_begun_with(files: Files) -> None:
    files.paths.base.mkdir()
    (files.paths.base / "something").touch()
    with pytest.raises(EngineError, match="has no data directory"):
        attachment.take_over(files.cluster, WRITER)
    assert (files.paths.base / "something").exists()
    assert not files.data(WRITER).exists()


def test_data_that_is_gone_is_told(files: Files) -> None:
    with pytest.raises(EngineError, match="is gone"):
        attachment.keep_data(files.cluster, WRITER)


def test_an_instance_with_data_is_not_forgotten(files: Files) -> None:
    files.make(files.data(WRITER))
    with pytest.raises(EngineError, match="still has data"):
        attachment.forget_instance(files.cluster, WRITER)
    assert (files.data(WRITER) / "PG_VERSION").exists()


def test_folders_on_two_filesystems_are_refused_before_anything_changes(files: Files, tmp_path: Path) -> None:
    other = Path("/dev/shm")
    if not other.is_dir() or other.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is only one filesystem to write to")
    files.make(files.data(WRITER))
    attachment.require_one_filesystem(files.cluster, WRITER)
    files.paths.storage.rmdir()
    files.paths.storage.symlink_to(other)
    with pytest.raises(MachineError, match="on different filesystems"):
        attachment.require_one_filesystem(files.cluster, WRITER)


@pytest.mark.parametrize("names", [[WRITER.identifier], [READER.identifier]])
def test_the_only_copy_of_the_data_is_not_removed_as_a_readers(files: Files, names: list[str]) -> None:
    """The writer's own, and a reader's where the writer has lost its data."""
    files.make(files.data(WRITER if names == [WRITER.identifier] else READER))
    with pytest.raises(EngineError, match="nothing is removed"):
        Readers(files.cluster, names).remove()
    assert len(list(files.paths.instances.rglob("PG_VERSION"))) == 1
