"""Whoever sits on an address of the cluster while it is free gets no password, is named, and does no lasting harm."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest

from auroractl.config.paths import Home
from auroractl.core.errors import TimedOut
from auroractl.testing import databases
from auroractl.testing.cluster import running_cluster
from tests.functional.command import Auroractl, wait_until
from tests.functional.conftest import copy_home, home_of_its_own, make_home
from tests.security.conftest import LocalAccount, eventually
from tests.security.squatting import (
    Squatter,
    endpoint_addresses,
    frozen,
    instance_address,
    leaks,
    secrets_of,
    sitting_on,
    wait_named,
)

_ATTEMPTS = 5
_VISITED_S = 4.0
"""Everything that connects by itself tries again at least once a second."""
PROGRAMS_FOLDER = Path(sys.executable).parent
_BY_REPLICATION = b"user\0rdsrepladmin\0"
_ALL_WAYS = {"clear text", "md5", "scram", "nothing"}


class Homes:
    """A home with a cluster that tests share for as long as it is well: a test that fails leaves the next one another."""

    def __init__(self, warm_home: Home) -> None:
        self._warm_home = warm_home
        self._open = ExitStack()
        self._current: Auroractl | None = None

    def well(self) -> Auroractl:
        """The home, with a healthy cluster of a writer and two readers with a custom endpoint."""
        if self._current is None or _problem(self._current) is not None:
            self.end()
            self._current = self._open.enter_context(home_of_its_own(self._warm_home))
            self._current("create-cluster", "demo", "--port", str(_port()))
            self._current("create-endpoint", "mine", "--cluster", "demo", "--endpoint-type", "ANY")
        return self._current

    def end(self) -> None:
        """End the home, if there is one."""
        self._open.close()


def _port() -> int:
    """A port that is free on every address of the machine, so that a squatter can have it on all."""
    for port in range(20_000 + os.getpid() % 5_000, 30_000):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("0.0.0.0", port))
            return port
    raise AssertionError("no port is free on every address")


@pytest.fixture(scope="module")
def homes(warm_home: Home) -> Iterator[Homes]:
    """Where the clusters of these tests are."""
    found = Homes(warm_home)
    yield found
    found.end()


@pytest.fixture
def demo(homes: Homes) -> Auroractl:
    """A healthy cluster of a writer and two readers with a custom endpoint."""
    return homes.well()


Act = Callable[[Auroractl, Squatter], None]
Addresses = Callable[[Auroractl], list[str]]


def _has_all(squatter: Squatter) -> bool:
    return squatter.bound == set(squatter.addresses)


def _kill(auroractl: Auroractl, squatter: Squatter, pid: int) -> None:
    """Kill a process and let the squatter be there first: the supervisor sleeps meanwhile."""
    with frozen(auroractl.supervisor_pid()):
        os.kill(pid, signal.SIGKILL)
        wait_until("the squatter to sit", lambda: _has_all(squatter), 10.0, 0.01)


def _crash(which: int) -> Act:
    return lambda auroractl, squatter: _kill(auroractl, squatter, auroractl.instances("demo")[which]["ProcessId"])


def _crash_endpoints(auroractl: Auroractl, squatter: Squatter) -> None:
    _kill(auroractl, squatter, auroractl.cluster("demo")["EndpointProcessId"])


def _reboot(which: int) -> Act:
    def act(auroractl: Auroractl, squatter: Squatter) -> None:
        name = auroractl.instances("demo")[which]["DBInstanceIdentifier"]
        _command_until_taken(auroractl, squatter, "reboot-instance", name)

    return act


def _fail_over(auroractl: Auroractl, squatter: Squatter) -> None:
    _command_until_taken(auroractl, squatter, "failover", "demo")


def _command_until_taken(auroractl: Auroractl, squatter: Squatter, *arguments: str) -> None:
    """Run a command in which an address is free for a moment, again until the squatter was fast enough."""
    for _ in range(_ATTEMPTS):
        done = auroractl.run(*arguments, timeout_s=90)
        assert done.returncode != 70, done
        if _has_all(squatter):
            return
        auroractl.wait_healthy("demo")
    pytest.fail(f"the squatter never came to sit on {squatter.addresses}")


def _stop_and_start(auroractl: Auroractl, squatter: Squatter) -> None:
    auroractl("stop-cluster", "demo")
    wait_until("the squatter to sit", lambda: _has_all(squatter), 10.0)
    done = auroractl.run("start-cluster", "demo", timeout_s=120)
    assert done.returncode not in {0, 70}, done


def _instance(which: int) -> Addresses:
    return lambda auroractl: [instance_address(auroractl.instances("demo")[which])]


def _endpoints(auroractl: Auroractl) -> list[str]:
    return list(endpoint_addresses(auroractl).values())


def _all(auroractl: Auroractl) -> list[str]:
    return [*map(instance_address, auroractl.instances("demo")), *_endpoints(auroractl)]


def _every_address_of_the_machine(auroractl: Auroractl) -> list[str]:
    return [f"0.0.0.0:{auroractl.cluster('demo')['Port']}"]


CASES: dict[str, tuple[Addresses, Act]] = {
    "writer at a reboot": (_instance(0), _reboot(0)),
    "reader at a reboot": (_instance(1), _reboot(1)),
    "writer at a crash": (_instance(0), _crash(0)),
    "reader at a crash": (_instance(1), _crash(1)),
    "writer at a failover": (_instance(0), _fail_over),
    "writer, reader and custom endpoint at a crash": (_endpoints, _crash_endpoints),
    "all addresses at a stop": (_all, _stop_and_start),
    "the port of every address at a stop": (_every_address_of_the_machine, _stop_and_start),
}


@pytest.mark.parametrize("case", CASES)
def test_a_squatter_gets_no_password_is_named_and_does_no_lasting_harm(
    demo: Auroractl, stranger: LocalAccount, case: str
) -> None:
    addresses, act = CASES[case]
    secrets = secrets_of(demo)
    with sitting_on(stranger, *addresses(demo)) as squatter:
        act(demo, squatter)
        _visit(demo, squatter)
        problems = [*wait_named(demo, squatter), *leaks(secrets, squatter.got())]
    problems += leaks(secrets, squatter.got())
    problems += _not_well(demo)
    assert not problems, "\n".join(sorted(set(problems)))


def _visit(auroractl: Auroractl, squatter: Squatter) -> None:
    """Let everybody come who comes: the product by itself, and a person who connects in each of the ways there are."""
    for arguments in ([], ["--reader"], ["--instance", auroractl.instances("demo")[0]["DBInstanceIdentifier"]]):
        auroractl.run("psql", "demo", *arguments, "--", "-c", "select 1", timeout_s=60, PGCONNECT_TIMEOUT="3")
    eventually(lambda: None if squatter.asked() >= _ALL_WAYS else "not yet", _VISITED_S)


def _not_well(auroractl: Auroractl) -> list[str]:
    """What is wrong with the cluster a while after the squatter has gone."""
    last = eventually(lambda: _problem(auroractl))
    return [] if last is None else [f"after the squatter has gone: {last}"]


def _problem(auroractl: Auroractl) -> str | None:
    """What is wrong with the cluster now."""
    view = auroractl.cluster("demo")
    states = [each["DBInstanceStatus"] for each in auroractl.instances("demo")]
    if view["Health"] != "ok" or view["Status"] != "available" or set(states) != {"available"}:
        return f"{view['Status']}, {view['Health']}, instances {states}: {view['Problems']}"
    try:
        with auroractl.connect("demo") as connection:
            connection.execute("create table if not exists written (at timestamptz)")
            connection.execute("insert into written values (now())")
    except psycopg.Error as error:
        return f"a commit failed: {error}"
    return None


@pytest.fixture
def without_sockets(warm_home: Home) -> Iterator[Auroractl]:
    """A home in which internal connections go over TCP, because of the comma in its path, with a cluster."""
    below = copy_home(warm_home).root
    root = below / "a, b"
    root.mkdir(mode=0o755)
    for each in list(below.iterdir()):
        if each != root:
            shutil.move(each, root / each.name)
    found = Auroractl(Home(root))
    try:
        found("create-cluster", "demo", "--readers", "1", "--port", str(_port()))
        yield found
    finally:
        found.end()
        shutil.rmtree(below)


def test_a_squatter_gets_no_password_of_an_internal_user_over_tcp(
    without_sockets: Auroractl, stranger: LocalAccount
) -> None:
    """The storage nodes and the reader come to it as soon as the writer is gone, and ask it for the log."""
    secrets, writer = secrets_of(without_sockets), without_sockets.writer("demo")

    def asked_in_all_ways() -> bool:
        return {
            visit["asked"] for visit in squatter.visits if _BY_REPLICATION in bytes.fromhex(visit["got"])
        } >= _ALL_WAYS

    with sitting_on(stranger, instance_address(writer)) as squatter:
        with frozen(without_sockets.supervisor_pid()):
            os.kill(writer["ProcessId"], signal.SIGKILL)
            wait_until("the squatter to sit", lambda: _has_all(squatter), 10.0, 0.01)
            wait_until("who receives the log", asked_in_all_ways, 20.0)
        problems = [*wait_named(without_sockets, squatter)]
    problems += [*leaks(secrets, squatter.got()), *_not_well(without_sockets)]
    assert not problems, "\n".join(problems)


@pytest.fixture
def taken_writer_endpoint(demo: Auroractl, stranger: LocalAccount) -> Iterator[Squatter]:
    """A squatter on the writer endpoint's address, for tests of everything that connects there."""
    with sitting_on(stranger, endpoint_addresses(demo)["WRITER"]) as squatter:
        _crash_endpoints(demo, squatter)
        yield squatter


