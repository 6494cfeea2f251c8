"""create-cluster, what it leaves, and how standard clients use it."""

from __future__ import annotations

import os
import stat
from typing import Any

import psutil
import psycopg
import pytest
import sqlalchemy

from tests.functional.command import Auroractl


def test_a_cluster_is_what_was_asked_for(demo: Auroractl) -> None:
    cluster = demo.cluster("demo")
    assert cluster["Status"] == "available"
    assert cluster["Health"] == "ok"
    assert cluster["Engine"] == "aurora-postgresql"
    assert cluster["EngineVersion"].startswith("18.")
    assert cluster["AvailabilityZones"] == ["us-east-1a", "us-east-1b", "us-east-1c"]
    assert [member["IsClusterWriter"] for member in cluster["DBClusterMembers"]] == [True, False, False]
    instances = demo.instances("demo")
    assert {each["AvailabilityZone"] for each in instances} == set(cluster["AvailabilityZones"])
    assert {each["DBInstanceStatus"] for each in instances} == {"available"}
    assert len({each["Endpoint"]["Address"] for each in instances}) == 3
    assert {each["Endpoint"]["Port"] for each in instances} == {cluster["Port"]}


def test_psql_answers_from_postgresql_18(demo: Auroractl) -> None:
    done = demo("psql", "demo", "--", "-Atc", "select version()")
    assert done.stdout.startswith("PostgreSQL 18.")


def test_psycopg_writes_and_reads_through_both_endpoints(demo: Auroractl) -> None:
    with demo.connect("demo") as connection:
        connection.execute("create table psycopg_rows (id int primary key)")
        connection.execute("insert into psycopg_rows values (1)")
        lsn = connection.execute("select pg_current_wal_lsn()").fetchone()
    with demo.connect("demo", role="reader") as reader:
        assert lsn is not None
        for _ in range(1000):
            reached = reader.execute("select pg_last_wal_replay_lsn() >= %s::pg_lsn", lsn).fetchone()
            if reached == (True,):
                break
        assert reader.execute("select id from psycopg_rows").fetchall() == [(1,)]


def test_a_write_on_the_reader_endpoint_fails_as_on_aurora(demo: Auroractl) -> None:
    with demo.connect("demo", role="reader") as reader, pytest.raises(psycopg.errors.ReadOnlySqlTransaction) as caught:
        reader.execute("create table never (id int)")
    assert caught.value.sqlstate == "25006"


def test_uri_tells_how_to_connect(demo: Auroractl) -> None:
    for arguments, role in (([], "writer"), (["--reader"], "reader")):
        assert demo("uri", "demo", *arguments).stdout == demo.uri("demo", role=role) + "\n"
    for instance in demo.instances("demo"):
        name = instance["DBInstanceIdentifier"]
        assert demo("uri", "demo", "--instance", name).stdout == demo.uri("demo", instance=name) + "\n"


