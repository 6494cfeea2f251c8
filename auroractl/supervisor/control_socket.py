"""The control socket: HTTP/1.0 requests of limited size, answered in JSON lines until the connection ends.

Only POST /v1/VERB with a Content-Length is served. The size, the duration and the number of incomplete requests are
limited, so that no client can keep others from being answered.
"""

from __future__ import annotations

import asyncio
import errno
import json
import logging
import os
import re
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from auroractl import __version__
from auroractl.core.errors import AuroraError, InvalidParameterValue
from auroractl.core.text.bounded_json import REQUEST_BYTES_MAX

log = logging.getLogger(__name__)

_HEAD_BYTES_MAX = 8 * 1024
_READ_TIMEOUT_S = 10.0
_SEND_TIMEOUT_S = 60.0
_UNREAD_MAX = 64
"""Maximum number of connections with an incomplete request; the oldest above it is dropped."""
_GRACE_S = 2.0
"""How long answers may take to be sent when the supervisor stops."""
_ACCEPT_PAUSE_S = 0.1
_READ_BYTES = 16 * 1024
_REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 413: "Content Too Large", 503: "Service Unavailable"}
_REQUEST_LINE = re.compile(r"POST /v1/([a-z-]{1,64}) HTTP/1\.[01]")

Emit = Callable[[dict[str, Any] | None], None]
"""Receives each line of an answer, and None at its end; may be called by any thread."""
Begin = Callable[[str, bytes, Emit], int]
"""Begins a request and returns the HTTP status. Raises AuroraError if the request is refused."""


@dataclass(frozen=True, slots=True)
class Request:
    """A verb and the content of its request."""

    verb: str
    content: bytes


class ControlSocket:
    """Serves requests on a listening socket. All its work runs on the event loop's thread."""

    def __init__(self, listener: socket.socket, begin: Begin) -> None:
        self._listener = listener
        self._begin = begin
        self._spare: int | None = os.open(os.devnull, os.O_RDONLY)
        """A reserved descriptor, released to accept one more connection when the process has run out of descriptors."""
        self._clients: set[asyncio.Task[None]] = set()
        self._unread: dict[asyncio.Task[None], None] = {}
        """Connections with an incomplete request, the oldest first."""

    async def serve(self, stop: asyncio.Event) -> None:
        """Serve until `stop` is set; unfinished answers get a short grace period."""
        loop = asyncio.get_running_loop()
        self._listener.setblocking(False)
        loop.add_reader(self._listener, self._accept)
        await stop.wait()
        loop.remove_reader(self._listener)
        for client in self._unread:
            client.cancel()
        if self._clients:
            await asyncio.wait(self._clients, timeout=_GRACE_S)
        for client in self._clients:
            client.cancel()
        self._release_spare()

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError as error:
            self._accept_without_descriptors(error)
            return
        connection.setblocking(False)
        client = asyncio.get_running_loop().create_task(self._serve_client(connection))
        self._clients.add(client)
        self._unread[client] = None
        if len(self._unread) > _UNREAD_MAX:
            oldest = next(iter(self._unread))
            del self._unread[oldest]
            oldest.cancel()

    def _accept_without_descriptors(self, error: OSError) -> None:
        if error.errno in {errno.EMFILE, errno.ENFILE} and self._spare is not None:
            self._release_spare()
            self._accept()
            return
        log.warning("no connection can be accepted: %s", error)
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._listener)
        loop.call_later(_ACCEPT_PAUSE_S, self._accept_again)

    def _accept_again(self) -> None:
        if self._listener.fileno() >= 0:
            asyncio.get_running_loop().add_reader(self._listener, self._accept)

    def _release_spare(self) -> None:
        if self._spare is not None:
            os.close(self._spare)
            self._spare = None

    def _reserve_spare(self) -> None:
        if self._spare is None:
            try:
                self._spare = os.open(os.devnull, os.O_RDONLY)
            except OSError as error:
                log.warning("no descriptor can be reserved for the next command: %s", error)

    async def _serve_client(self, connection: socket.socket) -> None:
        client = asyncio.current_task()
        assert client is not None
        try:
            with connection:
                await self._answer(connection, client)
        except (OSError, TimeoutError) as error:
            log.debug("a client of the control socket disconnected: %s", error)
        finally:
            self._unread.pop(client, None)
            self._clients.discard(client)
            self._reserve_spare()

    async def _answer(self, connection: socket.socket, client: asyncio.Task[None]) -> None:
        loop = asyncio.get_running_loop()
        lines: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()

        def emit(line: dict[str, Any] | None) -> None:
            loop.call_soon_threadsafe(lines.put_nowait, line)

        try:
            async with asyncio.timeout(_READ_TIMEOUT_S):
                request = await _read(connection)
            self._unread.pop(client, None)
            status = self._begin(request.verb, request.content, emit)
        except _Unreadable as error:
            status = _refuse(lines, error.status, error.error)
        except AuroraError as error:
            status = _refuse(lines, 400, error)
        await _send(connection, _head(status))
        while (line := await lines.get()) is not None:
            await _send(connection, json.dumps(line).encode() + b"\n")


