"""The cluster heals itself: lost writers are replaced, and nothing that only looks lost is."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from auroractl.core.wal.segments import SEGMENT_BYTES, parse_history
from auroractl.engine import sql
from tests.functional.command import Auroractl, wait_until
from tests.functional.ledger import Ledger
from tests.functional.test_volume import wait_for_progress
from tests.functional.test_volume_recovery import wait_for_another_writer

GAP_MAX_S = 5.0
"""Generous: the figures are in bench/, and tests share two processors."""


def history(auroractl: Auroractl) -> list[Any]:
    return list(auroractl.json("failover-history", "demo")["Failovers"])


def test_a_killed_writer_is_replaced_and_comes_back_as_a_reader(auroractl: Auroractl) -> None:
    auroractl("create-cluster", "demo", "--readers", "1")
    writer, reader = auroractl.instances("demo")
    uri = auroractl.uri("demo")
    with Ledger(uri, clients=4) as ledger:
        wait_for_progress(ledger)
        began_s = time.monotonic()
        os.kill(writer["ProcessId"], signal.SIGKILL)
        wait_for_another_writer(auroractl, writer)
        wait_for_progress(ledger)
        gap_s = ledger.longest_gap_s(began_s, time.monotonic())
        auroractl.wait_healthy("demo")
    assert ledger.missing() == set()
    assert gap_s < GAP_MAX_S
    assert [each["DBInstanceIdentifier"] for each in auroractl.instances("demo")] == [
        reader["DBInstanceIdentifier"],
        writer["DBInstanceIdentifier"],
    ]
    assert {each["AvailabilityZone"] for each in auroractl.instances("demo")} == {
        writer["AvailabilityZone"],
        reader["AvailabilityZone"],
    }
    (told,) = history(auroractl)
    assert (told["RequestedBy"], told["Status"], told["Planned"]) == ("supervisor", "completed", False)
    assert told["Reason"] == "The writer ended; a reader is promoted."
    assert (told["From"], told["To"]) == (writer["DBInstanceIdentifier"], reader["DBInstanceIdentifier"])
    assert told["Timeline"] == 2
    assert 0 < told["GapMilliseconds"] < GAP_MAX_S * 1000
    events = [(event["EventId"], event["Message"]) for event in auroractl.json("describe-events", "demo")["Events"]]
    ids = [event_id for event_id, _ in events]
    assert ids.index("AURORACTL-EVENT-0001") < ids.index("RDS-EVENT-0073") < ids.index("RDS-EVENT-0071")


def test_timelines_that_end_with_a_segment(auroractl: Auroractl) -> None:
    """The writer has nothing of the old timeline to send: its storage nodes ask for the new one at once."""
    auroractl("create-cluster", "demo", "--readers", "1")
    for timeline in range(1, 4):
        writer = auroractl.writer("demo")
        with sql.session(auroractl.admin_access(writer)) as connection:
            connection.execute("SELECT pg_catalog.pg_switch_wal()")
            os.kill(writer["ProcessId"], signal.SIGKILL)
        wait_for_another_writer(auroractl, writer)
        auroractl.wait_healthy("demo")
        with auroractl.connect("demo") as connection:
            connection.execute(f"create table after_{timeline} (n int)")
    histories = Path(auroractl.writer("demo")["DataDirectory"], "pg_wal").glob("*.history")
    assert any(fork.lsn % SEGMENT_BYTES == 0 for fork in parse_history(max(histories).read_text()))


def test_a_frozen_writer_is_ended_and_replaced(auroractl: Auroractl) -> None:
    auroractl("create-cluster", "demo", "--readers", "1")
    writer = auroractl.writer("demo")
    tree = [writer["ProcessId"], *(child.pid for child in psutil.Process(writer["ProcessId"]).children())]
    with Ledger(auroractl.uri("demo"), clients=4) as ledger:
        wait_for_progress(ledger)
        auroractl("inject-fault", "hang-instance", "writer")
        wait_for_another_writer(auroractl, writer)
        assert not [pid for pid in tree if Path(f"/proc/{pid}/exe").exists()], "it could wake up"
        wait_for_progress(ledger)
        auroractl.wait_healthy("demo")
    assert ledger.missing() == set()
    assert "suspended" in history(auroractl)[0]["Reason"]


def test_a_zone_that_takes_the_writer_with_it(auroractl: Auroractl) -> None:
    auroractl("create-cluster", "demo")
    writer = auroractl.writer("demo")
    with Ledger(auroractl.uri("demo"), clients=4) as ledger:
        wait_for_progress(ledger)
        auroractl("inject-fault", "az-outage", writer["AvailabilityZone"])
        wait_for_another_writer(auroractl, writer)
        wait_for_progress(ledger)
        assert auroractl.writer("demo")["AvailabilityZone"] != writer["AvailabilityZone"]
        auroractl("inject-fault", "az-restore", writer["AvailabilityZone"])
        auroractl.wait_healthy("demo")
    assert ledger.missing() == set()
    assert len(auroractl.readers("demo")) == 2


def test_the_writer_and_the_best_candidate_at_once(auroractl: Auroractl) -> None:
    auroractl("create-cluster", "demo")
    writer, *readers = auroractl.instances("demo")
    best, other = readers
    auroractl("modify-instance", best["DBInstanceIdentifier"], "--promotion-tier", "0")
    with Ledger(auroractl.uri("demo"), clients=4) as ledger:
        wait_for_progress(ledger)
        for each in (best, writer):
            os.kill(each["ProcessId"], signal.SIGKILL)
        wait_for_another_writer(auroractl, writer)
        wait_for_progress(ledger)
        auroractl.wait_healthy("demo")
    assert ledger.missing() == set()
    assert auroractl.writer("demo")["DBInstanceIdentifier"] in {
        other["DBInstanceIdentifier"],
        best["DBInstanceIdentifier"],
    }


def test_paused_automation_leaves_everything_as_it_is(auroractl: Auroractl) -> None:
    auroractl("create-cluster", "demo", "--readers", "1")
    assert "is paused" in auroractl("pause-automation", "demo").stdout
    assert "already paused" in auroractl("pause-automation", "demo").stdout
    writer = auroractl.writer("demo")
    os.kill(writer["ProcessId"], signal.SIGKILL)
    time.sleep(2)
    assert auroractl.writer("demo")["ProcessId"] is None
    assert auroractl.writer("demo")["DBInstanceIdentifier"] == writer["DBInstanceIdentifier"]
    assert "Automation is paused" in auroractl.run("status", "demo").stdout
    auroractl("resume-automation", "demo")
    wait_for_another_writer(auroractl, writer)
    auroractl.wait_healthy("demo")


def test_connections_to_readers_go_on_while_the_writer_is_replaced(auroractl: Auroractl) -> None:
    auroractl("create-cluster", "demo")
    writer, promoted, other = auroractl.instances("demo")
    auroractl("modify-instance", promoted["DBInstanceIdentifier"], "--promotion-tier", "0")
    # A reader that has WAL which no one else has cannot go on. After the first image and a commit there is none.
    wait_until("the first image", lambda: auroractl.cluster("demo")["EarliestBacktrackTime"])
    with auroractl.connect("demo") as connection:
        connection.execute("create table t (n int)")
    with auroractl.connect("demo", instance=other["DBInstanceIdentifier"]) as connection:
        os.kill(writer["ProcessId"], signal.SIGKILL)
        deadline = time.monotonic() + 30
        while auroractl.writer("demo")["DBInstanceIdentifier"] == writer["DBInstanceIdentifier"]:
            assert connection.execute("select 1").fetchone() == (1,)
            assert time.monotonic() < deadline
        auroractl.wait_healthy("demo")
        assert connection.execute("select pg_is_in_recovery()").fetchone() == (True,)


def test_a_supervisor_that_stood_still_looks_again_before_it_acts(auroractl: Auroractl) -> None:
    """As after a laptop's sleep: what it last saw is old, and the cluster is well."""
    auroractl("create-cluster", "demo", "--readers", "1")
    writer = auroractl.writer("demo")
    supervisor = psutil.Process(auroractl.supervisor_pid())
    supervisor.suspend()
    try:
        time.sleep(6)
    finally:
        supervisor.resume()
    time.sleep(2)
    assert auroractl.writer("demo")["ProcessId"] == writer["ProcessId"]
    assert history(auroractl) == []


