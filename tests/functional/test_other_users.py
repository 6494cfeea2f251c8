"""Commands on a home of somebody else: they say whose it is, start nothing there and leave nothing there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.functional.command import Auroractl
from tests.functional.conftest import make_home

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a home of somebody else")
NOBODY = 65534
COMMANDS = [
    "status",
    "describe-clusters",
    "describe-events",
    "create-cluster demo",
    "delete-cluster demo --yes",
    "uri demo",
    "use demo",
    "use --unset",
    "config show",
    "doctor",
    "report --file bundle.tar.gz",
    "logs",
    "supervisor start",
    "supervisor status",
    "supervisor stop --all",
    "supervisor logs",
    "supervisor run",
]


@pytest.fixture(scope="module")
def theirs() -> Iterator[Auroractl]:
    """A home of nobody, as it is after a first command."""
    command = Auroractl(make_home())
    root = command.home.root
    (root / "clusters").mkdir()
    (root / "config.toml").write_text('region = "eu-west-1"\n')
    for path in (root, *root.rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    yield command
    command.end()
    for path in sorted(root.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    root.rmdir()


@pytest.mark.parametrize("line", COMMANDS)
def test_root_refuses_and_leaves_nothing(theirs: Auroractl, line: str) -> None:
    before = _state(theirs.home.root)
    done = theirs.run(*line.split())
    assert done.returncode == 2, done
    assert f"The home {theirs.home.root} belongs to nobody, and this command runs as root." in done.stderr
    assert f"Try: sudo -u nobody auroractl --home {theirs.home.root} ..." in done.stderr
    assert done.stdout == ""
    assert _state(theirs.home.root) == before
    assert theirs.processes() == []


@pytest.mark.parametrize("line", ["--version", "--help", "create-cluster --help", "--show-completion bash"])
def test_what_needs_no_home_works(theirs: Auroractl, line: str) -> None:
    before = _state(theirs.home.root)
    assert theirs.run(*line.split(), SHELL="/bin/bash").returncode == 0
    assert _state(theirs.home.root) == before


def test_root_makes_no_home_in_a_folder_of_somebody_else(theirs: Auroractl) -> None:
    before = _state(theirs.home.root)
    done = theirs.run("create-cluster", "demo", AURORACTL_HOME=str(theirs.home.root / "new"))
    assert done.returncode == 2, done
    assert f"nobody can change {theirs.home.root} and replace the home" in done.stderr
    assert _state(theirs.home.root) == before


def _state(root: Path) -> list[tuple[str, int, int, float]]:
    found = [(str(path), path.lstat()) for path in (root, *sorted(root.rglob("*")))]
    return [(name, each.st_uid, each.st_mode, each.st_mtime) for name, each in found]
