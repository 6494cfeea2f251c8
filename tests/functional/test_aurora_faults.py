"""Aurora's functions that inject faults: what they do is real, and they are a way to nothing else."""

from __future__ import annotations

import time
from typing import Any

import psycopg
import pytest

from tests.functional.aurora_answers import statuses, value, writers
from tests.functional.command import Auroractl, wait_until


def _names(auroractl: Auroractl) -> list[str]:
    return [each["DBInstanceIdentifier"] for each in auroractl.instances("demo")]


def _process(auroractl: Auroractl, instance: str) -> Any:
    return next(each["ProcessId"] for each in auroractl.instances("demo") if each["DBInstanceIdentifier"] == instance)


def _await_restart(auroractl: Auroractl, instance: str, before: int) -> None:
    wait_until(f"{instance} to run again", lambda: _process(auroractl, instance) not in {before, None})


def _states(auroractl: Auroractl) -> list[str]:
    return [each["Status"] for each in auroractl.volume("demo")["StorageNodes"]]


def _inject(connection: psycopg.Connection, call: str) -> Any:
    """Call a function, again if another fault was injected less than a second ago."""
    while True:
        try:
            return value(connection, f"aurora_inject_{call}")
        except psycopg.errors.ObjectNotInPrerequisiteState as error:
            if "less than a second" not in str(error):
                raise
            time.sleep(0.2)


def test_a_crash_restarts_an_instance_in_its_role(demo: Auroractl) -> None:
    writer, reader, _ = _names(demo)
    for name, what in ((reader, "instance"), (writer, "NODE")):
        before = _process(demo, name)
        with demo.connect("demo", instance=name) as connection:
            with pytest.raises(psycopg.OperationalError):
                _inject(connection, f"crash('{what}')")
            assert connection.closed
        _await_restart(demo, name, before)
    demo.wait_healthy("demo")
    assert demo.writer("demo")["DBInstanceIdentifier"] == writer
    with demo.connect("demo") as connection:
        assert writers(statuses(connection)) == [writer]


def test_a_fault_of_somebody_else_is_not_replaced(demo: Auroractl) -> None:
    _, reader, _ = _names(demo)
    demo("inject-fault", "replica-lag", reader, "--delay", "1s")
    with demo.connect("demo") as connection, pytest.raises(psycopg.Error, match="has an injected fault already"):
        _inject(connection, f"replica_failure(100, 1, '{reader}')")
    demo("inject-fault", "restore", reader)
    demo.wait_healthy("demo")


def test_a_crash_of_the_dispatcher_loses_nothing(demo: Auroractl) -> None:
    """Asked for on a reader, too, it is the writer's."""
    _, reader, _ = _names(demo)
    with demo.connect("demo") as connection, demo.connect("demo", instance=reader) as asking:
        connection.execute("drop table if exists sent; create table sent (number integer)")
        senders = "array_agg(pid) from pg_stat_replication where application_name like '%storage%'"
        before = set(value(connection, senders))
        assert _inject(asking, "crash('dispatcher')") is True
        connection.execute("insert into sent values (1)")
        wait_until("other processes", lambda: len(set(value(connection, senders)) - before) == len(before))
        assert value(connection, "count(*) from sent") == 1
    demo.wait_healthy("demo")


def test_readers_fail_for_a_while(demo: Auroractl) -> None:
    writer, reader, other = _names(demo)
    attached = "count(*) from pg_stat_replication where application_name not like '%storage%'"
    with demo.connect("demo") as connection, demo.connect("demo", instance=reader) as asking:
        wait_until("both readers", lambda: value(connection, attached) == 2)
        assert _inject(asking, "replica_failure(0, 20, '')") is True
        assert _inject(asking, f"replica_failure(100, 20, '{other.upper()}')") is True
        wait_until("one reader", lambda: value(connection, attached) == 1)
        demo("inject-fault", "restore", other)
        assert _inject(connection, "replica_failure(50, 1, '')") is True
        wait_until("both readers, by themselves", lambda: value(connection, attached) == 2)
        with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="is the writer"):
            _inject(connection, f"replica_failure(100, 20, '{writer}')")
        with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="nobody"):
            _inject(connection, "replica_failure(100, 20, 'nobody')")
    demo.wait_healthy("demo")


