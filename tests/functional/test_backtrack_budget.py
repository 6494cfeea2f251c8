"""What the window may take on disk: images are thinned out first, then the window becomes smaller and says so."""

from __future__ import annotations

import os
import signal
import stat
import time
from pathlib import Path

import pytest

from auroractl.system.liveness import processes_below
from auroractl.system.locks import lock_holder
from tests.functional.command import Auroractl, below, wait_until
from tests.functional.going_back import (
    checkpoint,
    execute,
    kill,
    moment,
    moments_folder,
    numbers,
    refused,
    wait_window,
)

pytestmark = pytest.mark.timeout(300)

IMAGES = 3
PIECES = 5
SETTINGS = {
    "AURORACTL_LOG_KEEP_SIZE": "16MB",
    "AURORACTL_WAL_KEEP_SIZE": "16MB",
    "AURORACTL_BACKTRACK_RATE_MB_PER_S": "1000",
}
BOUND_BYTES = 256 * 1024**2
SOON = {"AURORACTL_BACKTRACK_REPLAY_MAX": "8MiB"}
"""Less than is written for one image, which is then urgent and gives way to nobody on a busy machine."""
SMALL = "RDS-EVENT-0131"


def _images(auroractl: Auroractl) -> dict[str, int]:
    """The size of each image, of which there may be more than one copy."""
    found = auroractl.home.cluster("demo").storage.glob("*.images/*/manifest.json")
    return {path.parent.name: _size_bytes(path.parent) for path in found if path.parent.suffix != ".making"}


def _size_bytes(folder: Path) -> int:
    return sum(status.st_size for _, status in below(folder) if stat.S_ISREG(status.st_mode))


def _make_image(auroractl: Auroractl) -> str:
    """Write enough for an image, also on a busy machine, and wait for it; returns a moment that is reached from it."""
    before = _images(auroractl)
    with auroractl.connect("demo") as connection:
        for _ in range(PIECES):
            connection.execute("insert into story (content) values (%s)", (os.urandom(2 * 1024**2),))
    checkpoint(auroractl)
    wait_until("another image", lambda: _images(auroractl).keys() - before.keys(), timeout_s=60)
    execute(auroractl, "insert into story (content) values ('')")
    return moment(auroractl)


def _log_bytes(auroractl: Auroractl) -> int:
    nodes = auroractl.home.cluster("demo").storage.iterdir()
    return sum(_size_bytes(node) for node in nodes if node.suffix != ".images")


def _held_bytes(auroractl: Auroractl) -> int:
    cluster = auroractl.cluster("demo")
    return int(cluster["BacktrackLogBytes"] + cluster["BacktrackImageBytes"])


def _allow(auroractl: Auroractl, budget_bytes: int) -> None:
    """Have the next supervisor keep a budget as far as that goes, and allow more replay."""
    auroractl("supervisor", "stop")
    bound = {"AURORACTL_BACKTRACK_REPLAY_MAX": str(BOUND_BYTES)}
    auroractl("status", "demo", **SETTINGS, **bound, AURORACTL_BACKTRACK_DISK_BUDGET=str(budget_bytes))
    wait_window(auroractl)


def _told(auroractl: Auroractl) -> bool:
    return SMALL in {event["EventId"] for event in auroractl.json("describe-events", "demo")["Events"]}


def _replay_bytes(auroractl: Auroractl, to: str) -> int:
    return int(auroractl.json("backtrack", "demo", "--to", to, "--dry-run")["BacktrackPlan"]["ReplayBytes"])


@pytest.mark.slow
def test_a_budget_costs_images_in_between_before_it_costs_moments(auroractl: Auroractl) -> None:
    auroractl("create-cluster", "demo", "--readers", "0", **SETTINGS, **SOON)
    earliest = wait_window(auroractl)
    execute(auroractl, "create table story (id serial, content bytea)")
    moments = [_make_image(auroractl) for _ in range(IMAGES)]

    images = _images(auroractl)
    # Of each image one copy, of all but a fifth; what the nodes' log takes is seen on disk.
    budget_bytes = _log_bytes(auroractl) + sum(images.values()) * 8 // 10
    _allow(auroractl, budget_bytes)
    wait_until("the budget to be kept", lambda: _held_bytes(auroractl) <= budget_bytes)
    assert 1 < len(images.keys() & _images(auroractl).keys()) < len(images)
    assert max(_replay_bytes(auroractl, each) for each in [earliest, *moments]) < 0.6 * BOUND_BYTES
    assert auroractl.cluster("demo")["EarliestBacktrackTime"] == earliest
    assert not _told(auroractl)

    _allow(auroractl, max(_images(auroractl).values()))
    wait_until("the event", lambda: _told(auroractl))
    assert auroractl.cluster("demo")["EarliestBacktrackTime"] > earliest
    assert "before the backtrack window" in refused(auroractl, "--to", moments[0])
    done = auroractl("peek", "demo", "--at", moments[-1], "--", "select count(*) from story")
    assert f" {(PIECES + 1) * IMAGES}\n" in done.stdout


@pytest.mark.slow
def test_a_backtrack_that_waits_is_reached_after_a_restart_whatever_the_budget(auroractl: Auroractl) -> None:
    """Its copy is gone too, so that another is made from the recovery image, which the budget alone would have pruned."""
    auroractl("create-cluster", "demo", "--readers", "0", **SETTINGS, **SOON)
    wait_window(auroractl)
    execute(auroractl, "create table story (id serial, content bytea)", "insert into story (content) values ('')")
    there = moment(auroractl)
    needed = auroractl.json("backtrack", "demo", "--to", there, "--dry-run")["BacktrackPlan"]["PageImage"]["Identifier"]
    _make_image(auroractl)
    auroractl("backtrack", "demo", "--wait-at", there, "--read-only")

    os.kill(auroractl.json("supervisor", "status")["ProcessId"], signal.SIGKILL)
    wait_until("the supervisor's end", lambda: lock_holder(auroractl.home.supervisor_lock) is None)
    kill(processes_below(moments_folder(auroractl)))
    budget = {"AURORACTL_BACKTRACK_DISK_BUDGET": "1MB", "AURORACTL_BACKTRACK_REPLAY_MAX": str(BOUND_BYTES)}
    auroractl("status", "demo", **SETTINGS, **budget)
    wait_window(auroractl)
    time.sleep(3)  # for three rounds of pruning, of which nothing may be seen
    assert needed in _images(auroractl)
    auroractl("backtrack", "demo", "--accept", "--yes")
    assert numbers(auroractl) == [1]
