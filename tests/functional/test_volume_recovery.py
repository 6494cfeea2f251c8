"""Promotions from the storage nodes: what the promoted reader had never received, and what cannot be recovered."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from auroractl.system.liveness import alive, processes_below
from tests.functional.command import Auroractl, lose_data, wait_until
from tests.functional.ledger import Ledger
from tests.functional.test_volume import by_zone, crash, volume, wait_for_progress

ROWS = 5000


def wait_for_another_writer(auroractl: Auroractl, before: Any) -> None:
    """Wait until the supervisor has promoted somebody else by itself."""
    name = before["DBInstanceIdentifier"]
    wait_until("another writer", lambda: auroractl.writer("demo")["DBInstanceIdentifier"] != name, 30)


def freeze_receiver(auroractl: Auroractl) -> None:
    """Freeze the WAL receiver of every reader, so that none receives what is committed from now on."""
    for reader in auroractl.readers("demo"):
        for child in psutil.Process(reader["ProcessId"]).children():
            if "walreceiver" in " ".join(child.cmdline()):
                child.suspend()


def lose_the_writer(auroractl: Auroractl) -> None:
    """SIGKILL the writer and remove its data directory; nothing is done about it until it is asked for."""
    auroractl("pause-automation", "demo")
    writer = auroractl.writer("demo")
    auroractl.kill_supervisor()
    psutil.Process(writer["ProcessId"]).kill()
    wait_until("its processes to end", lambda: not processes_below(Path(writer["DataDirectory"])))
    lose_data(writer)


@pytest.mark.parametrize("zone_lost", [False, True])
def test_a_reader_that_missed_acknowledged_commits_is_promoted_with_all_of_them(
    auroractl: Auroractl, zone_lost: bool
) -> None:
    auroractl("create-cluster", "demo", "--readers", "1")
    reader = auroractl.readers("demo")[0]
    with auroractl.connect("demo") as connection:
        connection.execute("create table kept (id int primary key, filler text)")
    freeze_receiver(auroractl)
    if zone_lost:
        taken = {auroractl.writer("demo")["AvailabilityZone"], reader["AvailabilityZone"]}
        zone = next(each for each in by_zone(auroractl) if each not in taken)
        auroractl("inject-fault", "az-outage", zone)
    with auroractl.connect("demo") as connection:
        for number in range(ROWS // 50):
            connection.execute(
                "insert into kept select i, repeat(md5(i::text), 60) from generate_series(%s::int, %s::int) i",
                (number * 50, number * 50 + 49),
            )
    with auroractl.connect("demo", instance=reader["DBInstanceIdentifier"]) as connection:
        assert connection.execute("select count(*) from kept").fetchone() == (0,)
    lose_the_writer(auroractl)
    done = auroractl("failover", "demo", "--output", "json").json
    assert (done["Planned"], done["To"]) == (False, reader["DBInstanceIdentifier"])
    with auroractl.connect("demo") as connection:
        assert connection.execute("select count(*) from kept").fetchone() == (ROWS,)
        connection.execute("insert into kept values (-1, 'goes on')")
    if zone_lost:
        auroractl("inject-fault", "az-restore", zone)
    auroractl("resume-automation", "demo")
    auroractl.wait_healthy("demo")
    assert auroractl.writer("demo")["DBInstanceIdentifier"] == reader["DBInstanceIdentifier"]
    # The next one loses nothing either: nodes and the new reader are on the new timeline.
    auroractl("failover", "demo")
    with auroractl.connect("demo") as connection:
        assert connection.execute("select count(*) from kept").fetchone() == (ROWS + 1,)


def test_a_start_without_the_writers_disk_recovers_from_the_nodes(auroractl: Auroractl) -> None:
    auroractl("create-cluster", "demo", "--readers", "1")
    writer, reader = auroractl.instances("demo")
    with auroractl.connect("demo") as connection:
        connection.execute("create table kept as select generate_series(1, 1000) as id")
    freeze_receiver(auroractl)
    with auroractl.connect("demo") as connection:
        connection.execute("insert into kept select generate_series(1001, 2000)")
    auroractl("pause-automation", "demo")
    auroractl.kill_supervisor()
    # The reader's frozen receiver outlives its server and must not keep it from starting again.
    for each in (writer, reader):
        psutil.Process(each["ProcessId"]).kill()
    wait_until("its processes to end", lambda: not processes_below(Path(writer["DataDirectory"])))

    lose_data(writer)
    auroractl("start-cluster", "demo")
    assert auroractl.writer("demo")["DBInstanceIdentifier"] == reader["DBInstanceIdentifier"]
    with auroractl.connect("demo") as connection:
        assert connection.execute("select count(*) from kept").fetchone() == (2000,)
    auroractl("resume-automation", "demo")
    auroractl.wait_healthy("demo")


def test_with_two_nodes_left_recovery_is_refused_unless_loss_is_allowed(auroractl: Auroractl) -> None:
    auroractl("create-cluster", "demo", "--readers", "1")
    with auroractl.connect("demo") as connection:
        connection.execute("create table kept as select 1 as id")
    crash(auroractl, [f"demo-storage-{number}" for number in (1, 2, 3, 4)])
    lose_the_writer(auroractl)
    done = auroractl.run("failover", "demo")
    assert done.returncode == 7, done.stderr
    assert "2 of the 3" in done.stderr
    assert "demo-storage-1" in done.stderr
    assert "--allow-data-loss" in done.stderr
    assert auroractl.writer("demo")["ProcessId"] is None
    auroractl("failover", "demo", "--allow-data-loss")
    auroractl("resume-automation", "demo")
    for number in (1, 2, 3, 4):
        auroractl("inject-fault", "restore", str(number))
    auroractl.wait_healthy("demo")
    with auroractl.connect("demo") as connection:
        assert connection.execute("select id from kept").fetchall() == [(1,)]


def test_a_writer_that_was_only_frozen_can_acknowledge_nothing_afterwards(auroractl: Auroractl) -> None:
    auroractl("create-cluster", "demo", "--readers", "1")
    writer = auroractl.writer("demo")
    with auroractl.connect("demo") as connection:
        connection.execute("create table kept (id int)")
    auroractl("pause-automation", "demo")
    os.kill(writer["ProcessId"], signal.SIGSTOP)
    wait_until("the writer to be seen frozen", lambda: auroractl.cluster("demo")["Status"] == "unavailable")
    auroractl("failover", "demo")
    assert not alive(writer["ProcessId"])
    with auroractl.connect("demo") as connection:
        connection.execute("insert into kept values (1)")
    auroractl("resume-automation", "demo")
    auroractl.wait_healthy("demo")


@pytest.mark.slow
def test_rounds_of_killed_writers_lose_nothing(auroractl: Auroractl) -> None:
    auroractl("create-cluster", "demo", "--readers", "2")
    with Ledger(auroractl.uri("demo"), clients=8) as ledger:
        for _ in range(4):
            wait_for_progress(ledger)
            writer = auroractl.writer("demo")
            Path(writer["DataDirectory"], "PG_VERSION").unlink()
            psutil.Process(writer["ProcessId"]).kill()
            wait_for_another_writer(auroractl, writer)
            auroractl.wait_healthy("demo")
        time.sleep(0.2)
    assert ledger.missing() == set()
    assert volume(auroractl)["WriteQuorum"]["Available"] == 6


def miss_a_failover(auroractl: Auroractl, rows: int) -> tuple[Any, Callable[[], None]]:
    """A reader that is suspended while another one is promoted and `rows` are committed there; what wakes it."""
    first = auroractl.writer("demo")
    missing, second = auroractl.readers("demo")
    server = psutil.Process(missing["ProcessId"])
    asleep = [server, *server.children()]
    for process in asleep:
        process.suspend()
    psutil.Process(first["ProcessId"]).kill()
    auroractl("failover", "demo", "--target", second["DBInstanceIdentifier"])
    with auroractl.connect("demo") as connection:
        connection.execute("insert into kept select i, repeat(md5(i::text), 60) from generate_series(1, %s) i", (rows,))

    def wake() -> None:
        for process in asleep:
            process.resume()

    return missing, wake


@pytest.mark.parametrize("rows", [100, ROWS])
def test_a_reader_that_missed_a_failover_is_promoted_with_what_was_committed_after_it(
    auroractl: Auroractl, rows: int
) -> None:
    """It knows nothing of the timeline on which the other one committed, nor has it any of that log."""
    auroractl("create-cluster", "demo", "--readers", "2")
    with auroractl.connect("demo") as connection:
        connection.execute("create table kept (id int primary key, filler text)")
    auroractl("pause-automation", "demo")
    missing, wake = miss_a_failover(auroractl, rows)
    auroractl.kill_supervisor()
    for each in auroractl.instances("demo"):
        if each["ProcessId"] not in {None, missing["ProcessId"]}:
            psutil.Process(each["ProcessId"]).kill()
    wake()
    auroractl("failover", "demo", "--target", missing["DBInstanceIdentifier"])
    with auroractl.connect("demo") as connection:
        assert connection.execute("select count(*) from kept").fetchone() == (rows,)
        connection.execute("insert into kept values (-1, 'goes on')")
    assert "may be lost" not in auroractl.supervisor_log()


def test_a_reader_that_missed_a_failover_is_not_chosen_before_one_that_did_not(auroractl: Auroractl) -> None:
    auroractl("create-cluster", "demo", "--readers", "2")
    first, preferred = auroractl.writer("demo"), auroractl.readers("demo")[0]
    auroractl("modify-instance", preferred["DBInstanceIdentifier"], "--promotion-tier", "0")
    with auroractl.connect("demo") as connection:
        connection.execute("create table kept (id int primary key, filler text)")
    auroractl("pause-automation", "demo")
    _, wake = miss_a_failover(auroractl, 100)
    psutil.Process(auroractl.writer("demo")["ProcessId"]).kill()
    wake()
    done = auroractl("failover", "demo", "--output", "json").json
    assert done["To"] == first["DBInstanceIdentifier"]
    with auroractl.connect("demo") as connection:
        assert connection.execute("select count(*) from kept").fetchone() == (100,)
