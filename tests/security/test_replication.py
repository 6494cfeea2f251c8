"""What members of rds_replication may do, when they may, and what others of PostgreSQL's REPLICATION they do not keep."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import pq
from psycopg.pq import abc

from auroractl.config.paths import Home
from auroractl.engine import sql
from tests.functional.conftest import Auroractl, home_of_its_own, wait_until

_SOON_S = 15.0
_HAS_EVERYTHING = struct.pack("!cQQQQ?", b"r", *[2**62] * 3, 0, False)
"""The message with which a standby says that it has flushed all WAL, also what is not yet written."""


@pytest.fixture(scope="module")
def demo(warm_home: Home) -> Iterator[Auroractl]:
    """A cluster whose master user has made three users: one may replicate."""
    with home_of_its_own(warm_home) as command:
        command("create-cluster", "demo", "--readers", "1")
        with command.connect("demo") as master:
            for name in ("copier", "member_of_member", "other"):
                master.execute(f"create role {name} login password 'some-password'".encode())
            master.execute("create role team")
            master.execute("grant rds_replication to copier, team")
            master.execute("grant team to member_of_member")
        yield command


def _replicating(command: Auroractl) -> set[str]:
    with command.connect("demo") as master:
        return {row[0] for row in master.execute("select rolname from pg_roles where rolreplication and not rolsuper")}


def _wait_for(command: Auroractl, names: set[str]) -> None:
    wait_until(f"{names} to be those who may replicate", lambda: _replicating(command) == names, _SOON_S)


@contextlib.contextmanager
def _walsender(
    command: Auroractl, user: str, replication: str, name: str = "a client", role: str = "writer"
) -> Iterator[abc.PGconn]:
    """A replication connection as a user, through an endpoint."""
    there = psycopg.conninfo.conninfo_to_dict(command.uri("demo", role=role))
    given: dict[str, Any] = {**there, "user": user, "password": "some-password", "replication": replication}
    connection = pq.PGconn.connect(psycopg.conninfo.make_conninfo(**given, application_name=name).encode())
    try:
        yield connection
    finally:
        connection.finish()


def _send(connection: abc.PGconn, command: str) -> str:
    """The error of a command; empty if it worked or began to stream."""
    result = connection.exec_(command.encode())
    return (
        ""
        if result.status in {pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COPY_BOTH, pq.ExecStatus.COPY_OUT}
        else result.error_message.decode()
    )


def _ended(command: Auroractl, connection: abc.PGconn, role: str = "writer") -> bool:
    """Whether the server process of a connection is gone."""
    with command.connect("demo", role=role) as master:
        found = master.execute("select 1 from pg_stat_activity where pid = %s", [connection.backend_pid])
        return found.fetchone() is None


@pytest.fixture(scope="module")
def logical(demo: Auroractl) -> Auroractl:
    """The same cluster with wal_level = logical."""
    assert _replicating(demo) == set()
    with _walsender(demo, "copier", "database") as connection:
        assert "permission denied to start WAL sender" in connection.error_message.decode()
    with sql.session(demo.admin_access(demo.writer("demo"))) as admin:
        admin.execute("alter system set wal_level = logical")
    demo("reboot-instance", demo.writer("demo")["DBInstanceIdentifier"])
    _wait_for(demo, {"copier", "member_of_member", "postgres"})
    demo.wait_healthy("demo")
    return demo


def test_members_replicate_logically_through_the_writer_endpoint(logical: Auroractl) -> None:
    with _walsender(logical, "copier", "database") as connection:
        assert _send(connection, "CREATE_REPLICATION_SLOT s TEMPORARY LOGICAL test_decoding NOEXPORT_SNAPSHOT") == ""
        assert _send(connection, "START_REPLICATION SLOT s LOGICAL 0/0") == ""
        with pytest.raises(pytest.fail.Exception):
            wait_until("nothing: it may stay", lambda: _ended(logical, connection), 3.0)
    with logical.connect("demo") as master:
        master.execute("select pg_create_logical_replication_slot('of_master', 'test_decoding', true)")
    with _walsender(logical, "other", "database") as connection:
        assert "permission denied to start WAL sender" in connection.error_message.decode()


def test_no_member_gets_in_for_physical_replication(logical: Auroractl) -> None:
    with _walsender(logical, "copier", "true") as connection:
        assert "no pg_hba.conf entry for replication connection" in connection.error_message.decode()


@pytest.mark.parametrize("role", ["writer", "reader"])
def test_what_is_not_logical_is_ended_and_an_event_says_so(logical: Auroractl, role: str) -> None:
    name = f"a client of the {role}"
    with logical.connect("demo") as master:
        there = master.execute("select pg_current_wal_flush_lsn() - 1000").fetchone()
    assert there is not None
    with _walsender(logical, "copier", "database", name, role) as connection:
        assert _send(connection, f"START_REPLICATION PHYSICAL {there[0]}") == ""
        wait_until("physical replication to be ended", lambda: _ended(logical, connection, role), _SOON_S)
    told = f"A session of copier ({name!r}) was ended: clients may replicate logically only."
    wait_until("an event to say so", lambda: (told,) in logical.rows("select message from event"))


def test_a_client_that_takes_the_name_of_a_storage_node_is_ended_and_not_believed(logical: Auroractl) -> None:
    node = logical.volume("demo")["StorageNodes"][0]["StorageNodeIdentifier"]
    with _walsender(logical, "copier", "database", node) as connection:
        assert _send(connection, "CREATE_REPLICATION_SLOT n TEMPORARY LOGICAL test_decoding NOEXPORT_SNAPSHOT") == ""
        assert _send(connection, "START_REPLICATION SLOT n LOGICAL 0/0") == ""
        connection.put_copy_data(_HAS_EVERYTHING)
        connection.flush()
        wait_until("it to be ended", lambda: _ended(logical, connection), _SOON_S)
    assert logical.cluster("demo")["Health"] == "ok"


def test_who_leaves_rds_replication_loses_it(logical: Auroractl) -> None:
    with logical.connect("demo") as master:
        master.execute("revoke rds_replication from copier")
        master.execute("alter role other replication")
    _wait_for(logical, {"member_of_member", "postgres"})
    told = {row[0] for row in logical.rows("select message from event")}
    assert "The role copier may no longer replicate." in told
