"""Clusters whose instances come and go: the last one leaves its data, the next one takes it over, and nothing gets lost."""

from __future__ import annotations

import os
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import psutil
import psycopg
import pytest

from auroractl.api.requests.clusters import DeleteCluster
from auroractl.config.paths import Home
from auroractl.system.locks import lock_holder
from tests.functional.command import Auroractl, wait_until
from tests.functional.conftest import home_of_its_own

HOLD = {"AURORACTL_HOLD_TIMEOUT_S": "1"}
STEPS = 4
"""Of the creation of a first instance, and of the deletion of the last one."""
ALL = bool(os.environ.get("AURORACTL_EVERY_CRASH"))
MOMENTS = [
    (position, moment)
    for position in range(STEPS)
    for moment in ("before", "after")
    if ALL or moment == "after" or position in {0, STEPS - 1}
]


def _crash_at(name: str) -> dict[str, str]:
    """The variable with which a supervisor ends itself with SIGKILL at one moment of one step."""
    return {"AURORACTL_CRASH_AT": name}


def _sql(auroractl: Auroractl, *statements: str) -> list[tuple[Any, ...]]:
    with auroractl.connect("demo") as connection:
        for statement in statements[:-1]:
            connection.execute(statement)
        cursor = connection.execute(statements[-1])
        return cursor.fetchall() if cursor.description else []


def _at_once(auroractl: Auroractl, *commands: list[str]) -> None:
    """Run commands at the same time; all must succeed."""
    running = [auroractl.start(*command) for command in commands]
    for process, command in zip(running, commands, strict=True):
        _, stderr = process.communicate(timeout=120)
        assert process.returncode == 0, (command, stderr, auroractl.supervisor_log())


def _creations(count: int) -> list[list[str]]:
    return [["create-instance", "demo", "--db-instance-identifier", f"own-{number}"] for number in range(1, count + 1)]


def _deletions(auroractl: Auroractl) -> list[list[str]]:
    return [["delete-instance", each["DBInstanceIdentifier"]] for each in auroractl.instances("demo")]


def _require_empty(auroractl: Auroractl) -> None:
    paths = auroractl.home.cluster("demo")
    assert auroractl.instances("demo") == []
    assert list(paths.instances.iterdir()) == []
    assert (paths.base / "PG_VERSION").exists()
    assert not [each for each in auroractl.processes() if "bin/postgres" in each or "pg_receivewal" in each]


@pytest.fixture
def empty(auroractl: Auroractl) -> Auroractl:
    """A home with the cluster demo, which has no instance."""
    auroractl("create-cluster", "demo", "--no-instances")
    return auroractl


def test_instances_come_and_go_at_once_and_the_data_stays(empty: Auroractl) -> None:
    _require_empty(empty)
    document = empty.json("describe-clusters", "demo")["DBClusters"][0]
    assert (document["Status"], document["Health"], document["DBClusterMembers"]) == ("available", "no-instances", [])
    assert empty.run("status", "demo").returncode == 3
    _at_once(empty, *_creations(4))
    empty.wait_healthy("demo")
    names = {each["DBInstanceIdentifier"] for each in empty.instances("demo")}
    assert names == {"own-1", "own-2", "own-3", "own-4"}
    assert len(empty.readers("demo")) == 3
    _sql(empty, "create table kept (id int)", "insert into kept select generate_series(1, 1000)")
    _at_once(empty, *_deletions(empty))
    _require_empty(empty)
    events = [row for (row,) in empty.rows("select message from event where cluster = 'demo'")]
    assert not [each for each in events if "in use" in each], events
    empty("create-instance", "demo")
    assert empty.writer("demo")["DBInstanceIdentifier"] == "demo-instance-1"
    assert _sql(empty, "insert into kept values (1001)", "select count(*) from kept") == [(1001,)]
    empty.wait_healthy("demo")


