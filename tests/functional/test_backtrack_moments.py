"""Backtracks to random moments, compared with a record of what was committed when: never a row more or less.

AURORACTL_BACKTRACK_ROUNDS=100 makes it a long one; AURORACTL_BACKTRACK_SEED another one.
"""

from __future__ import annotations

import os
import random
import subprocess
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import psutil
import psycopg
import pytest

from auroractl.engine import sql
from tests.functional.command import Auroractl, wait_until
from tests.functional.going_back import wait_window

ROUNDS = int(os.environ.get("AURORACTL_BACKTRACK_ROUNDS", "8"))
SEED = int(os.environ.get("AURORACTL_BACKTRACK_SEED", "1"))
CLIENTS = 3
SNAP = timedelta(milliseconds=200)


@dataclass
class Era:
    """What the cluster held when it began, and what was committed since."""

    began_at: datetime
    base: set[tuple[int, int]]
    committed: dict[tuple[int, int], datetime] = field(default_factory=dict)

    def held_at(self, moment: datetime) -> set[tuple[int, int]]:
        return self.base | {row for row, at in self.committed.items() if at <= moment}


class Scribes:
    """Clients that insert numbered rows and remember the exact time of each commit, as PostgreSQL itself recorded it."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self.eras = [Era(datetime.now(UTC), set())]
        self._lock = threading.Lock()
        self._pause = threading.Event()
        self._idle = [threading.Event() for _ in range(CLIENTS)]
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(client,)) for client in range(CLIENTS)]

    def __enter__(self) -> Scribes:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._pause.clear()
        for thread in self._threads:
            thread.join()

    def pause(self) -> None:
        """Have every client at rest, with nothing on its way."""
        self._pause.set()
        for idle in self._idle:
            assert idle.wait(60)

    def go_on(self) -> None:
        for idle in self._idle:
            idle.clear()
        self._pause.clear()

    def _run(self, client: int) -> None:
        number = 0
        while not self._stop.is_set():
            try:
                with psycopg.connect(self.uri, autocommit=True, connect_timeout=30) as connection:
                    while not self._stop.is_set():
                        if self._pause.is_set():
                            self._idle[client].set()
                            time.sleep(0.002)
                            continue
                        number += 1
                        self._write(connection, client, number)
                        time.sleep(random.random() * 0.004)
            except psycopg.Error:
                time.sleep(0.01)

    def _write(self, connection: psycopg.Connection, client: int, number: int) -> None:
        row = connection.execute(
            "insert into moments values (%s, %s) returning pg_current_xact_id()::text", (client, number)
        ).fetchone()
        assert row is not None
        said = connection.execute("select pg_xact_commit_timestamp(%s::xid)", row).fetchone()
        assert said is not None
        with self._lock:
            self.eras[-1].committed[client, number] = said[0]


def _rows(uri: str) -> set[tuple[int, int]]:
    with psycopg.connect(uri) as connection:
        return set(connection.execute("select client, number from moments").fetchall())


def _learn(scribes: Scribes) -> None:
    """Rows whose answer was lost: what is there was committed, and PostgreSQL knows when."""
    with psycopg.connect(scribes.uri) as connection:
        found = connection.execute("select client, number, pg_xact_commit_timestamp(xmin) from moments").fetchall()
    era = scribes.eras[-1]
    for client, number, at in found:
        if (client, number) not in era.base:
            era.committed[client, number] = at


def _backtrack(auroractl: Auroractl, scribes: Scribes, *arguments: str) -> dict[str, Any]:
    view: dict[str, Any] = auroractl.json("backtrack", "demo", *arguments, "--yes")["DBClusterBacktrack"]
    assert view["Status"] == "completed"
    return view


def _enter_era(scribes: Scribes, view: dict[str, Any], there: set[tuple[int, int]]) -> None:
    scribes.eras.append(Era(datetime.fromisoformat(view["BacktrackedFrom"]), there))


@pytest.mark.slow
@pytest.mark.timeout(180 + ROUNDS * 20)
def test_random_moments_hold_exactly_what_was_committed_by_then(auroractl: Auroractl) -> None:
    rng = random.Random(SEED)
    auroractl("create-cluster", "demo", "--readers", "1", AURORACTL_BACKTRACK_REPLAY_MAX="64MiB")
    _know_commit_times(auroractl)
    uri = auroractl.uri("demo")
    with psycopg.connect(uri, autocommit=True) as connection:
        connection.execute("create table moments (client int, number int, primary key (client, number))")
    earliest = datetime.now(UTC)
    with Scribes(uri) as scribes:
        for round_ in range(ROUNDS):
            time.sleep(rng.uniform(0.3, 1.0))
            if round_ % 4 == 2:
                _fail_over(auroractl, planned=rng.random() < 0.5)
            scribes.pause()
            _learn(scribes)
            undo = round_ % 5 == 4
            if undo:
                view = _backtrack(auroractl, scribes, "--undo")
                there = _rows(uri)
                left = scribes.eras[-2].held_at(datetime.max.replace(tzinfo=UTC))
                assert there == left, _difference(there, left)
            else:
                span = datetime.now(UTC) - earliest
                target = earliest + span * rng.random()
                view = _backtrack(auroractl, scribes, "--to", target.isoformat())
                there = _rows(uri)
                consistent = datetime.fromisoformat(view["ConsistentTime"])
                era = next(each for each in reversed(scribes.eras) if each.began_at <= target)
                expected = era.held_at(consistent)
                assert there == expected, (view, _difference(there, expected))
                assert consistent <= target
                assert era.held_at(target - SNAP) <= there, (
                    "the moment that was reached is far before the one asked for"
                )
            _enter_era(scribes, view, there)
            auroractl.wait_healthy("demo")
            scribes.go_on()
        scribes.pause()
    _amcheck(auroractl, uri)
    folder = auroractl.home.cluster("demo").moments
    wait_until("nothing to be left of the copies", lambda: not folder.exists() or not list(folder.iterdir()))


def _difference(there: set[tuple[int, int]], expected: set[tuple[int, int]]) -> str:
    return f"too many: {sorted(there - expected)[:5]}, missing: {sorted(expected - there)[:5]}"


def _know_commit_times(auroractl: Auroractl) -> None:
    for instance in auroractl.instances("demo"):
        with sql.session(auroractl.admin_access(instance)) as connection:
            connection.execute("alter system set track_commit_timestamp = on")
        auroractl("reboot-instance", instance["DBInstanceIdentifier"])
    auroractl.wait_healthy("demo")
    wait_window(auroractl)


def _fail_over(auroractl: Auroractl, *, planned: bool) -> None:
    writer = auroractl.writer("demo")
    if planned:
        auroractl("failover", "demo")
    else:
        psutil.Process(writer["ProcessId"]).kill()
    name = writer["DBInstanceIdentifier"]
    wait_until("another writer", lambda: auroractl.writer("demo")["DBInstanceIdentifier"] != name)
    auroractl.wait_healthy("demo")


def _amcheck(auroractl: Auroractl, uri: str) -> None:
    writer = auroractl.writer("demo")
    program = auroractl.ask("connection", DBClusterIdentifier="demo", Role="writer", DBInstanceIdentifier=None)[
        "PsqlPath"
    ]
    done = subprocess.run(
        [
            program.replace("psql", "pg_amcheck"),
            "--all",
            "--install-missing",
            "--heapallindexed",
            f"--host={auroractl.admin_access(writer).socket_folder}",
            f"--port={writer['Endpoint']['Port']}",
            "--username=rdsadmin",
        ],
        env={},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
