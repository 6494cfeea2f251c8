"""Commands on a home that belongs to somebody else: they say whose it is, start nothing and leave nothing."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from auroractl.config.paths import Home
from auroractl.system.liveness import processes_below
from tests.functional.command import Auroractl, wait_until
from tests.functional.conftest import make_home, remove_home
from tests.security.conftest import LocalAccount, require_root

READING = [
    ["describe-clusters"],
    ["describe-instances"],
    ["describe-events"],
    ["describe-volumes"],
    ["status"],
    ["failover-history"],
    ["uri"],
    ["psql", "demo", "--", "-c", "select 1"],
    ["wait", "cluster-available", "demo"],
]
CHANGING = [
    ["supervisor", "start"],
    ["create-cluster", "demo", "--readers", "0"],
    ["failover", "demo"],
    ["delete-cluster", "demo", "--yes"],
]
WITHOUT_SUPERVISOR = [["doctor"], ["logs"], ["config", "show"], ["supervisor", "status"], ["supervisor", "stop"]]


@dataclass(frozen=True)
class TheirAuroractl:
    """The command line, run by another account on a home of its own."""

    account: LocalAccount
    home: Path
    python: str

    def __call__(self, *arguments: str, home: Path | None = None) -> subprocess.CompletedProcess[str]:
        environment = {
            "AURORACTL_HOME": str(home or self.home),
            "AURORACTL_CONFIG": str(self.home / "no-such-file.toml"),
            "HOME": str(self.home),
            "PYTHONPATH": _path(),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        return self.account.run([self.python, "-m", "auroractl", *arguments], environment=environment, timeout_s=90)


def _path() -> str:
    """Where this Python finds its modules, for another of the same version."""
    return os.pathsep.join([str(Path(__file__).parents[2]), *(each for each in sys.path if "site-packages" in each)])


@pytest.fixture
def their_home(stranger: LocalAccount) -> Iterator[Path]:
    """An empty home of somebody else."""
    root = make_home().root
    os.chown(root, stranger.uid, stranger.gid)
    yield root
    Auroractl(Home(root)).end()
    remove_home(Home(root))


@pytest.fixture
def them(stranger: LocalAccount, their_home: Path) -> TheirAuroractl:
    """The command line as somebody else; skipped where that account cannot run what is installed here."""
    code = "import sys, auroractl.cli.main, psycopg, sqlalchemy, uvloop, psutil; print(sys.version_info[:2])"
    for python in (sys.executable, "/usr/bin/python3"):
        try:
            done = stranger.run([python, "-c", code], environment={"PYTHONPATH": _path()})
        except OSError:
            continue
        if done.returncode == 0 and done.stdout.strip() == str(sys.version_info[:2]):
            return TheirAuroractl(stranger, their_home, python)
    pytest.skip("an account without rights cannot run the Python in which auroractl is installed")


def owners(folder: Path) -> set[int]:
    """Whose the things below a folder are."""
    found = {folder.lstat().st_uid}
    for place, folders, names in os.walk(folder):
        for name in (*folders, *names):
            with contextlib.suppress(FileNotFoundError):
                found.add((Path(place) / name).lstat().st_uid)
    return found


@pytest.mark.parametrize("arguments", READING, ids=" ".join)
def test_root_reading_in_the_home_of_somebody_else_starts_nothing(
    their_home: Path, stranger: LocalAccount, arguments: list[str]
) -> None:
    done = Auroractl(Home(their_home)).run(*arguments)
    assert done.returncode not in {0, 70}, done
    assert done.stdout == ""
    assert processes_below(their_home) == []
    assert list(their_home.iterdir()) == []
    assert stranger.name in done.stderr
    assert "Try: " in done.stderr


@pytest.mark.parametrize("arguments", CHANGING + WITHOUT_SUPERVISOR, ids=" ".join)
def test_root_leaves_nothing_of_its_own_in_the_home_of_somebody_else(
    their_home: Path, stranger: LocalAccount, arguments: list[str]
) -> None:
    """It may act as them, or refuse and say whose home it is."""
    done = Auroractl(Home(their_home)).run(*arguments)
    assert done.returncode != 70, done
    assert owners(their_home) == {stranger.uid}
    if arguments in CHANGING and done.returncode != 0:
        assert stranger.name in done.stderr


def test_root_and_a_cluster_of_somebody_else(them: TheirAuroractl) -> None:
    assert them("create-cluster", "demo", "--readers", "0").returncode == 0
    root = Auroractl(Home(them.home))
    for arguments in (
        *READING,
        ["scale-readers", "demo", "--add", "1"],
        ["failover", "demo"],
        ["scrub-volume", "demo"],
    ):
        done = root.run(*arguments)
        assert done.returncode != 70, done
        assert done.returncode == 0 or them.account.name in done.stderr or "no reader" in done.stderr, done
        assert owners(them.home) == {them.account.uid}, arguments
    assert them("supervisor", "stop", "--all").returncode == 0
    wait_until("all to have ended", lambda: not processes_below(them.home))
    for arguments in (*READING, *WITHOUT_SUPERVISOR):
        root.run(*arguments)
        assert processes_below(them.home) == [], arguments
        assert owners(them.home) == {them.account.uid}, arguments
    assert them("start-cluster", "demo").returncode == 0
    assert them("status", "demo").returncode == 0


def test_somebody_else_and_a_home_of_root(demo: Auroractl, them: TheirAuroractl) -> None:
    """They are told whose it is, whether its supervisor runs or not, and get nothing out of it."""
    require_root()
    before = demo.supervisor_pid()
    for running in (True, False):
        for arguments in (*READING, *CHANGING):
            done = them(*arguments, home=demo.home.root)
            assert done.returncode not in {0, 70}, done
            assert "root" in done.stderr, done
            assert "Traceback" not in done.stderr
            assert done.stdout == ""
        if running:
            assert demo.supervisor_pid() == before
            demo("supervisor", "stop")
        else:
            pids = {uid for pid in processes_below(demo.home.root) for uid in _uids(pid)}
            assert them.account.uid not in pids
    assert them.account.uid not in owners(demo.home.root)
    demo("status", "demo")


def _uids(pid: int) -> set[int]:
    try:
        return {Path(f"/proc/{pid}").stat().st_uid}
    except FileNotFoundError:
        return set()


def test_files_that_hold_passwords_are_closed_to_others(demo: Auroractl, stranger: LocalAccount) -> None:
    """As are the sockets through which the supervisor and the endpoint process are told what to do."""
    source = (
        "import os, sys; [print(path) for path in sys.argv[1:] if os.access(path, os.R_OK) or os.access(path, os.W_OK)]"
    )
    home, cluster = demo.home, demo.home.cluster("demo")
    data = [Path(each["DataDirectory"]) for each in demo.instances("demo")]
    nodes = [each["StorageNodeIdentifier"] for each in demo.volume("demo")["StorageNodes"]]
    sockets = [home.server_sockets(each.parent) for each in data]
    places = [
        home.internal_secrets, home.socket, home.state, home.supervisor_log, cluster.secrets, cluster.storage_pgpass,
        cluster.endpoint_socket, cluster.endpoint / "routes.json", cluster.endpoint / "endpoint.log",
        home.cluster_sockets("demo"), *sockets, *(path for each in sockets for path in each.glob(".s.PGSQL.*")),
        cluster.storage, *(cluster.storage_node(each) for each in nodes),
        *(cluster.storage / f"{each}.log" for each in nodes),
        *data, *(each.with_name("pgpass") for each in data), *(each.with_name("postgresql.log") for each in data),
    ]  # fmt: skip
    assert [str(path) for path in places if not path.exists()] == []
    assert stranger.do(source, *map(str, places)).splitlines() == []
