"""Crash-safe files, folders with the right owner, and copies of data directories."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
import shutil
import stat
import sys
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from auroractl.core.errors import MachineError
from auroractl.system.account import Account
from auroractl.system.file_credentials import as_self, trusted_owners
from auroractl.system.programs import run
from auroractl.system.safe_open import open_regular, read_regular

_REMOVING = ".removing"
_HOME_MODE = 0o755


def write_durably(path: Path, text: str, *, mode: int = 0o600) -> None:
    """Replace a file atomically: write aside, flush to disk, rename, flush the folder.

    After a crash the file has either the old content or the new. Raises MachineError if the disk is full or the folder
    cannot be written.
    """
    _replace(path, text, mode, durable=True)


def write_atomically(path: Path, text: str, *, mode: int = 0o600) -> None:
    """Replace a file atomically, but not durably: it may be empty after a crash of the machine.

    Raises as `write_durably` does.
    """
    _replace(path, text, mode, durable=False)


def _replace(path: Path, text: str, mode: int, *, durable: bool) -> None:
    try:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            _replace_in(folder, path.name, text, mode, durable=durable)
        finally:
            os.close(folder)
    except OSError as error:
        raise unwritable(path, error) from error


def _replace_in(folder: int, name: str, text: str, mode: int, *, durable: bool) -> None:
    # The name is unpredictable until the file exists, and no existing file is opened.
    aside = f".{name}.{secrets.token_hex(8)}"
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=folder)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape") as file:
            os.fchmod(descriptor, mode)
            file.write(text)
            file.flush()
            if durable:
                os.fsync(descriptor)
        os.replace(aside, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(aside, dir_fd=folder)
        raise
    if durable:
        os.fsync(folder)


def flush_file(path: Path) -> None:
    """Make the contents of a regular file durable. Raises OSError."""
    with open_regular(path) as file:
        os.fsync(file.fileno())


def flush_folder(folder: Path) -> None:
    """Make creations, renames and removals in a folder durable. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def walk(top: Path) -> Iterator[tuple[str, list[str], list[str]]]:
    """Walk a tree as os.walk does, but raise the OSError of a folder that cannot be listed.

    Otherwise its contents would be missed. A folder that is gone is skipped.
    """

    def fail(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):
            raise error

    return os.walk(top, onerror=fail)


def flush_tree(root: Path) -> None:
    """Make everything below a folder durable, except the targets of links. Raises OSError."""
    for folder, _, names in walk(root):
        for path in (Path(folder) / name for name in names):
            if not path.is_symlink():
                flush_file(path)
        flush_folder(Path(folder))


def unwritable(path: Path, error: OSError) -> MachineError:
    """Return the sentence for a file or folder that could not be written."""
    if error.errno == errno.ENOSPC:
        return MachineError(f"The disk is full: {path} cannot be written.", "Make room, then repeat the command")
    return MachineError(
        f"{path} cannot be written: {error.strerror or error}.",
        "Check its owner and permissions, or set AURORACTL_HOME",
    )


def make_folder(path: Path, *, mode: int = 0o700) -> None:
    """Make a folder with exactly this mode; keep an existing one of ours.

    Missing parents are made so that all users can enter them. Raises MachineError if it cannot be made, is a link or
    belongs to another user.
    """
    with _folder_of(path, mode, trusted_owners()) as descriptor:
        if stat.S_IMODE(os.fstat(descriptor).st_mode) != mode:
            os.fchmod(descriptor, mode)


def make_home(path: Path) -> None:
    """Make the folder of a home, which all users can enter; an ordinary user's existing one keeps a stricter mode.

    All users must be able to enter root's home: its databases run under another account. Raises MachineError as
    `make_folder` does.
    """
    mode = _HOME_MODE
    with _folder_of(path, mode, trusted_owners()) as descriptor:
        now = stat.S_IMODE(os.fstat(descriptor).st_mode)
        if os.geteuid() != 0:
            mode = now & _HOME_MODE | stat.S_IRWXU
        if now != mode:
            os.fchmod(descriptor, mode)


def make_folder_of(path: Path, account: Account | None) -> None:
    """Make a folder for an account alone, inside a folder of the process's user.

    An existing one is transferred to the account. Raises MachineError as `make_folder` does.
    """
    if account is None:
        make_folder(path)
        return
    with as_self(), _folder_of(path, 0o700, trusted_owners() | {account.uid}) as descriptor:
        os.fchmod(descriptor, 0o700)
        os.fchown(descriptor, account.uid, account.gid)


