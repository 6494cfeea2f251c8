"""The control socket, spoken to by clients that do not keep to the rules."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from auroractl.core.text.bounded_json import REQUEST_BYTES_MAX
from auroractl.supervisor import control_socket
from auroractl.supervisor.control_socket import ControlSocket, Emit


class Served:
    """A control socket that answers every request with its verb and content."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        self._listener.listen(128)
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self._started = threading.Event()
        self._thread.start()
        self._started.wait(10)

    def _begin(self, verb: str, content: bytes, emit: Emit) -> int:
        emit({"Type": "result", "Result": [verb, content.decode()]})
        emit(None)
        return 200

    async def _serve(self) -> None:
        self._stop, self._loop = asyncio.Event(), asyncio.get_running_loop()
        self._started.set()
        await ControlSocket(self._listener, self._begin).serve(self._stop)

    def end(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        assert not self._thread.is_alive()
        self._listener.close()

    def connect(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(10)
        connection.connect(str(self.path))
        return connection

    def ask(self, *pieces: bytes) -> tuple[int, Any]:
        with self.connect() as connection:
            for piece in pieces:
                connection.sendall(piece)
            head, _, body = _all(connection).partition(b"\r\n\r\n")
        return int(head.split()[1]), json.loads(body.splitlines()[0])


def _all(connection: socket.socket) -> bytes:
    answer = b""
    while part := connection.recv(65536):
        answer += part
    return answer


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.setattr(control_socket, "_READ_TIMEOUT_S", 1.0)
    monkeypatch.setattr(control_socket, "_UNREAD_MAX", 20)
    server = Served(tmp_path / "socket")
    yield server
    server.end()


def test_a_request_in_pieces_is_answered(served: Served) -> None:
    pieces = [bytes([byte]) for byte in b"POST /v1/names HTTP/1.0\r\nContent-Length: 2\r\n\r\n{}"]
    assert served.ask(*pieces) == (200, {"Type": "result", "Result": ["names", "{}"]})


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /v1/names HTTP/1.0\r\n\r\n", 404),
        (b"POST /v1/../x HTTP/1.0\r\nContent-Length: 0\r\n\r\n", 404),
        (b"POST /v1/names HTTP/1.0\r\n\r\n", 400),
        (b"POST /v1/names HTTP/1.0\r\nContent-Length: -5\r\n\r\n", 400),
        (b"POST /v1/names HTTP/1.0\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}", 400),
        (b"POST /v1/names HTTP/1.1\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (f"POST /v1/names HTTP/1.0\r\nContent-Length: {REQUEST_BYTES_MAX + 1}\r\n\r\n".encode(), 413),
        (b"POST /v1/names HTTP/1.0\r\nA: " + b"b" * 9000, 413),
    ],
)
def test_what_is_out_of_bounds_is_refused_before_it_is_read(served: Served, request_: bytes, status: int) -> None:
    found, line = served.ask(request_)
    assert (found, line["Type"], line["Error"]["ExitCode"]) == (status, "error", 2)


def test_a_slow_request_is_given_up(served: Served) -> None:
    with served.connect() as connection:
        connection.sendall(b"POST /v1/names HTTP/1.0\r\nContent-Length: 2\r\n\r\n{")
        assert _all(connection) == b""


def test_of_many_idle_connections_the_oldest_goes_and_a_command_is_answered(served: Served) -> None:
    with ExitStack() as stack:
        idle = [stack.enter_context(served.connect()) for _ in range(30)]
        assert served.ask(b"POST /v1/names HTTP/1.0\r\nContent-Length: 0\r\n\r\n")[0] == 200
        assert idle[0].recv(1) == b""
