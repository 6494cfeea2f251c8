"""What Aurora's functions answer on every instance of a cluster, whatever its version and its past."""

from __future__ import annotations

import uuid
from typing import Any

import psycopg
from psycopg.rows import dict_row

from tests.functional.command import Auroractl, wait_until

WRITER = "MASTER_SESSION_ID"
DRIVERS_TOPOLOGY = (
    "select server_id, session_id = 'MASTER_SESSION_ID', cpu, coalesce(replica_lag_in_msec, 0), last_update_timestamp"
    " from pg_catalog.aurora_replica_status() where extract(epoch from (now() - last_update_timestamp)) <= 300"
    " or session_id = 'MASTER_SESSION_ID' or last_update_timestamp is null"
)
"""As AWS's drivers ask."""


def value(connection: psycopg.Connection, expression: str) -> Any:
    """The value of an expression."""
    row = connection.execute(f"select {expression}".encode()).fetchone()
    assert row is not None
    return row[0]


def statuses(connection: psycopg.Connection) -> dict[str, dict[str, Any]]:
    """What `aurora_replica_status` answers, by instance."""
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute("select * from pg_catalog.aurora_replica_status()").fetchall()
    found = {row["server_id"]: row for row in rows}
    assert len(found) == len(rows)
    return found


def writers(found: dict[str, dict[str, Any]]) -> list[str]:
    """The instances that are said to be the writer."""
    return [name for name, row in found.items() if row["session_id"] == WRITER]


def answers_are_right(connection: psycopg.Connection, own: str, writer: str, instances: set[str]) -> None:
    """Assert that a session is told what is true of its instance and its cluster."""
    assert value(connection, "pg_catalog.aurora_db_instance_identifier()") == own
    number = connection.info.server_version
    assert value(connection, "aurora_version()") == f"{number // 10_000}.{number % 10_000}.0"
    extensions = "setting like '%aurora_stat_utils%' from pg_catalog.pg_settings where name = 'rds.extensions'"
    assert value(connection, extensions) is True
    assert "aurora_stat_utils" in value(connection, "current_setting('rds.extensions')").split(",")
    assert {row[0] for row in connection.execute("select * from aurora_list_builtins()")} >= {
        "aurora_db_instance_identifier",
        "aurora_replica_status",
        "aurora_version",
    }
    assert connection.execute("select * from aurora_show_volume_status()").fetchall() == [(1, 6)]

    found = statuses(connection)
    assert found.keys() == instances
    assert writers(found) == [writer]
    assert {row[0] for row in connection.execute(DRIVERS_TOPOLOGY)} == instances
    for name, row in found.items():
        assert (row["last_update_timestamp"] is None) == (name == own)
        if name != writer:
            uuid.UUID(row["session_id"])
    asked = value(
        connection,
        "count(*) from aurora_replica_status()"
        " where session_id = 'MASTER_SESSION_ID' and server_id = aurora_db_instance_identifier()",
    )
    assert asked == (own == writer)
    # A server that has just started is shown before its first figures are.
    wait_until(f"all figures on {own}", lambda: _figures_are_there(statuses(connection), writer))


def _figures_are_there(found: dict[str, dict[str, Any]], writer: str) -> bool:
    for name, row in found.items():
        assert (row["replica_lag_in_msec"] is None) == (name == writer)
        assert (row["current_read_lsn"] is None) == (name == writer)
        assert row["durable_lsn"] > 0
        assert 0 <= row["cpu"] <= 100
    return True


def all_answers_are_right(auroractl: Auroractl) -> None:
    """Assert it on every instance of the cluster demo."""
    instances = {each["DBInstanceIdentifier"] for each in auroractl.instances("demo")}
    writer = auroractl.writer("demo")["DBInstanceIdentifier"]
    for name in instances:
        with auroractl.connect("demo", instance=name) as connection:
            answers_are_right(connection, name, writer, instances)
