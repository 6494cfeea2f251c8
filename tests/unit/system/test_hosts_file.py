"""The hosts file is replaced as a whole, or not at all."""

from __future__ import annotations

import fcntl
import os
import threading
from pathlib import Path

import pytest

from auroractl.core.errors import MachineError
from auroractl.system import hosts_file
from auroractl.system.hosts_file import change_hosts_file, require_home_of_caller


@pytest.fixture
def file(tmp_path: Path) -> Path:
    found = tmp_path / "hosts"
    found.write_bytes(b"127.0.0.1 localhost\n\xff\n")
    found.chmod(0o644)
    return found


def _names(file: Path) -> list[str]:
    return [each.name for each in file.parent.iterdir()]


def _add(content: str) -> str:
    return content + "added\n"


def test_bytes_that_are_no_text_and_the_mode_are_kept(file: Path) -> None:
    file.chmod(0o640)
    assert change_hosts_file(file, _add, "")
    assert file.read_bytes() == b"127.0.0.1 localhost\n\xff\nadded\n"
    assert file.stat().st_mode & 0o7777 == 0o640
    assert _names(file) == ["hosts"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_the_owner_is_kept(file: Path) -> None:
    os.chown(file, 0, 12345)
    assert change_hosts_file(file, _add, "")
    assert (file.stat().st_uid, file.stat().st_gid) == (0, 12345)


def test_a_file_that_needs_no_change_is_not_replaced(file: Path) -> None:
    before = file.stat()
    assert not change_hosts_file(file, lambda content: content, "")
    assert file.stat() == before


def _link(file: Path) -> None:
    file.rename(file.with_name("target"))
    file.symlink_to("target")


def _second_name(file: Path) -> None:
    os.link(file, file.with_name("second"))


def _pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def _folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def _of_another_account(file: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    os.chown(file, 12345, -1)


@pytest.mark.parametrize("trick", [_link, _second_name, _pipe, _folder, _of_another_account])
def test_what_is_not_a_plain_file_is_refused(file: Path, trick: object) -> None:
    assert callable(trick)
    trick(file)
    before = sorted((each.name, each.lstat().st_ino) for each in file.parent.iterdir())
    with pytest.raises(MachineError, match="is a link, no regular file, too large, or belongs to another account"):
        change_hosts_file(file, _add, "")
    assert sorted((each.name, each.lstat().st_ino) for each in file.parent.iterdir()) == before


def test_a_folder_in_which_others_can_replace_the_file_is_refused(file: Path) -> None:
    file.parent.chmod(0o777)
    with pytest.raises(MachineError, match="Another account can replace"):
        change_hosts_file(file, _add, "")


def test_a_file_that_cannot_be_written_says_what_to_do(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    really = os.open

    def denied(path: str, flags: int, *more: int, **where: int) -> int:
        if flags & os.O_CREAT:
            raise PermissionError(13, "Permission denied")
        return really(path, flags, *more, **where)

    monkeypatch.setattr(os, "open", denied)
    with pytest.raises(MachineError, match="Permission denied") as caught:
        change_hosts_file(file, _add, "ask root")
    assert caught.value.hint == "ask root"
    assert b"added" not in file.read_bytes()


def test_a_change_of_another_program_meanwhile_is_kept(file: Path) -> None:
    seen: list[str] = []

    def slowly(content: str) -> str:
        if not seen:
            file.with_name("new").write_text("theirs\n")
            file.with_name("new").rename(file)
        seen.append(content)
        return content + "ours\n"

    assert change_hosts_file(file, slowly, "")
    assert file.read_text() == "theirs\nours\n"
    assert len(seen) == 2


def test_what_another_program_appends_meanwhile_is_kept(file: Path) -> None:
    file.write_text("first\n")
    seen: list[str] = []

    def slowly(content: str) -> str:
        if not seen:
            with file.open("a") as theirs:
                theirs.write("theirs\n")
        seen.append(content)
        return content + "ours\n"

    assert change_hosts_file(file, slowly, "")
    assert file.read_text() == "first\ntheirs\nours\n"


def test_a_failure_leaves_the_file_as_it_was(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(MachineError, match="No space left"):
        change_hosts_file(file, _add, "")
    assert file.read_bytes() == b"127.0.0.1 localhost\n\xff\n"
    assert _names(file) == ["hosts"]


def test_changes_at_the_same_time_are_all_made(file: Path) -> None:
    def add(number: int) -> None:
        change_hosts_file(file, lambda content: f"{content}{number}\n", "")

    threads = [threading.Thread(target=add, args=(number,)) for number in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(file.read_bytes().splitlines()[2:]) == [b"0", b"1", b"2", b"3"]


def test_an_account_that_holds_a_lock_on_the_file_does_not_block(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosts_file, "_LOCK_TIMEOUT_S", 0.05)
    with file.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert change_hosts_file(file, _add, "")


def test_a_file_that_is_a_mount_point_is_written_in_place(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(*_: object, **__: object) -> None:
        raise OSError(16, "Device or resource busy")

    number = file.stat().st_ino
    monkeypatch.setattr(os, "replace", busy)
    assert change_hosts_file(file, lambda _: "short\n", "")
    assert (file.read_text(), file.stat().st_ino) == ("short\n", number)
    assert _names(file) == ["hosts"]


def _full(*_: object) -> int:
    raise OSError(28, "No space left on device")


def _half(descriptor: int, content: bytes, offset: int) -> int:
    """Write as if the filesystem were full beyond 30 bytes."""
    if offset >= 30:
        _full()
    os.lseek(descriptor, offset, os.SEEK_SET)
    return os.write(descriptor, content[: 30 - offset])


@pytest.mark.parametrize(
    "failing",
    [
        pytest.param(
            {"posix_fallocate": _full},
            marks=pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="this system has none"),
        ),
        {"posix_fallocate": lambda *_: None, "pwrite": _half},
    ],
)
def test_a_full_filesystem_does_not_cut_a_file_that_is_written_in_place(
    file: Path, monkeypatch: pytest.MonkeyPatch, failing: dict[str, object]
) -> None:
    def busy(*_: object, **__: object) -> None:
        raise OSError(16, "Device or resource busy")

    monkeypatch.setattr(os, "replace", busy)
    for name, function in failing.items():
        monkeypatch.setattr(os, name, function, raising=False)
    before = file.read_bytes()
    with pytest.raises(MachineError, match="No space left"):
        change_hosts_file(file, lambda content: "new\n" * 10 + content, "")
    assert file.read_bytes() == before


def test_root_writes_only_names_of_a_home_of_the_account_that_called_sudo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    owner = tmp_path.stat().st_uid
    monkeypatch.setenv("SUDO_UID", str(owner))
    require_home_of_caller(str(tmp_path))
    monkeypatch.setenv("SUDO_UID", str(owner + 1))
    with pytest.raises(MachineError, match="belongs to another account"):
        require_home_of_caller(str(tmp_path))
    with pytest.raises(MachineError, match="cannot be read"):
        require_home_of_caller(str(tmp_path / "none"))
