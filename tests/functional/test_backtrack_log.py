"""The log that recovery images need, lost on every storage node: what is written from then on can be undone all the same."""

from __future__ import annotations

import os

import pytest

from auroractl.core.wal.segments import parse_segment, segment_at
from tests.functional.command import Auroractl, wait_until
from tests.functional.going_back import backtrack, checkpoint, execute, last_event, moment, told, wait_window

pytestmark = pytest.mark.timeout(300)

PIECES = 12
SETTINGS = {
    "AURORACTL_BACKTRACK_REPLAY_MAX": "128MiB",
    "AURORACTL_LOG_KEEP_SIZE": "16MB",
    "AURORACTL_WAL_KEEP_SIZE": "16MB",
}


def _image_names(auroractl: Auroractl) -> set[str]:
    return {path.name for path in auroractl.home.cluster("demo").storage.glob("*.images/*[0-9A-F]")}


def _lose_a_segment(auroractl: Auroractl, number: int) -> int:
    """On every node; returns how many copies there were."""
    storage = auroractl.home.cluster("demo").storage
    lost = [
        path
        for path in storage.glob("*-storage-?/*")
        if (segment := parse_segment(path.name)) is not None and segment.number == number
    ]
    for path in lost:
        path.unlink()
    return len(lost)


def test_a_lost_segment_ends_what_can_be_undone_and_not_what_will_be(auroractl: Auroractl) -> None:
    auroractl("create-cluster", "demo", "--readers", "0", "--backtrack-window", "1m", **SETTINGS)
    wait_window(auroractl)
    before = _image_names(auroractl)
    execute(auroractl, "create table story (id serial, content bytea)")
    [(first_lsn,)] = execute(auroractl, "select (pg_current_wal_lsn() - '0/0')::bigint")
    with auroractl.connect("demo") as connection:
        for _ in range(PIECES):
            connection.execute("insert into story (content) values (%s)", (os.urandom(2 * 1024**2),))
    assert _lose_a_segment(auroractl, segment_at(first_lsn) + 1) >= 3
    since = last_event(auroractl)
    checkpoint(auroractl)

    wait_until("another image", lambda: _image_names(auroractl) - before, timeout_s=120)
    wait_until("the event", lambda: told(auroractl, "one was made from a base backup", since))
    # The moment of a commit is certain only beside commits that are some seconds older.
    execute(
        auroractl,
        "insert into story (content) values ('')",
        "select pg_sleep(2.5)",
        "insert into story (content) values ('')",
    )
    there = moment(auroractl)
    execute(auroractl, "drop table story")
    backtrack(auroractl, "--to", there)
    assert execute(auroractl, "select count(*) from story") == [(PIECES + 2,)]
