"""Planned switches under load, promotions of a dead writer's reader, and what is refused."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import psycopg
import pytest

from tests.functional.command import Auroractl, lose_data, wait_until
from tests.functional.ledger import Ledger


@pytest.mark.slow
def test_planned_failovers_under_load_lose_nothing_and_keep_the_uri(auroractl: Auroractl) -> None:
    auroractl("create-cluster", "demo")
    uri = auroractl.uri("demo")
    gaps_s = []
    with Ledger(uri) as ledger:
        for _ in range(5):
            before = ledger.count()
            wait_until("commits before the failover", lambda: ledger.count() > before + 20)  # noqa: B023
            began_s = time.monotonic()
            result = auroractl.json("failover", "demo")
            assert result["Planned"] is True
            after = ledger.count()
            wait_until("commits after the failover", lambda: ledger.count() > after + 20)  # noqa: B023
            gaps_s.append(ledger.longest_gap_s(began_s, time.monotonic()))
            assert auroractl.writer("demo")["DBInstanceIdentifier"] == result["To"]
            auroractl.wait_healthy("demo")
    assert auroractl.uri("demo") == uri
    assert ledger.missing() == set()
    assert min(gaps_s) < 3, gaps_s


def test_a_target_can_be_named_and_comes_before_the_order(auroractl: Auroractl) -> None:
    auroractl("create-cluster", "demo")
    writer, first, second = (each["DBInstanceIdentifier"] for each in auroractl.instances("demo"))
    auroractl("modify-instance", first, "--promotion-tier", "0")
    assert auroractl.json("failover", "demo", "--target", second)["To"] == second
    assert auroractl.json("failover", "demo")["To"] == first
    assert {each["DBInstanceIdentifier"] for each in auroractl.readers("demo")} == {writer, second}
    auroractl.wait_healthy("demo")
    with auroractl.connect("demo") as connection:
        connection.execute("create table followed (id int)")
    for reader in auroractl.readers("demo"):
        with auroractl.connect("demo", instance=reader["DBInstanceIdentifier"]) as connection:
            wait_until(
                "the new writer's change on every reader",
                lambda: connection.execute("select to_regclass('followed') is not null").fetchone() == (True,),
            )


def test_a_writer_that_cannot_come_back_is_replaced_by_a_reader(auroractl: Auroractl) -> None:
    auroractl("create-cluster", "demo")
    with auroractl.connect("demo") as connection:
        connection.execute("create table kept (id int)")
        connection.execute("insert into kept values (1)")
        wait_until(
            "both readers to have it",
            lambda: (
                connection.execute(
                    "select count(*) from pg_stat_replication where replay_lsn >= pg_current_wal_lsn()"
                ).fetchone()
                == (2,)
            ),
        )
    auroractl("pause-automation", "demo")
    writer = auroractl.writer("demo")
    lose_data(writer)
    os.kill(writer["ProcessId"], signal.SIGKILL)
    wait_until("status to say so", lambda: auroractl.run("status", "demo").returncode == 3)
    result = auroractl.json("failover", "demo")
    assert result["Planned"] is False
    assert result["From"] == writer["DBInstanceIdentifier"]
    with auroractl.connect("demo") as connection:
        assert connection.execute("select id from kept").fetchall() == [(1,)]
        connection.execute("insert into kept values (2)")
    auroractl("resume-automation", "demo")
    auroractl.wait_healthy("demo")
    assert Path(writer["DataDirectory"]).is_dir(), "the old writer is a reader again, with a new copy"
    assert len(auroractl.readers("demo")) == 2


def test_a_frozen_writer_is_killed_before_a_reader_is_promoted(auroractl: Auroractl) -> None:
    auroractl("create-cluster", "demo", "--readers", "1")
    auroractl("pause-automation", "demo")
    writer = auroractl.writer("demo")
    pids = [writer["ProcessId"]]
    os.kill(writer["ProcessId"], signal.SIGSTOP)
    with psycopg.connect(auroractl.uri("demo", role="reader"), autocommit=True):
        pass
    wait_until("the frozen writer to be noticed", lambda: auroractl.run("status", "demo").returncode == 3)
    result = auroractl.json("failover", "demo")
    assert result["Planned"] is False
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    auroractl("resume-automation", "demo")
    auroractl.wait_healthy("demo")
    assert [each["DBInstanceIdentifier"] for each in auroractl.readers("demo")] == [writer["DBInstanceIdentifier"]]


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["--target", "demo-instance-1"], 5, "is already the writer"),
        (["--target", "nobody"], 4, "DBInstance nobody not found"),
    ],
)
def test_refusals(demo: Auroractl, arguments: list[str], code: int, sentence: str) -> None:
    before = demo.instances("demo")
    done = demo.run("failover", "demo", *arguments)
    assert done.returncode == code
    assert sentence in done.stderr
    assert [each["ProcessId"] for each in demo.instances("demo")] == [each["ProcessId"] for each in before]


def test_no_reader_and_a_reader_of_another_cluster_are_refused(demo: Auroractl) -> None:
    demo("create-cluster", "lone", "--readers", "0")
    done = demo.run("failover", "lone")
    assert done.returncode == 5
    assert "has no reader" in done.stderr
    assert "--add 1" in done.stderr
    done = demo.run("failover", "lone", "--target", "demo-instance-2")
    assert done.returncode == 5
    assert "belongs to DBCluster demo" in done.stderr
    demo("delete-cluster", "lone", "--yes")
