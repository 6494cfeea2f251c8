"""The pytest plugin as it is installed: a sample project's own tests, and nothing left behind however they end."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from auroractl.system.liveness import processes_below
from auroractl.testing.session_home import PREFIX
from tests.functional.command import wait_until
from tests.functional.conftest import make_home

SAMPLE = Path(__file__).parents[1] / "sample_project"
WAITING = """
import time

def test_waits(aurora_cluster, aurora_database):
    print("ready", aurora_cluster.home, flush=True)
    time.sleep(300)
"""


class Place:
    """Where sessions have their clusters and their cache."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def start(self, *arguments: str, cwd: Path) -> subprocess.Popen[str]:
        options = ["-o", f"aurora_base={self.folder}", "-o", f"aurora_cache={self.folder / 'cache'}"]
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AURORACTL_", "PYTEST_"))}
        return subprocess.Popen(
            [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *options, *arguments],
            cwd=cwd, env=kept, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def homes(self) -> list[Path]:
        return list(self.folder.glob(f"{PREFIX}*"))


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    folder = make_home().root
    yield Place(folder)
    shutil.rmtree(folder)


def test_a_sample_project_runs_with_the_installed_plugin(place: Place) -> None:
    session = place.start("-q", cwd=SAMPLE)
    printed, _ = session.communicate(timeout=120)
    assert session.returncode == 0, printed
    assert "7 passed" in printed
    assert place.homes() == []
    assert processes_below(place.folder) == []
    assert list((place.folder / "cache").glob("*/template/*"))


def test_an_interrupted_session_leaves_nothing_and_removes_what_a_killed_one_left(place: Place, tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "test_waiting.py").write_text(WAITING)
    killed = place.start("-s", "--aurora-readers=0", cwd=tmp_path)
    _wait_ready(killed)
    killed.kill()
    killed.communicate()
    (abandoned,) = place.homes()
    assert processes_below(abandoned)

    interrupted = place.start("-s", "--aurora-readers=0", cwd=tmp_path)
    _wait_ready(interrupted)
    assert abandoned not in place.homes()
    assert processes_below(abandoned) == []
    interrupted.send_signal(signal.SIGINT)
    printed, _ = interrupted.communicate(timeout=60)
    assert interrupted.returncode == pytest.ExitCode.INTERRUPTED, printed
    assert place.homes() == []
    wait_until("everything to have ended", lambda: not processes_below(place.folder))


def _wait_ready(session: subprocess.Popen[str]) -> None:
    assert session.stdout is not None
    seen = []
    for line in session.stdout:
        seen.append(line)
        if "ready" in line:
            return
    pytest.fail("".join(seen))


def test_a_number_of_readers_that_cannot_be_is_refused_before_any_test(place: Place, tmp_path: Path) -> None:
    session = place.start("--aurora-readers=16", cwd=tmp_path)
    printed, _ = session.communicate(timeout=60)
    assert session.returncode == pytest.ExitCode.USAGE_ERROR
    assert "aurora_readers must be a whole number from 0 to 15, not 16" in printed


def test_a_session_that_does_not_use_it_loads_nothing_of_it() -> None:
    code = "import sys, auroractl.pytest_plugin; print(sorted(name for name in sys.modules if 'auroractl' in name))"
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['auroractl', 'auroractl.pytest_plugin']"
