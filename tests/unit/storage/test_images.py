"""Recovery images as folders: whole or not there, and never copied damaged."""

from __future__ import annotations

import os
import random
from datetime import UTC, datetime
from pathlib import Path

import pytest

from auroractl.core.restore.retention import RecoveryImage
from auroractl.storage import images
from auroractl.storage.images import DamagedImage, ImageFolder, StoredImage, copy_data

IMAGE = RecoveryImage("00000001-0000000000000028", "demo-storage-1", 1, 0x28, 0x28, datetime(2026, 11, 23, tzinfo=UTC))


@pytest.fixture
def folder(tmp_path: Path) -> ImageFolder:
    return ImageFolder("demo-storage-1", tmp_path / "demo-storage-1.images")


@pytest.fixture
def stored(folder: ImageFolder) -> StoredImage:
    data = folder.begin(IMAGE.identifier) / "data"
    for name, content in {"PG_VERSION": b"18\n", "base/1/1255": b"page" * 3000, "pg_wal/x": b"log"}.items():
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        (data / name).write_bytes(content)
    (data / "base" / "2").mkdir()
    return folder.complete(IMAGE)


def test_what_was_completed_is_found_again(folder: ImageFolder, stored: StoredImage) -> None:
    (found,) = folder.images()
    assert found == stored
    assert found.files.keys() == {"PG_VERSION", "base/1/1255"}
    assert found.image.held_bytes == 12_003
    assert (found.image.timeline, found.image.redo_lsn, found.image.reached_at) == (1, 0x28, IMAGE.reached_at)


def test_what_was_cut_off_is_not_there_and_is_removed(folder: ImageFolder, stored: StoredImage) -> None:
    folder.begin("00000001-0000000000000030")
    folder.tidy()
    assert [path.name for path in folder.path.iterdir()] == [stored.image.identifier]


@pytest.mark.parametrize("manifest", [None, "", "[]", '{"a": 1}', '{"Checksums": {"a": 1}}', '{"Checksums": [1]}'])
def test_an_image_whose_manifest_says_nothing_is_broken(
    folder: ImageFolder, stored: StoredImage, manifest: str | None
) -> None:
    assert (folder.images(), folder.broken()) == ([stored], [])
    path = folder.path / stored.image.identifier / "manifest.json"
    path.unlink()
    if manifest is not None:
        path.write_text(manifest)
    assert (folder.images(), folder.broken()) == ([], [stored.image.identifier])
    folder.remove(stored.image.identifier)
    assert list(folder.path.iterdir()) == []


def test_a_copy_has_all_but_the_log(stored: StoredImage, tmp_path: Path) -> None:
    stored.copy_to(tmp_path / "copy")
    assert (tmp_path / "copy" / "base" / "1" / "1255").read_bytes() == b"page" * 3000
    assert (tmp_path / "copy" / "base" / "2").is_dir()
    assert list((tmp_path / "copy" / "pg_wal").iterdir()) == []


def test_links_to_a_nodes_log_are_neither_kept_nor_copied(folder: ImageFolder, tmp_path: Path) -> None:
    """A server that takes a copy over would write through them."""
    log = tmp_path / "000000010000000000000002"
    log.write_bytes(b"a node's own")
    data = folder.begin(IMAGE.identifier) / "data"
    (data / "pg_wal" / "archive_status").mkdir(parents=True)
    (data / "PG_VERSION").write_bytes(b"18\n")
    (data / "pg_wal" / log.name).symlink_to(log)
    copy_data(data, tmp_path / "copy")
    assert list((tmp_path / "copy" / "pg_wal").iterdir()) == []
    stored = folder.complete(IMAGE)
    assert [each.name for each in (stored.data / "pg_wal").iterdir()] == ["archive_status"]
    assert log.read_bytes() == b"a node's own"


@pytest.mark.parametrize("in_kernel", [True, False])
@pytest.mark.parametrize("size_bytes", [0, 5, 4 * 1000, 10 * 1000 + 7])
def test_a_large_file_is_copied_in_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size_bytes: int, in_kernel: bool
) -> None:
    monkeypatch.setattr(images, "_PART_BYTES", 4 * 1000)
    monkeypatch.setattr(images, "_CHUNK_BYTES", 1500)
    if not in_kernel:
        monkeypatch.delattr(os, "copy_file_range", raising=False)
    content = random.Random(size_bytes).randbytes(size_bytes)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "16384").write_bytes(content)
    copied: list[int] = []
    copy_data(tmp_path / "data", tmp_path / "copy", copied.append)
    assert (tmp_path / "copy" / "16384").read_bytes() == content
    assert sum(copied) == size_bytes


@pytest.mark.parametrize("damage", ["a flipped byte", "a lost byte", "a byte more", "a lost file"])
def test_a_damaged_image_is_not_copied_unnoticed(stored: StoredImage, tmp_path: Path, damage: str) -> None:
    path = stored.data / "base" / "1" / "1255"
    content = path.read_bytes()
    if damage == "a flipped byte":
        path.write_bytes(content[:5000] + b"\x00" + content[5001:])
    elif damage == "a lost byte":
        path.write_bytes(content[:-1])
    elif damage == "a byte more":
        path.write_bytes(content + b"\x00")
    else:
        path.unlink()
    with pytest.raises(DamagedImage, match="1255"):
        stored.copy_to(tmp_path / "copy")


def test_an_image_is_given_away_as_a_whole(folder: ImageFolder, stored: StoredImage, tmp_path: Path) -> None:
    content = {name: (stored.data / name).read_bytes() for name in stored.files}
    folder.take(stored.image.identifier, tmp_path / "data")
    assert {name: (tmp_path / "data" / name).read_bytes() for name in content} == content
    assert (tmp_path / "data" / "pg_wal").is_dir()
    assert (folder.images(), folder.broken()) == ([], [])
    assert folder.owed() == {stored.image.identifier}, "until it is replaced, whoever asks"
    folder.settle(stored.image.identifier)
    assert folder.owed() == set()
    assert list(folder.path.iterdir()) == []


def test_an_image_that_cannot_be_given_away_stays(folder: ImageFolder, stored: StoredImage, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        folder.take(stored.image.identifier, tmp_path / "nowhere" / "data")
    assert folder.images() == [stored]


def test_a_copy_that_is_to_stop_stops(stored: StoredImage, tmp_path: Path) -> None:
    def stop(_size_bytes: int) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        copy_data(stored.data, tmp_path / "copy", stop)


def test_reading_that_is_to_stop_finds_no_damage(stored: StoredImage) -> None:
    def stop(_size_bytes: int) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        stored.verify("PG_VERSION", stop)
