"""Power cuts: what was acknowledged is on the writer's disk, and nothing else is trusted.

AURORACTL_POWER_CUTS=50 repeats the cut under load, which takes a quarter of an hour.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from auroractl.config.paths import Home
from tests.functional.command import wait_until
from tests.functional.conftest import copy_home
from tests.functional.ledger import Ledger
from tests.functional.power import Disk, Powered, disk

_ROUNDS = int(os.environ.get("AURORACTL_POWER_CUTS", "1"))
_SEED = int(os.environ.get("AURORACTL_POWER_CUT_SEED", str(random.randrange(10**6))))
_BEFORE = ("nothing", "failover", "kill", "kill, and cut at once")
_HEALTHY_S = 180.0
Rows = set[tuple[int, int]]


@pytest.fixture(scope="module")
def powered() -> Iterator[Disk]:
    """A disk whose power can be cut."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root can mount a disk whose power is cut")
    with disk() as made:
        if made is None:
            pytest.skip("this machine mounts no disk in a file")
        yield made


@pytest.fixture(scope="module")
def demo(powered: Disk, warm_home: Home) -> Iterator[Powered]:
    """The cluster demo on that disk, with one reader; each test leaves it healthy."""
    copied = copy_home(warm_home)
    home = Home(powered.mount / "home")
    subprocess.run(["cp", "-Rp", str(copied.root), str(home.root)], check=True)
    subprocess.run(["rm", "-rf", str(copied.root)], check=True)
    subprocess.run(["sync", "-f", str(home.root)], check=True)
    command = Powered(home)
    command.boot()
    try:
        command("create-cluster", "demo", "--readers", "1", "--durability", "machine")
        yield command
    finally:
        command.end()


def _is_durable(command: Powered) -> bool:
    return bool(command.cluster("demo")["DurableInstance"] == command.writer("demo")["DBInstanceIdentifier"])


def _wait_durable(command: Powered) -> None:
    wait_until("the writer to be on disk as a whole", lambda: _is_durable(command))


def _kill_writer(command: Powered) -> str:
    """Kill the writer, and return its name once another one has taken its place."""
    writer = command.writer("demo")
    name = str(writer["DBInstanceIdentifier"])
    os.kill(int(Path(writer["DataDirectory"], "postmaster.pid").read_text().split()[0]), signal.SIGKILL)
    wait_until("another writer", lambda: command.writer("demo")["DBInstanceIdentifier"] != name)
    return name


def _boot(command: Powered) -> None:
    command.boot()
    command("supervisor", "start")
    command.wait_healthy("demo", _HEALTHY_S)


def _rows(command: Powered, role: str = "writer") -> Rows:
    with command.connect("demo", role=role) as connection:
        return set(connection.execute("select client, number from ledger").fetchall())


def _events(command: Powered) -> str:
    return command("describe-events", "--source-identifier", "demo", "--output", "json").stdout


@pytest.mark.slow
@pytest.mark.timeout(200 * _ROUNDS)
def test_nothing_acknowledged_is_lost(demo: Powered, powered: Disk) -> None:
    chance = random.Random(_SEED)
    for number in range(_ROUNDS):
        before = chance.choice(_BEFORE) if _ROUNDS > 1 else "kill"
        told = f"seed {_SEED}, cut {number + 1} of {_ROUNDS}, after {before}"
        _wait_durable(demo)
        with demo.connect("demo") as connection:
            connection.execute("drop table if exists ledger")
        ledger = Ledger(demo.uri("demo"))
        with ledger:
            time.sleep(chance.uniform(0.5, 3.0))
            promised: Rows | None = None
            if before == "failover":
                demo("failover", "demo")
            elif before != "nothing":
                promised = set(ledger.acknowledged)
                _kill_writer(demo)
            if before in {"failover", "kill"}:
                _wait_durable(demo)
                promised = None
            time.sleep(chance.uniform(0.0, 0.3 if promised else 2.0))
            powered.cut_power()
        acknowledged = ledger.acknowledged
        assert len(acknowledged) > 10, told
        if promised is None:
            _boot(demo)
        else:
            demo.boot()
            demo("start-cluster", "demo", "--allow-data-loss")
            demo.wait_healthy("demo", _HEALTHY_S)
        there = _rows(demo)
        assert not (acknowledged if promised is None else promised) - there, f"{told}: acknowledged rows are lost"
        _wait_for_reader(demo, there)
        sys.stderr.write(f"{told}: {len(acknowledged)} acknowledged, {len(acknowledged - there)} lost\n")
    demo("scrub-volume", "demo")
    assert "will be copied from it" in _events(demo)


