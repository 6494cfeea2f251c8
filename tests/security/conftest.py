"""A local account without rights, and the homes that it attacks."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from auroractl.config.paths import Home
from tests.functional.conftest import auroractl, demo, pytest_runtest_makereport, warm_home

__all__ = ["auroractl", "demo", "pytest_runtest_makereport", "warm_home"]

_ATTEMPTS = 20
_SYSTEM_PYTHON = "/usr/bin/python3"


@dataclass(frozen=True)
class LocalAccount:
    """An account of this machine, as which programs can be run."""

    name: str
    uid: int
    gid: int
    python: str
    """A Python that the account can run, with nothing but the standard library."""

    def start(self, argv: list[str], environment: dict[str, str] | None = None) -> subprocess.Popen[str]:
        """Start a program as the account, with no right of the account that runs the tests."""
        return subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd="/",
            env={"PATH": "/usr/bin:/bin", **(environment or {})},
            user=self.uid,
            group=self.gid,
            extra_groups=[],
        )

    def run(
        self, argv: list[str], *, timeout_s: float = 60.0, environment: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a program as the account to its end, whatever its exit code."""
        with self.start(argv, environment) as process:
            try:
                stdout, stderr = process.communicate(timeout=timeout_s)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
        return subprocess.CompletedProcess(argv, process.returncode, stdout, stderr)

    def python_program(self, source: str, *arguments: str) -> list[str]:
        """The command line of a Python program that is given as its source: the account may not read the tests."""
        return [self.python, "-I", "-c", source, *arguments]

    def do(self, source: str, *arguments: str) -> str:
        """Run a Python program as the account, which must succeed, and return what it printed."""
        done = self.run(self.python_program(source, *arguments))
        assert done.returncode == 0, done.stderr
        return done.stdout


def _python_for(uid: int, gid: int) -> str:
    """A Python that an account can run; skips the test where there is none."""
    for candidate in (_SYSTEM_PYTHON, sys.executable):
        try:
            subprocess.run(
                [candidate, "-I", "-c", "import socket"], check=True, cwd="/", user=uid, group=gid, extra_groups=[]
            )
        except (OSError, subprocess.CalledProcessError):
            continue
        return candidate
    pytest.skip("an account without rights can run no Python of this machine")


def local_account(name: str) -> LocalAccount:
    """An account that exists."""
    entry = pwd.getpwnam(name)
    return LocalAccount(name, entry.pw_uid, entry.pw_gid, _python_for(entry.pw_uid, entry.pw_gid))


def _until_done(argv: list[str]) -> None:
    """The file of accounts is locked by one program at a time."""
    for attempt in range(1, _ATTEMPTS + 1):
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return
        if attempt == _ATTEMPTS:
            raise OSError(f"{argv[0]}: {done.stderr.strip()}")
        time.sleep(0.2)


def require_root() -> None:
    """Skip a test that only root can do."""
    if os.geteuid() != 0:
        pytest.skip("only root can make an account, and runs databases under another one")


@pytest.fixture(scope="session")
def stranger() -> Iterator[LocalAccount]:
    """An account without rights, made for the tests and removed after them."""
    require_root()
    if shutil.which("useradd") is None or shutil.which("userdel") is None:
        pytest.skip("useradd and userdel are not here, so that no account can be made")
    name = f"aurora-test-{os.getpid()}"
    try:
        _until_done(["useradd", "--system", "--user-group", "--no-create-home", "--shell", "/bin/false", name])
    except OSError as error:
        pytest.skip(f"no account can be made: {error}")
    try:
        yield local_account(name)
    finally:
        _until_done(["userdel", name])


@pytest.fixture(scope="session")
def database_account(warm_home: Home) -> LocalAccount:
    """The account under which databases run where root starts them: whose the template is."""
    require_root()
    (template,) = (warm_home.root / "template").iterdir()
    return local_account(template.owner())


def take_stock(folder: Path) -> dict[str, tuple[object, ...]]:
    """All that may be changed of everything below a folder."""
    found: dict[str, tuple[object, ...]] = {}
    for path in (folder, *sorted(folder.rglob("*"))):
        status = path.lstat()
        content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        found[str(path)] = (status.st_mode, status.st_uid, status.st_gid, status.st_nlink, content)
    return found


def eventually(problem: Callable[[], str | None], timeout_s: float = 30.0) -> str | None:
    """Wait until something has no problem any more; the problem that is left at the end, if there is one."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            found = problem()
        except (psycopg.Error, OSError, AssertionError) as error:
            found = f"{type(error).__name__}: {error}"
        if found is None or time.monotonic() > deadline:
            return found
        time.sleep(0.2)