def test_an_older_copy_of_the_data_is_not_begun_with(empty: Auroractl) -> None:
    base = empty.home.cluster("demo").base
    older, newer = base.with_name("older"), base.with_name("newer")
    subprocess.run(["cp", "-a", str(base), str(older)], check=True)
    empty("create-instance", "demo", "--db-instance-identifier", "own")
    _sql(empty, "create table kept (id int)", "insert into kept values (1)")
    empty("delete-instance", "own")
    base.rename(newer)
    older.rename(base)
    done = empty.run("create-instance", "demo")
    assert (done.returncode, "is not the one that the last instance left" in done.stderr) == (1, True), done
    _require_empty(empty)
    base.rename(older)
    newer.rename(base)
    empty("create-instance", "demo")
    assert _sql(empty, "select id from kept") == [(1,)]


def test_without_an_instance_every_command_works_or_says_what_to_do(warm_home: Home) -> None:
    with home_of_its_own(warm_home, **HOLD) as auroractl:
        auroractl("create-cluster", "demo", "--no-instances")
        began_s = time.monotonic()
        with pytest.raises(psycopg.OperationalError) as refused, psycopg.connect(auroractl.uri("demo")):
            pass
        assert 1 <= time.monotonic() - began_s < 10
        assert "cluster demo has no instance" in str(refused.value)
        assert "HINT:  Create one: auroractl create-instance demo" in str(refused.value)
        for arguments in (
            ["describe-instances", "demo"], ["describe-endpoints", "demo"], ["describe-volumes", "demo"], ["export", "demo"],
            ["modify-cluster", "demo", "--tags", "a=b"], ["diagram", "demo"], ["watch", "demo", "--once"], ["doctor"],
            ["top", "demo", "--once"], ["scrub-volume", "demo"], ["start-cluster", "demo"], ["wait", "cluster-available", "demo"],
            ["report", "--file", str(auroractl.home.root / "report.tar.gz")], ["describe-backtracks", "demo"],
        ):  # fmt: skip
            auroractl(*arguments)
        for arguments in (
            ["scale-readers", "demo", "--to", "1"], ["failover", "demo"], ["stop-cluster", "demo"],
            ["backtrack", "demo", "--to", "-1s", "--yes"], ["peek", "demo", "--at", "-1s"],
            ["storage-autogrow", "demo", "--enable"], ["inject-fault", "crash-instance", "writer"],
            ["replace-storage-node", "demo-storage-1"],
        ):  # fmt: skip
            done = auroractl.run(*arguments)
            assert done.returncode == 5, (arguments, done)
            assert "DBCluster demo has no instance" in done.stderr, (arguments, done)
            assert "auroractl create-instance demo" in done.stderr, (arguments, done)
        auroractl("delete-cluster", "demo", "--yes")
        assert list(auroractl.home.clusters.iterdir()) == []


def _cut_off(auroractl: Auroractl, then: str, *command: str) -> None:
    """Run a command during which the supervisor ends itself; the next one, which ends itself `then`, takes over."""
    done = auroractl.run(*command)
    assert done.returncode == 3, done
    wait_until("the supervisor's end", lambda: lock_holder(auroractl.home.supervisor_lock) is None)
    auroractl("supervisor", "start", **_crash_at(then))


@pytest.mark.slow
def test_a_supervisor_that_is_killed_loses_nothing(empty: Auroractl) -> None:
    """While the last instance goes, and while a first one comes. Each supervisor takes over from the one before."""
    create = ["create-instance", "demo", "--db-instance-identifier", "own"]
    ends = [f"{kind}:{position}:{moment}" for position, moment in MOMENTS for kind in ("delete-instance", create[0])]
    empty(*create)
    _sql(empty, "create table kept (id int)")
    empty("supervisor", "stop")
    empty("supervisor", "start", **_crash_at(ends.pop(0)))
    for position, moment in MOMENTS:
        before = _sql(empty, "insert into kept select count(*) from kept", "select count(*) from kept")
        _cut_off(empty, ends.pop(0), "delete-instance", "own")
        _require_empty(empty)
        _cut_off(empty, ends.pop(0) if ends else "", *create)
        if position < STEPS - 1:
            _require_empty(empty)
            empty(*create)
        assert [each["DBInstanceIdentifier"] for each in empty.instances("demo")] == ["own"], (position, moment)
        assert _sql(empty, "select count(*) from kept") == before, (position, moment)
        assert empty.rows("select count(*) from operation where status = 'running'") == [(0,)], (position, moment)
    steps = "select o.kind, max(s.position) from operation o join operation_step s on s.operation = o.identifier group by o.kind"
    counted = dict(empty.rows(steps))
    assert counted["create-instance"] + 1 == counted["delete-instance"] + 1 == STEPS, "a new step would go untested"