PROGRAMS = {
    "psql": 'auroractl psql demo -- -c "select 1"',
    "pgbench": "auroractl pgbench demo -- -n -t 1",
    "env": 'eval "$(auroractl env demo)"; psql -c "select 1"',
}


@pytest.mark.parametrize("program", PROGRAMS)
def test_what_connects_to_the_writer_endpoint_keeps_its_password(
    demo: Auroractl, taken_writer_endpoint: Squatter, program: str
) -> None:
    """Four times, so that each way of asking has its turn. psql and pgbench do not even connect: they name who is there."""
    before = len(taken_writer_endpoint.visits)
    folder = Path(
        demo.ask("connection", DBClusterIdentifier="demo", Role="writer", DBInstanceIdentifier=None)["PsqlPath"]
    )
    path = f"{PROGRAMS_FOLDER}:{folder.parent}:{os.environ['PATH']}"
    environment = {**demo.environment, "PATH": path, "PGCONNECT_TIMEOUT": "3"}
    for _ in range(4):
        done = subprocess.run(
            ["sh", "-c", PROGRAMS[program]], env=environment, capture_output=True, text=True, timeout=90, check=False
        )
        assert done.returncode not in {0, 70}, done
        if program != "env":
            assert f"Another process listens on {taken_writer_endpoint.addresses[0]}: process" in done.stderr
    assert (len(taken_writer_endpoint.visits) > before) == (program == "env")
    assert leaks(secrets_of(demo), taken_writer_endpoint.got()) == []


