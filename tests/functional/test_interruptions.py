"""The supervisor is ended with SIGKILL at every step of every operation; the next one finishes or undoes the work."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from auroractl.config.paths import Home
from auroractl.system.locks import lock_holder
from tests.functional.command import Auroractl, wait_until
from tests.functional.conftest import home_of_its_own, shared_cluster
from tests.functional.going_back import assert_in_order, backtrack, execute, numbers, wait_window
from tests.functional.going_back import moment as now

STEPS = {
    "create-cluster": 7,
    "scale-readers": 4,
    "failover": 10,
    "replace-storage-node": 5,
    "backtrack": 12,
    "delete-cluster": 4,
}
NO_RETURN = {
    "create-cluster": 6,
    "scale-readers": 3,
    "failover": 4,
    "replace-storage-node": 3,
    "backtrack": 6,
    "delete-cluster": 0,
}
"""From this step on an operation is finished; until then it is undone."""
ALL = bool(os.environ.get("AURORACTL_EVERY_CRASH"))
MOMENTS = [
    (kind, position, moment)
    for kind, count in STEPS.items()
    for position in range(count)
    for moment in ("before", "after")
    # What is there before a step is what the one before it left, whose own end was the harder place to be cut off at.
    if ALL or moment == "after" or position in {0, NO_RETURN[kind]}
]


def _ends_at(auroractl: Auroractl, kind: str, position: int, moment: str) -> None:
    """Start a supervisor that ends itself with SIGKILL at one moment of one step."""
    auroractl("supervisor", "start", AURORACTL_CRASH_AT=f"{kind}:{position}:{moment}")


def _cut_off(auroractl: Auroractl, *command: str) -> None:
    """Run the command during which it ends."""
    done = auroractl.run(*command)
    assert done.returncode == 3, done
    assert "The supervisor ended" in done.stderr
    wait_until("the supervisor's end", lambda: lock_holder(auroractl.home.supervisor_lock) is None)


def _no_operation_is_open(auroractl: Auroractl) -> bool:
    return auroractl.rows("select count(*) from operation where status = 'running'") == [(0,)]


@pytest.fixture(scope="module")
def lasting(warm_home: Home) -> Iterator[Auroractl]:
    """A cluster whose operations are cut off again and again; every time must leave it as good as it was."""
    with shared_cluster(warm_home, 1) as command:
        yield command


@pytest.fixture
def paired(lasting: Auroractl) -> Auroractl:
    """The cluster with one reader, healthy, and without a supervisor."""
    if len(lasting.readers("demo")) != 1:
        lasting("scale-readers", "demo", "--to", "1")
    lasting.wait_healthy("demo")
    lasting("supervisor", "stop")
    return lasting


def _servers(auroractl: Auroractl) -> list[str]:
    """The processes of servers, without one that makes a recovery image."""
    return [each for each in auroractl.processes() if "bin/postgres" in each and ".making" not in each]


@pytest.mark.parametrize(("kind", "position", "moment"), [each for each in MOMENTS if each[0] == "create-cluster"])
def test_create_cluster_is_undone_whole_or_finished(
    auroractl: Auroractl, kind: str, position: int, moment: str
) -> None:
    _ends_at(auroractl, kind, position, moment)
    _cut_off(auroractl, "create-cluster", "demo", "--readers", "1")
    clusters = auroractl.json("describe-clusters")["DBClusters"]
    if position < NO_RETURN[kind]:
        assert clusters == []
        assert not auroractl.home.cluster("demo").folder.exists()
        assert len(auroractl.processes()) == 1, auroractl.processes()
        auroractl("create-cluster", "demo", "--readers", "0")
    auroractl.wait_healthy("demo")
    assert _no_operation_is_open(auroractl)


@pytest.mark.parametrize(("kind", "position", "moment"), [each for each in MOMENTS if each[0] == "scale-readers"])
@pytest.mark.parametrize("change", ["--add", "--remove"])
def test_scale_readers_is_undone_or_finished(
    paired: Auroractl, kind: str, position: int, moment: str, change: str
) -> None:
    _ends_at(paired, kind, position, moment)
    _cut_off(paired, "scale-readers", "demo", change, "1")
    paired.wait_healthy("demo")
    undone = change == "--add" and position < NO_RETURN[kind]
    expected = 1 if undone else {"--add": 2, "--remove": 0}[change]
    assert len(paired.readers("demo")) == expected
    folders = list(paired.home.cluster("demo").instances.iterdir())
    assert len(folders) == expected + 1
    assert len(_servers(paired)) == expected + 1, paired.processes()
    assert _no_operation_is_open(paired)


@pytest.mark.parametrize(("kind", "position", "moment"), [each for each in MOMENTS if each[0] == "failover"])
def test_failover_is_undone_or_finished(paired: Auroractl, kind: str, position: int, moment: str) -> None:
    _ends_at(paired, kind, position, moment)
    execute(paired, "drop table if exists kept", "create table kept as select 1 as id")
    writer, reader = (each["DBInstanceIdentifier"] for each in paired.instances("demo"))
    _cut_off(paired, "failover", "demo")
    paired.wait_healthy("demo")
    promoted = position >= NO_RETURN[kind]
    assert paired.writer("demo")["DBInstanceIdentifier"] == (reader if promoted else writer)
    assert len(paired.readers("demo")) == 1
    assert numbers(paired, "kept") == [1]
    execute(paired, "insert into kept values (2)")
    assert _no_operation_is_open(paired)


@pytest.mark.parametrize(
    ("kind", "position", "moment"), [each for each in MOMENTS if each[0] == "replace-storage-node"]
)
def test_replace_storage_node_is_undone_or_finished(paired: Auroractl, kind: str, position: int, moment: str) -> None:
    def nodes() -> list[str]:
        return [each["StorageNodeIdentifier"] for each in paired.volume("demo")["StorageNodes"]]

    _ends_at(paired, kind, position, moment)
    before = nodes()
    old, new = before[2], f"demo-storage-{1 + max(int(each.rpartition('-')[2]) for each in before)}"
    _cut_off(paired, "replace-storage-node", old)
    paired.wait_healthy("demo")
    expected = {*before, new} - {old if position >= NO_RETURN[kind] else new}
    wait_until("six nodes", lambda: all(each["ProcessId"] for each in paired.volume("demo")["StorageNodes"]))
    assert set(nodes()) == expected
    assert len([each for each in paired.processes() if "pg_receivewal" in each]) == 6
    [(names,)] = execute(paired, "show synchronous_standby_names")
    assert names.startswith("ANY 4 (")
    assert {name.strip(' ")') for name in names.partition("(")[2].split(",")} == expected
    assert _no_operation_is_open(paired)


@pytest.fixture(scope="module")
def going_back(warm_home: Home) -> Iterator[Auroractl]:
    """A cluster that is brought back again and again; every interruption must leave it as good as it was."""
    with home_of_its_own(warm_home) as command:
        command("create-cluster", "demo", "--readers", "0")
        execute(command, "create table story (id int)")
        yield command


@pytest.mark.parametrize(("kind", "position", "moment"), [each for each in MOMENTS if each[0] == "backtrack"])
def test_backtrack_is_undone_or_finished(going_back: Auroractl, kind: str, position: int, moment: str) -> None:
    wait_window(going_back)
    execute(going_back, "truncate story", "insert into story values (1)")
    there = now(going_back)
    execute(going_back, "insert into story values (2)")
    going_back("supervisor", "stop")
    _ends_at(going_back, kind, position, moment)
    wait_window(going_back)
    _cut_off(going_back, "backtrack", "demo", "--to", there, "--yes")
    assert_in_order(going_back)
    finished = position >= NO_RETURN[kind]
    assert numbers(going_back) == ([1] if finished else [1, 2])
    (newest, *_) = going_back.json("describe-backtracks", "demo")["DBClusterBacktracks"]
    assert newest["Status"] == ("completed" if finished else "failed")
    if finished and position == 7:
        backtrack(going_back, "--undo")
        assert numbers(going_back) == [1, 2]


@pytest.mark.parametrize(("kind", "position", "moment"), [each for each in MOMENTS if each[0] == "delete-cluster"])
def test_delete_cluster_is_finished(auroractl: Auroractl, kind: str, position: int, moment: str) -> None:
    _ends_at(auroractl, kind, position, moment)
    auroractl("create-cluster", "demo", "--readers", "1")
    _cut_off(auroractl, "delete-cluster", "demo", "--yes")
    assert auroractl.json("describe-clusters")["DBClusters"] == []
    assert list(auroractl.home.clusters.iterdir()) == []
    assert len(auroractl.processes()) == 1, auroractl.processes()
    assert _no_operation_is_open(auroractl)


def test_the_steps_counted_here_are_all_there_are(auroractl: Auroractl) -> None:
    """Otherwise a new step would go untested."""
    auroractl("create-cluster", "demo", "--readers", "1")
    auroractl("scale-readers", "demo", "--add", "1")
    auroractl("failover", "demo")
    auroractl("replace-storage-node", "demo-storage-3")
    wait_window(auroractl)
    auroractl("backtrack", "demo", "--to", "now", "--yes")
    auroractl("delete-cluster", "demo", "--yes")
    counted = auroractl.rows(
        "select o.kind, count(*) from operation o join operation_step s on s.operation = o.identifier group by o.identifier"
    )
    assert dict(counted) == STEPS


@pytest.mark.parametrize("arguments", [["create-cluster", "demo"], ["failover", "demo"]])
def test_ctrl_c_ends_the_client_and_not_the_work(auroractl: Auroractl, arguments: list[str]) -> None:
    if arguments[0] == "failover":
        auroractl("create-cluster", "demo")
    process = auroractl.start(*arguments)
    wait_until(
        "the operation to begin",
        lambda: (
            auroractl.home.state.exists()
            and auroractl.rows("select 1 from operation where kind = ? and status = 'running'", arguments[0])
        ),
        interval_s=0.005,
    )
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == 130, stderr
    assert "auroractl wait" in stderr
    auroractl.wait_healthy("demo")
    assert len(auroractl.instances("demo")) == 3
    wait_until("the operation's end", lambda: _no_operation_is_open(auroractl))


def test_two_commands_at_once_on_one_cluster(auroractl: Auroractl) -> None:
    auroractl("create-cluster", "demo", "--readers", "0")
    first = auroractl.start("scale-readers", "demo", "--add", "6")
    wait_until(
        "the operation to begin",
        lambda: auroractl.rows("select 1 from operation where kind = 'scale-readers' and status = 'running'"),
        interval_s=0.005,
    )
    done = auroractl.run("delete-cluster", "demo", "--yes")
    assert done.returncode == 5
    assert "Another operation is in progress on DBCluster demo: scale-readers" in done.stderr
    _, stderr = first.communicate(timeout=60)
    assert first.returncode == 0, stderr
    assert len(auroractl.instances("demo")) == 7


def test_two_creates_of_one_name_at_once(auroractl: Auroractl) -> None:
    racing = [auroractl.start("create-cluster", "demo", "--readers", "0") for _ in range(3)]
    outcomes = [(process.communicate(timeout=60), process.returncode) for process in racing]
    assert sorted(code for _, code in outcomes) == [0, 5, 5], outcomes
    auroractl.wait_healthy("demo")


def test_a_create_that_fails_leaves_nothing_unless_asked_to(auroractl: Auroractl) -> None:
    """A template that lacks a file makes the servers fail at start, as a damaged disk would."""
    auroractl("supervisor", "start")
    next(auroractl.home.root.glob("template/*/global/pg_filenode.map")).unlink()
    done = auroractl.run("create-cluster", "demo")
    assert done.returncode == 1
    assert "does not answer" in done.stderr
    assert auroractl.json("describe-clusters")["DBClusters"] == []
    assert not auroractl.home.cluster("demo").folder.exists()
    assert len(auroractl.processes()) == 1
    done = auroractl.run("create-cluster", "demo", "--retain")
    assert done.returncode == 1
    assert Path(auroractl.home.cluster("demo").instance("demo-instance-1").log).exists()
    auroractl("delete-cluster", "demo", "--yes")
    assert not auroractl.home.cluster("demo").folder.exists()


def test_a_failover_whose_target_lags_forever_changes_nothing(auroractl: Auroractl) -> None:
    auroractl("create-cluster", "demo", "--readers", "1")
    writer, reader = auroractl.instances("demo")
    frozen = _walreceivers(reader["ProcessId"])
    assert frozen
    for pid in frozen:
        os.kill(pid, signal.SIGSTOP)
    try:
        with auroractl.connect("demo") as connection:
            connection.execute("create table more as select generate_series(1, 100000)")
        done = auroractl.run("failover", "demo", timeout_s=150)
    finally:
        for pid in frozen:
            os.kill(pid, signal.SIGCONT)
    assert done.returncode != 0
    assert auroractl.writer("demo")["DBInstanceIdentifier"] == writer["DBInstanceIdentifier"]
    auroractl.wait_healthy("demo")
    with auroractl.connect("demo") as connection:
        assert connection.execute("select count(*) from more").fetchone() == (100_000,)


def _walreceivers(postmaster: int) -> list[int]:
    children = psutil.Process(postmaster).children()
    return [each.pid for each in children if "walreceiver" in " ".join(each.cmdline())]
