"""A recovery that never ends is ended, and leaves no server behind."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from auroractl.core.errors import TimedOut
from auroractl.engine import recovery
from auroractl.system.liveness import wait_for_exit


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    """Stands in for a server that replays without end."""
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process
        process.kill()


def recover(process: subprocess.Popen[bytes], log: Path, *, interrupted: bool) -> None:
    server: Any = SimpleNamespace(log=log, begin_start=lambda: process.pid, kill=process.kill)
    recovery.run_to_shutdown(server, 1, 0x28, lambda: interrupted, lambda: 0)


def test_a_recovery_that_does_not_end_in_time_is_killed(
    process: subprocess.Popen[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recovery, "_RUN_TIMEOUT_S", 0.1)
    with pytest.raises(
        TimedOut, match=r"^Recovery to 0/28 did not end within 0\.1 s: its server is still replaying\.$"
    ):
        recover(process, tmp_path / "log", interrupted=False)
    assert wait_for_exit(process.pid, 5)


def test_an_interrupted_recovery_is_killed(process: subprocess.Popen[bytes], tmp_path: Path) -> None:
    with pytest.raises(InterruptedError):
        recover(process, tmp_path / "log", interrupted=True)
    assert wait_for_exit(process.pid, 5)
