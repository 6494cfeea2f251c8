"""Output that nobody reads, that cannot be written, or that is closed; with real pipes and real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from auroractl.config.paths import Home
from tests.unit.cli.conftest import answering, status_document

COMMAND = [sys.executable, "-P", "-m", "auroractl"]


def _died_of_sigpipe(process: subprocess.Popen[bytes]) -> None:
    _, told = process.communicate(timeout=30)
    assert told == b""
    assert process.returncode == -signal.SIGPIPE


def _into_closed_pipe(*arguments: str) -> subprocess.Popen[bytes]:
    reads, writes = os.pipe()
    os.close(reads)
    try:
        return subprocess.Popen([*COMMAND, *arguments], stdout=writes, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
    finally:
        os.close(writes)


@pytest.mark.parametrize(
    "arguments",
    [["status"], ["status", "--output", "json"], ["status", "--output", "text"], ["status", "--help"], ["--version"]],
    ids=" ".join,
)
def test_a_reader_that_left_is_no_failure_to_talk_about(home: Home, arguments: list[str]) -> None:
    server = answering(home, status_document())
    _died_of_sigpipe(_into_closed_pipe(*arguments))
    server.close()


def _log(home: Home, lines: int) -> None:
    line = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}.000Z INFO something\n"
    with home.supervisor_log.open("a") as log:
        log.write(line * lines)


@pytest.mark.parametrize("form", ["table", "json"])
def test_a_long_log_is_cut_by_head(home: Home, form: str) -> None:
    _log(home, 20_000)
    with subprocess.Popen(
        [*COMMAND, "logs", "-n", "20000", "--output", form], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        process.stdout.close()
        process.stdout = None
        _died_of_sigpipe(process)


@pytest.mark.parametrize("command", [["logs", "--follow"], ["supervisor", "logs", "--follow"]], ids=" ".join)
def test_following_ends_with_its_reader_although_nothing_more_comes(home: Home, command: list[str]) -> None:
    _log(home, 3)
    with subprocess.Popen([*COMMAND, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        # It comes at once and not with a buffer that is full.
        assert process.stdout.readline()
        _log(home, 1)
        assert b"something" in process.stdout.readline()
        process.stdout.close()
        process.stdout = None
        _died_of_sigpipe(process)


def test_following_events_ends_with_its_reader(home: Home) -> None:
    event = {
        "SourceIdentifier": "demo",
        "SourceType": "db-cluster",
        "EventId": "X",
        "Message": "m",
        "EventCategories": [],
    }
    server = answering(home, {"Events": [{**event, "Date": "2026-11-26T18:00:00.000Z"}]})
    with subprocess.Popen(
        [*COMMAND, "describe-events", "--follow"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        process.stdout.close()
        process.stdout = None
        _died_of_sigpipe(process)
    server.close()


def test_talk_that_nobody_reads(home: Home) -> None:
    reads, writes = os.pipe()
    os.close(reads)
    done = subprocess.run([*COMMAND, "no-such-command"], stderr=writes, stdout=subprocess.PIPE, check=False, timeout=30)
    os.close(writes)
    assert home.root.exists()
    assert done.returncode == -signal.SIGPIPE


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk_is_told(home: Home) -> None:
    server = answering(home, status_document())
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*COMMAND, "status"], stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=30
        )
    server.close()
    assert done.returncode == 1
    assert (
        done.stderr
        == "Error: The output cannot be written: No space left on device.\nTry: Check the destination of the output\n"
    )


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_closed_streams_are_no_bug(home: Home, closed: str) -> None:
    server = answering(home, status_document())
    done = subprocess.run(
        ["sh", "-c", f"{' '.join(COMMAND)} status {closed}"], capture_output=True, check=False, timeout=30
    )
    server.close()
    assert (done.returncode, done.stderr) == (0, b"")


def test_letters_that_the_encoding_lacks_are_escaped(home: Home) -> None:
    server = answering(home, status_document())
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run([*COMMAND, "status"], capture_output=True, check=False, timeout=30, env=environment)
    server.close()
    assert done.returncode == 0
    assert b"\\u251c" in done.stdout