def test_requests_that_wait_for_a_supervisor_that_is_killed_have_changed_nothing(empty: Auroractl) -> None:
    empty("supervisor", "stop")
    empty("supervisor", "start", **_crash_at("create-instance:1:after"))
    supervisor = psutil.Process(empty.json("supervisor", "status")["ProcessId"])
    supervisor.suspend()
    running = [empty.start(*command) for command in _creations(4)]
    for process in running:
        wait_until("the request", partial(psutil.Process(process.pid).net_connections, "unix"))
    supervisor.resume()
    outcomes = [(process.communicate(timeout=120)[1], process.returncode) for process in running]
    assert {code for _, code in outcomes} == {3}, outcomes
    wait_until("the supervisor's end", lambda: lock_holder(empty.home.supervisor_lock) is None)
    _require_empty(empty)
    _at_once(empty, *_creations(2))
    empty.wait_healthy("demo")
    assert len(empty.instances("demo")) == 2
    empty("delete-cluster", "demo", "--yes")


@pytest.mark.parametrize(("position", "finished"), [(6, False), (7, True)])
def test_a_creation_without_instances_is_undone_or_finished(
    auroractl: Auroractl, position: int, finished: bool
) -> None:
    auroractl("supervisor", "start", **_crash_at(f"create-cluster:{position}:after"))
    assert auroractl.run("create-cluster", "demo", "--no-instances").returncode == 3
    wait_until("the supervisor's end", lambda: lock_holder(auroractl.home.supervisor_lock) is None)
    assert len(auroractl.json("describe-clusters")["DBClusters"]) == finished
    if finished:
        _require_empty(auroractl)
        auroractl("create-instance", "demo")
        assert _sql(auroractl, "select 1") == [(1,)]
    else:
        assert not auroractl.home.cluster("demo").folder.exists()


def test_waiting_requests_are_cancelled_and_hold_nothing_up(auroractl: Auroractl) -> None:
    auroractl("create-cluster", "demo", "--readers", "1")
    (reader,) = (each["DBInstanceIdentifier"] for each in auroractl.readers("demo"))
    with auroractl.connect("demo", instance=reader) as busy, ThreadPoolExecutor(2) as pool:
        # A deletion lets this statement end, so everything else waits behind it.
        sleeping = pool.submit(busy.execute, "select pg_sleep(150)")
        try:
            deleting = auroractl.start("delete-instance", reader)
            wait_until("the deletion", lambda: auroractl.instances("demo")[1]["DBInstanceStatus"] == "deleting")
            creating = [auroractl.start(*command) for command in _creations(2)]
            wait_until("the requests", lambda: len(auroractl.instances("demo")) == 4)
            assert {each["DBInstanceStatus"] for each in auroractl.instances("demo")[2:]} == {"creating"}
            again = auroractl.run("delete-instance", reader)
            assert (again.returncode, "is already being deleted" in again.stderr) == (5, True), again
            auroractl("cancel-operation", "demo")
            for process in creating:
                _, stderr = process.communicate(timeout=60)
                assert (process.returncode, "cancelled: on request" in stderr) == (1, True), stderr
            creation = auroractl.start("create-instance", "demo", "--db-instance-identifier", "own-3")
            wait_until("the request", lambda: len(auroractl.instances("demo")) == 3)
            removal = pool.submit(auroractl.send, DeleteCluster(cluster="demo"))
            time.sleep(1)
        finally:
            busy.cancel_safe()
        with pytest.raises(psycopg.errors.QueryCanceled):
            sleeping.result(60)
        removal.result(60)
    for process, code in ((deleting, 0), (creation, 1)):
        process.communicate(timeout=60)
        assert process.returncode == code
    assert list(auroractl.home.clusters.iterdir()) == []
