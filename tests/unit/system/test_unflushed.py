"""Programs whose flushes do nothing."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from auroractl.system import unflushed
from auroractl.system.liveness import wait_for_exit
from auroractl.system.programs import reap, spawn

_FLUSHES_A_PIPE = """
import os
reading, _ = os.pipe()
for flush in (os.fsync, os.fdatasync):
    try:
        flush(reading)
    except OSError as error:
        print(error.strerror, flush=True)
    else:
        print("done", flush=True)
print(open("/proc/self/status").read().partition("NoNewPrivs:")[2].split()[0], flush=True)
"""
"""A pipe cannot be flushed, which every system call says that is made."""


def _told(folder: Path, *, flushes: bool) -> list[str]:
    log = folder / "log"
    pid = spawn([sys.executable, "-S", "-c", _FLUSHES_A_PIPE], cwd=folder, log=log, flushes=flushes)
    assert wait_for_exit(pid, 30)
    reap()
    return log.read_text().splitlines()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has such filters")
def test_a_flush_does_nothing_in_that_program_and_in_no_other(tmp_path: Path) -> None:
    assert unflushed.why_flushing() == ""
    assert _told(tmp_path, flushes=False) == ["done", "done", "1"]
    (tmp_path / "log").unlink()
    assert _told(tmp_path, flushes=True) == ["Invalid argument", "Invalid argument", "0"]


def test_where_the_system_refuses_the_filter_a_program_flushes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse() -> None:
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr(unflushed, "_filter_this_thread", refuse)
    unflushed.why_flushing.cache_clear()
    try:
        told = _told(tmp_path, flushes=False)
        assert told[:2] == ["Invalid argument", "Invalid argument"] or sys.platform != "linux"
        assert unflushed.why_flushing() == "the system refuses a filter of system calls: [Errno 22] Invalid argument"
        assert caplog.text.count("storage nodes flush before they acknowledge") == 1
    finally:
        unflushed.why_flushing.cache_clear()


def test_what_the_start_raises_is_raised(tmp_path: Path) -> None:
    def start() -> None:
        raise FileNotFoundError(tmp_path)

    with pytest.raises(FileNotFoundError):
        unflushed.without_flushes(start)
