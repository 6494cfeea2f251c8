"""What tests of backtrack share: exact moments, the command, and what has to be true after it."""

from __future__ import annotations

import contextlib
import os
import signal
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import psycopg

from auroractl.engine import sql
from auroractl.system.liveness import processes_below
from tests.functional.command import Auroractl, wait_until


def moment(auroractl: Auroractl) -> str:
    """Now, by the clock that commits are dated with: everything that was answered before was committed before."""
    with auroractl.connect("demo") as connection:
        row = connection.execute("select clock_timestamp()").fetchone()
    assert row is not None
    return str(row[0].isoformat())


def execute(auroractl: Auroractl, *statements: str) -> list[tuple[Any, ...]]:
    """Run statements through the writer endpoint, each committed by itself, and return the rows of the last one."""
    with auroractl.connect("demo") as connection:
        rows: list[tuple[Any, ...]] = []
        for statement in statements:
            cursor = connection.execute(statement.encode())
            rows = cursor.fetchall() if cursor.description else []
        return rows


def backtrack(auroractl: Auroractl, *arguments: str) -> dict[str, Any]:
    """Backtrack and return the view of it; afterwards the cluster is as it should be."""
    view: dict[str, Any] = auroractl.json("backtrack", "demo", *arguments, "--yes")["DBClusterBacktrack"]
    assert view["Status"] == "completed"
    assert_in_order(auroractl)
    return view


def refused(auroractl: Auroractl, *arguments: str) -> str:
    """A backtrack that has to be refused; returns what is said."""
    done = auroractl.run("backtrack", "demo", *arguments, "--yes")
    assert done.returncode not in {0, 70}, done
    assert done.stdout == ""
    return done.stderr


def checkpoint(auroractl: Auroractl) -> None:
    """Have the writer make one now."""
    with sql.session(auroractl.admin_access(auroractl.writer("demo"))) as connection:
        connection.execute("checkpoint")


def wait_window(auroractl: Auroractl) -> str:
    """Wait until some moment can be reached, and return the earliest."""
    return str(wait_until("a recovery image", lambda: auroractl.cluster("demo")["EarliestBacktrackTime"]))


def images(auroractl: Auroractl) -> list[Path]:
    """The data directories of all recovery images."""
    return sorted(auroractl.home.cluster("demo").storage.glob("*.images/*/data"))


def wait_copies(auroractl: Auroractl) -> None:
    """Until every recovery image that was taken away for a copy of the cluster has been replaced."""

    def two_of_each() -> bool:
        nodes = Counter(data.parent.name for data in images(auroractl) if data.with_name("manifest.json").exists())
        return bool(nodes) and min(nodes.values()) >= 2

    wait_until("a second copy of every image", two_of_each)


def numbers(auroractl: Auroractl, table: str = "story") -> list[int]:
    """The numbers in a table, in order."""
    return [row[0] for row in execute(auroractl, f"select id from {table} order by id")]


def moments_folder(auroractl: Auroractl) -> Path:
    """Where copies are brought back to moments."""
    return auroractl.home.cluster("demo").moments


def nothing_is_left(auroractl: Auroractl) -> bool:
    """Whether no copy and no process of one is there."""
    folder = moments_folder(auroractl)
    return not processes_below(folder) and not (folder.exists() and any(folder.iterdir()))


def assert_in_order(auroractl: Auroractl) -> None:
    """Healthy, one server per instance, nothing under way and nothing left behind."""
    auroractl.wait_healthy("demo")
    wait_until("nothing to be left of a copy", lambda: nothing_is_left(auroractl))
    instances = auroractl.home.cluster("demo").instances
    assert list(instances.glob("*/data.*")) == []
    assert auroractl.rows("select count(*) from operation where status = 'running'") == [(0,)]
    assert auroractl.rows("select count(*) from backtrack where status in ('pending', 'applying')") == [(0,)]
    for instance in auroractl.instances("demo"):
        data = Path(instance["DataDirectory"])
        assert instance["ProcessId"] in processes_below(data)
    with auroractl.connect("demo") as connection:
        connection.execute("create temporary table can_write (id int)")


def kill(pids: Iterable[int]) -> None:
    """SIGKILL to processes, some of which may end with another."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def last_event(auroractl: Auroractl) -> int:
    """The number of the newest event."""
    return int(auroractl.rows("select coalesce(max(id), 0) from event")[0][0])


def told(auroractl: Auroractl, words: str, since: int) -> bool:
    """Whether an event after that one says so."""
    return auroractl.rows("select 1 from event where message like ? and id > ?", f"%{words}%", since) != []


def told_why(connection: psycopg.Connection) -> psycopg.Error:
    """The error that a client gets on a connection that was closed."""
    try:
        connection.execute("select 1")
    except psycopg.Error as error:
        return error
    raise AssertionError("the connection was not closed")
