"""Logs that are rotated, shortened and read meanwhile."""

from __future__ import annotations

import errno
import logging
import os
from pathlib import Path

import pytest

from auroractl.system import log_files
from auroractl.system.log_files import RepeatFilter, older, shorten, without_trace_of_shortage
from auroractl.system.log_reader import LogReader
from tests.unit.deadlines import within_deadline


def _record(text: str, level: int = logging.WARNING) -> logging.LogRecord:
    return logging.LogRecord("x", level, __file__, 1, text, (), None)


def test_a_repeated_warning_passes_once_and_is_counted_later(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 0.0
    monkeypatch.setattr("auroractl.system.log_files.time.monotonic", lambda: now_s)
    repeats = RepeatFilter(interval_s=60.0)
    assert [repeats.filter(_record("full")) for _ in range(4)] == [True, False, False, False]
    assert repeats.filter(_record("another"))
    assert all(repeats.filter(_record("done", logging.INFO)) for _ in range(3))
    now_s = 61.0
    record = _record("full")
    assert repeats.filter(record)
    assert record.getMessage() == "full (and 3 more times since 61 s ago)"


def test_what_is_remembered_of_warnings_is_bounded() -> None:
    repeats = RepeatFilter()
    for number in range(5000):
        assert repeats.filter(_record(f"warning {number}"))
    assert len(repeats._seen) <= 256


def test_a_shortage_is_told_without_its_trace() -> None:
    error = OSError(errno.EMFILE, "Too many open files")
    record = logging.LogRecord(
        "x", logging.ERROR, __file__, 1, "it met an error; please report it as a bug", (), (OSError, error, None)
    )
    assert without_trace_of_shortage(record)
    assert record.exc_info is None
    assert record.getMessage().startswith("it met an error: This process lacks resources: [Errno 24]")


@pytest.mark.parametrize("copied", [False, True])
def test_a_reader_misses_nothing_when_a_log_is_rotated(tmp_path: Path, copied: bool) -> None:
    log = tmp_path / "log"
    log.write_text("one\ntwo\n")
    reader = LogReader(log, 1_000_000)
    assert reader.read() == ["one", "two"]
    with log.open("a") as file:
        file.write("three\nfo")
    assert reader.read() == ["three"]
    with log.open("a") as file:
        file.write("ur\nfive\n")
    if copied:
        assert shorten(log, 1)
    else:
        log.rename(older(log))
    with log.open("a") as file:
        file.write("six\n")
    assert reader.read() == ["four", "five", "six"]
    assert reader.read() == []
    assert LogReader(log, 1_000_000).read() == ["one", "two", "three", "four", "five", "six"]
    assert LogReader(log, 10).read() == ["five", "six"]


def test_only_a_regular_file_with_one_name_is_shortened(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("x" * 100)
    (tmp_path / "hard").hardlink_to(precious)
    (tmp_path / "soft").symlink_to(precious)
    os.mkfifo(tmp_path / "pipe")
    assert not shorten(tmp_path / "hard", 1)
    with pytest.raises(OSError, match="ymbolic"):
        shorten(tmp_path / "soft", 1)
    assert not shorten(tmp_path / "pipe", 1)
    assert not shorten(tmp_path / "none", 1)
    assert precious.read_text() == "x" * 100
    assert not older(tmp_path / "hard").exists()


def test_the_older_file_is_no_way_out_either(tmp_path: Path) -> None:
    precious, log = tmp_path / "precious", tmp_path / "log"
    precious.write_text("secret")
    log.write_text("x" * 100)
    older(log).symlink_to(precious)
    assert shorten(log, 1)
    assert precious.read_text() == "secret"
    assert older(log).read_text() == "x" * 100
    assert not older(log).is_symlink()


def test_of_a_log_without_end_the_end_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_files, "_MOVED_BYTES_MAX", 100)
    log = tmp_path / "log"
    log.touch()
    os.truncate(log, 2**34)
    with log.open("ab") as file:
        file.write(b"x" * 50)
    assert within_deadline(lambda: shorten(log, 1))
    assert older(log).read_bytes() == bytes(50) + b"x" * 50
    assert log.stat().st_size == 0


def test_a_reader_follows_no_link(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("secret\n")
    (tmp_path / "log").symlink_to(tmp_path / "precious")
    with pytest.raises(OSError, match="is not used"):
        LogReader(tmp_path / "log", 100).read()
