"""What members of rds_replication may do, when they may, and what others of PostgreSQL's REPLICATION they do not keep."""

from __future__ import annotations

import contextlib
import os
import signal
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import pq
from psycopg.pq import abc

from auroractl.api.requests.faults import CrashStorageNode, EndFault
from auroractl.config.paths import Home
from auroractl.engine import sql
from tests.functional.command import Auroractl, wait_until
from tests.functional.conftest import home_of_its_own

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
    demo("create-cluster-parameter-group", "cdc", "--family", "aurora-postgresql18", "--description", "decoding")
    demo("modify-cluster-parameter-group", "cdc", "--parameters", "rds.logical_replication=1")
    demo("modify-cluster", "demo", "--parameter-group", "cdc")
    for each in demo.instances("demo"):
        demo("reboot-instance", each["DBInstanceIdentifier"])
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


def _acknowledge_all(command: Auroractl, names: list[str], seconds: float, *, done: Callable[[], bool]) -> None:
    """Receive WAL under these names, and say that all of it was flushed, again and again until it is done."""
    until_s = time.monotonic() + seconds
    with command.connect("demo") as master:
        there = master.execute("select pg_current_wal_flush_lsn() - 1000").fetchone()
    assert there is not None
    while time.monotonic() < until_s and not done():
        with contextlib.ExitStack() as stack:
            connections = [stack.enter_context(_walsender(command, "copier", "database", name)) for name in names]
            assert [_send(each, f"START_REPLICATION PHYSICAL {there[0]}") for each in connections] == [""] * len(names)
            for _ in range(20):
                for each in connections:
                    with contextlib.suppress(psycopg.Error):
                        each.put_copy_data(_HAS_EVERYTHING)
                        each.flush()
                time.sleep(0.05)


def test_no_client_counts_as_a_storage_node(logical: Auroractl) -> None:
    """Three of six nodes are down: a commit waits, whatever names a client takes and whatever it acknowledges."""
    nodes = [each["StorageNodeIdentifier"] for each in logical.volume("demo")["StorageNodes"]]
    with logical.connect("demo") as master:
        master.execute("create table forged (number int)")
        row = master.execute("show synchronous_standby_names").fetchone()
    assert row is not None
    shown = row[0].partition("(")[2].strip('")').split('", "')
    assert len(shown) == 6
    committed = threading.Event()

    def commit() -> None:
        with logical.connect("demo") as session:
            session.execute("insert into forged values (1)")
            committed.set()

    for node in nodes[:3]:
        logical.send(CrashStorageNode(cluster="demo", target=node, duration_s=600))
    try:
        wait_until("the quorum to be lost", lambda: not logical.volume("demo")["WriteQuorum"]["Held"])
        thread = threading.Thread(target=commit)
        thread.start()
        _acknowledge_all(logical, [*nodes, *shown], 3.0, done=committed.is_set)
        assert not committed.is_set(), "a client was counted as a storage node"
    finally:
        for node in nodes[:3]:
            logical.send(EndFault(cluster="demo", target=node))
    thread.join(30)
    assert committed.is_set()
    logical.wait_healthy("demo")


def test_no_client_can_have_a_name_that_counts(logical: Auroractl) -> None:
    with logical.connect("demo") as master:
        row = master.execute("show synchronous_standby_names").fetchone()
        assert row is not None
        for name in row[0].partition("(")[2].strip('")').split('", "'):
            for taken in (name, name.replace(" ", "\u2026"), "\u2026" * 20 + name):
                master.execute("select set_config('application_name', %s, false)", [taken])
                has = master.execute("show application_name").fetchone()
                assert has is not None
                assert has[0].lower() != name.lower()


def test_a_storage_node_that_comes_back_counts_again(logical: Auroractl) -> None:
    """Also after the server has read its configuration again, which makes all of them drop out."""
    with sql.session(logical.admin_access(logical.writer("demo"))) as admin:
        admin.execute("select pg_catalog.pg_reload_conf()")

        def counted() -> set[int]:
            query = "select pid from pg_catalog.pg_stat_replication where sync_state = 'quorum'"
            return {pid for (pid,) in admin.execute(query).fetchall()}

        wait_until("all to count", lambda: len(counted()) == 6, 30)
        before = counted()
        os.kill(int(logical.volume("demo")["StorageNodes"][0]["ProcessId"]), signal.SIGKILL)
        wait_until("a new one to count", lambda: len(counted()) == 6 and counted() != before, 30)
    logical.wait_healthy("demo")


def test_a_base_backup_goes_to_the_client_only(logical: Auroractl, tmp_path: Path) -> None:
    """It cannot be refused (docs/security.md), but writes no file, and neither does a library of the client's run."""
    with _walsender(logical, "copier", "database") as connection:
        refused = _send(connection, f"BASE_BACKUP (TARGET 'server', TARGET_DETAIL '{tmp_path}/copy')")
        assert "permission denied to create backup stored on server" in refused


def test_no_library_but_those_of_the_server_is_loaded(logical: Auroractl, tmp_path: Path) -> None:
    with _walsender(logical, "copier", "database") as connection:
        refused = _send(connection, f'CREATE_REPLICATION_SLOT x TEMPORARY LOGICAL "{tmp_path}/mine"')
        assert "may not be used as an output plugin" in refused
    with logical.connect("demo") as master, pytest.raises(psycopg.Error, match="may not be used as an output plugin"):
        master.execute("select pg_create_logical_replication_slot('x', %s)", [f"{tmp_path}/mine"])


def test_who_leaves_rds_replication_loses_it(logical: Auroractl) -> None:
    with logical.connect("demo") as master:
        master.execute("revoke rds_replication from copier")
        master.execute("alter role other replication")
    _wait_for(logical, {"member_of_member", "postgres"})
    told = {row[0] for row in logical.rows("select message from event")}
    assert "The role copier may no longer replicate." in told