@pytest.mark.slow
def test_a_busy_writer_is_not_taken_for_a_lost_one(auroractl: Auroractl) -> None:
    auroractl("create-cluster", "demo", "--readers", "1")
    writer = auroractl.writer("demo")
    pgbench = Path(auroractl.ask("connection", **CONNECTION)["PsqlPath"]).with_name("pgbench")
    uri = auroractl.uri("demo")
    subprocess.run([pgbench, "-i", "-q", uri], check=True, capture_output=True)
    subprocess.run([pgbench, "-c", "200", "-T", "10", uri], check=True, capture_output=True)
    assert auroractl.writer("demo")["ProcessId"] == writer["ProcessId"]
    assert history(auroractl) == []


CONNECTION = {"DBClusterIdentifier": "demo", "Role": "writer", "DBInstanceIdentifier": None}


def test_a_writer_that_dies_during_scale_readers_is_replaced(auroractl: Auroractl) -> None:
    auroractl("create-cluster", "demo", "--readers", "1")
    writer = auroractl.writer("demo")
    scaling = auroractl.start("scale-readers", "demo", "--add", "1")
    wait_until(
        "the operation to begin",
        lambda: auroractl.rows("select 1 from operation where kind = 'scale-readers' and status = 'running'"),
        interval_s=0.005,
    )
    os.kill(writer["ProcessId"], signal.SIGKILL)
    scaling.communicate(timeout=90)
    auroractl.wait_healthy("demo")
    with auroractl.connect("demo") as connection:
        connection.execute("create table kept (id int)")
    assert auroractl.writer("demo")["DBInstanceIdentifier"] != writer["DBInstanceIdentifier"]


def test_a_new_writer_that_freezes_while_the_old_one_comes_back(auroractl: Auroractl) -> None:
    """The operation that brings the old writer back must not wait for the frozen one until its time is up."""
    auroractl("create-cluster", "demo", "--readers", "1")
    writer = auroractl.writer("demo")
    with Ledger(auroractl.uri("demo"), clients=4) as ledger:
        wait_for_progress(ledger)
        os.kill(writer["ProcessId"], signal.SIGKILL)
        wait_for_another_writer(auroractl, writer)
        auroractl("inject-fault", "hang-instance", "writer")
        began_s = time.monotonic()
        wait_until("an instance to be seen frozen", lambda: auroractl.cluster("demo")["Health"] != "ok")
        auroractl.wait_healthy("demo")
        assert time.monotonic() - began_s < 30
    assert ledger.missing() == set()


def test_every_instance_killed_at_once_comes_back_in_place(auroractl: Auroractl) -> None:
    auroractl("create-cluster", "demo", "--readers", "1")
    with auroractl.connect("demo") as connection:
        connection.execute("create table kept as select 1 as id")
    for each in auroractl.instances("demo"):
        os.kill(each["ProcessId"], signal.SIGKILL)
    auroractl.wait_healthy("demo")
    with psycopg.connect(auroractl.uri("demo")) as connection:
        assert connection.execute("select id from kept").fetchall() == [(1,)]
