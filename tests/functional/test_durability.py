"""Which copy a power cut would leave, while processes and operations fail: the record is never more than what is on disk."""

from __future__ import annotations

import os
import signal
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import psycopg
import pytest

from auroractl.config.paths import Home
from tests.functional.command import Auroractl, lose_data, wait_until
from tests.functional.conftest import home_of_its_own


@pytest.fixture(scope="module")
def demo(warm_home: Home) -> Iterator[Auroractl]:
    """The cluster demo with one reader; each test leaves it healthy."""
    with home_of_its_own(warm_home) as command:
        command("create-cluster", "demo", "--readers", "1", "--durability", "machine")
        yield command


def _durable(command: Auroractl) -> str | None:
    name: str | None = command.cluster("demo")["DurableInstance"]
    return name


def _writer(command: Auroractl) -> str:
    return str(command.writer("demo")["DBInstanceIdentifier"])


def _wait_durable(command: Auroractl) -> None:
    wait_until("the writer to be on disk", lambda: _durable(command) == _writer(command))


def _pid(instance: dict[str, str]) -> int:
    return int(Path(instance["DataDirectory"], "postmaster.pid").read_text().split()[0])


@contextmanager
def _busy(command: Auroractl, instance: str, seconds: int) -> Iterator[threading.Thread]:
    """A statement that runs on an instance for so long, or until the end."""
    with command.connect("demo", instance=instance) as session:

        def run() -> None:
            try:
                session.execute("select pg_sleep(%s)", [seconds])
            except psycopg.Error:
                return

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield thread
        finally:
            # Its server may have been killed.
            with suppress(psycopg.Error):
                session.cancel()
            thread.join()


def test_a_new_writer_that_is_lost_before_it_is_on_disk_costs_nothing(demo: Auroractl) -> None:
    assert _durable(demo) == _writer(demo), "when create-cluster returned"
    former, reader = _writer(demo), demo.readers("demo")[0]["DBInstanceIdentifier"]
    with demo.connect("demo") as connection:
        connection.execute("create table kept (number int)")
        connection.execute("insert into kept values (1)")
    with _busy(demo, reader, 100):
        demo("failover", "demo")
        with demo.connect("demo") as connection:
            connection.execute("insert into kept values (2)")
        assert _durable(demo) == former
        assert f"a power cut would go back to {former}" in " ".join(demo.run("status", "demo").stdout.split())
        demo("pause-automation", "demo")
        writer = demo.writer("demo")
        os.kill(_pid(writer), signal.SIGKILL)
    wait_until("its end", lambda: demo.writer("demo")["DBInstanceStatus"] != "available")
    lose_data(writer)
    demo("start-cluster", "demo")
    demo("resume-automation", "demo")
    demo.wait_healthy("demo")
    assert _writer(demo) == former
    with demo.connect("demo") as connection:
        assert connection.execute("select number from kept order by 1").fetchall() == [(1,), (2,)]
    _wait_durable(demo)


def test_a_writer_whose_promotion_was_interrupted_flushes_in_the_end_and_none_is_none(demo: Auroractl) -> None:
    """It serves with the configuration of a reader, and a change to `none` comes while it is being made durable."""
    _wait_durable(demo)
    writer = demo.writer("demo")
    _forget(demo, writer)
    demo("supervisor", "start")
    _wait_durable(demo)
    with demo.connect("demo") as connection:
        assert connection.execute("show fsync").fetchone() == ("on",)
    with _busy(demo, writer["DBInstanceIdentifier"], 3):
        _forget(demo, writer)
        demo("supervisor", "start")
        demo("modify-cluster", "demo", "--durability", "none")
    assert _durable(demo) is None
    with demo.connect("demo") as connection:
        assert connection.execute("show fsync").fetchone() == ("off",)
    demo("modify-cluster", "demo", "--durability", "machine")
    assert _durable(demo) == _writer(demo)


def _forget(command: Auroractl, writer: dict[str, str]) -> None:
    """Leave what a supervisor leaves that is killed between a promotion and the new writer's configuration."""
    command("supervisor", "stop")
    with closing(sqlite3.connect(command.home.state)) as state, state:
        state.execute("update cluster set durable_instance = ''")
    configuration = Path(writer["DataDirectory"], "postgresql.conf")
    configuration.write_text(configuration.read_text().replace("fsync = 'on'", "fsync = 'off'"))
    os.kill(_pid(writer), signal.SIGHUP)


def test_a_frozen_node_does_not_keep_its_filter(demo: Auroractl) -> None:
    """`everywhere` would be a promise that it breaks once it is thawed."""
    node = demo.volume("demo")["StorageNodes"][0]["StorageNodeIdentifier"]
    demo("inject-fault", "hang-storage-node", node)
    frozen = demo.volume("demo")["StorageNodes"][0]["ProcessId"]
    demo("modify-cluster", "demo", "--durability", "everywhere")
    assert not Path(f"/proc/{frozen}/cwd").exists()
    assert demo.cluster("demo")["EveryCopyFlushed"]
    demo("inject-fault", "restore", node)
    demo("modify-cluster", "demo", "--durability", "machine")
    assert not demo.cluster("demo")["EveryCopyFlushed"]
