"""Page images: consistent, stopped data directories on the full storage nodes, from which recovery can start.

    NODE.images/
      ID/data/           the data directory, without log
      ID/manifest.json   what it is, with a checksum of every file; an image without it is not complete and is removed
      ID.making/         one that is being made
      ID.taken           one was given away from here and has not been replaced yet

The manifest is written last and durably, so what has one is whole; the folder is the only record of what there is.
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

from auroractl.core.backtrack import PageImage
from auroractl.core.errors import MachineError
from auroractl.process.accounts import Account
from auroractl.process.files import flush_folder, make_folder, remove_tree, write_json

_MAKING = ".making"
_TAKEN = ".taken"
_MANIFEST = "manifest.json"
_LOG = "pg_wal"
_CHUNK_BYTES = 1024 * 1024
_PART_BYTES = 64 * _CHUNK_BYTES
"""So much of a file is copied by one worker: a large table is one file of up to 1 GB."""
_WORKERS = 2
"""While somebody waits; what is made in the background does with one."""
_MANIFESTS_KEPT = 512
"""Each names about a thousand files, and all are looked at every second."""
_FICLONE = 0x40049409
"""Linux: share the blocks of one file with another (ioctl_ficlone(2))."""
Checksums = dict[str, tuple[int, int]]
"""Size and CRC-32 of every file below a data directory."""
Pace = Callable[[int], None]
"""Called with the bytes that have just been read or written; may wait. Raises InterruptedError to stop."""


def no_pace(_size_bytes: int) -> None:
    """As fast as it goes."""


class DamagedImage(MachineError):
    """A file of a page image is not what it was when the image was made."""


@dataclass(frozen=True, slots=True)
class StoredImage:
    """A complete page image on disk."""

    image: PageImage
    folder: Path
    files: Checksums

    @property
    def data(self) -> Path:
        """Its data directory."""
        return self.folder / "data"

    def verify(self, name: str, pace: Pace = no_pace) -> None:
        """Read one file and compare. Raises DamagedImage, and InterruptedError as `pace` does."""
        expected = self.files[name]
        try:
            actual = _checksum(self.data / name, pace, flush=False)
        except InterruptedError:
            # An OSError too, and nothing is wrong with the file.
            raise
        except OSError as error:
            raise DamagedImage(f"{self.data / name} cannot be read: {error.strerror}.", "") from error
        if actual != expected:
            raise DamagedImage(f"{self.data / name} is not what it was when the image was made.", "")

    def verify_all(self, pace: Pace = no_pace, workers: int = _WORKERS) -> None:
        """Read and compare every file. Raises DamagedImage for the first that is not as it was."""
        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(lambda name: self.verify(name, pace), self.files))

    def copy_to(self, target: Path, account: Account | None, pace: Pace = no_pace) -> None:
        """Copy the data directory in the background. Raises DamagedImage where it is not what it was, OSError."""
        copy_data(self.data, target, account, pace, workers=1)
        self.verify_all(pace, workers=1)


@dataclass(frozen=True, slots=True)
class ImageFolder:
    """The page images of one node."""

    node: str
    path: Path
    account: Account | None = None

    def images(self) -> list[StoredImage]:
        """The complete images; none where the folder is gone. Raises OSError where it cannot be read."""
        found = map(self.image, self._names())
        return sorted((each for each in found if each is not None), key=lambda each: each.image.checkpoint_lsn)

    def broken(self) -> list[str]:
        """Those whose manifest is missing or damaged, so that nothing can be said of them. Only while none is removed."""
        # One that was given away meanwhile is gone.
        return [name for name in self._names() if self.image(name) is None and (self.path / name).exists()]

    def _names(self) -> list[str]:
        found = os.scandir(self.path) if self.path.exists() else ()
        return [entry.name for entry in found if not entry.name.endswith((_MAKING, _TAKEN))]

    def image(self, identifier: str) -> StoredImage | None:
        """One image; None where there is none that is complete."""
        folder = self.path / identifier
        try:
            changed_ns = (folder / _MANIFEST).stat().st_mtime_ns
        except FileNotFoundError:
            return None
        return _load(self.node, folder, changed_ns)

    def begin(self, identifier: str) -> Path:
        """The empty place for a new image; its data directory is to be made in it."""
        make_folder(self.path, owner=self.account)
        place = self.path / (identifier + _MAKING)
        remove_tree(place)
        make_folder(place, owner=self.account)
        return place

    def complete(self, image: PageImage, take: Callable[[Path], Checksums] | None = None) -> StoredImage:
        """Take checksums, flush everything and give the image its name; `take` does both of a data directory.

        Raises OSError, MachineError, and what `take` raises.
        """
        place = self.path / (image.identifier + _MAKING)
        data = place / "data"
        for each in (data / _LOG).iterdir():
            if not each.is_dir():
                each.unlink()
        files = take(data) if take else checksums(data, flush=True)
        document = _to_json(image, files)
        write_json(place / _MANIFEST, document)
        target = self.path / image.identifier
        remove_tree(target)
        place.rename(target)
        flush_folder(self.path)
        return _from_json(self.node, target, document)

    def remove(self, identifier: str) -> None:
        """Give an image up; what a crash leaves of it counts as one that was being made."""
        aside = self.path / (identifier + _MAKING)
        remove_tree(aside)
        with contextlib.suppress(FileNotFoundError):
            (self.path / identifier).rename(aside)
        remove_tree(aside)

    def take(self, identifier: str, target: Path) -> None:
        """Give an image away, which becomes the data directory `target` on the same filesystem. Raises OSError.

        What a crash leaves of it lies beside the target, and here is no image any more.
        """
        aside = target.with_name("image")
        (self.path / (identifier + _TAKEN)).touch()
        (self.path / identifier).rename(aside)
        (aside / "data").rename(target)
        remove_tree(aside)

    def owed(self) -> set[str]:
        """The images that were given away and have not been replaced, here or on another node."""
        return {path.name.removesuffix(_TAKEN) for path in self.path.glob(f"*{_TAKEN}")}

    def settle(self, identifier: str) -> None:
        """An image that was given away has been replaced, or is not needed any more."""
        (self.path / (identifier + _TAKEN)).unlink(missing_ok=True)

    def tidy(self) -> None:
        """Remove what was being made. Only while nothing is."""
        for path in list(self.path.glob(f"*{_MAKING}")):
            remove_tree(path)

    def wipe(self) -> None:
        """Remove all images."""
        remove_tree(self.path)


def copy_data(
    source: Path, target: Path, account: Account | None, pace: Pace = no_pace, workers: int = _WORKERS
) -> None:
    """Copy a data directory without its log, sharing blocks where the filesystem can. Raises OSError."""

    def log_of(folder: str, found: list[str]) -> list[str]:
        # It may be links to a storage node's: a server that takes the copy over would write through them.
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
    for folder, _, found in os.walk(target):
        for path in (Path(folder), *(Path(folder) / name for name in found)):
            path.chmod(0o700 if path.is_dir() else 0o600)
            if account is not None:
                os.chown(path, account.uid, account.gid)


def checksums(data: Path, pace: Pace = no_pace, *, flush: bool = False) -> Checksums:
    """Of every file below a data directory but its log; with `flush` it is on disk then. Raises OSError."""
    return {name: _checksum(data / name, pace, flush=flush) for name in _files(data)}


def shares_blocks(stored: StoredImage, folder: Path) -> bool:
    """Whether a copy of an image into a folder shares its blocks and so takes no room to speak of."""
    source, probe = stored.data / "PG_VERSION", folder / "shares-blocks"
    try:
        with source.open("rb") as reading, probe.open("wb") as writing:
            return _clone(reading.fileno(), writing.fileno())
    finally:
        probe.unlink(missing_ok=True)


def _begin_copy(source: Path, target: Path, pace: Pace) -> range:
    """Copy a file, of a large one the first part; where the other parts begin."""
    with source.open("rb") as reading, target.open("wb") as writing:
        if _clone(reading.fileno(), writing.fileno()):
            return range(0)
        _copy_part(reading.fileno(), writing.fileno(), 0, pace)
        return range(_PART_BYTES, os.fstat(reading.fileno()).st_size, _PART_BYTES)


def _go_on_copy(source: Path, target: Path, start: int, pace: Pace) -> None:
    with source.open("rb") as reading, target.open("r+b") as writing:
        _copy_part(reading.fileno(), writing.fileno(), start, pace)


def _copy_part(reading: int, writing: int, start: int, pace: Pace) -> None:
    place, end = start, start + _PART_BYTES
    while place < end and (copied := _copy_some(reading, writing, place, min(end - place, _CHUNK_BYTES))):
        place += copied
        pace(copied)


def _copy_some(reading: int, writing: int, place: int, most_bytes: int) -> int:
    """Copy on; inside the kernel where it can, which takes half the time. Returns how many bytes; 0 at the end."""
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
    """Every file below a data directory but its log."""
    for folder, folders, names in os.walk(data):
        inside = Path(folder).relative_to(data)
        if inside == Path(_LOG):
            folders[:] = []
            continue
        yield from (str(inside / name) for name in names)


def _checksum(path: Path, pace: Pace, *, flush: bool) -> tuple[int, int]:
    """Size and CRC-32, as all of PostgreSQL's own checksums it is to find decay and not forgery."""
    found, size_bytes = 0, 0
    with path.open("rb") as file:
        while content := file.read(_CHUNK_BYTES):
            found = zlib.crc32(content, found)
            size_bytes += len(content)
            pace(len(content))
        if flush:
            os.fsync(file.fileno())
    return size_bytes, found


def _to_json(image: PageImage, files: Checksums) -> dict[str, Any]:
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
        document = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
        return _from_json(node, folder, document)
    except (FileNotFoundError, ValueError, LookupError, TypeError, AttributeError):
        return None  # it says nothing that can be believed, as if it were not there


def _from_json(node: str, folder: Path, document: dict[str, Any]) -> StoredImage:
    files = {name: (int(size), int(checksum)) for name, (size, checksum) in document["Checksums"].items()}
    image = PageImage(
        identifier=folder.name,
        node=node,
        timeline=document["Timeline"],
        redo_lsn=document["RedoLsn"],
        checkpoint_lsn=document["CheckpointLsn"],
        reached_at=datetime.fromisoformat(document["ReachedAt"]),
        held_bytes=sum(size for size, _ in files.values()),
    )
    return StoredImage(image, folder, files)
