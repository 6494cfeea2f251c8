"""Homes of their own for tests, on real PostgreSQL: nothing of one test is seen by another or by a user's cluster."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from auroractl.config.paths import Home
from tests.functional.command import Auroractl, wait_until


def remove_home(home: Home) -> None:
    """Remove a home in which nothing works any more; what a supervisor that a test killed had begun may just be ending."""

    def gone() -> bool:
        shutil.rmtree(home.root, ignore_errors=True)
        return not home.root.exists()

    wait_until(f"{home.root} to be removed", gone)


def _base() -> str:
    """Memory where there is enough of it: a cluster is a thousand small files, and some disks take a second for that."""
    memory = Path("/dev/shm")
    roomy = os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 4 * 1024**3
    return str(memory) if roomy else "/tmp"


def make_home() -> Home:
    """An empty home below a folder that the databases' account can enter (pytest's own are 0700)."""
    root = Path(tempfile.mkdtemp(prefix="auroractl-test-", dir=_base()))
    root.chmod(0o755)
    return Home(root)


def stop_in_order(command: Auroractl) -> None:
    """Stop a home as its user would, whatever the tests that shared it have done to it; nothing of it may be running."""
    command("supervisor", "stop", "--all")
    wait_until("the end of all processes of the home", lambda: not command.processes())


@pytest.fixture(scope="session")
def warm_home() -> Iterator[Home]:
    """A home in which the template has been made once; others copy it instead of running initdb again."""
    auroractl = Auroractl(make_home())
    try:
        auroractl("create-cluster", "warm", "--readers", "0")
        auroractl("delete-cluster", "warm", "--yes")
        auroractl("supervisor", "stop")
        yield auroractl.home
    finally:
        auroractl.end()
        remove_home(auroractl.home)


def copy_home(warm_home: Home) -> Home:
    """A home with a template and no cluster."""
    home = make_home()
    for name in ("template", "secrets", "postgresql"):
        source = warm_home.root / name
        if source.exists():
            # The programs are never changed in place, so that homes can share them.
            links = ["-l"] if name == "postgresql" else []
            subprocess.run(["cp", "-Rp", *links, str(source), str(home.root / name)], check=True)
    return home


@contextmanager
def home_of_its_own(warm_home: Home, **variables: str) -> Iterator[Auroractl]:
    """A home without a cluster, and the environment of its commands; afterwards nothing of it may be running."""
    command = Auroractl(copy_home(warm_home), variables)
    try:
        yield command
    finally:
        command.end()
        remove_home(command.home)


@pytest.fixture
def auroractl(warm_home: Home) -> Iterator[Auroractl]:
    """A home for one test."""
    with home_of_its_own(warm_home) as command:
        yield command


@contextmanager
def shared_cluster(warm_home: Home, readers: int) -> Iterator[Auroractl]:
    """A home with the cluster demo, for tests that leave it healthy; in the end it must stop in order."""
    with home_of_its_own(warm_home) as command:
        command("create-cluster", "demo", "--readers", str(readers))
        yield command
        stop_in_order(command)


@pytest.fixture(scope="module")
def demo(warm_home: Home) -> Iterator[Auroractl]:
    """A cluster with two readers, shared by a module."""
    with shared_cluster(warm_home, 2) as command:
        yield command


@pytest.fixture(scope="module")
def three_readers(warm_home: Home) -> Iterator[Auroractl]:
    """A cluster with three readers, shared by a module."""
    with shared_cluster(warm_home, 3) as command:
        yield command


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failure shows what the supervisor did and how the clusters were."""
    report = yield
    used = getattr(item, "funcargs", {})
    command = used.get("auroractl") or used.get("demo")
    if report.when == "call" and report.failed and isinstance(command, Auroractl):
        report.sections.append(("supervisor.log", command.supervisor_log()))
        report.sections.append(("status", command.run("status").stdout))
        report.sections.append(("servers", command.server_logs()))
    return report
