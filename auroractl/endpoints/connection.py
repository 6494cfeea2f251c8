"""One client connection: its first packet, the search for a server, then a plain pipe of bytes."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from auroractl.core.model import Address
from auroractl.endpoints import startup
from auroractl.endpoints.refusal import Refusal, Reworder

if TYPE_CHECKING:
    from auroractl.endpoints.router import Router

BUFFER_BYTES_MAX = 256 * 1024
"""What may wait in one direction for a peer that does not read; beyond it the other side is not read either."""


class _Side(asyncio.Protocol):
    """One end of a pipe: bytes that arrive here leave through the other end, at the speed at which it takes them."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport = cast("asyncio.Transport", None)
        self.other: _Side | None = None
        self.forward: Callable[[bytes], None] | None = None
        """What becomes of bytes that arrive here, once there is another end: its plain `write`, but for a refusal."""
        self.ended = False
        self.lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.transport.set_write_buffer_limits(high=BUFFER_BYTES_MAX)
        sock = self.transport.get_extra_info("socket")
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def data_received(self, data: bytes) -> None:
        if self.forward is not None:
            self.forward(data)

    def pause_writing(self) -> None:
        if self.other is not None:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other is not None and not self.other.lost:
            self.other.transport.resume_reading()

    def eof_received(self) -> bool:
        """One direction ends, the other goes on; when both have ended, so does the pipe."""
        self.ended = True
        if self.other is None or self.other.lost:
            return False
        if self.other.ended:
            self.other.transport.close()
            return False
        self.other.transport.write_eof()
        return True

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002
        self.lost = True
        if self.other is not None and not self.other.lost:
            # What was received before the end still reaches the other side.
            self.other.transport.close()


class ServerSide(_Side):
    """The connection to an instance."""

    def __init__(self) -> None:
        super().__init__()
        self.first_answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        """What the server sends first; empty where it closes without a word."""
        self._reworder: Reworder | None = None

    def data_received(self, data: bytes) -> None:
        if self.forward is not None:
            self.forward(data)
        elif not self.first_answer.done():
            self.transport.pause_reading()
            self.first_answer.set_result(data)

    def reword(self, client: ClientSide, refusal: Refusal, *, from_start: bool = False) -> None:
        """Tell a client of a refusal instead of a read-only transaction, until `stop_rewording`."""
        if self._reworder is not None:
            self._reworder.refusal = refusal
            return
        reworder = self._reworder = Reworder(refusal, from_start=from_start)
        to_client, to_server = client.transport.write, self.transport.write

        def from_server(data: bytes) -> None:
            if ready := reworder.feed(data):
                to_client(ready)

        def from_client(data: bytes) -> None:
            reworder.client_sent()
            to_server(data)

        self.forward, client.forward = from_server, from_client

    def stop_rewording(self) -> None:
        """Be a plain pipe again; what was held back is passed on as it is."""
        client, reworder = self.other, self._reworder
        if client is None or reworder is None:
            return
        self._reworder = None
        self.forward, client.forward = client.transport.write, self.transport.write
        if (held := reworder.release()) and not client.lost:
            client.transport.write(held)

    def eof_received(self) -> bool:
        self.stop_rewording()
        return super().eof_received()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.first_answer.done():
            self.first_answer.set_result(b"")
        self.stop_rewording()
        super().connection_lost(error)


class ClientSide(_Side):
    """The connection from a client."""

    def __init__(self, router: Router, endpoint: str) -> None:
        super().__init__()
        self.endpoint = endpoint
        self.instance: str | None = None
        """The instance that it was handed to; None while it waits for one."""
        self.address: Address | None = None
        self._router = router
        self._buffer = b""
        self._search: asyncio.Task[None] | None = None
        self._startup_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        # A client that never says what it wants costs no server connection and does not stay.
        loop = asyncio.get_running_loop()
        self._startup_timer = loop.call_later(self._router.startup_timeout_s, self.transport.abort)

    def data_received(self, data: bytes) -> None:
        delay_s = self._router.delay_s.get(self.endpoint)
        if delay_s is None:
            self._take(data)
        else:
            self.transport.pause_reading()
            asyncio.get_running_loop().call_later(delay_s, self._take_late, data)

    def _take_late(self, data: bytes) -> None:
        """Nothing more was read meanwhile, so that the order stays; go on reading unless somebody else paused it."""
        if self.lost:
            return
        self._take(data)
        if self.other is None:
            waits = self._search is not None
        else:
            waits = self.other.transport.get_write_buffer_size() > BUFFER_BYTES_MAX
        if not waits:
            self.transport.resume_reading()

    def _take(self, data: bytes) -> None:
        if self.forward is not None:
            self.forward(data)
            return
        self._buffer += data
        if self._search is None:
            self._read_packets()

    def _read_packets(self) -> None:
        try:
            while (packet := startup.parse_packet(self._buffer)) is not None:
                self._buffer = self._buffer[len(packet.content) :]
                if packet.kind is startup.Kind.ENCRYPTION_REQUEST:
                    self.transport.write(startup.REFUSE_ENCRYPTION)
                    continue
                self._end_startup()
                if packet.kind is startup.Kind.CANCEL_REQUEST:
                    self._search = asyncio.ensure_future(self._router.cancel(self, packet.content))
                else:
                    self._begin(packet.content)
                return
        except startup.MalformedStartup:
            self.transport.abort()

    def _end_startup(self) -> None:
        if self._startup_timer is not None:
            self._startup_timer.cancel()

    def _begin(self, packet: bytes) -> None:
        if not self._router.admit(self):
            self.refuse(startup.TOO_MANY_CONNECTIONS, "sorry, too many clients already")
            return
        self.transport.pause_reading()
        self._search = asyncio.ensure_future(self._router.connect(self, packet))

    def refuse(self, sqlstate: str, message: str) -> None:
        """Close with PostgreSQL's own kind of error."""
        if not self.lost:
            self.transport.write(startup.fatal(sqlstate, message))
            self.transport.close()

    def join(self, server: ServerSide, instance: str, address: Address, answer: bytes, refusal: Refusal | None) -> None:
        """Become a pipe to a server that has answered, and tell the client of a refusal of writes where there is one."""
        self.instance, self.address = instance, address
        self.other, server.other = server, self
        self.forward, server.forward = server.transport.write, self.transport.write
        if refusal is not None:
            server.reword(self, refusal, from_start=True)
        server.data_received(answer)
        if self._buffer:
            server.transport.write(self._buffer)
            self._buffer = b""
        for side in (self, server):
            with contextlib.suppress(RuntimeError):
                side.transport.resume_reading()

    def follow(self, refusal: Refusal | None) -> None:
        """A new table is in force: begin, go on or stop to tell of a refusal of writes."""
        server = self.other
        if isinstance(server, ServerSide):
            if refusal is None:
                server.stop_rewording()
            else:
                server.reword(self, refusal)

    def cut(self, farewell: str = "") -> None:
        """End both sides at once; with a farewell the client is told why, as PostgreSQL tells it."""
        if farewell and not self.lost:
            self.transport.write(startup.fatal(startup.ADMIN_SHUTDOWN, farewell))
            self.transport.close()
        else:
            self.transport.abort()
        if self.other is not None:
            self.other.transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        self._end_startup()
        if self._search is not None:
            self._search.cancel()
        self._router.forget(self)
        super().connection_lost(error)
