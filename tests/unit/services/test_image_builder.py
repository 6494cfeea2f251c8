"""A second copy of an image is made at leisure: whole, or not at all."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Lock
from types import SimpleNamespace
from typing import Any

import pytest

from auroractl.core.restore.retention import RecoveryImage
from auroractl.runtime.image_leases import ImageUse, Key
from auroractl.services.recovery_images import builder as maker_module
from auroractl.services.recovery_images.builder import ImageMaker, NotNow
from auroractl.storage.images import ImageFolder, StoredImage

IMAGE = RecoveryImage("00000001-0000000000000028", "demo-storage-1", 1, 0x28, 0x28, datetime(2026, 11, 23, tzinfo=UTC))


class _Copies:
    """The one copy that there is, where the storage nodes would be looked at."""

    stored: StoredImage

    def __init__(self, *_: Any) -> None:
        pass

    def look(self) -> list[Key]:
        return [self.stored.image.key]

    def __getitem__(self, key: Key) -> StoredImage:
        return self.stored


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StoredImage:
    folder = ImageFolder("demo-storage-1", tmp_path / "demo-storage-1.images")
    data = folder.begin(IMAGE.identifier) / "data"
    (data / "pg_wal").mkdir(parents=True)
    for number in range(10):
        (data / str(16384 + number)).write_bytes(b"page" * 1024 * 1024)
    monkeypatch.setattr(_Copies, "stored", folder.complete(IMAGE), raising=False)
    monkeypatch.setattr(maker_module, "StoredCopies", _Copies)
    return _Copies.stored


def _maker(tmp_path: Path, use: ImageUse) -> tuple[ImageMaker, ImageFolder]:
    folder = ImageFolder("demo-storage-3", tmp_path / "demo-storage-3.images")
    cluster: Any = SimpleNamespace(
        installation=SimpleNamespace(image_folder=lambda _: folder, account=None),
        settings=SimpleNamespace(backtrack_rate_mb_per_s=100_000.0),
        runtime=SimpleNamespace(images_lock=Lock()),
        memory=SimpleNamespace(volume=SimpleNamespace(backtrack=SimpleNamespace(use=use))),
    )
    return ImageMaker(cluster, Event()), folder


def test_a_second_copy_is_the_same_image(source: StoredImage, tmp_path: Path) -> None:
    maker, folder = _maker(tmp_path, ImageUse())
    node: Any = SimpleNamespace(identifier="demo-storage-3")
    maker.mirror(node, source, urgent=lambda: False, wanted=lambda: True)
    [made] = folder.images()
    assert made.files == source.files
    assert made.image.identifier == source.image.identifier
    assert made.image.node == "demo-storage-3"
    assert maker.made_bytes == source.image.held_bytes


@pytest.mark.parametrize("after", [0, 5, 15, 25])
def test_a_second_copy_that_is_not_wanted_any_more_leaves_nothing(
    source: StoredImage, tmp_path: Path, after: int
) -> None:
    """Whether it is being copied, compared or given its checksums then."""
    use = ImageUse()
    maker, folder = _maker(tmp_path, use)
    node: Any = SimpleNamespace(identifier="demo-storage-3")
    asked = 0

    def wanted() -> bool:
        nonlocal asked
        asked += 1
        return asked <= after

    with pytest.raises(NotNow):
        maker.mirror(node, source, urgent=lambda: False, wanted=wanted)
    assert list(folder.path.iterdir()) == []
    assert use.begin_remove(source.image.key), "nobody reads it any more"