def _wait_for_reader(command: Powered, there: Rows) -> None:
    wait_until("the reader to have the same", lambda: _rows(command, "reader") >= there)


@pytest.mark.slow
def test_a_cut_before_the_new_writer_is_on_disk_goes_back_only_if_asked(demo: Powered, powered: Disk) -> None:
    _wait_durable(demo)
    with demo.connect("demo") as connection:
        connection.execute("drop table if exists ledger; create table ledger (client int, number int)")
        connection.execute("insert into ledger values (1, 1)")
    wait_until("the reader to have it", lambda: _rows(demo, "reader") == {(1, 1)})
    reader = demo.readers("demo")[0]["DBInstanceIdentifier"]
    with demo.connect("demo", instance=reader) as session:
        # What runs since before a promotion may not flush, and keeps the new writer from being trusted.
        busy = threading.Thread(target=_sleep, args=(session,))
        busy.start()
        before = _kill_writer(demo)
        with demo.connect("demo") as connection:
            connection.execute("insert into ledger values (2, 2)")
        assert not _is_durable(demo)
        assert demo.cluster("demo")["DurableInstance"] == before
        assert f"a power cut would go back to {before}" in " ".join(demo.run("status", "demo").stdout.split())
        powered.cut_power()
        busy.join()
    demo.boot()
    demo("supervisor", "start")
    refused = demo.run("start-cluster", "demo")
    assert refused.returncode != 0
    assert f"go back to {before}" in refused.stderr
    assert not demo.postmasters()
    demo("start-cluster", "demo", "--allow-data-loss")
    demo.wait_healthy("demo", _HEALTHY_S)
    assert demo.writer("demo")["DBInstanceIdentifier"] == before
    assert _rows(demo) == {(1, 1)}
    cluster = demo.home.cluster("demo")
    assert list(cluster.instance(reader).folder.glob("data.kept-*/PG_VERSION"))
    assert list(cluster.storage.glob("*.kept-*/0*"))
    assert "Kept until you remove it" in _events(demo)
    assert "commits since the failover are lost" in _events(demo)
    _wait_durable(demo)
    with demo.connect("demo") as connection:
        connection.execute("insert into ledger values (3, 3)")
    _wait_for_reader(demo, {(1, 1), (3, 3)})
    demo("failover", "demo")
    assert _rows(demo) == {(1, 1), (3, 3)}


def _sleep(session: psycopg.Connection) -> None:
    try:
        session.execute("select pg_sleep(120)")
    except psycopg.Error:
        return


@pytest.mark.slow
def test_a_clean_stop_leaves_everything_on_disk(demo: Powered, powered: Disk) -> None:
    with demo.connect("demo") as connection:
        connection.execute("drop table if exists ledger; create table ledger (client int, number int)")
        connection.execute("insert into ledger values (1, 1)")
    demo("stop-cluster", "demo")
    demo("supervisor", "stop")
    powered.cut_power()
    demo.boot()
    demo("start-cluster", "demo")
    assert _rows(demo) == _rows(demo, "reader") == {(1, 1)}
    (latest,) = demo.rows(
        "select count(*) from event where message like 'The machine ended%' and id > "
        "(select max(id) from event where message = 'DB cluster stopped')"
    )
    assert latest == (0,)


@pytest.mark.slow
def test_without_any_flush_nothing_is_trusted_unasked(demo: Powered, powered: Disk) -> None:
    demo("modify-cluster", "demo", "--durability", "none")
    with demo.connect("demo") as connection:
        assert connection.execute("show fsync").fetchone() == ("off",)
    assert "nothing is flushed" in demo.run("status", "demo").stdout
    subprocess.run(["sync", "-f", str(powered.mount)], check=True)
    powered.cut_power()
    demo.boot()
    demo("supervisor", "start")
    refused = demo.run("start-cluster", "demo")
    assert refused.returncode != 0
    assert "--allow-data-loss" in refused.stderr
    assert demo.pids() == [demo.supervisor_pid()] or not demo.postmasters()
    demo("start-cluster", "demo", "--allow-data-loss")
    demo("modify-cluster", "demo", "--durability", "everywhere")
    with demo.connect("demo", role="reader") as connection:
        assert connection.execute("show fsync").fetchone() == ("on",)
    assert _is_durable(demo)
    assert demo.rows("select unflushed_boot from cluster") == [("",)]
    demo("modify-cluster", "demo", "--durability", "machine")
    _wait_durable(demo)