def test_a_drill_keeps_its_password(demo: Auroractl, stranger: LocalAccount) -> None:
    """Its clients reconnect at once, whoever is there."""
    with (
        sitting_on(stranger, endpoint_addresses(demo)["WRITER"]) as squatter,
        demo.start("drill", "planned", "demo", "--duration", "20s") as drill,
    ):
        wait_until("the drill's clients", lambda: demo.writer("demo")["DatabaseConnections"])
        _crash_endpoints(demo, squatter)
        wait_until("the drill's clients at the squatter", lambda: len(squatter.visits) > 8, 20.0)
        drill.kill()
        drill.communicate()
    assert leaks(secrets_of(demo), squatter.got()) == []


def test_the_pytest_plugin_keeps_its_password(stranger: LocalAccount, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a session of tests does by itself: it makes a template database through the writer endpoint."""
    monkeypatch.setattr(databases, "_CONNECT_TIMEOUT_S", 1.0)
    base = make_home().root
    try:
        with running_cluster(0, base, base / "cache") as cluster:
            command = Auroractl(Home(cluster.home))
            view = command.ask("describe-clusters", DBClusterIdentifier=cluster.name)["DBClusters"][0]
            with sitting_on(stranger, f"{view['Endpoint']}:{view['Port']}") as squatter:
                _kill(command, squatter, view["EndpointProcessId"])
                for _ in range(4):
                    with pytest.raises(TimedOut, match="took no connection"):
                        databases.make_template(cluster)
            assert squatter.visits
            assert leaks(secrets_of(command), squatter.got()) == []
    finally:
        shutil.rmtree(base)
