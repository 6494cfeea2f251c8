"""The endpoint process and clients that hold on to it: silent, flooding, half open, not reading."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
from collections.abc import Iterator
from contextlib import ExitStack

import psutil
import pytest

from auroractl.core.address import Address
from auroractl.core.routing_table import Route, RoutingTable
from auroractl.endpoints import connection
from auroractl.endpoints.connection import ClientSide
from auroractl.endpoints.router import Router
from tests.functional.command import wait_until
from tests.functional.test_endpoint_process import Alone

NEWCOMERS_MAX = 50
STARTUP = struct.pack("!II", 8 + 11, 0x00030000) + b"user\0demo\0\0"
SSL_REQUEST = struct.pack("!II", 8, 80877103)
CANCEL_REQUEST = struct.pack("!IIII", 16, 80877102, 1, 1)
AUTHENTICATION_OK = b"R\x00\x00\x00\x08\x00\x00\x00\x00"


@pytest.fixture
def alone() -> Iterator[Alone]:
    process = Alone("--newcomers-max", str(NEWCOMERS_MAX))
    try:
        yield process
    finally:
        process.end()


def _connect(alone: Alone) -> socket.socket:
    return socket.create_connection((alone.address.host, alone.address.port), timeout=10)


def test_silent_connections_are_bounded_and_the_oldest_goes(alone: Alone) -> None:
    alone.control.apply(alone.table(hold_timeout_s=0.2))
    process = psutil.Process(alone.process.pid)
    before = process.num_fds()
    with ExitStack() as stack:
        silent = [stack.enter_context(_connect(alone)) for _ in range(4 * NEWCOMERS_MAX)]
        wait_until("the oldest to go", lambda: process.num_fds() <= before + NEWCOMERS_MAX)
        with contextlib.suppress(ConnectionResetError):
            assert silent[0].recv(1) == b""
        with _connect(alone) as good:
            good.sendall(STARTUP)
            assert b"no instance of endpoint writer" in good.recv(4096)


def test_encryption_is_refused_once(alone: Alone) -> None:
    alone.control.apply(alone.table())
    with _connect(alone) as client:
        client.sendall(SSL_REQUEST)
        assert client.recv(1) == b"N"
        with contextlib.suppress(ConnectionError):
            client.sendall(SSL_REQUEST * 30_000)
            assert client.recv(1) == b""


def test_what_follows_a_cancel_request_is_not_kept(alone: Alone) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        alone.control.apply(alone.table("w", w=Address("127.0.0.1", server.getsockname()[1])))
        with _connect(alone) as client, _connect(alone) as flood:
            client.sendall(STARTUP)
            joined, _ = server.accept()
            joined.sendall(AUTHENTICATION_OK)
            assert client.recv(100) == AUTHENTICATION_OK
            memory = psutil.Process(alone.process.pid).memory_info().rss
            flood.settimeout(1.0)
            flood.sendall(CANCEL_REQUEST)
            with contextlib.suppress(TimeoutError, ConnectionError):
                for _ in range(64):
                    flood.sendall(b"x" * 1024 * 1024)
            assert psutil.Process(alone.process.pid).memory_info().rss - memory < 16 * 1024**2
            joined.close()


def test_a_client_that_stays_after_its_server_has_ended_does_not_keep_its_place(alone: Alone) -> None:
    """As after a wrong password, which anybody can send: the server says so and ends."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        alone.control.apply(alone.table("w", w=Address("127.0.0.1", server.getsockname()[1])))
        with _connect(alone) as client:
            client.sendall(STARTUP)
            joined, _ = server.accept()
            joined.recv(1000)
            joined.sendall(AUTHENTICATION_OK)
            joined.close()
            assert client.recv(100) == AUTHENTICATION_OK
            wait_until("its place to be free", lambda: not alone.control.report().connections.get("writer"))
            assert client.recv(1) == b""


@pytest.mark.parametrize(
    "line",
    [
        b"null", b"[]", b"{", b'{"verb": 5}', b'{"verb": "apply"}', b'{"verb": "apply", "table": []}', b"[" * 100_000, b"\xff\xfe",
        json.dumps({"verb": "apply", "table": {"routes": [{"endpoint": "a", "host": 5, "port": 1, "members": []}], "instances": {}, "connections_max": 1, "hold_timeout_s": 1}}).encode(),
        json.dumps({"verb": "apply", "table": {"routes": [], "instances": {"a": 5}, "connections_max": 1, "hold_timeout_s": 1}}).encode(),
        json.dumps({"verb": "apply", "table": {"routes": [], "instances": {}, "connections_max": "many", "hold_timeout_s": 1}}).encode(),
    ],
)  # fmt: skip
def test_a_control_request_out_of_bounds_is_an_answer_and_changes_nothing(alone: Alone, line: bytes) -> None:
    alone.control.apply(alone.table(hold_timeout_s=0.1))
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as control:
        control.settimeout(10)
        control.connect(str(alone.folder / "control.sock"))
        control.sendall(line + b"\n")
        known = json.loads(control.makefile().readline())
    assert known.keys() == {"error"} or line == b'{"verb": 5}'
    with _connect(alone) as client:
        client.sendall(STARTUP)
        assert b"no instance of endpoint writer" in client.recv(4096)
    assert "Traceback" not in (alone.folder / "endpoint.log").read_text()


def test_a_client_that_does_not_read_does_not_keep_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its server has sent a little more than fits on the way, and is gone."""
    monkeypatch.setattr(connection, "LINGER_S", 0.3)
    router = Router(60.0, NEWCOMERS_MAX)
    clients = router.clients["writer"]

    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(AUTHENTICATION_OK)
        while not any(each.transport.get_write_buffer_size() for each in clients):
            writer.write(b"x" * 32 * 1024)
            await asyncio.sleep(0.005)
        writer.transport.abort()

    async def scenario() -> tuple[int, int]:
        loop = asyncio.get_running_loop()
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        route = Route("writer", Address("127.0.0.1", 1), ("w",))
        router.replace(RoutingTable((route,), {"w": Address("127.0.0.1", port)}, 10, 5.0))
        endpoint = await loop.create_server(lambda: ClientSide(router, "writer"), "127.0.0.1", 0)
        with socket.create_connection(endpoint.sockets[0].getsockname()) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.sendall(STARTUP)
            await asyncio.sleep(0.2)
            before = len(clients)
            deadline_s = loop.time() + 15
            while clients and loop.time() < deadline_s:
                await asyncio.sleep(0.05)
        endpoint.close()
        server.close()
        return before, len(clients)

    assert asyncio.run(scenario()) == (1, 0)
