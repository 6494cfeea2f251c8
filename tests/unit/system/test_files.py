"""What is opened, written and removed is what was meant, whatever somebody else has put in its place."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from auroractl.core.errors import MachineError
from auroractl.system import files
from auroractl.system.files import flush_tree, make_folder, make_home, read_json, remove_tree, tail, write_durably
from auroractl.system.locks import LockFile, lock_holder
from auroractl.system.machine import sync_ms
from auroractl.system.safe_open import NotOurs, open_log, open_regular, read_regular

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
NOBODY = 65534


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A file of somebody else."""
    path = tmp_path / "outside"
    path.write_text("theirs")
    return path


def test_a_file_takes_the_place_of_a_link(tmp_path: Path, outside: Path) -> None:
    path, former_aside = tmp_path / "file", tmp_path / f".file.{os.getpid()}"
    path.symlink_to(outside)
    former_aside.symlink_to(outside)
    write_durably(path, "ours", mode=0o640)
    assert (path.read_text(), path.is_symlink(), path.stat().st_mode & 0o777) == ("ours", False, 0o640)
    assert outside.read_text() == "theirs"
    assert sorted(each.name for each in tmp_path.iterdir()) == sorted([".file." + str(os.getpid()), "file", "outside"])


def test_a_file_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "file").mkdir()
    with pytest.raises(MachineError, match="cannot be written"):
        write_durably(tmp_path / "file", "ours")
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_only_regular_files_are_opened_and_nothing_is_waited_for(tmp_path: Path, outside: Path, kind: str) -> None:
    path = tmp_path / "file"
    if kind == "link":
        path.symlink_to(outside)
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.mkdir()
    with pytest.raises(OSError, match=r"regular|directory"):
        open_regular(path)
    with pytest.raises(OSError, match=r"regular|directory"):
        open_log(path)
    with pytest.raises(OSError, match=r"regular|directory"):
        LockFile(path).acquire()
    with pytest.raises(MachineError, match="cannot be read"):
        read_json(path)
    assert "cannot be read" in tail(path)
    assert outside.read_text() == "theirs"


def test_a_link_is_no_lock(tmp_path: Path, outside: Path) -> None:
    lock = LockFile(outside)
    assert lock.acquire()
    (tmp_path / "lock").symlink_to(outside)
    assert lock_holder(outside) == os.getpid()
    assert lock_holder(tmp_path / "lock") is None
    lock.release()


@needs_root
def test_a_file_of_somebody_else_is_not_read_where_that_matters(outside: Path) -> None:
    os.chown(outside, NOBODY, NOBODY)
    with pytest.raises(NotOurs):
        open_regular(outside, {0})
    with open_regular(outside, {0, NOBODY}) as file:
        assert file.read() == read_regular(outside) == b"theirs"


@needs_root
@pytest.mark.parametrize("kind", ["folder", "link"])
def test_a_folder_of_somebody_else_is_not_taken_over(tmp_path: Path, kind: str) -> None:
    path, target = tmp_path / "place", tmp_path / "target"
    if kind == "folder":
        path.mkdir(mode=0o750)
    else:
        target.mkdir(mode=0o750)
        path.symlink_to(target)
    os.lchown(path, NOBODY, NOBODY)
    with pytest.raises(MachineError, match="another user"):
        make_folder(path)
    assert path.lstat().st_uid == NOBODY
    assert path.stat().st_mode & 0o777 == 0o750


def test_a_folder_of_ours_gets_the_mode_and_a_file_is_none(tmp_path: Path, outside: Path) -> None:
    (tmp_path / "own").mkdir(mode=0o755)
    make_folder(tmp_path / "own")
    assert (tmp_path / "own").stat().st_mode & 0o777 == 0o700
    with pytest.raises(MachineError, match="cannot be written"):
        make_folder(outside)


@pytest.mark.parametrize(
    ("uid", "mode", "then"),
    [(1000, 0o700, 0o700), (1000, 0o711, 0o711), (1000, 0o750, 0o750), (1000, 0o777, 0o755), (1000, 0o300, 0o700),
     (0, 0o700, 0o755), (0, 0o777, 0o755)],
)  # fmt: skip
def test_a_home_of_an_ordinary_user_stays_as_closed_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uid: int, mode: int, then: int
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    home.chmod(mode)
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    monkeypatch.setattr(files, "trusted_owners", lambda: {home.stat().st_uid})
    make_home(home)
    assert home.stat().st_mode & 0o777 == then
    make_home(tmp_path / "new")
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o755


def test_a_link_is_removed_and_not_what_it_leads_to(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    (target / "file").write_text("theirs")
    tree = tmp_path / "tree"
    tree.mkdir()
    for link in (tmp_path / "link", tree / "link"):
        link.symlink_to(target)
    remove_tree(tmp_path / "link")
    remove_tree(tree)
    remove_tree(tmp_path / "never there")
    assert [each.name for each in tmp_path.iterdir()] == ["target"]
    assert (target / "file").read_text() == "theirs"


def test_the_probe_of_a_disk_opens_nothing_that_is_there(tmp_path: Path, outside: Path) -> None:
    (tmp_path / f".auroractl-sync-{os.getpid()}").symlink_to(outside)
    assert sync_ms(tmp_path) > 0
    assert outside.read_text() == "theirs"
    assert len(list(tmp_path.iterdir())) == 2


def test_a_link_of_ours_is_followed_but_not_where_everybody_makes_names(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "open" / "link"
    target.mkdir(mode=0o750)
    link.parent.mkdir()
    link.symlink_to(target)
    link.parent.chmod(0o1777)
    with pytest.raises(MachineError, match="a link in a folder that everybody can write"):
        make_folder(link)
    assert target.stat().st_mode & 0o777 == 0o750
    link.parent.chmod(0o755)
    make_folder(link)
    assert target.stat().st_mode & 0o777 == 0o700


@needs_root
def test_a_folder_that_becomes_a_link_just_before_it_is_opened_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, place = tmp_path / "target", tmp_path / "place"
    target.mkdir(mode=0o750)
    place.mkdir()
    system_open = os.open

    def open_late(path: Path, *arguments: object, **named: object) -> int:
        if path == place and not place.is_symlink():
            place.rmdir()
            place.symlink_to(target)
            os.lchown(place, NOBODY, NOBODY)
        return system_open(path, *arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", open_late)
    with pytest.raises(MachineError, match="another user"):
        make_folder(place)
    assert target.stat().st_mode & 0o777 == 0o750


def test_what_links_lead_to_is_not_flushed(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("ours")
    (tmp_path / "link").symlink_to(tmp_path / "not there")
    flush_tree(tmp_path)
