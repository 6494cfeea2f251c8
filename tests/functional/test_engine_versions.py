"""What a cluster does, on every supported version of PostgreSQL besides the default, whose clusters all others test."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import psycopg
import pytest

from auroractl.config.paths import Home
from auroractl.core.engine.locales import AURORA, how_to_add, normalized
from auroractl.core.engine.versions import MAJORS, how_to_install
from auroractl.runtime.engine_builds import this_machine
from auroractl.system.locales import system_locales
from tests.functional.aurora_answers import all_answers_are_right
from tests.functional.command import Auroractl, wait_until
from tests.functional.conftest import home_of_its_own
from tests.functional.going_back import moment
from tests.functional.ledger import Ledger


def versions(auroractl: Auroractl, *arguments: str) -> list[dict[str, Any]]:
    """The builds on this machine."""
    found: list[dict[str, Any]] = auroractl.json("describe-db-engine-versions", *arguments)["DBEngineVersions"]
    return found


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("major", MAJORS[:-1])
def test_a_cluster_of_another_version(auroractl: Auroractl, major: int) -> None:
    """One story, because a cluster takes seconds: each step leaves it healthy for the next."""
    if not versions(auroractl, "--engine-version", str(major)):
        pytest.skip(f"no PostgreSQL {major} here; install it: {how_to_install(major, this_machine())}")
    auroractl("create-cluster", "demo", "--engine-version", str(major), "--readers", "1")
    assert auroractl.cluster("demo")["EngineVersion"].startswith(f"{major}.")
    with auroractl.connect("demo") as connection:
        assert connection.info.server_version // 10000 == major

    with Ledger(auroractl.uri("demo"), clients=2) as ledger:
        wait_until("commits", lambda: ledger.count() > 50)
        auroractl("failover", "demo")
        _crash_with_a_lagging_reader(auroractl)
        count = ledger.count()
        wait_until("commits after the crash", lambda: ledger.count() > count + 50)
    assert not ledger.missing()

    auroractl("scale-readers", "demo", "--to", "2")
    _change_parameters(auroractl, major)
    auroractl.wait_healthy("demo")
    all_answers_are_right(auroractl)
    assert "a repair of" not in auroractl.home.supervisor_log.read_text()
    before = moment(auroractl)
    time.sleep(0.01)
    with auroractl.connect("demo") as connection:
        connection.execute("drop table ledger")
    peeked = auroractl("peek", "demo", "--at", before, "--", "-Atc", "select count(*) from ledger")
    auroractl("backtrack", "demo", "--to", before, "--yes")
    assert not ledger.missing()
    assert int(peeked.stdout) >= len(ledger.acknowledged)
    auroractl.wait_healthy("demo")
    _every_reader_has_it(auroractl, len(ledger.acknowledged))


def _crash_with_a_lagging_reader(auroractl: Auroractl) -> None:
    """Kill the writer while its only reader replays late: what the reader lacks comes from the storage nodes."""
    auroractl.wait_healthy("demo")
    writer, reader = auroractl.instances("demo")
    auroractl("inject-fault", "replica-lag", reader["DBInstanceIdentifier"], "--delay", "1m")
    time.sleep(1)
    os.kill(writer["ProcessId"], signal.SIGKILL)
    name = reader["DBInstanceIdentifier"]
    wait_until("the promotion", lambda: auroractl.writer("demo")["DBInstanceIdentifier"] == name)
    auroractl("inject-fault", "restore", name)
    auroractl.wait_healthy("demo")
    assert "(rewound)" not in auroractl.home.supervisor_log.read_text(), "the old writer was not rewound but copied"
    auroractl("replace-storage-node", "demo-storage-2", "--cluster", "demo")


def _change_parameters(auroractl: Auroractl, major: int) -> None:
    auroractl("create-cluster-parameter-group", "tuned", "--family", f"aurora-postgresql{major}")
    auroractl("modify-cluster", "demo", "--db-cluster-parameter-group-name", "tuned")
    auroractl("modify-cluster-parameter-group", "tuned", "--parameters", "log_min_duration_statement=250ms")
    refused = auroractl.run("modify-cluster-parameter-group", "tuned", "--parameters", "work_mem=1kB")
    assert refused.returncode == 2, refused
    for instance in auroractl.instances("demo"):
        with auroractl.connect("demo", instance=instance["DBInstanceIdentifier"]) as connection:
            assert connection.execute("show log_min_duration_statement").fetchone() == ("250ms",)


def _every_reader_has_it(auroractl: Auroractl, rows: int) -> None:
    for reader in auroractl.readers("demo"):
        with auroractl.connect("demo", instance=reader["DBInstanceIdentifier"]) as connection:
            found = connection.execute("select count(*) from ledger").fetchone()
        assert found is not None
        assert found[0] >= rows


def test_a_newer_minor_version_is_used_from_the_next_start_on(auroractl: Auroractl) -> None:
    """18.4 of another wheel, then the default; what was written stays."""
    default = versions(auroractl, "--default-only")[0]
    older = [each for each in versions(auroractl, "--engine-version", "18") if not each["IsDefault"]]
    if not older:
        pytest.skip("there is only one build of PostgreSQL 18 here; install another: pip install 'auroractl[pg16]'")
    auroractl("create-cluster", "demo", "--readers", "1", "--engine-version", older[0]["EngineVersion"])
    with auroractl.connect("demo") as connection:
        connection.execute("create table kept as select 1")
    for arguments, said in (
        (("--engine-version", "18"), "stop-cluster"),
        (("--engine-version", "17"), "cannot be changed in place"),
        (("--engine-version", "18", "--tags", "a=b"), "excludes other changes"),
    ):
        refused = auroractl.run("modify-cluster", "demo", *arguments)
        assert refused.returncode in {2, 5}, refused
        assert said in refused.stderr
    auroractl("stop-cluster", "demo")
    auroractl("modify-cluster", "demo", "--engine-version", default["EngineVersion"])
    auroractl("start-cluster", "demo")
    assert auroractl.cluster("demo")["EngineVersion"] == default["EngineVersion"]
    for instance in auroractl.instances("demo"):
        with auroractl.connect("demo", instance=instance["DBInstanceIdentifier"]) as connection:
            found = connection.execute("select current_setting('server_version'), count(*) from kept").fetchone()
        assert found == (default["EngineVersion"], 1)
    auroractl("stop-cluster", "demo")
    assert "is older" in auroractl.run("modify-cluster", "demo", "--engine-version", older[0]["EngineVersion"]).stderr


def test_the_names_of_aws_extensions_exist_if_a_setting_allows_them(warm_home: Home) -> None:
    with home_of_its_own(warm_home, AURORACTL_AWS_EXTENSIONS="true") as auroractl:
        auroractl("create-cluster", "demo", "--readers", "0")
        with auroractl.connect("demo") as connection:
            connection.execute("create extension aws_s3 cascade")
            connection.execute("create extension aws_lambda")
            uri = "aws_commons.create_s3_uri('bucket', 'key', 'us-east-1')"
            for call in (
                f"aws_s3.query_export_to_s3('select 1', {uri})",
                f"aws_s3.table_import_from_s3('t', '', '(format csv)', {uri})",
                "aws_lambda.invoke(aws_commons.create_lambda_function_arn('f'), '{}'::json)",
                "aws_lambda.invoke('f', '{}'::json)",
            ):
                with pytest.raises(psycopg.errors.FeatureNotSupported, match="reaches no"):
                    connection.execute(f"select * from {call}".encode())
        auroractl("supervisor", "stop")
        auroractl("supervisor", "start", AURORACTL_AWS_EXTENSIONS="false")
        with auroractl.connect("demo") as connection:
            connection.execute("drop extension aws_commons cascade")
            with pytest.raises(psycopg.errors.FeatureNotSupported):
                connection.execute("create extension aws_commons")


def test_a_build_that_is_removed_while_its_cluster_runs(auroractl: Auroractl) -> None:
    """The home has a copy of its own; only a new cluster needs the build itself."""
    binaries = auroractl.json("describe-db-engine-versions", "--default-only")["DBEngineVersions"][0]
    package = Path(binaries["Folder"]).parent
    site = auroractl.home.root / "site"
    site.mkdir()
    for source in (package, package.parent / f"{package.name}.libs"):
        if source.is_dir():
            subprocess.run(["cp", "-Rp", str(source), str(site / source.name)], check=True)
    installed = site / package.name / "pginstall"
    # So it is not the build of the wheel, from which a lost copy would be made again.
    (installed / "share" / "another").touch()
    auroractl("supervisor", "stop")
    auroractl.variables["AURORACTL_POSTGRESQL_FOLDER"] = str(installed)
    auroractl("create-cluster", "demo", "--readers", "1")
    shutil.rmtree(site)
    auroractl("reboot-instance", auroractl.writer("demo")["DBInstanceIdentifier"])
    auroractl("scale-readers", "demo", "--to", "2")
    auroractl.wait_healthy("demo")
    refused = auroractl.run("create-cluster", "other")
    assert refused.returncode == 1
    assert "no such folder" in refused.stderr
    assert "postgresql_folder" in refused.stderr
    # Now the last copy goes, too. What runs keeps running, and nothing is begun that could not be finished.
    shutil.rmtree(auroractl.home.root / "postgresql")
    refused = auroractl.run("failover", "demo")
    assert refused.returncode == 1
    assert "Install that version again" in refused.stderr
    assert [each["Health"] for each in auroractl.json("describe-clusters")["DBClusters"]] == ["ok"]
    with auroractl.connect("demo") as connection:
        assert connection.execute("select 1").fetchone() == (1,)


def test_versions_live_side_by_side_and_a_missing_one_is_refused(auroractl: Auroractl) -> None:
    default = versions(auroractl, "--default-only")[0]
    for wrong in ("14", "19", "18.99", "eighteen"):
        refused = auroractl.run("create-cluster", "demo", "--engine-version", wrong)
        assert refused.returncode == 2, refused
        assert f"{wrong}" in refused.stderr
    assert auroractl.json("describe-clusters")["DBClusters"] == []
    others = [each for each in versions(auroractl) if each["MajorEngineVersion"] != default["MajorEngineVersion"]]
    if not others:
        pytest.skip("no other version of PostgreSQL here; install one: pip install 'auroractl[pg16]'")
    other = next((each for each in others if "icu" in each["Features"]), others[0])
    locale = ("--locale-provider", "icu", "--locale", "en-US") if "icu" in other["Features"] else ("--locale", "C")
    version = ("--engine-version", other["EngineVersion"])
    at_once = [
        auroractl.start("create-cluster", name, "--readers", "0", *options)
        for name, options in (("demo", ()), ("other", (*version, *locale)))
    ]
    for process in at_once:
        _, said = process.communicate(timeout=120)
        assert process.returncode == 0, said
    found = {
        each["DBClusterIdentifier"]: each["EngineVersion"] for each in auroractl.json("describe-clusters")["DBClusters"]
    }
    assert found == {"demo": default["EngineVersion"], "other": other["EngineVersion"]}
    assert (auroractl.cluster("other")["LocaleProvider"], auroractl.cluster("other")["Locale"]) == (
        locale[1] if "icu" in locale else "libc",
        locale[-1],
    )
    with auroractl.connect("other") as connection:
        assert connection.execute("select 'a' < 'B'").fetchone() == ("icu" in locale,)


def test_text_is_sorted_as_on_aurora_unless_something_else_is_asked_for(auroractl: Auroractl) -> None:
    if normalized(AURORA) not in system_locales():
        pytest.skip(f"this system has no {AURORA}. {how_to_add(AURORA)}")
    auroractl("create-cluster", "demo", "--readers", "0")
    auroractl("create-cluster", "other", "--readers", "0", "--locale-provider", "builtin")
    query = "select string_agg(x, ' ' order by x) from (values ('B'), ('Z'), ('a'), ('b')) as v (x)"
    for name, expected in (("demo", "a b B Z"), ("other", "B Z a b")):
        with auroractl.connect(name) as connection:
            assert connection.execute(query).fetchone() == (expected,)
    for wrong, said in (
        (("--locale", "xx_XX.UTF-8"), "does not have the locale"),
        (("--locale-provider", "os"), "locale provider"),
    ):
        refused = auroractl.run("create-cluster", "third", *wrong)
        assert refused.returncode == 2, refused
        assert said in refused.stderr