def test_storage_nodes_fail_for_a_while(demo: Auroractl) -> None:
    with demo.connect("demo") as connection:
        assert _inject(connection, "disk_failure(100, 5, false, 60)") is True
        wait_until("one node down", lambda: _states(demo).count("down") == 1)
        connection.execute("drop table if exists kept; create table kept ()")
        demo("inject-fault", "restore", "6")
        assert _inject(connection, "disk_failure(30, 0, true, 2)") is True
        wait_until("two nodes down", lambda: _states(demo).count("down") == 2)
        wait_until("all nodes, by themselves", lambda: _states(demo).count("available") == 6)
        with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="the highest is 5"):
            _inject(connection, "disk_failure(100, 6, false, 60)")
        with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="the highest is 0"):
            _inject(connection, "disk_failure(100, 1, true, 60)")
    demo.wait_healthy("demo")


def _commit_ms(connection: psycopg.Connection) -> float:
    """How long commits take that follow each other; the median of seven."""
    found = []
    for _ in range(7):
        before_s = time.monotonic()
        connection.execute("insert into kept values (1)")
        found.append((time.monotonic() - before_s) * 1000)
    return sorted(found)[3]


def test_disks_are_congested_for_a_while(demo: Auroractl) -> None:
    """Also after the end of the supervisor that began it, which may leave nodes suspended."""
    reader = _names(demo)[1]
    with demo.connect("demo") as connection, demo.connect("demo", instance=reader) as asking:
        connection.execute("drop table if exists kept; create table kept (number integer)")
        assert _inject(asking, "disk_congestion(100, 0, true, 600, 70, 90)") is True
        wait_until("late commits", lambda: _commit_ms(connection) > 25)
        for _ in range(5):
            assert _states(demo) == ["available"] * 6
        with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="has an injected fault already"):
            _inject(connection, "disk_congestion(100, 0, false, 60, 1, 2)")
        demo.kill_supervisor()
        demo("supervisor", "start")
        wait_until("late commits again", lambda: _commit_ms(connection) > 25)
        demo("inject-fault", "restore", "disks")
        assert _inject(connection, "disk_congestion(50, 2, false, 1, 0, 10.5)") is True
        wait_until("the end by itself", lambda: demo.volume("demo")["Faults"] == [])
        assert _inject(connection, "disk_congestion(100, 0, true, 60, 0, 0)") is True
        assert demo.volume("demo")["Faults"] == []
        with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="the highest is 5"):
            _inject(connection, "disk_congestion(100, 6, false, 60, 0, 1)")
        _commit_ms(connection)
    demo.wait_healthy("demo")


def test_only_sensible_requests_of_the_master_user_are_heard(demo: Auroractl) -> None:
    with demo.connect("demo") as connection:
        for call in (
            "crash('disk')",
            "crash(null)",
            "replica_failure(101, 20, '')",
            "replica_failure('nan', 20, '')",
            "replica_failure(100, 0, '')",
            "replica_failure(100, null, '')",
            "replica_failure(100, 20, $$a'; drop table b; --$$)",
            "disk_failure(100, -1, false, 20)",
            "disk_failure(100, 0, null, 20)",
            "disk_failure(100, 0, false, 2000000000)",
            "disk_congestion(100, 0, true, 20, -1, 5)",
            "disk_congestion(100, 0, true, 20, 5, 4.9)",
            "disk_congestion(100, 0, true, 20, 0, 100.1)",
            "disk_congestion(100, 0, true, 20, null, 5)",
            "disk_congestion(100, 0, true, 20, 'nan', 'nan')",
        ):
            with pytest.raises(psycopg.errors.InvalidParameterValue):
                value(connection, f"aurora_inject_{call}")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            value(connection, "pg_catalog.auroractl_inject_fault('{}')")
        connection.execute("create role nobody_special; grant nobody_special to current_user; set role nobody_special")
        for call in ("crash('instance')", "replica_failure(100, 20)", "disk_failure(100, 0, false, 20)"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                value(connection, f"aurora_inject_{call}")
        connection.execute("reset role; drop role nobody_special")
        listed = {row[0] for row in connection.execute("select * from aurora_list_builtins()")}
        made = value(connection, "array_agg(distinct proname::text) from pg_proc where proname ~ '^aurora_'")
        assert listed == set(made) >= {"aurora_inject_crash", "aurora_stat_activity"}
        own = "pid = pg_backend_pid()"
        assert value(connection, f"query from aurora_stat_activity() where {own}").startswith("select query")
        columns = "array_agg(attname order by attnum) from pg_attribute where attrelid = 'pg_stat_activity'::regclass"
        with connection.cursor() as cursor:
            cursor.execute("select * from aurora_stat_activity() limit 0")
            assert [each.name for each in cursor.description or ()] == [*value(connection, columns), "plan_id"]
        assert value(connection, "type_name from aurora_stat_wait_type() where type_id = 3") == "Lock"