def test_sqlalchemy_works_with_the_uri(demo: Auroractl) -> None:
    engine = sqlalchemy.create_engine(demo.uri("demo").replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as connection:
        assert connection.execute(sqlalchemy.text("select 1 + 1")).scalar() == 2
    engine.dispose()


def test_env_is_for_eval(demo: Auroractl) -> None:
    lines = demo("env", "demo").stdout.splitlines()
    assert {line.removeprefix("export ").partition("=")[0] for line in lines} == {
        "PGHOST",
        "PGPORT",
        "PGUSER",
        "PGPASSWORD",
        "PGDATABASE",
        "PGREQUIREAUTH",
        "PGSSLMODE",
        "PGSSLROOTCERT",
    }


def test_every_instance_has_an_address_of_its_own(demo: Auroractl) -> None:
    for instance in demo.instances("demo"):
        with demo.connect("demo", instance=instance["DBInstanceIdentifier"]) as connection:
            assert connection.execute("show cluster_name").fetchone() == (instance["DBInstanceIdentifier"],)
            assert connection.execute("select pg_is_in_recovery()").fetchone() == (not instance["IsClusterWriter"],)


def test_the_password_is_proved_by_scram_and_kept_private(demo: Auroractl) -> None:
    wrong = demo.uri("demo").replace("postgres:", "postgres:x", 1)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(wrong)
    for path in (demo.home.internal_secrets, demo.home.cluster("demo").secrets, demo.home.state, demo.home.socket):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    for instance in demo.instances("demo"):
        pgpass = demo.home.cluster("demo").instance(instance["DBInstanceIdentifier"]).pgpass
        assert stat.S_IMODE(pgpass.stat().st_mode) == 0o600


def test_the_databases_do_not_run_as_root(demo: Auroractl) -> None:
    for instance in demo.instances("demo"):
        assert psutil.Process(instance["ProcessId"]).uids().effective != 0


def test_what_aws_calls_a_master_user_is_no_superuser(demo: Auroractl) -> None:
    with demo.connect("demo") as connection:
        row = connection.execute("select rolsuper, rolcreatedb, rolcreaterole from pg_roles where rolname = user")
        assert row.fetchone() == (False, True, True)
        row = connection.execute("select pg_has_role('rds_superuser', 'member')")
        assert row.fetchone() == (True,)


def test_two_clusters_have_identities_addresses_and_data_of_their_own(demo: Auroractl) -> None:
    demo(
        "create-cluster", "Other", "--readers", "0", "--database-name", "app", "--master-username", "bob",
        "--master-user-password", "correct-horse", "--tags", "team=db", "--tags", "cost=none",
        "--deletion-protection", "--backtrack-window", "2h", "--region", "eu-west-1",
    )  # fmt: skip
    other = demo.cluster("other")
    assert other["DatabaseName"] == "app"
    assert other["MasterUsername"] == "bob"
    assert other["BacktrackWindow"] == 7200
    assert other["DeletionProtection"] is True
    assert other["TagList"] == [{"Key": "cost", "Value": "none"}, {"Key": "team", "Value": "db"}]
    assert other["AvailabilityZones"][0] == "eu-west-1a"
    assert other["Endpoint"] != demo.cluster("demo")["Endpoint"]
    assert "correct-horse" in demo.uri("other")
    assert _system_identifier(demo, "other") != _system_identifier(demo, "demo")
    with demo.connect("other") as connection:
        assert connection.execute("select current_user, current_database()").fetchone() == ("bob", "app")
        connection.execute("create table mine (id int)")
    # Without a reader the reader endpoint goes to the writer, and then accepts writes.
    with demo.connect("other", role="reader") as connection:
        connection.execute("insert into mine values (1)")
    refused = demo.run("delete-cluster", "other", "--yes")
    assert refused.returncode == 5
    assert "protected" in refused.stderr
    demo("modify-cluster", "other", "--no-deletion-protection", "--remove-tags", "team")
    assert demo.cluster("other")["TagList"] == [{"Key": "cost", "Value": "none"}]
    demo("delete-cluster", "other", "--yes")
    assert demo.run("describe-clusters", "other").returncode == 4


def _system_identifier(auroractl: Auroractl, cluster: str) -> Any:
    with auroractl.connect(cluster) as connection:
        return connection.execute("select system_identifier from pg_control_system()").fetchone()


def test_a_password_from_stdin(auroractl: Auroractl) -> None:
    auroractl("create-cluster", "one", "--readers", "0", "--master-user-password", "-", stdin="from-standard-input\n")
    assert ":from-standard-input@" in auroractl.uri("one")


def test_no_wait_returns_while_the_cluster_is_created(auroractl: Auroractl) -> None:
    document = auroractl.json("create-cluster", "one", "--no-wait")
    assert document["DBCluster"]["Status"] == "creating"
    auroractl.wait_healthy("one")


def test_one_host_with_distinct_ports_where_there_is_only_one_loopback_address(auroractl: Auroractl) -> None:
    auroractl.variables["AURORACTL_ADDRESSES"] = "ports"
    # Below the ports that outgoing connections are given.
    auroractl("create-cluster", "one", "--port", str(20_000 + os.getpid() % 12_000))
    cluster = auroractl.cluster("one")
    assert cluster["Endpoint"] == cluster["ReaderEndpoint"] == "127.0.0.1"
    assert cluster["Port"] != cluster["ReaderPort"]
    ports = {each["Endpoint"]["Port"] for each in auroractl.instances("one")}
    assert len(ports | {cluster["Port"], cluster["ReaderPort"]}) == 5
    auroractl("failover", "one")
    with auroractl.connect("one") as connection:
        connection.execute("create table works (id int)")
