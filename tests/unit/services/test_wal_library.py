"""Which copy of a segment is trusted, with real files."""

from __future__ import annotations

import errno
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from auroractl.core.volume.model import StorageNode
from auroractl.core.wal.segments import SEGMENT_BYTES, Segment
from auroractl.runtime.managed_cluster import ManagedCluster
from auroractl.services.volume import storage_nodes
from auroractl.services.volume.wal_library import Shelf, WalLibrary
from auroractl.storage.checksums import ChecksumRecord, checksum
from auroractl.storage.folder import LogFolder
from auroractl.system.limits import Shortage

SEGMENT = Segment(7, 1)


@pytest.fixture
def folders(tmp_path: Path) -> list[LogFolder]:
    """Six nodes that hold the segment; the first one's copy has been damaged."""
    found = [LogFolder(tmp_path / str(number)) for number in range(6)]
    for folder in found:
        folder.path.mkdir()
        folder.finished(SEGMENT).write_bytes(b"log" + bytes(SEGMENT_BYTES - 3))
    found[0].finished(SEGMENT).write_bytes(b"lag" + bytes(SEGMENT_BYTES - 3))
    return found


def _trustworthy_peer(folders: list[LogFolder]) -> Path | None:
    library = WalLibrary.__new__(WalLibrary)
    library.shelves = [Shelf(cast("StorageNode", None), each, each.inventory(measured=False)) for each in folders]
    return library.trustworthy_copy(SEGMENT)


def test_a_segment_in_which_nothing_was_written_is_left_out(tmp_path: Path) -> None:
    """A history may be left exactly at the beginning of a segment; pg_waldump takes an empty one for damage."""
    library = WalLibrary.__new__(WalLibrary)
    library._cluster = SimpleNamespace(installation=SimpleNamespace(account=None))  # type: ignore[assignment]
    library._write(tmp_path / "empty", bytes(100))
    library._write(tmp_path / "begun", b"log")
    assert not (tmp_path / "empty").exists()
    assert (tmp_path / "begun").stat().st_size == SEGMENT_BYTES


def _record(folder: LogFolder) -> None:
    digest = checksum(folder.finished(SEGMENT))
    assert digest is not None
    ChecksumRecord(folder.path).add({SEGMENT.name: digest})


@pytest.mark.parametrize("recorded", [[], [0], [0, 1], [1], [0, 1, 2, 3, 4], [0, 1, 2, 3, 4, 5]])
def test_a_damaged_copy_is_not_believed_whoever_was_first_to_record_it(
    folders: list[LogFolder], recorded: list[int]
) -> None:
    for place in recorded:
        _record(folders[place])
    assert _trustworthy_peer(folders) in {each.finished(SEGMENT) for each in folders[1:]}


def test_a_copy_that_is_cut_off_is_not_believed(folders: list[LogFolder]) -> None:
    for folder in folders[1:]:
        _record(folder)
    with folders[1].finished(SEGMENT).open("r+b") as file:
        file.truncate(100)
    assert _trustworthy_peer(folders) == folders[2].finished(SEGMENT)


def test_a_lack_of_descriptors_is_not_taken_for_missing_wal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    node = SimpleNamespace(identifier="demo-storage-1")
    installation = SimpleNamespace(log_folder=lambda _: LogFolder(tmp_path), past_folder=lambda _: LogFolder(tmp_path))

    def inventory(*_: object, **__: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(storage_nodes, "reachable_nodes", lambda _: [node])
    monkeypatch.setattr(LogFolder, "inventory", inventory)
    with pytest.raises(Shortage, match="Too many open files"):
        WalLibrary(cast("ManagedCluster", SimpleNamespace(installation=installation)))