class _Unreadable(Exception):
    """A request that is refused before it is complete."""

    def __init__(self, status: int, message: str, hint: str = "Use the auroractl command of the same version") -> None:
        super().__init__(message)
        self.status = status
        self.error = InvalidParameterValue(message, hint)


def _refuse(lines: asyncio.Queue[dict[str, Any] | None], status: int, error: AuroraError) -> int:
    lines.put_nowait({"Type": "error", "Error": error.to_json()})
    lines.put_nowait(None)
    return status


def _head(status: int) -> bytes:
    return (
        f"HTTP/1.0 {status} {_REASONS[status]}\r\ncontent-type: application/x-ndjson\r\n"
        f"auroractl-version: {__version__}\r\n\r\n"
    ).encode()


async def _send(connection: socket.socket, content: bytes) -> None:
    async with asyncio.timeout(_SEND_TIMEOUT_S):
        await asyncio.get_running_loop().sock_sendall(connection, content)


async def _read(connection: socket.socket) -> Request:
    """Read a request. Raises _Unreadable, or ConnectionError if the client disconnects."""
    received = b""
    while b"\r\n\r\n" not in received:
        if len(received) > _HEAD_BYTES_MAX:
            raise _Unreadable(413, f"The head of the request is longer than {_HEAD_BYTES_MAX} bytes.")
        received += await _receive(connection)
    head, _, content = received.partition(b"\r\n\r\n")
    verb, length = _parse(head.decode("latin-1"))
    while len(content) < length:
        content += await _receive(connection)
    return Request(verb, content[:length])


async def _receive(connection: socket.socket) -> bytes:
    received = await asyncio.get_running_loop().sock_recv(connection, _READ_BYTES)
    if not received:
        raise ConnectionResetError("the connection ended before the request was complete")
    return received


def _parse(head: str) -> tuple[str, int]:
    """Return the verb of a request and the length of its content."""
    first, *lines = head.split("\r\n")
    match = _REQUEST_LINE.fullmatch(first)
    if match is None:
        raise _Unreadable(404, "The request is not POST /v1/VERB.")
    if len(head) > _HEAD_BYTES_MAX:
        raise _Unreadable(413, f"The head of the request is longer than {_HEAD_BYTES_MAX} bytes.")
    headers = [(name.strip().lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    lengths = [value for name, value in headers if name == "content-length"]
    if len(lengths) != 1 or not re.fullmatch(r"[0-9]{1,10}", lengths[0]) or "transfer-encoding" in dict(headers):
        raise _Unreadable(400, "The request lacks a valid length.", "Send one Content-Length")
    if int(lengths[0]) > REQUEST_BYTES_MAX:
        raise _Unreadable(413, f"The request is longer than {REQUEST_BYTES_MAX} bytes.", "Send less")
    return match[1], int(lengths[0])
