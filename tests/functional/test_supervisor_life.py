"""When a supervisor comes and goes: on its own where there is nothing to watch, and while commands arrive."""

from __future__ import annotations

import json
import time

from auroractl.system.locks import LockFile, lock_holder
from tests.functional.command import Auroractl, wait_until

IDLE_S = 2.0


def test_it_leaves_where_there_is_no_cluster_and_stays_where_there_is(auroractl: Auroractl) -> None:
    idle = {"AURORACTL_SUPERVISOR_IDLE_S": str(IDLE_S)}
    auroractl("describe-clusters", **idle)
    wait_until("it to leave", lambda: lock_holder(auroractl.home.supervisor_lock) is None)
    auroractl("create-cluster", "demo", "--readers", "0", **idle)
    stays = lock_holder(auroractl.home.supervisor_lock)
    assert stays is not None
    time.sleep(IDLE_S + 1.5)
    assert lock_holder(auroractl.home.supervisor_lock) == stays
    auroractl("delete-cluster", "demo", "--yes")
    wait_until("it to leave", lambda: not auroractl.processes())


def test_a_command_that_comes_while_it_ends_is_answered_by_the_next(auroractl: Auroractl) -> None:
    """What is still held of the home by one that is ending is its lock, and nobody listens any more."""
    auroractl.home.root.mkdir(exist_ok=True)
    ending = LockFile(auroractl.home.supervisor_lock)
    assert ending.acquire()
    waits = auroractl.start("describe-clusters", "--output", "json")
    wait_until("another supervisor", lambda: len(auroractl.processes()) == 1)
    time.sleep(1.0)
    assert waits.poll() is None
    ending.release()
    stdout, stderr = waits.communicate(timeout=30)
    assert waits.returncode == 0, stderr
    assert json.loads(stdout) == {"DBClusters": []}


def test_one_in_the_foreground_follows_no_variable_of_libpq(auroractl: Auroractl) -> None:
    astray = {"PGHOSTADDR": "127.0.0.1", "PGOPTIONS": "-c search_path=evil", "PGPASSFILE": "/nonexistent"}
    with auroractl.start("supervisor", "run", **astray) as supervisor:
        wait_until("it to serve", lambda: auroractl.run("supervisor", "status").returncode == 0)
        auroractl("create-cluster", "demo", "--readers", "0")
        assert auroractl.cluster("demo")["Health"] == "ok"
        supervisor.terminate()
        supervisor.communicate(timeout=30)