@contextmanager
def _folder_of(path: Path, mode: int, owners: Collection[int]) -> Iterator[int]:
    """Open a folder, creating it if necessary. Raises MachineError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
        with contextlib.suppress(FileExistsError):
            path.mkdir(mode=mode)
        descriptor = _open_folder(path, owners)
        try:
            if os.fstat(descriptor).st_uid not in owners:
                raise PermissionError(errno.EPERM, "it belongs to another user")
            yield descriptor
        finally:
            os.close(descriptor)
    except OSError as error:
        raise unwritable(path, error) from error


def _open_folder(path: Path, owners: Collection[int]) -> int:
    """Open a descriptor of a folder, or of the target of a link of ours.

    It is first opened without following links: between a check of a name and its opening another user could replace it.
    A link is certain to be ours only if no other user can create names there. Raises OSError.
    """
    try:
        return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        link = path.lstat()
        if not stat.S_ISLNK(link.st_mode):
            raise
    if link.st_uid not in owners:
        raise PermissionError(errno.EPERM, "it is a link that another user made")
    if path.parent.stat().st_mode & stat.S_IWOTH:
        raise PermissionError(errno.EPERM, "it is a link in a folder that everybody can write")
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    if not os.path.samestat(link, path.lstat()):
        os.close(descriptor)
        raise PermissionError(errno.EPERM, "it is a link that has just been replaced")
    return descriptor


def exists(path: Path) -> bool:
    """Return whether a path exists for this process.

    Path.exists fails if a link leads to where this process may not look.
    """
    return os.path.exists(path)  # noqa: PTH110


def has_name(path: Path) -> bool:
    """Return whether a name exists, whatever it refers to if it is a link."""
    return os.path.lexists(path)


def nearest_existing(path: Path) -> Path:
    """Return a path, or its nearest parent that exists."""
    return next(place for place in (path, *path.parents) if place.exists())


def read_json(path: Path) -> dict[str, Any] | None:
    """Read a JSON object from a file; None if there is no file. Raises MachineError for any other content."""
    try:
        document = json.loads(read_regular(path))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise MachineError(f"{path} cannot be read: {error}", "Restore it from a backup") from error
    if not isinstance(document, dict):
        raise MachineError(f"{path} does not hold a JSON object.", "Restore it from a backup")
    return document


def write_json(path: Path, document: Mapping[str, Any], *, mode: int = 0o600) -> None:
    """Write a JSON object with `write_durably`."""
    write_durably(path, json.dumps(document, indent=2) + "\n", mode=mode)


def copy_tree(source: Path, target: Path, account: Account | None = None) -> None:
    """Copy a folder with owners and modes, sharing blocks if the filesystem can (reflinks, APFS clones).

    The copy runs as an account if one is given. One `cp` is faster than thousands of calls from here.
    """
    share = ["-c"] if sys.platform == "darwin" else ["--reflink=auto", "-T"]
    run(["cp", "-Rp", *share, str(source), str(target)], account=account, timeout_s=3600)


def remove_tree(path: Path) -> None:
    """Remove a folder and all below it; do nothing if there is none.

    It is renamed first. A process that still writes below it (the maker of a recovery image on a node that is being
    removed) then finds nothing there, and adds nothing to what is being removed. Remains of an earlier crash are
    removed too.
    """
    aside = path.with_name(f"{path.name}{_REMOVING}")
    _remove_in_place(aside)
    try:
        path.rename(aside)
    except OSError:
        # It does not exist, is a mount point, or its parent cannot be written.
        _remove_in_place(path)
    else:
        _remove_in_place(aside)


def _remove_in_place(path: Path) -> None:
    def keep_errors(_function: object, name: str, error: tuple[type[BaseException], BaseException, object]) -> None:
        if not isinstance(error[1], FileNotFoundError):
            raise MachineError(f"{name} cannot be removed: {error[1]}", "Remove it by hand") from error[1]

    if path.is_symlink():
        path.unlink(missing_ok=True)
    else:
        shutil.rmtree(path, onerror=keep_errors)


def tail(path: Path, lines: int = 15, since_bytes: int = 0) -> str:
    """Return the last lines of a log, from `since_bytes` on; empty if there is none."""
    try:
        with open_regular(path) as file:
            size = file.seek(0, os.SEEK_END)
            # A log that was truncated meanwhile contains only newer lines.
            file.seek(max(since_bytes if since_bytes <= size else 0, size - 64 * 1024))
            return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])
    except FileNotFoundError:
        return ""
    except OSError as error:
        return f"({path} cannot be read: {error.strerror})"
