"""Whose a home is."""

from __future__ import annotations

import grp
import os
import pwd
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from auroractl.config.home_security import require_ours, require_private
from auroractl.config.paths import Home, find_home
from auroractl.core.errors import ConfigurationError

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives folders away")
NOBODY = 65534


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder of ours in a sticky one."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        yield Path(name)


def test_a_home_of_ours_and_one_that_is_not_there(place: Path) -> None:
    require_ours(place)
    require_ours(place / "new" / "home")
    (place / "link").symlink_to(place)
    require_ours(place / "link")


@needs_root
def test_root_keeps_out_of_a_home_of_somebody_else(place: Path) -> None:
    os.chown(place, NOBODY, NOBODY)
    with pytest.raises(ConfigurationError, match="belongs to nobody, and this command runs as root") as caught:
        find_home(str(place))
    assert caught.value.hint.startswith(f"sudo -u nobody auroractl --home {place} ...")


@needs_root
def test_a_link_of_somebody_else_is_not_followed(place: Path) -> None:
    (place / "real").mkdir()
    (place / "link").symlink_to(place / "real")
    os.lchown(place / "link", NOBODY, NOBODY)
    with pytest.raises(ConfigurationError, match="belongs to nobody"):
        require_ours(place / "link")


@needs_root
def test_a_person_keeps_out_of_roots_home(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: NOBODY)
    with pytest.raises(ConfigurationError, match="belongs to root, and this command runs as nobody") as caught:
        require_ours(place)
    assert caught.value.hint.startswith("sudo auroractl --home")


@needs_root
def test_root_makes_no_home_where_others_can_replace_it(place: Path) -> None:
    os.chown(place, NOBODY, NOBODY)
    with pytest.raises(ConfigurationError, match=f"nobody can change {place}"):
        require_ours(place / "new" / "home")
    os.chown(place, 54321, 54321)
    require_ours(place / "new" / "home")
    os.chown(place, 0, 0)
    place.chmod(0o777)
    with pytest.raises(ConfigurationError, match=f"everybody can change {place}"):
        require_ours(place / "home")


@needs_root
def test_root_makes_no_home_where_a_group_can_replace_it(place: Path) -> None:
    theirs = pwd.getpwnam("nobody").pw_gid
    os.chown(place, 0, theirs)
    place.chmod(0o775)
    with pytest.raises(ConfigurationError, match=f"the group {grp.getgrgid(theirs).gr_name} can change {place}"):
        require_ours(place / "new" / "home")
    for gid, mode in ((theirs, 0o1775), (theirs, 0o755), (0, 0o775), (54321, 0o775)):
        os.chown(place, 0, gid)
        place.chmod(mode)
        require_ours(place / "new" / "home")


@needs_root
@pytest.mark.parametrize("link", ["parent", "home", "chain"])
def test_root_makes_no_home_where_others_can_change_what_a_link_leads_through(place: Path, link: str) -> None:
    inner = place / "theirs" / "inner"
    inner.mkdir(parents=True)
    os.chown(place / "theirs", NOBODY, NOBODY)
    if link == "parent":
        (place / "link").symlink_to(inner)
    elif link == "home":
        (place / "link").symlink_to(inner / "home")
    else:
        (place / "own").mkdir()
        (inner / "back").symlink_to(place / "own")
        (place / "link").symlink_to(inner / "back")
    home = place / "link" if link == "home" else place / "link" / "home"
    with pytest.raises(ConfigurationError, match=f"nobody can change {place / 'theirs'}"):
        require_ours(home)


@needs_root
def test_root_makes_no_home_below_a_link_of_somebody_else(place: Path) -> None:
    (place / "own").mkdir()
    (place / "link").symlink_to(place / "own")
    (place / "loop").symlink_to(place / "loop")
    require_ours(place / "link" / "home")
    require_ours(place / "loop" / "home")
    os.lchown(place / "link", NOBODY, NOBODY)
    with pytest.raises(ConfigurationError, match=f"nobody can change {place / 'link'}"):
        require_ours(place / "link" / "home")


@pytest.mark.parametrize("kind", ["open", "link", "file"])
def test_a_folder_for_sockets_that_others_can_use_is_refused(place: Path, kind: str) -> None:
    folder = place / "sockets"
    require_private(folder)
    if kind == "open":
        folder.mkdir(mode=0o755)
    elif kind == "link":
        folder.symlink_to(place)
    else:
        folder.write_text("")
    with pytest.raises(
        ConfigurationError, match=r"is not a folder that only .*; it belongs to .* and has mode 0\d{3}\."
    ):
        require_private(folder)


def test_the_folder_for_sockets_of_a_long_path_is_looked_at(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    home = Home(place / ("x" * 100))
    home.run.mkdir(mode=0o755)
    with pytest.raises(ConfigurationError, match="is not a folder that only"):
        _ = home.socket
    home_run = next(place.glob("auroractl-*"))
    home_run.chmod(0o700)
    assert home.run == home_run
