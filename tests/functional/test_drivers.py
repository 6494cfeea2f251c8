"""Unmodified drivers on one cluster: full verification everywhere, and a ledger through four faults that hit all of them."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.drivers import harness
from tests.drivers.faults import FAULTS, Faults, Seen
from tests.drivers.harness import NODE, PYTHON, WRAPPERS, Recorder, Target
from tests.functional.command import Auroractl

pytestmark = [
    pytest.mark.slow,
    # All faults are in the set-up of the first test.
    pytest.mark.timeout(400),
    pytest.mark.skipif(
        not harness.names_can_be_mounted(),
        reason="programs cannot have a hosts file of their own here: Linux, with root or user namespaces",
    ),
]
READER = "demo-instance-3"
ABSENT = {
    "node": "the drivers for Node are not installed: npm ci --prefix tests/drivers/node",
    "java": "pgjdbc is not installed: apt-get install default-jdk-headless libpostgresql-jdbc-java",
    "pgbouncer": "pgbouncer is not installed: apt-get install pgbouncer",
    "psql": "no psql with TLS is installed: apt-get install postgresql-client",
}


@dataclass(frozen=True)
class World:
    """The cluster of the drivers, and the files that their programs see."""

    cluster: Auroractl
    target: Target
    files: dict[str, Path]
    hosts: dict[str, str]
    """A host of each kind of endpoint, by kind."""

    def command(self, *arguments: str) -> str:
        """Run a command of auroractl."""
        return str(self.cluster(*arguments).stdout)


@dataclass(frozen=True)
class Survived:
    """What all drivers saw of all faults."""

    recorder: Recorder
    seen: list[Seen]
    lost: dict[str, set[int]]

    def of(self, driver: str) -> list[Seen]:
        """What one driver saw."""
        return [each for each in self.seen if each.driver == driver]


@pytest.fixture(scope="module")
def world(demo: Auroractl, tmp_path_factory: pytest.TempPathFactory) -> World:
    demo("create-endpoint", "reports", "--cluster", "demo", "--static-members", READER)
    command = lambda *arguments: str(demo(*arguments).stdout)  # noqa: E731
    folder = tmp_path_factory.mktemp("drivers")
    view = demo.json("describe-endpoints", "demo")["DBClusterEndpoints"]
    names = {each["EndpointType"]: each["EndpointName"] for each in view}
    target = Target.of(command, "demo")
    hosts = {
        "writer": names["WRITER"],
        "reader": names["READER"],
        "custom": names["CUSTOM"],
        "instance": next(name for name in target.instances if name.startswith(READER)),
        "address": target.address,
    }
    return World(demo, target, {"/etc/hosts": harness.hosts_file(command, folder)}, hosts)


@pytest.fixture(scope="module")
def survived(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Survived]:
    """All drivers that are installed, through all faults."""
    recorder = Recorder()
    harness.make_ledger(world.target)
    with harness.pgbouncer(world.target, tmp_path_factory.mktemp("pgbouncer")) as reached:
        programs, drivers = harness.installed(reached)
        target = replace(reached, drivers=drivers)
        with harness.running(programs, target, world.files, recorder):
            faults = Faults(world.command, "demo", recorder, drivers)
            faults.begin()
            seen = [each for fault in FAULTS for each in faults.inject(fault)]
        yield Survived(recorder, seen, recorder.lost(target))


def _reached(world: World, program: list[str] | None, absent: str, drivers: tuple[str, ...]) -> None:
    """Every driver of a program reaches the right instance at every kind of endpoint, with verify-full."""
    if program is None:
        pytest.skip(ABSENT[absent])
    recorder = harness.connected_once(program, world.target, list(world.hosts.values()), world.files)
    assert (dict(recorder.errors), recorder.noise) == ({}, [])
    for driver in drivers:
        reached = dict(text.split() for _, text in recorder.other[driver])
        assert set(reached) == set(world.hosts.values())
        assert reached[world.hosts["custom"]] == reached[world.hosts["instance"]] == READER
        assert reached[world.hosts["writer"]] == reached[world.hosts["address"]] != reached[world.hosts["reader"]]


def test_python_drivers_verify_every_kind_of_endpoint(world: World) -> None:
    _reached(world, harness.python_program(), "", ("psycopg", "sqlalchemy", "django", "asyncpg"))


def test_node_postgres_verifies_every_kind_of_endpoint(world: World) -> None:
    _reached(world, harness.node_program(), "node", ("node-postgres",))


def test_pgjdbc_verifies_every_kind_of_endpoint(world: World) -> None:
    _reached(world, harness.java_program(), "java", ("pgjdbc",))


def test_psql_verifies_every_kind_of_endpoint(world: World) -> None:
    if shutil.which("psql") is None:
        pytest.skip(ABSENT["psql"])
    uri = world.command("uri", "demo", "--sslmode", "verify-full").strip()
    for kind, host in world.hosts.items():
        there = uri.replace(f"@{world.target.address}:", f"@{host}:")
        ask = ["psql", "-XAtc", "select pg_catalog.aurora_db_instance_identifier()", there]
        done = subprocess.run(harness.in_namespace(ask, world.files), check=False, capture_output=True, text=True)
        assert done.returncode == 0, (kind, done.stderr)


@pytest.mark.parametrize("driver", [*PYTHON, *WRAPPERS, "pgbouncer", *NODE, "pgjdbc"])
def test_no_row_that_a_driver_acknowledged_is_lost(survived: Survived, driver: str) -> None:
    found = survived.of(driver)
    if not found:
        pytest.skip(ABSENT["pgbouncer" if driver == "pgbouncer" else "java" if driver == "pgjdbc" else "node"])
    assert [each.fault for each in found] == list(FAULTS)
    assert survived.recorder.acknowledged[driver]
    assert survived.lost.get(driver, set()) == set()


@pytest.mark.parametrize("driver", WRAPPERS)
def test_awss_driver_says_that_it_has_failed_over_and_nothing_else(survived: Survived, driver: str) -> None:
    for each in survived.of(driver):
        assert each.errors, each
        assert [error for error in each.errors if not error.startswith("FailoverSuccessError")] == []


def test_awss_driver_recognises_aurora_by_itself(survived: Survived) -> None:
    assert ("dialect", "AuroraPgDialect") in survived.recorder.other["wrapper"]


def test_awss_driver_reads_from_readers(survived: Survived) -> None:
    roles: list[Any] = [
        text.split()[0] for kind, text in survived.recorder.other["wrapper-read-write"] if kind == "read"
    ]
    assert roles.count("reader") > len(roles) / 2


@pytest.mark.parametrize("driver", ["psycopg-pool", "sqlalchemy", "django", "pgbouncer"])
def test_an_application_that_checks_its_connections_sees_few_errors(survived: Survived, driver: str) -> None:
    """The statement that was being executed fails; the next one is held by the endpoint and succeeds."""
    if not survived.of(driver):
        pytest.skip(ABSENT["pgbouncer"])
    for each in survived.of(driver):
        assert len(each.errors) <= 3, each
