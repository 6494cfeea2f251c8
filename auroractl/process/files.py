"""Files that survive a crash, folders with the right owner, and copies of data directories."""

from __future__ import annotations

import errno
import json
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from auroractl.core.errors import MachineError
from auroractl.process.programs import run

if TYPE_CHECKING:
    from auroractl.process.accounts import Account

_REMOVING = ".removing"


def write_durably(path: Path, text: str, *, mode: int = 0o600, owner: Account | None = None) -> None:
    """Replace a file as a whole: written aside, flushed to disk, renamed, and the folder flushed.

    After a crash either the old content is there or the new one. Raises MachineError where the disk is full or the
    folder cannot be written.
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            os.fchmod(descriptor, mode)
            if owner is not None:
                os.fchown(descriptor, owner.uid, owner.gid)
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        aside.replace(path)
        flush_folder(path.parent)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise unwritable(path, error) from error


def flush_folder(folder: Path) -> None:
    """Make what was made, renamed or removed in a folder durable. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def flush_tree(root: Path) -> None:
    """Make everything below a folder durable. Raises OSError."""
    for folder, _, names in os.walk(root):
        for name in names:
            descriptor = os.open(Path(folder) / name, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        flush_folder(Path(folder))


def unwritable(path: Path, error: OSError) -> MachineError:
    """The sentence for a file or folder that could not be written."""
    if error.errno == errno.ENOSPC:
        return MachineError(f"The disk is full: {path} cannot be written.", "Make room, then repeat the command")
    return MachineError(
        f"{path} cannot be written: {error.strerror or error}.",
        "Check its owner and permissions, or set AURORACTL_HOME",
    )


def make_folder(path: Path, *, mode: int = 0o700, owner: Account | None = None) -> None:
    """Make a folder (and those above it, passable for all) with exactly this mode and owner; an existing one is kept."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
        path.mkdir(exist_ok=True, mode=mode)
        path.chmod(mode)
        if owner is not None:
            os.chown(path, owner.uid, owner.gid)
    except OSError as error:
        raise unwritable(path, error) from error


def nearest_existing(path: Path) -> Path:
    """A path, or the nearest folder above it that exists."""
    return next(place for place in (path, *path.parents) if place.exists())


def read_json(path: Path) -> dict[str, Any] | None:
    """A JSON object from a file; None where there is no file. Raises MachineError for anything else."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise MachineError(f"{path} cannot be read: {error}", "Restore it from a backup") from error
    if not isinstance(document, dict):
        raise MachineError(f"{path} does not hold a JSON object.", "Restore it from a backup")
    return document


def write_json(path: Path, document: Mapping[str, Any], *, mode: int = 0o600) -> None:
    """Write a JSON object with `write_durably`."""
    write_durably(path, json.dumps(document, indent=2) + "\n", mode=mode)


def copy_tree(source: Path, target: Path) -> None:
    """Copy a folder with owners and modes, sharing blocks where the filesystem can (reflinks, APFS clones).

    `cp` does in one program what thousands of calls from here would do more slowly.
    """
    share = ["-c"] if sys.platform == "darwin" else ["--reflink=auto"]
    run(["cp", "-Rp", *share, str(source), str(target)], timeout_s=3600)


def remove_tree(path: Path) -> None:
    """Remove a folder and all below it; nothing happens where there is none.

    It gets another name first: who still writes below it (a page image that is being made for a node which goes) finds
    nothing there any more, and puts nothing into what is being removed. What a crash left of that goes too.
    """
    aside = path.with_name(f"{path.name}{_REMOVING}")
    _remove_in_place(aside)
    try:
        path.rename(aside)
    except OSError:
        # Not there, a mount, or in a folder that cannot be written.
        _remove_in_place(path)
    else:
        _remove_in_place(aside)


def _remove_in_place(path: Path) -> None:
    def keep_errors(_function: object, name: str, error: tuple[type[BaseException], BaseException, object]) -> None:
        if not isinstance(error[1], FileNotFoundError):
            raise MachineError(f"{name} cannot be removed: {error[1]}", "Remove it by hand") from error[1]

    shutil.rmtree(path, onerror=keep_errors)


def tail(path: Path, lines: int = 15, since_bytes: int = 0) -> str:
    """The last lines of a log, from `since_bytes` on; empty where there is none."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(since_bytes, size - 64 * 1024))
            return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])
    except FileNotFoundError:
        return ""
