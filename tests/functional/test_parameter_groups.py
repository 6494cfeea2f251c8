"""Parameter groups on a real cluster: applied, read back, waiting for a reboot, refused, and kept through a failover."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from auroractl.config.paths import Home
from tests.functional.command import Auroractl, wait_until
from tests.functional.conftest import home_of_its_own

FAMILY = "aurora-postgresql18"
MODIFY = "modify-cluster-parameter-group"


@pytest.fixture(scope="module")
def tuned(demo: Auroractl) -> Auroractl:
    """The cluster demo with a cluster parameter group of its own."""
    demo("create-cluster-parameter-group", "tuned", "--family", FAMILY, "--description", "for tests")
    demo("modify-db-cluster", "--db-cluster-identifier", "demo", "--db-cluster-parameter-group-name", "tuned")
    return demo


def change(auroractl: Auroractl, *parameters: str, group: str = "tuned", verb: str = MODIFY) -> None:
    auroractl(verb, group, *(word for each in parameters for word in ("--parameters", each)))


def shown(auroractl: Auroractl, name: str) -> dict[str, str]:
    """What each instance says of a parameter."""
    found = {}
    for each in auroractl.instances("demo"):
        with auroractl.connect("demo", instance=each["DBInstanceIdentifier"]) as connection:
            row = connection.execute(f"SHOW {name}").fetchone()
            assert row is not None
            found[each["DBInstanceIdentifier"]] = row[0]
    return found


def everywhere(auroractl: Auroractl, name: str) -> str:
    (value,) = set(shown(auroractl, name).values())
    return value


def waiting(auroractl: Auroractl) -> dict[str, list[str]]:
    """What waits for a reboot, by instance; instances are asked again after a start."""

    def asked() -> Any:
        views = auroractl.instances("demo")
        statuses = {each["DBParameterGroups"][0]["ParameterApplyStatus"] for each in views}
        return views if "applying" not in statuses else None

    views = wait_until("all instances to be asked", asked, 20)
    members = auroractl.cluster("demo")["DBClusterMembers"]
    for view in views:
        status = "pending-reboot" if view["ParametersPendingReboot"] else "in-sync"
        assert view["DBParameterGroups"][0]["ParameterApplyStatus"] == status
        (member,) = [each for each in members if each["DBInstanceIdentifier"] == view["DBInstanceIdentifier"]]
        assert member["DBClusterParameterGroupStatus"] == status
    return {view["DBInstanceIdentifier"]: view["ParametersPendingReboot"] for view in views}


def settings(auroractl: Auroractl, group: str = "tuned") -> dict[str, str]:
    views = auroractl.json("describe-cluster-parameters", group, "--source", "user")["Parameters"]
    return {view["ParameterName"]: view["ParameterValue"] for view in views}


def follows(auroractl: Auroractl) -> None:
    """A row that is written now arrives on every reader: none has paused its replay."""
    with auroractl.connect("demo") as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS arrived (n bigint)")
        row = connection.execute("INSERT INTO arrived SELECT count(*) FROM arrived RETURNING n").fetchone()
    assert row is not None
    for reader in auroractl.readers("demo"):
        with auroractl.connect("demo", instance=reader["DBInstanceIdentifier"]) as connection:
            there: Callable[[], Any] = lambda: connection.execute(  # noqa: E731
                "SELECT 1 FROM arrived WHERE n = %s", row
            ).fetchone()
            wait_until("the row to arrive", there, 20)


def test_dynamic_parameters_take_effect_at_once_on_all_instances(tuned: Auroractl) -> None:
    change(tuned, "log_min_duration_statement=250ms", "ParameterName=datestyle,ParameterValue='ISO, DMY'")
    assert everywhere(tuned, "log_min_duration_statement") == "250ms"
    assert everywhere(tuned, "datestyle") == "ISO, DMY"
    assert set(map(tuple, waiting(tuned).values())) == {()}
    tuned("reset-cluster-parameter-group", "tuned", "--parameters", "datestyle")
    assert everywhere(tuned, "datestyle") == "ISO, MDY"
    assert settings(tuned) == {"log_min_duration_statement": "250ms"}


def test_a_raised_value_reaches_the_readers_first_and_a_lowered_one_the_writer(tuned: Auroractl) -> None:
    writer, first, second = (each["DBInstanceIdentifier"] for each in tuned.instances("demo"))
    before = everywhere(tuned, "max_connections")
    change(tuned, "max_connections=1200", "max_prepared_transactions=150")
    raised = ["max_connections", "max_prepared_transactions"]
    assert waiting(tuned) == dict.fromkeys((writer, first, second), raised)
    assert everywhere(tuned, "max_connections") == before
    tuned("reboot-instance", first)
    assert waiting(tuned) == {writer: raised, first: [], second: raised}
    follows(tuned)
    # A writer that crashes now keeps the value that all readers have.
    tuned("pause-automation", "demo")
    tuned("inject-fault", "crash-instance", writer, "--cluster", "demo")
    tuned("resume-automation", "demo")
    tuned.wait_healthy("demo")
    writer = tuned.writer("demo")["DBInstanceIdentifier"]
    follows(tuned)
    plan = tuned.json("reboot-instance", writer, "--dry-run")["Plan"]
    tuned("reboot-instance", writer)
    tuned.wait_healthy("demo")
    assert set(map(tuple, waiting(tuned).values())) == {()}, plan
    assert everywhere(tuned, "max_connections") == "1200"
    follows(tuned)
    with tuned.connect("demo") as connection:
        row = connection.execute("SELECT clock_timestamp(), count(*) FROM arrived").fetchone()
        assert row is not None
    # Lowered: a reader that is rebooted first keeps what its writer has.
    change(tuned, "max_connections=600")
    reader = tuned.readers("demo")[0]["DBInstanceIdentifier"]
    tuned("reboot-instance", reader)
    assert shown(tuned, "max_connections")[reader] == "1200"
    tuned("reboot-instance", writer)
    assert shown(tuned, "max_connections")[writer] == "600"
    follows(tuned)
    for each in tuned.readers("demo"):
        tuned("reboot-instance", each["DBInstanceIdentifier"])
    assert everywhere(tuned, "max_connections") == "600"
    assert set(map(tuple, waiting(tuned).values())) == {()}
    follows(tuned)
    # The image from which the time with the highest values is reached is older, and the writer has less now.
    at, rows = row
    seen = tuned("peek", "demo", "--at", at.isoformat(), "--", "-tAc", "SHOW max_connections", "-c", "TABLE arrived")
    assert int(seen.stdout.split()[0]) >= 1200
    assert len(seen.stdout.split()) == 1 + rows


def test_a_failover_to_a_reader_with_more_leaves_no_reader_behind(tuned: Auroractl) -> None:
    change(tuned, "max_locks_per_transaction=96", "work_mem=6MB")
    chosen = tuned.readers("demo")[0]["DBInstanceIdentifier"]
    tuned("reboot-instance", chosen)
    tuned("failover", "demo", "--target", chosen)
    tuned.wait_healthy("demo")
    assert tuned.writer("demo")["DBInstanceIdentifier"] == chosen
    follows(tuned)
    assert everywhere(tuned, "max_locks_per_transaction") == "96"
    assert everywhere(tuned, "work_mem") == "6MB"


@pytest.mark.parametrize(
    ("parameter", "code", "sentence"),
    [
        ("nonsense=1", 2, "Could not find parameter with name: nonsense"),
        ("work_men=8MB", 2, "Did you mean work_mem?"),
        ("max_connections=many", 2, "Invalid parameter value: many for: max_connections"),
        ("max_connections=20", 2, "at least 50"),
        ("synchronous_standby_names=", 2, "cannot be modified: readers and storage nodes receive WAL by it"),
        ("archive_command=rm", 2, "cannot be modified"),
        ("fsync=off", 2, "cannot be modified"),
        ("rds.force_ssl=2", 2, "allowed values are: 0,1"),
        ("shared_preload_libraries=plpgsql", 2, "cannot load 'plpgsql'"),
        (
            "shared_preload_libraries=pgaudit",
            2,
            "does not have the library pgaudit.\nTry: Install it with PostgreSQL 18",
        ),
        ("shared_buffers={DBInstanceClassMemory/10922}", 2, "cannot be a formula"),
        ("timezone=Mars/Phobos", 2, 'invalid value for parameter "TimeZone": "Mars/Phobos"'),
        ("huge_pages=on", 2, "PostgreSQL does not start with these values"),
        ("ParameterName=max_connections,ParameterValue=300,ApplyMethod=immediate", 5, "immediate apply method"),
    ],
)
def test_a_bad_value_is_refused_in_one_sentence_and_changes_nothing(
    tuned: Auroractl, parameter: str, code: int, sentence: str
) -> None:
    before, started = settings(tuned), tuned.writer("demo")["ProcessId"]
    done = tuned.run(MODIFY, "tuned", "--parameters", "work_mem=7MB", "--parameters", parameter)
    assert (done.returncode, done.stdout) == (code, "")
    assert sentence in done.stderr
    assert settings(tuned) == before
    assert everywhere(tuned, "work_mem") != "7MB"
    assert tuned.writer("demo")["ProcessId"] == started
    assert not (tuned.home.root / "template" / "trial").exists()


def test_logical_replication_and_the_parameters_of_aws(tuned: Auroractl) -> None:
    change(tuned, "rds.logical_replication=1", "rds.global_db_rpo=60", "shared_preload_libraries=auto_explain")
    change(tuned, "auto_explain.log_min_duration=0")
    assert all("rds.logical_replication" in names for names in waiting(tuned).values())
    writer = tuned.writer("demo")["DBInstanceIdentifier"]
    tuned("reboot-instance", writer)
    values = {
        name: shown(tuned, name)[writer] for name in ("wal_level", "rds.logical_replication", "rds.global_db_rpo")
    }
    assert values == {"wal_level": "logical", "rds.logical_replication": "on", "rds.global_db_rpo": "60"}
    assert shown(tuned, "shared_preload_libraries")[writer] == "pg_stat_statements,auto_explain"
    with tuned.connect("demo") as connection:
        connection.execute("select relname from pg_class where oid = 1259")
    logged = tuned("logs", "demo", "--instance", writer, "--since", "1m").stdout
    assert "Query Text: select relname from pg_class where oid = 1259" in logged
    assert "Index Scan using pg_class_oid_index" in logged
    tuned("reset-cluster-parameter-group", "tuned", "--parameters", "auto_explain.log_min_duration")
    follows(tuned)


def test_libraries_that_a_build_has_may_be_preloaded(warm_home: Home, tmp_path: Path) -> None:
    """A build with modules of these names, each a copy of one that does nothing when it is loaded."""
    with home_of_its_own(warm_home) as command:
        folder = Path(command.json("describe-db-engine-versions", "--default-only")["DBEngineVersions"][0]["Folder"])
    package = tmp_path / folder.parent.name
    for each in (folder.parent, folder.parent.with_name(f"{package.name}.libs")):
        if each.is_dir():
            shutil.copytree(each, tmp_path / each.name)
    (module,) = (each for each in package.rglob("citext.*") if each.suffix in {".so", ".dylib"})
    added = ("pgaudit", "pg_cron", "pg_hint_plan")
    for name in added:
        shutil.copy(module, module.with_name(f"{name}{module.suffix}"))
    with home_of_its_own(warm_home, AURORACTL_POSTGRESQL_FOLDER=str(package / folder.name)) as command:
        command("create-cluster-parameter-group", "tuned", "--family", FAMILY)
        change(command, f"shared_preload_libraries={','.join(added)}")
        assert settings(command)["shared_preload_libraries"] == ",".join(added)


def test_an_instance_has_its_group_over_that_of_the_cluster(tuned: Auroractl) -> None:
    tuned("create-db-parameter-group", "--db-parameter-group-name", "reports", "--db-parameter-group-family", FAMILY)
    change(tuned, "work_mem=6MB")
    change(tuned, "work_mem=32MB", group="reports", verb="modify-parameter-group")
    reader = tuned.readers("demo")[0]["DBInstanceIdentifier"]
    tuned("modify-instance", reader, "--db-parameter-group-name", "reports")
    values = shown(tuned, "work_mem")
    assert values.pop(reader) == "32MB"
    assert set(values.values()) == {"6MB"}
    refused = tuned.run("modify-parameter-group", "reports", "--parameters", "max_connections=300")
    assert "all instances of a cluster need the same value" in refused.stderr
    in_use = tuned.run("delete-parameter-group", "reports")
    assert in_use.returncode == 5
    assert f"so the group cannot be deleted: {reader}" in in_use.stderr
    tuned("modify-instance", reader, "--db-parameter-group-name", f"default.{FAMILY}")
    assert everywhere(tuned, "work_mem") == "6MB"
    tuned("delete-parameter-group", "reports")


def test_a_change_that_was_interrupted_is_completed_by_the_next_supervisor(tuned: Auroractl) -> None:
    tuned("supervisor", "stop")
    with closing(sqlite3.connect(tuned.home.state)) as state, state:
        values = {**json.loads(state.execute("SELECT settings FROM parameter_group").fetchone()[0]), "work_mem": "9MB"}
        state.execute("UPDATE parameter_group SET settings = ? WHERE name = 'tuned'", [json.dumps(values)])
    wait_until("all instances to have it", lambda: set(shown(tuned, "work_mem").values()) == {"9MB"}, 30)
    change(tuned, "work_mem=6MB")
    events = tuned.json("describe-events", "demo")["Events"]
    assert "Finished updating DB parameter group" in {each["Message"] for each in events}


def test_groups_are_copied_kept_while_in_use_and_deleted(tuned: Auroractl) -> None:
    tuned("copy-cluster-parameter-group", "tuned", "second")
    assert settings(tuned, "second") == settings(tuned)
    tuned("reset-cluster-parameter-group", "second", "--all")
    assert settings(tuned, "second") == {}
    for group, sentence in (("tuned", "still members"), (f"default.{FAMILY}", "cannot be deleted")):
        done = tuned.run("delete-cluster-parameter-group", group)
        assert (done.returncode, sentence in done.stderr) == (5, True)
    assert (
        "Cannot modify a default parameter group"
        in tuned.run(MODIFY, f"default.{FAMILY}", "--parameters", "work_mem=8MB").stderr
    )
    assert tuned.run("create-cluster-parameter-group", "second", "--family", FAMILY).returncode == 5
    old = tuned.run("create-cluster-parameter-group", "old", "--family", "aurora-postgresql11")
    assert (old.returncode, "not a valid parameter group family" in old.stderr) == (2, True)
    tuned("delete-cluster-parameter-group", "second")
    done = tuned.run("modify-cluster", "demo", "--db-cluster-parameter-group-name", "second")
    assert (done.returncode, "not found" in done.stderr) == (4, True)
    names = [
        each["DBClusterParameterGroupName"]
        for each in tuned.json("describe-db-cluster-parameter-groups")["DBClusterParameterGroups"]
    ]
    assert [name for name in names if not name.startswith("default.")] == ["tuned"]
    assert f"default.{FAMILY}" in names
