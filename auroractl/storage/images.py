"""Recovery images: consistent, stopped data directories on the full storage nodes, from which recovery starts.

    NODE.images/
      ID/data/           the data directory, without WAL
      ID/manifest.json   its description and a checksum of every file; an image without it is incomplete and is removed
      ID.making/         an image that is being made
      ID.taken           an image was taken from here and has not been replaced yet

The manifest is written last and durably, so an image that has one is complete. The folder is the only record of the
images. One node's copy of an image goes through these states, which a crash between any two leaves as they are:

    absent --begin--> ID.making --complete--> ID --remove--> ID.making --> absent
                          |                   |
                          | tidy              | take, only while another node has the image too
                          v                   v
                        absent            ID.taken, with the data in a recovered copy
                                              |
                                              | settle, once a node has the second copy again or none is needed
                                              v
                                            absent

Taking saves a user the time of a copy: it is a rename, and the second copy is made again in the background. Leases
(runtime/image_leases.py) keep an image in the state ID from being removed or taken while it is read.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from auroractl.core.errors import MachineError
from auroractl.core.restore.retention import RecoveryImage
from auroractl.system.files import exists, flush_folder, make_folder, remove_tree, walk, write_durably
from auroractl.system.limits import raise_shortage
from auroractl.system.safe_open import make_regular, open_regular, open_to_change, read_regular

_MAKING = ".making"
_TAKEN = ".taken"
_MANIFEST = "manifest.json"
_LOG = "pg_wal"
_CHUNK_BYTES = 1024 * 1024
_PART_BYTES = 64 * _CHUNK_BYTES
"""One worker copies this many bytes of a file: a large table is one file of up to 1 GB."""
_WORKERS = 2
"""Workers for a copy that a user waits for; background work uses one."""
_MANIFESTS_KEPT = 512
"""Each manifest names about a thousand files, and all manifests are examined every second."""
_FICLONE = 0x40049409
"""Linux: share the blocks of one file with another (ioctl_ficlone(2))."""
Checksums = dict[str, tuple[int, int]]
"""Size and CRC-32 of every file below a data directory."""
Pace = Callable[[int], None]
"""Called with the bytes that have just been read or written; may wait. Raises InterruptedError to stop the work."""


def no_pace(_size_bytes: int) -> None:
    """Run at full speed."""


class DamagedImage(MachineError):
    """A file of a recovery image has changed since the image was made."""


@dataclass(frozen=True, slots=True)
class StoredImage:
    """A complete recovery image on disk."""

    image: RecoveryImage
    folder: Path
    files: Checksums

    @property
    def data(self) -> Path:
        """Return its data directory."""
        return self.folder / "data"

    def verify(self, name: str, pace: Pace = no_pace) -> None:
        """Read one file and compare it with its checksum.

        Raises DamagedImage, InterruptedError as `pace` does, and Shortage.
        """
        expected = self.files[name]
        try:
            actual = _checksum(self.data / name, pace, flush=False)
        except OSError as error:
            if isinstance(error, InterruptedError):
                raise
            raise_shortage(error)
            raise DamagedImage(f"{self.data / name} cannot be read: {error.strerror}.", "") from error
        if actual != expected:
            raise DamagedImage(f"{self.data / name} has changed since the image was made.", "")

    def verify_all(self, pace: Pace = no_pace, workers: int = _WORKERS) -> None:
        """Verify every file. Raises DamagedImage for the first that has changed."""
        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(lambda name: self.verify(name, pace), self.files))

    def copy_to(self, target: Path, pace: Pace = no_pace) -> None:
        """Copy the data directory in the background. Raises DamagedImage if the image has changed, OSError."""
        copy_data(self.data, target, pace, workers=1)
        self.verify_all(pace, workers=1)


@dataclass(frozen=True, slots=True)
class ImageFolder:
    """The recovery images of one node."""

    node: str
    path: Path

    def images(self) -> list[StoredImage]:
        """List the complete images; empty if the folder is gone. Raises OSError if it cannot be read."""
        found = map(self.image, self._names())
        return sorted((each for each in found if each is not None), key=lambda each: each.image.checkpoint_lsn)

    def broken(self) -> list[str]:
        """List the images whose manifest is missing or damaged. Call only while none is being removed."""
        # An image that was taken meanwhile is gone.
        return [name for name in self._names() if self.image(name) is None and exists(self.path / name)]

    def _names(self) -> list[str]:
        found = os.scandir(self.path) if exists(self.path) else ()
        return [entry.name for entry in found if not entry.name.endswith((_MAKING, _TAKEN))]

    def image(self, identifier: str) -> StoredImage | None:
        """Return one image; None unless there is a complete one."""
        folder = self.path / identifier
        try:
            changed_ns = (folder / _MANIFEST).stat().st_mtime_ns
        except FileNotFoundError:
            return None
        return _load(self.node, folder, changed_ns)

    def begin(self, identifier: str) -> Path:
        """Create an empty folder for a new image; its data directory is to be made in it."""
        make_folder(self.path)
        place = self.path / (identifier + _MAKING)
        remove_tree(place)
        make_folder(place)
        return place

    def complete(self, image: RecoveryImage, take: Callable[[Path], Checksums] | None = None) -> StoredImage:
        """Compute checksums, flush everything and give the image its final name.

        `take` computes the checksums of a data directory and flushes it. Raises OSError, MachineError, and whatever
        `take` raises.
        """
        place = self.path / (image.identifier + _MAKING)
        data = place / "data"
        for each in (data / _LOG).iterdir():
            if not each.is_dir():
                each.unlink()
        files = take(data) if take else checksums(data, flush=True)
        document = _to_json(image, files)
        # A list of a thousand files: indented, it would take ten times as long to write, and only programs read it.
        write_durably(place / _MANIFEST, json.dumps(document) + "\n")
        target = self.path / image.identifier
        remove_tree(target)
        place.rename(target)
        flush_folder(self.path)
        return _from_json(self.node, target, document)

    def remove(self, identifier: str) -> None:
        """Remove an image. What a crash leaves of it counts as an image that was being made."""
        aside = self.path / (identifier + _MAKING)
        remove_tree(aside)
        with contextlib.suppress(FileNotFoundError):
            (self.path / identifier).rename(aside)
        remove_tree(aside)

    def take(self, identifier: str, target: Path) -> None:
        """Move an image's data directory to `target` on the same filesystem. Raises OSError.

        After a crash the remains are at the target, and this folder has no such image any more.
        """
        aside = target.with_name("image")
        (self.path / (identifier + _TAKEN)).touch()
        (self.path / identifier).rename(aside)
        (aside / "data").rename(target)
        remove_tree(aside)

    def owed(self) -> set[str]:
        """List the images that were taken and have not been replaced, here or on another node."""
        return {path.name.removesuffix(_TAKEN) for path in self.path.glob(f"*{_TAKEN}")}

    def settle(self, identifier: str) -> None:
        """Record that an image which was taken has been replaced, or is no longer needed."""
        (self.path / (identifier + _TAKEN)).unlink(missing_ok=True)

    def tidy(self) -> None:
        """Remove incomplete images. Call only while none is being made."""
        for path in list(self.path.glob(f"*{_MAKING}")):
            remove_tree(path)

    def wipe(self) -> None:
        """Remove all images."""
        remove_tree(self.path)


def copy_data(source: Path, target: Path, pace: Pace = no_pace, workers: int = _WORKERS) -> None:
    """Copy a data directory without its WAL, sharing blocks if the filesystem can. Raises OSError."""

    def log_of(folder: str, found: list[str]) -> list[str]:
        # It may contain links to a storage node's WAL: a server that takes over the copy would write through them.
        return found if Path(folder) == source / _LOG else []

    shutil.copytree(source, target, copy_function=lambda *_: None, symlinks=True, ignore=log_of)

    def begin(name: str) -> list[tuple[str, int]]:
        return [(name, start) for start in _begin_copy(source / name, target / name, pace)]

    def go_on(part: tuple[str, int]) -> None:
        name, start = part
        _go_on_copy(source / name, target / name, start, pace)

    with ThreadPoolExecutor(workers) as pool:
        left = [part for parts in pool.map(begin, _files(source)) for part in parts]
        list(pool.map(go_on, left))
    for folder, _, found in walk(target):
        for path in (Path(folder), *(Path(folder) / name for name in found)):
            path.chmod(0o700 if path.is_dir() else 0o600)


def checksums(data: Path, pace: Pace = no_pace, *, flush: bool = False) -> Checksums:
    """Compute checksums of every file below a data directory except WAL. Raises OSError.

    With `flush` the files are made durable.
    """
    return {name: _checksum(data / name, pace, flush=flush) for name in _files(data)}


def shares_blocks(stored: StoredImage, folder: Path) -> bool:
    """Return whether a copy of an image into a folder shares its blocks and so takes almost no space."""
    source, probe = stored.data / "PG_VERSION", folder / "shares-blocks"
    try:
        with open_regular(source) as reading, make_regular(probe) as writing:
            return _clone(reading.fileno(), writing.fileno())
    finally:
        probe.unlink(missing_ok=True)


def _begin_copy(source: Path, target: Path, pace: Pace) -> range:
    """Copy a file, or the first part of a large one; return where the other parts begin."""
    with open_regular(source) as reading, make_regular(target) as writing:
        if _clone(reading.fileno(), writing.fileno()):
            return range(0)
        _copy_part(reading.fileno(), writing.fileno(), 0, pace)
        return range(_PART_BYTES, os.fstat(reading.fileno()).st_size, _PART_BYTES)


def _go_on_copy(source: Path, target: Path, start: int, pace: Pace) -> None:
    with open_regular(source) as reading, open_to_change(target) as writing:
        _copy_part(reading.fileno(), writing.fileno(), start, pace)


def _copy_part(reading: int, writing: int, start: int, pace: Pace) -> None:
    place, end = start, start + _PART_BYTES
    while place < end and (copied := _copy_some(reading, writing, place, min(end - place, _CHUNK_BYTES))):
        place += copied
        pace(copied)


def _copy_some(reading: int, writing: int, place: int, most_bytes: int) -> int:
    """Copy the next bytes, inside the kernel if possible, which halves the time. Return their number; 0 at the end."""
    if hasattr(os, "copy_file_range"):
        return os.copy_file_range(reading, writing, most_bytes, place, place)
    return os.pwrite(writing, os.pread(reading, most_bytes, place), place)


def _clone(source: int, target: int) -> bool:
    try:
        fcntl.ioctl(target, _FICLONE, source)
    except OSError:
        return False
    return True


def _files(data: Path) -> Iterator[str]:
    """List every file below a data directory except WAL."""
    top = str(data)
    for folder, folders, names in walk(data):
        inside = folder[len(top) + 1 :]
        if inside == _LOG:
            folders[:] = []
            continue
        yield from (f"{inside}/{name}" if inside else name for name in names)


def _checksum(path: Path, pace: Pace, *, flush: bool) -> tuple[int, int]:
    """Compute size and CRC-32. Like PostgreSQL's own checksums, it detects decay, not forgery."""
    found, size_bytes = 0, 0
    with open_regular(path) as file:
        while content := file.read(_CHUNK_BYTES):
            found = zlib.crc32(content, found)
            size_bytes += len(content)
            pace(len(content))
        if flush:
            os.fsync(file.fileno())
    return size_bytes, found


