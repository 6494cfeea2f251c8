"""Ctrl-C says what was seen of the work, and no more; with real processes and signals."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

import psutil
import pytest

from auroractl.config.paths import Home

COMMAND = [sys.executable, "-P", "-m", "auroractl"]
_HOLD = (
    "import fcntl, os, sys, time; f = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT); fcntl.flock(f, fcntl.LOCK_EX);"
    "os.write(f, str(os.getpid()).encode()); print('held', flush=True); time.sleep(60)"
)


@contextmanager
def _listening(home: Home, answer: bytes, *, delay_s: float = 0.0) -> Iterator[threading.Event]:
    """A supervisor that reads a request (the event is set then), and `delay_s` later sends `answer` and nothing more."""
    home.run.mkdir(parents=True)
    asked = threading.Event()
    with closing(socket.socket(socket.AF_UNIX)) as listener:
        listener.bind(str(home.socket))
        listener.listen()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                asked.set()
                time.sleep(delay_s)
                connection.sendall(answer)
                with suppress(ConnectionResetError):  # a client that left without reading the answer
                    connection.recv(1)

        serving = threading.Thread(target=serve)
        serving.start()
        yield asked
        serving.join(10)


def _interrupted(process: subprocess.Popen[str]) -> str:
    process.send_signal(signal.SIGINT)
    printed, told = process.communicate(timeout=30)
    assert printed == ""
    assert process.returncode == 130
    return told


def _start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_after_the_request_was_accepted(home: Home) -> None:
    step = b'{"Type": "step", "Name": "Work", "State": "done", "ElapsedMilliseconds": 1}\n'
    with _listening(home, b"HTTP/1.1 200 OK\r\n\r\n" + step), _start("stop-cluster", "demo") as process:
        assert process.stderr is not None
        assert "Work" in process.stderr.readline()
        told = _interrupted(process)
    assert "accepted the work" in told
    assert "Try: auroractl wait cluster-stopped demo" in told


@pytest.mark.parametrize(("status", "seen"), [("200 OK", "accepted the work"), ("503 X", "may have been started")])
def test_an_answer_that_is_on_its_way_counts(home: Home, status: str, seen: str) -> None:
    with (
        _listening(home, f"HTTP/1.1 {status}\r\n\r\n".encode(), delay_s=0.3) as asked,
        _start("stop-cluster", "demo") as process,
    ):
        assert asked.wait(30)
        assert seen in _interrupted(process)


def test_after_the_request_was_sent(home: Home) -> None:
    """As where the supervisor was stopped with SIGSTOP."""
    with _listening(home, b"") as asked, _start("stop-cluster", "demo") as process:
        assert asked.wait(30)
        told = _interrupted(process)
    assert "the work may have been started" in told
    assert "Try: auroractl status demo" in told
    assert "wait" not in told


def test_before_there_was_a_supervisor_to_ask(home: Home) -> None:
    """One that is just ending holds the home: the next one waits for it, and the command for that."""
    with subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(home.supervisor_lock)], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with _start("stop-cluster", "demo") as process:
            launched = _wait_for_launch(process.pid)
            told = _interrupted(process)
        # It would go on, with a home that is removed.
        for supervisor in launched:
            supervisor.kill()
        holder.kill()
    assert told == ("Interrupted before the request was sent; nothing was started.\nTry: the same command again\n")


def _wait_for_launch(pid: int) -> list[psutil.Process]:
    deadline = time.monotonic() + 30
    while not psutil.Process(pid).children():
        assert time.monotonic() < deadline, "it starts a supervisor"
        time.sleep(0.05)
    time.sleep(0.5)
    return psutil.Process(pid).children(recursive=True)


@pytest.mark.parametrize("arguments", [["status", "demo"], ["describe-clusters"]])
def test_a_question_promises_nothing(home: Home, arguments: list[str]) -> None:
    with _listening(home, b"") as asked, _start(*arguments) as process:
        assert asked.wait(30)
        told = _interrupted(process)
    assert "supervisor" not in told
