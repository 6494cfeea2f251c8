"""Bad input: one clear sentence, a documented exit code, nothing changed."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from auroractl.config.paths import Home
from auroractl.engine.builds import NEEDED
from tests.functional.command import Auroractl, wait_until
from tests.functional.conftest import make_home


@pytest.fixture
def fresh() -> Iterator[Auroractl]:
    """A home in which nothing was ever done."""
    command = Auroractl(make_home())
    try:
        yield command
    finally:
        command.end()
        shutil.rmtree(command.home.root, ignore_errors=True)


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["create-cluster", "1st"], 2, "not a valid identifier"),
        (["create-cluster", "a--b"], 2, "not a valid identifier"),
        (["create-cluster", "a-"], 2, "not a valid identifier"),
        (["create-cluster", "a_b"], 2, "not a valid identifier"),
        (["create-cluster", "a" * 64], 2, "not a valid identifier"),
        (["create-cluster", "demo"], 5, "already exists"),
        (["create-cluster", "DEMO"], 5, "already exists"),
        (["create-cluster", "new", "--readers", "16"], 2, "0 to 15 readers"),
        (["create-cluster", "new", "--master-user-password", "short"], 2, "8 to 41 characters"),
        (["create-cluster", "new", "--master-user-password", "has a space"], 2, "printable ASCII"),
        (["create-cluster", "new", "--master-user-password", "has/slash"], 2, "printable ASCII"),
        (["create-cluster", "new", "--master-username", "rdsadmin"], 2, "reserved word"),
        (["create-cluster", "new", "--master-username", "2nd"], 2, "MasterUsername"),
        (["create-cluster", "new", "--database-name", "a-b"], 2, "DatabaseName"),
        (["create-cluster", "new", "--port", "80"], 2, "1150 to 65535"),
        (["create-cluster", "new", "--engine-version", "17.5"], 2, "Cannot find version 17.5"),
        (["create-cluster", "new", "--region", "nowhere"], 2, "not a region name"),
        (["create-cluster", "new", "--backtrack-window", "73h"], 2, "not a valid Backtrack Window"),
        (["create-cluster", "new", "--backtrack-window", "soon"], 2, "not a duration"),
        (["create-cluster", "new", "--tags", "aws:x=y"], 2, "not a valid tag"),
        (["describe-clusters", "nobody"], 4, "DBCluster nobody not found"),
        (["describe-instances", "nobody"], 4, "DBCluster nobody not found"),
        (["status", "nobody"], 4, "DBCluster nobody not found"),
        (["failover", "nobody"], 4, "DBCluster nobody not found"),
        (["scale-readers", "nobody", "--to", "1"], 4, "DBCluster nobody not found"),
        (["delete-cluster", "nobody", "--yes"], 4, "DBCluster nobody not found"),
        (["stop-cluster", "nobody"], 4, "DBCluster nobody not found"),
        (["uri", "nobody"], 4, "DBCluster nobody not found"),
        (["uri", "demo", "--instance", "nobody"], 4, "DBInstance nobody not found"),
        (["delete-instance", "nobody"], 4, "DBInstance nobody not found"),
        (["reboot-instance", "nobody"], 4, "DBInstance nobody not found"),
        (["modify-instance", "demo-instance-2", "--promotion-tier", "16"], 2, "0 to 15"),
        (["modify-cluster", "demo", "--backtrack-window", "300000"], 2, "not a valid Backtrack Window"),
        (["delete-cluster", "demo"], 2, "--yes"),
    ],
)
def test_a_wrong_argument_is_refused_and_changes_nothing(
    demo: Auroractl, arguments: list[str], code: int, sentence: str
) -> None:
    before = demo.rows("select count(*) from operation"), demo.rows("select * from cluster")
    done = demo.run(*arguments)
    assert done.returncode == code, done
    assert done.stdout == ""
    assert done.stderr.startswith("Error: ")
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert (demo.rows("select count(*) from operation"), demo.rows("select * from cluster")) == before
    assert [each.name for each in demo.home.clusters.iterdir()] == ["demo"]


def test_an_error_as_json_carries_the_aws_code(demo: Auroractl) -> None:
    done = demo.run("describe-clusters", "nobody", "--output", "json")
    assert done.returncode == 4
    assert '"Code": "DBClusterNotFoundFault"' in done.stderr


def test_a_port_that_is_taken_everywhere(demo: Auroractl) -> None:
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = demo.run("create-cluster", "new", "--port", str(port))
    assert done.returncode == 2
    assert f"Port {port} is in use" in done.stderr
    assert [each.name for each in demo.home.clusters.iterdir()] == ["demo"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('region = "eu-west-1"\nregoin = "x"\n', "line 2: unknown key 'regoin'"),
        ("region = \n", "line 1"),
        ('\nprobe_interval_s = "fast"\n', "line 2: probe_interval_s must be a number"),
        ('output = "xml"\n', "output must be one of table, json, yaml, text"),
        ("restarts_max = 0\n", "restarts_max must be more than 0"),
    ],
)
def test_a_wrong_configuration_file_names_the_line(fresh: Auroractl, text: str, sentence: str) -> None:
    fresh.home.config.write_text(text)
    done = fresh.run("create-cluster", "demo")
    assert done.returncode == 2, done
    assert sentence in done.stderr
    assert not fresh.home.state.exists()


def test_a_home_that_cannot_be_made(fresh: Auroractl) -> None:
    (fresh.home.root / "file").write_text("")
    below = Auroractl(Home(fresh.home.root / "file" / "home"))
    done = below.run("create-cluster", "demo")
    assert done.returncode in {1, 2}
    assert str(fresh.home.root / "file") in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs databases under another account")
def test_a_home_that_the_databases_account_cannot_enter(fresh: Auroractl) -> None:
    private = fresh.home.root / "private"
    private.mkdir(mode=0o700)
    done = Auroractl(Home(private / "home")).run("create-cluster", "demo")
    assert done.returncode == 2, done
    assert f"cannot enter {private}" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small filesystem needs root")
@pytest.mark.parametrize("size", ["64k", "20m"])
def test_a_home_on_a_full_disk(fresh: Auroractl, size: str) -> None:
    """Too small for the supervisor's files, and too small for a database."""
    small = fresh.home.root / "small"
    small.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "tmpfs", str(small)], check=False)
    if mounted.returncode != 0:
        pytest.skip("this machine does not allow mounting a tmpfs")
    command = Auroractl(Home(small))
    try:
        done = command.run("create-cluster", "demo")
        assert done.returncode == 1, done
        assert "full" in done.stderr.lower() or "no space left" in done.stderr.lower(), done.stderr
        assert "Traceback" not in done.stderr
        assert not command.home.cluster("demo").folder.exists()
    finally:
        command.end()
        # A process that is ending has released its lock before it closes the last of its files.
        wait_until("no file to be open", lambda: subprocess.run(["umount", str(small)], check=False).returncode == 0)