def _to_json(image: RecoveryImage, files: Checksums) -> dict[str, Any]:
    return {
        "Timeline": image.timeline,
        "RedoLsn": image.redo_lsn,
        "CheckpointLsn": image.checkpoint_lsn,
        "ReachedAt": image.reached_at.isoformat(),
        "Checksums": {name: list(entry) for name, entry in files.items()},
    }


@lru_cache(maxsize=_MANIFESTS_KEPT)
def _load(node: str, folder: Path, changed_ns: int) -> StoredImage | None:  # noqa: ARG001  (a changed one is read again)
    try:
        document = json.loads(read_regular(folder / _MANIFEST))
        return _from_json(node, folder, document)
    except (FileNotFoundError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None  # not trustworthy, so treated as absent


def _from_json(node: str, folder: Path, document: dict[str, Any]) -> StoredImage:
    files = {name: (int(size), int(checksum)) for name, (size, checksum) in document["Checksums"].items()}
    image = RecoveryImage(
        identifier=folder.name,
        node=node,
        timeline=document["Timeline"],
        redo_lsn=document["RedoLsn"],
        checkpoint_lsn=document["CheckpointLsn"],
        reached_at=datetime.fromisoformat(document["ReachedAt"]),
        held_bytes=sum(size for size, _ in files.values()),
    )
    return StoredImage(image, folder, files)
