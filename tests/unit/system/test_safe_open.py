"""Opening files that another account may have put there."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from auroractl.system.files import tail
from auroractl.system.safe_open import NotOurs, open_regular

OURS = {os.geteuid()}


def _link(path: Path, secret: Path) -> None:
    path.symlink_to(secret)


def _hard_link(path: Path, secret: Path) -> None:
    path.hardlink_to(secret)


def _pipe(path: Path, _secret: Path) -> None:
    os.mkfifo(path)


def _socket(path: Path, _secret: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


def _folder(path: Path, _secret: Path) -> None:
    path.mkdir()


def _device(path: Path, _secret: Path) -> None:
    path.symlink_to("/dev/zero")


PLANTED: list[Callable[[Path, Path], None]] = [_link, _hard_link, _pipe, _socket, _folder, _device]


@pytest.mark.parametrize("plant", PLANTED)
def test_what_was_planted_is_not_read(tmp_path: Path, plant: Callable[[Path, Path], None]) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    log = tmp_path / "postgresql.log"
    plant(log, secret)
    with pytest.raises(NotOurs) as refused:
        open_regular(log, OURS)
    assert str(log) in str(refused.value)
    if plant is not _hard_link:
        assert "is not used" in tail(log)


def test_a_link_in_place_of_a_folder_is_not_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "postgresql.conf").write_text("secret")
    instance = tmp_path / "home" / "instance"
    instance.mkdir(parents=True)
    (instance / "data").symlink_to(elsewhere)
    with pytest.raises(NotOurs):
        open_regular(instance / "data" / "postgresql.conf", OURS, below=tmp_path / "home")


def test_the_owner_counts(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("text")
    with pytest.raises(NotOurs, match=f"belongs to uid {os.geteuid()}"):
        open_regular(file, {os.geteuid() + 1})
    for owners in (OURS, None):
        with open_regular(file, owners, below=tmp_path.parent) as opened:
            assert opened.read() == b"text"


def test_what_is_not_there_is_not_there(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path / "no-folder" / "none"):
        with pytest.raises(FileNotFoundError):
            open_regular(path, OURS, below=tmp_path)


def _descriptors() -> int:
    return sum(1 for _ in Path("/dev/fd").iterdir())


def test_no_descriptor_stays_open(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "file").write_text("text")
    (tmp_path / "a" / "link").symlink_to("b")
    before = _descriptors()
    for _ in range(3):
        open_regular(tmp_path / "a" / "b" / "file", OURS, below=tmp_path).close()
        for path, owners in ((tmp_path / "a" / "link" / "file", OURS), (tmp_path / "a" / "b" / "file", set[int]())):
            with pytest.raises(NotOurs):
                open_regular(path, owners, below=tmp_path)
    assert _descriptors() == before