def test_a_home_of_a_newer_version(auroractl: Auroractl) -> None:
    import sqlite3  # noqa: PLC0415
    from contextlib import closing  # noqa: PLC0415

    auroractl("supervisor", "start")
    auroractl("supervisor", "stop")
    with closing(sqlite3.connect(auroractl.home.state)) as connection:
        connection.execute("update alembic_version set version_num = 'from_the_future'")
        connection.commit()
    done = auroractl.run("create-cluster", "demo")
    assert done.returncode == 1, done
    assert "newer" in done.stderr
    assert not auroractl.home.clusters.exists()


def test_a_corrupt_state(auroractl: Auroractl) -> None:
    auroractl("supervisor", "start")
    auroractl("supervisor", "stop")
    auroractl.home.state.write_bytes(os.urandom(20_000))
    done = auroractl.run("describe-clusters")
    assert done.returncode == 1, done
    assert str(auroractl.home.state) in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("case", ["missing", "incomplete", "wrong version"])
def test_wrong_binaries(fresh: Auroractl, case: str) -> None:
    folder = fresh.home.root / "pg"
    if case != "missing":
        (folder / "bin").mkdir(parents=True)
        names = NEEDED
        for name in names if case == "wrong version" else names[:2]:
            _script(folder / "bin" / name, "echo 'postgres (PostgreSQL) 14.18'")
    fresh.variables["AURORACTL_POSTGRESQL_FOLDER"] = str(folder)
    done = fresh.run("create-cluster", "demo")
    assert done.returncode == 1, done
    expected = {
        "missing": "no such folder",
        "incomplete": "is incomplete",
        "wrong version": "14.18, and auroractl needs PostgreSQL 15 to 18",
    }
    assert expected[case] in done.stderr
    assert "postgresql_folder" in done.stderr
    assert fresh.json("describe-clusters")["DBClusters"] == []


def _script(path: Path, body: str) -> None:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


def test_several_clusters_and_none_chosen(demo: Auroractl) -> None:
    demo("create-cluster", "second", "--readers", "0")
    done = demo.run("status")
    assert done.returncode == 2
    assert "demo, second" in done.stderr
    assert demo.run("status", AURORACTL_CLUSTER="second").returncode == 0
    demo("delete-cluster", "second", "--yes")
    assert demo.run("status").returncode == 0


def test_mistyped_commands_are_guessed(demo: Auroractl) -> None:
    done = demo.run("create-clutser", "demo")
    assert done.returncode == 2
    assert "create-cluster" in done.stderr
