"""When a supervisor comes and goes: on its own where there is nothing to watch, and while commands arrive."""

from __future__ import annotations

import time

from auroractl.process.locks import lock_holder
from tests.functional.conftest import Auroractl, wait_until

IDLE_S = 0.5


def test_it_leaves_where_there_is_no_cluster_and_stays_where_there_is(auroractl: Auroractl) -> None:
    idle = {"AURORACTL_SUPERVISOR_IDLE_S": str(IDLE_S)}
    auroractl("describe-clusters", **idle)
    wait_until("it to leave", lambda: lock_holder(auroractl.home.supervisor_lock) is None)
    auroractl("create-cluster", "demo", "--readers", "0", **idle)
    stays = lock_holder(auroractl.home.supervisor_lock)
    assert stays is not None
    time.sleep(3 * IDLE_S)
    assert lock_holder(auroractl.home.supervisor_lock) == stays
    auroractl("delete-cluster", "demo", "--yes")
    wait_until("it to leave", lambda: not auroractl.processes())


def test_a_command_that_comes_while_it_ends_is_answered_by_the_next(auroractl: Auroractl) -> None:
    for _ in range(3):
        auroractl("supervisor", "start")
        before = lock_holder(auroractl.home.supervisor_lock)
        stopping = auroractl.start("supervisor", "stop")
        wait_until("it to stop listening", lambda: not auroractl.home.socket.exists(), interval_s=0.001)
        assert auroractl.json("describe-clusters")["DBClusters"] == []
        assert lock_holder(auroractl.home.supervisor_lock) != before
        stopping.communicate(timeout=30)
        assert stopping.returncode == 0
