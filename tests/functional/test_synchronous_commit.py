"""What weakens synchronous_commit is told; where the setting says so, it is refused and undone."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from auroractl.config.paths import Home
from auroractl.core.routing_table import RoutingTable
from auroractl.endpoints.client import EndpointProcessClient
from tests.functional.command import Auroractl, wait_until
from tests.functional.conftest import home_of_its_own

SETTING = "AURORACTL_ENFORCE_SYNCHRONOUS_COMMIT"
ENFORCED = "synchronous_commit is enforced"


@pytest.fixture(scope="module")
def plain(warm_home: Home) -> Iterator[Auroractl]:
    """A home with a cluster of one instance and the setting as it is by default."""
    with home_of_its_own(warm_home) as command:
        command("create-cluster", "demo", "--readers", "0")
        yield command


@pytest.fixture(scope="module")
def enforced(warm_home: Home) -> Iterator[Auroractl]:
    """A home with a cluster of one instance where synchronous_commit is enforced."""
    with home_of_its_own(warm_home, **{SETTING: "true"}) as command:
        command("create-cluster", "demo", "--readers", "0")
        yield command


def _value(connection: psycopg.Connection) -> str:
    row = connection.execute("SHOW synchronous_commit").fetchone()
    assert row is not None
    return str(row[0])


def _warnings(auroractl: Auroractl) -> str:
    return " ".join(auroractl.cluster("demo")["Warnings"])


def test_settings_of_roles_and_databases_are_told_until_they_are_undone(plain: Auroractl) -> None:
    with plain.connect("demo") as connection:
        connection.execute("CREATE ROLE careless")
        connection.execute("ALTER ROLE careless SET synchronous_commit = 'LOCAL'")
        connection.execute("ALTER ROLE careless IN DATABASE postgres SET synchronous_commit = remote_apply")
        connection.execute("ALTER DATABASE postgres SET synchronous_commit = off")
        connection.execute("CREATE ROLE careful")
        connection.execute("ALTER ROLE careful SET synchronous_commit = on")
        wait_until("the warnings", lambda: len(plain.cluster("demo")["Warnings"]) >= 3, 20)
        said = _warnings(plain)
        assert "For role careless, synchronous_commit = LOCAL" in said
        assert "wait until they are cancelled" in said
        assert 'ALTER DATABASE "postgres" RESET synchronous_commit' in said
        assert "careful" not in said
        status, doctor = plain("status", "demo"), plain("doctor")
        assert "Note: For database postgres, synchronous_commit = off" in " ".join(status.stdout.split())
        assert "enforce_synchronous_commit" in doctor.stdout
        connection.execute("ALTER ROLE careless RESET ALL")
        connection.execute("ALTER ROLE careless IN DATABASE postgres RESET ALL")
        connection.execute("ALTER DATABASE postgres RESET ALL")
    wait_until("the warnings to end", lambda: "careless" not in _warnings(plain), 20)


def test_without_the_setting_nothing_is_refused_or_undone(plain: Auroractl) -> None:
    with plain.connect("demo") as connection:
        connection.execute("SET synchronous_commit = off")
        assert _value(connection) == "off"
        connection.execute("CREATE ROLE free")
        connection.execute("ALTER ROLE free SET synchronous_commit = off")
        wait_until("the warning", lambda: "role free" in _warnings(plain), 20)
        wait_until("another look", lambda: "role free" in _warnings(plain), 20)
        kept = connection.execute("SELECT rolconfig FROM pg_roles WHERE rolname = 'free'").fetchone()
        assert kept == (["synchronous_commit=off"],)
        connection.execute("DROP ROLE free")
    with psycopg.connect(plain.uri("demo"), options="-c synchronous_commit=local") as connection:
        assert _value(connection) == "local"


def test_statements_that_set_it_are_told_by_user_and_database(plain: Auroractl) -> None:
    with plain.connect("demo") as connection:
        for _ in range(3):
            connection.execute("SET synchronous_commit = off")
        connection.execute("CREATE TABLE notes (note text)")
        connection.execute("INSERT INTO notes VALUES ('nothing')")
    plain("supervisor", "stop")
    wait_until("the warning", lambda: "User postgres has run statements in database postgres" in _warnings(plain), 30)
    assert plain.cluster("demo")["Health"] == "ok"


def test_a_cluster_without_the_statistics_gains_them(plain: Auroractl) -> None:
    access = plain.admin_access(plain.writer("demo"))
    conninfo = access.admin_conninfo("test", timeout_s=10)
    query = "SELECT 1 FROM pg_extension WHERE extname = 'pg_stat_statements'"
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("DROP SCHEMA monitoring CASCADE")
        wait_until("the extension", lambda: connection.execute(query).fetchone(), 20)


@pytest.mark.parametrize("cursor", [psycopg.ClientCursor, psycopg.Cursor, psycopg.RawCursor])
@pytest.mark.parametrize(
    "statement",
    [
        "SET synchronous_commit = off",
        "SET LOCAL synchronous_commit TO local",
        "SELECT set_config('synchronous_commit', 'off', false)",
        "ALTER ROLE postgres SET synchronous_commit = off",
        "DO $$ BEGIN SET synchronous_commit = off; END $$",
    ],
)
def test_a_client_is_refused_and_goes_on(enforced: Auroractl, cursor: type[psycopg.Cursor], statement: str) -> None:
    with enforced.connect("demo") as connection:
        for prepare in (False, True):
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match=ENFORCED) as caught:
                cursor(connection).execute(statement, prepare=prepare)
            assert "enforce_synchronous_commit" in str(caught.value.diag.message_hint)
        assert _value(connection) == "on"
        connection.execute("SET synchronous_commit = on")
        connection.execute("SET synchronous_commit TO DEFAULT")
        assert connection.execute("SELECT current_setting('synchronous_commit'), %s", [7]).fetchone() == ("on", 7)


def test_a_value_in_a_parameter_is_refused(enforced: Auroractl) -> None:
    with enforced.connect("demo") as connection:
        for prepare in (False, True, True):
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match=ENFORCED):
                connection.execute("SELECT set_config('synchronous_commit', %s, false)", ["off"], prepare=prepare)
        assert _value(connection) == "on"


def test_a_transaction_is_aborted_as_by_any_error(enforced: Auroractl) -> None:
    with psycopg.connect(enforced.uri("demo")) as connection:
        connection.execute("CREATE TEMP TABLE t AS SELECT 1")
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match=ENFORCED):
            connection.execute("SET LOCAL synchronous_commit = off")
        with pytest.raises(psycopg.errors.InFailedSqlTransaction):
            connection.execute("SELECT 1")
        connection.rollback()
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_in_a_pipeline_what_follows_is_skipped(enforced: Auroractl) -> None:
    with enforced.connect("demo") as connection:
        with connection.pipeline() as pipeline:
            first = connection.execute("SELECT %s::int", [1])
            connection.execute("SET synchronous_commit = off")
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match=ENFORCED):
                pipeline.sync()
            assert first.fetchone() == (1,)
        assert _value(connection) == "on"


def test_copy_passes_whatever_its_data_says(enforced: Auroractl) -> None:
    rows = b"SET synchronous_commit = off\n" * 100_000
    with enforced.connect("demo") as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE copied (line text)")
        with cursor.copy("COPY copied FROM STDIN") as copy:
            copy.write(rows)
        assert cursor.execute("SELECT count(*) FROM copied").fetchone() == (100_000,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            cursor.execute("SET synchronous_commit = off")


@pytest.mark.parametrize("role", ["writer", "reader"])
def test_a_connection_that_begins_with_it_is_refused(enforced: Auroractl, role: str) -> None:
    uri = enforced.uri("demo", role=role)
    with pytest.raises(psycopg.OperationalError, match=ENFORCED):
        psycopg.connect(uri, options="-c synchronous_commit=off")
    psycopg.connect(uri, options="-c synchronous_commit=on").close()


def test_both_directions_can_be_followed(enforced: Auroractl) -> None:
    process = enforced.home.cluster("demo")
    table = RoutingTable.from_json(json.loads((process.endpoint / "routes.json").read_text()))
    client = EndpointProcessClient(process.endpoint_socket)
    with enforced.connect("demo") as connection:
        connection.execute("CREATE TABLE filled (x int)")
        connection.execute("SET default_transaction_read_only = on")
        client.apply(replace(table, refusal="the volume is full"))
        try:
            for _ in range(2):
                with pytest.raises(psycopg.errors.InsufficientPrivilege, match=ENFORCED):
                    connection.execute("SET synchronous_commit = off")
                with pytest.raises(psycopg.errors.DiskFull, match="the volume is full"):
                    connection.execute("INSERT INTO filled VALUES (1)")
        finally:
            client.apply(table)
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match=ENFORCED):
            connection.execute("SET synchronous_commit = off")
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            connection.execute("INSERT INTO filled VALUES (1)")


def test_psql_and_pgbench_work_and_are_refused(enforced: Auroractl, tmp_path: Path) -> None:
    binaries = enforced.binaries()
    uri = enforced.uri("demo")

    def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(binaries.program(program)), *arguments]
        return subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)

    told = run("psql", uri, "-c", "SET synchronous_commit = off")
    assert (told.returncode, ENFORCED in told.stderr) == (1, True)
    assert run("psql", uri, "-Atc", "SHOW synchronous_commit").stdout.strip() == "on"
    assert run("pgbench", "-i", "-s", "1", uri).returncode == 0
    for mode in ("simple", "extended", "prepared"):
        done = run("pgbench", "-M", mode, "-c", "2", "-t", "20", uri)
        assert (done.returncode, "processed: 40/40" in done.stdout) == (0, True), done.stderr
    script = tmp_path / "weak.sql"
    script.write_text("SET synchronous_commit = off;\n")
    told = run("pgbench", "-n", "-M", "prepared", "-t", "1", "-f", str(script), uri)
    assert ENFORCED in told.stderr


def test_settings_made_past_the_endpoints_are_undone_with_an_event(enforced: Auroractl) -> None:
    writer = enforced.writer("demo")["DBInstanceIdentifier"]
    query = "SELECT count(*) FROM pg_db_role_setting WHERE setconfig::text LIKE '%synchronous_commit%'"
    with enforced.connect("demo", instance=writer) as connection:
        connection.execute('CREATE ROLE "Sly one"')
        for _ in range(2):
            connection.execute('ALTER ROLE "Sly one" SET synchronous_commit = off')
            connection.execute('ALTER ROLE "Sly one" IN DATABASE postgres SET synchronous_commit = local')
            connection.execute("ALTER DATABASE postgres SET synchronous_commit = remote_apply")
            wait_until("the settings to be undone", lambda: connection.execute(query).fetchone() == (0,), 20)
    events = [each["Message"] for each in enforced.json("describe-events", "demo")["Events"]]
    assert sum("role Sly one was reset, because synchronous_commit is enforced" in each for each in events) >= 2


def test_once_the_setting_is_gone_open_connections_are_free(warm_home: Home) -> None:
    with home_of_its_own(warm_home, **{SETTING: "true"}) as auroractl:
        auroractl("create-cluster", "demo", "--readers", "0")
        with auroractl.connect("demo") as connection:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute("SET synchronous_commit = off")
            auroractl("supervisor", "stop")
            auroractl.variables[SETTING] = "false"
            auroractl("supervisor", "start")

            def freed() -> bool:
                connection.execute("SET synchronous_commit = off")
                return _value(connection) == "off"

            wait_until("the setting to be gone", freed, 20)
