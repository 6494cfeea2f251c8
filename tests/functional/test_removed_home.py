"""A home that is removed or moved under what works in it."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from auroractl.config.paths import Home
from auroractl.system.shared_segments import mapped_by, remove
from tests.functional.command import Auroractl, wait_until
from tests.functional.conftest import home_of_its_own

ENDS_WITHIN_S = 30.0


@pytest.fixture
def demo(warm_home: Home) -> Iterator[Auroractl]:
    """A cluster in a home that a test removes."""
    with home_of_its_own(warm_home) as command:
        command("create-cluster", "demo", "--readers", "1")
        yield command
        command.home.root.mkdir(exist_ok=True)


def _remove(root: Path) -> None:
    """As a person does it: what is written meanwhile makes it fail, and then it is done again."""
    for _ in range(2):
        subprocess.run(["rm", "-rf", str(root)], stderr=subprocess.DEVNULL, check=False)


def _ours(pids: list[int]) -> list[str]:
    found = []
    for pid in pids:
        try:
            found.append(psutil.Process(pid).name())
        except psutil.NoSuchProcess:
            continue
    return found


@pytest.mark.parametrize("supervisor_lives", [True, False])
def test_everything_ends_soon(demo: Auroractl, supervisor_lives: bool) -> None:
    if not supervisor_lives:
        demo.kill_supervisor()
    pids = demo.pids()
    names, segments = _ours(pids), mapped_by(pids)
    assert segments
    assert "postgres" in names
    assert names.count("pg_receivewal") == 6
    _remove(demo.home.root)
    wait_until("everything to end", lambda: not _ours(pids), ENDS_WITHIN_S)
    # A server that nobody ends but itself may leave its shared memory behind.
    assert not supervisor_lives or not [each for each in segments if each.exists()]
    remove(segments)


def test_what_works_in_a_new_home_of_the_same_name_is_left_alone(demo: Auroractl) -> None:
    """The endpoint process of the old home sees that it is gone only when the new one is there already."""
    endpoint, segments = (
        psutil.Process(int((demo.home.cluster("demo").endpoint / "pid").read_text())),
        mapped_by(demo.pids()),
    )
    demo.kill_supervisor()
    endpoint.suspend()
    _remove(demo.home.root)
    working_folder = demo.home.cluster("demo").instance("demo-instance-1").data
    working_folder.mkdir(parents=True)
    with subprocess.Popen(["sleep", "60"], cwd=working_folder, start_new_session=True) as stranger:
        endpoint.resume()
        wait_until("the old endpoint process to end", lambda: not endpoint.is_running(), ENDS_WITHIN_S)
        assert stranger.poll() is None
        stranger.kill()
    remove(segments)


def test_a_home_that_was_moved_keeps_its_clients(demo: Auroractl) -> None:
    with demo.connect("demo") as client:
        elsewhere = demo.home.root.with_name(f"{demo.home.root.name}-moved")
        demo.home.root.rename(elsewhere)
        try:
            time.sleep(3.0)
            assert client.execute("select 1").fetchone() == (1,)
        finally:
            shutil.rmtree(demo.home.root, ignore_errors=True)
            elsewhere.rename(demo.home.root)
