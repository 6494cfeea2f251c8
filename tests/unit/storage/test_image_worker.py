"""Images are copied and get their checksums in a process of its own: as well, and as soon given up, as in this one."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from auroractl.core.errors import MachineError
from auroractl.core.restore.retention import RecoveryImage
from auroractl.storage.image_worker import ImageWorker
from auroractl.storage.images import DamagedImage, ImageFolder, StoredImage, no_pace
from auroractl.system.accounts import named_account
from auroractl.system.liveness import alive, children, processes_below, wait_for_exit
from tests.unit.system.test_priority import niceness

IMAGE = RecoveryImage("00000001-0000000000000028", "demo-storage-1", 1, 0x28, 0x28, datetime(2026, 11, 23, tzinfo=UTC))
FILE_BYTES = 5_000_000


@pytest.fixture
def stored(tmp_path: Path) -> StoredImage:
    folder = ImageFolder("demo-storage-1", tmp_path / "demo-storage-1.images")
    data = folder.begin(IMAGE.identifier) / "data"
    (data / "pg_wal").mkdir(parents=True)
    for number in range(4):
        (data / str(16384 + number)).write_bytes(bytes([number]) * FILE_BYTES)
    return folder.complete(IMAGE)


def _worker(pace: Callable[[int], None] = no_pace) -> ImageWorker:
    return ImageWorker(None, pace, lambda: 0)


def test_a_copy_is_the_same_and_so_are_its_checksums(stored: StoredImage, tmp_path: Path) -> None:
    told: list[int] = []
    _worker(told.append).copy(stored.folder, tmp_path / "copy")
    assert _worker().checksums(tmp_path / "copy") == stored.files
    assert stored.image.held_bytes < sum(told) <= 2 * stored.image.held_bytes, "it was copied and compared"


def test_a_damaged_image_is_told_of(stored: StoredImage, tmp_path: Path) -> None:
    with (stored.data / "16386").open("r+b") as file:
        file.seek(4_000_000)
        file.write(b"\xff")
    with pytest.raises(DamagedImage, match="16386 has changed since"):
        _worker().copy(stored.folder, tmp_path / "copy")


def test_an_image_that_is_gone_and_a_place_that_is_taken_are_told_of(stored: StoredImage, tmp_path: Path) -> None:
    (tmp_path / "copy").mkdir()
    with pytest.raises(FileExistsError, match="copy"):
        _worker().copy(stored.folder, tmp_path / "copy")
    with pytest.raises(FileNotFoundError, match="recovery image is gone"):
        _worker().copy(stored.folder.with_name("another"), tmp_path / "copy")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another account")
def test_a_worker_of_root_works_as_the_account(stored: StoredImage) -> None:
    nobody = named_account("nobody")
    with tempfile.TemporaryDirectory() as folder:
        image, target = Path(folder) / IMAGE.identifier, Path(folder) / "copy"
        shutil.copytree(stored.folder, image)
        for path in (Path(folder), image, *image.rglob("*")):
            os.chown(path, nobody.uid, nobody.gid)
        ImageWorker(nobody, no_pace, lambda: 0).copy(image, target)
        assert {path.stat().st_uid for path in (target, target / "pg_wal", target / "16384")} == {nobody.uid}
        os.chown(image, 0, 0)
        image.chmod(0o700)
        with pytest.raises(PermissionError):
            ImageWorker(nobody, no_pace, lambda: 0).copy(image, target.with_name("another"))


@dataclass
class Watching:
    """Looks at the worker while it asks whether to go on."""

    look: Callable[[int], None]
    before: set[int] = field(default_factory=lambda: set(children(os.getpid())))
    pid: int = 0

    def __call__(self, size_bytes: int) -> None:
        if size_bytes:
            [self.pid] = set(children(os.getpid())) - self.before
            self.look(self.pid)


def test_it_gives_way_and_is_found_where_it_works(stored: StoredImage, tmp_path: Path) -> None:
    seen: list[int] = []

    def look(pid: int) -> None:
        assert pid in processes_below(tmp_path)
        seen.append(niceness(pid))

    ImageWorker(None, Watching(look), lambda: 19).copy(stored.folder, tmp_path / "copy")
    assert seen[-1] == 19


def test_what_is_not_wanted_any_more_is_ended(stored: StoredImage, tmp_path: Path) -> None:
    def stop(_pid: int) -> None:
        raise InterruptedError

    watching = Watching(stop)
    with pytest.raises(InterruptedError):
        _worker(watching).copy(stored.folder, tmp_path / "copy")
    assert not alive(watching.pid)


def test_a_worker_that_does_nothing_is_given_up_when_it_is_not_wanted(stored: StoredImage, tmp_path: Path) -> None:
    watching = Watching(lambda pid: os.kill(pid, signal.SIGSTOP))

    def pace(size_bytes: int) -> None:
        if not size_bytes and watching.pid:
            raise InterruptedError
        watching(size_bytes)

    with pytest.raises(InterruptedError):
        _worker(pace).copy(stored.folder, tmp_path / "copy")
    assert not alive(watching.pid)


def test_a_worker_that_is_killed_is_told_of(stored: StoredImage, tmp_path: Path) -> None:
    watching = Watching(lambda pid: os.kill(pid, signal.SIGKILL))
    with pytest.raises(MachineError, match=r"was interrupted: exit code -9"):
        _worker(watching).copy(stored.folder, tmp_path / "copy")


def test_a_worker_ends_with_who_it_works_for(stored: StoredImage, tmp_path: Path) -> None:
    program = f"""
import time
from pathlib import Path
from auroractl.storage.image_worker import ImageWorker

ImageWorker(None, lambda size_bytes: time.sleep(60 if size_bytes else 0), lambda: 0).copy(
    Path({str(stored.folder)!r}), Path({str(tmp_path / "copy")!r})
)
"""
    with subprocess.Popen([sys.executable, "-P", "-c", program]) as master:
        deadline = time.monotonic() + 30
        while not (tmp_path / "copy" / "16384").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        [pid] = children(master.pid)
        master.kill()
    assert wait_for_exit(pid, 10)
