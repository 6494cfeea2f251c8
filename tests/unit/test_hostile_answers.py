"""Answers of processes that run under the account of the databases, and that somebody else may give in their place."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from auroractl.api.progress import Silent
from auroractl.config.paths import Home
from auroractl.control_planes.local import LocalControlPlane
from auroractl.core.errors import MachineError, SupervisorUnavailable, TimedOut
from auroractl.endpoints.client import EndpointError, EndpointProcessClient
from auroractl.storage import image_worker
from auroractl.storage.image_worker import ImageWorker
from auroractl.storage.images import no_pace
from auroractl.system import programs
from auroractl.system.programs import Companion
from tests.unit.deadlines import within_deadline

REPORT = {
    "pid": 1, "connections": {"writer": 1}, "held": {}, "connections_by_instance": {}, "accepted": [["writer", "one", 2]], "refused": {}, "unbound": [["reader", "127.0.0.1", 5432, "in use"]],
}  # fmt: skip


@pytest.fixture
def folder() -> Iterator[Path]:
    """One whose path is short enough for a socket."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        yield Path(name)


@contextlib.contextmanager
def answering(path: Path, answer: Callable[[socket.socket], None]) -> Iterator[EndpointProcessClient]:
    """A client of a process that answers one request so."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection, contextlib.suppress(OSError):
                connection.recv(65536)
                answer(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield EndpointProcessClient(path, timeout_s=0.5)
        thread.join(10)


def test_a_report_is_read(folder: Path) -> None:
    with answering(folder / "socket", lambda to: to.sendall(json.dumps(REPORT).encode() + b"\n")) as client:
        report = client.report()
    assert (report.pid, report.accepted, list(report.unbound)) == (1, {("writer", "one"): 2}, ["reader"])


@pytest.mark.parametrize(
    "answer",
    [
        {}, [], None, 1, {**REPORT, "pid": "1"}, {**REPORT, "connections": []}, {**REPORT, "connections": {"writer": "1"}},
        {**REPORT, "accepted": [1]}, {**REPORT, "accepted": [["a", "b", []]]}, {**REPORT, "unbound": [["a"]]},
        {**REPORT, "unbound": 1}, {**REPORT, "held": None},
    ],
)  # fmt: skip
def test_an_answer_of_another_shape_is_none(folder: Path, answer: object) -> None:
    with (
        answering(folder / "socket", lambda to: to.sendall(json.dumps(answer).encode() + b"\n")) as client,
        pytest.raises(EndpointError, match="sent an invalid answer"),
    ):
        client.report()


def _flood(connection: socket.socket) -> None:
    while True:
        connection.sendall(b"x" * 65536)


def _nest(connection: socket.socket) -> None:
    connection.sendall(b"[" * 500_000 + b"\n")


def _dribble(connection: socket.socket) -> None:
    for _ in range(100):
        connection.sendall(b"x")
        time.sleep(0.1)


@pytest.mark.parametrize(
    ("answer", "said"), [(_flood, "invalid answer"), (_nest, "invalid answer"), (_dribble, "timed out")]
)
def test_an_answer_without_end_is_given_up(folder: Path, answer: Callable[[socket.socket], None], said: str) -> None:
    with answering(folder / "socket", answer) as client:
        began_s = time.monotonic()
        with pytest.raises(EndpointError, match=said):
            within_deadline(client.report)
        assert time.monotonic() - began_s < 5


def _companion(program: str) -> Companion:
    return Companion([sys.executable, "-c", f"import sys, time\n{program}"])


def test_a_companion_that_dribbles_is_heard_no_longer_than_asked_for() -> None:
    with _companion("while True: sys.stdout.write('x'), sys.stdout.flush(), time.sleep(0.05)") as companion:
        assert within_deadline(lambda: companion.hear(1.0)) is None


def test_a_companion_that_says_a_line_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "_HEARD_BYTES_MAX", 1_000_000)
    with (
        _companion("while True: sys.stdout.write('x' * 65536)") as companion,
        pytest.raises(MachineError, match="more than 1000000 bytes"),
    ):
        within_deadline(lambda: companion.hear(10.0))


def test_a_companion_is_heard_line_by_line() -> None:
    with _companion("print('one'), print('two' * 100_000)") as companion:
        assert [companion.hear(10.0) for _ in range(3)] == [b"one", b"two" * 100_000, b""]


@pytest.mark.parametrize(
    "said",
    [
        b"no JSON", b"\xff", b"[]", b"null", b"[" * 100_000, b'{"Bytes": "all"}', b'{"Bytes": -1}', b'{"Damaged": 1}', b'{"Error": []}',
        b'{"Error": [{}]}', b"{}", b'{"Result": null}', b'{"Result": {"16384": 1}}', b'{"Result": {"16384": [1, "2"]}}',
    ],
)  # fmt: skip
def test_a_worker_that_talks_nonsense_is_told_of(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, said: bytes) -> None:
    (tmp_path / "said").write_bytes(said + b"\n")
    monkeypatch.setattr(image_worker, "Companion", lambda _argv: Companion(["cat", str(tmp_path / "said")]))
    with pytest.raises(MachineError, match="sent an invalid report"):
        within_deadline(lambda: ImageWorker(None, no_pace, lambda: 0).checksums(tmp_path))


def test_a_worker_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(image_worker, "_SILENCE_TIMEOUT_S", 0.5)
    monkeypatch.setattr(image_worker, "Companion", lambda _argv: Companion(["sleep", "60"]))
    with pytest.raises(TimedOut, match="reported nothing"):
        within_deadline(lambda: ImageWorker(None, no_pace, lambda: 0).checksums(tmp_path))


LISTENER = """
import os, socket, sys
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
os.setuid(int(sys.argv[2]))
listener.listen()
print("ready", flush=True)
connection, _ = listener.accept()
print(len(connection.recv(65536)), flush=True)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells who listens")
@pytest.mark.parametrize("uid", [os.geteuid(), 65534])
def test_a_request_goes_to_nobody_elses_process(folder: Path, uid: int) -> None:
    if os.geteuid() not in {0, uid}:
        pytest.skip("only root can be somebody else")
    home = Home(folder)
    home.run.mkdir()
    argv = [sys.executable, "-c", LISTENER, str(home.socket), str(uid)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as listener:
        assert listener.stdout is not None
        assert listener.stdout.readline() == "ready\n"
        control_plane = LocalControlPlane(home, start=False, timeout_s=5.0)
        said = "went away|ended while" if uid == os.geteuid() else f"A process of user {uid}"
        with pytest.raises(SupervisorUnavailable, match=said):
            control_plane.request("status", {}, Silent())
        heard_bytes = int(listener.stdout.readline())
    assert (heard_bytes > 0) == (uid == os.geteuid())
