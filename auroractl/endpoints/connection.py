"""One client connection: its first packet, the choice of a server, then a plain pipe of bytes."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable
from typing import Protocol, cast

from auroractl.core.address import Address
from auroractl.core.routing_table import RoutingTable
from auroractl.core.synchronous_commit.setting import REFUSAL
from auroractl.endpoints import startup
from auroractl.endpoints.refusal import Refusal, Reworder
from auroractl.endpoints.synchronous_commit_filter import Enforcer, refused_startup
from auroractl.endpoints.tls_layer import HANDSHAKE, TlsLayer

BUFFER_BYTES_MAX = 256 * 1024
"""Bytes that may wait in one direction for a peer that does not read. Beyond this the other side is not read either."""

HANDSHAKE_TIMEOUT_S = 20.0
"""How long a client may take for its TLS handshake. One with a real network in between takes well under a second."""
LINGER_S = 30.0
"""How long the remaining bytes of an ended connection wait for a peer that does not read."""


class _Side(asyncio.Protocol):
    """One end of a pipe. Bytes that arrive here leave through the other end, at the speed of that end."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport = cast("asyncio.Transport", None)
        self.other: _Side | None = None
        self.forward: Callable[[bytes], None] | None = None
        """Handles bytes that arrive here once there is another end: its plain `write`, unless writes are refused."""
        self.ended = False
        self.lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.transport.set_write_buffer_limits(high=BUFFER_BYTES_MAX)
        sock = self.transport.get_extra_info("socket")
        if sock.family != socket.AF_UNIX:
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
        """Close one direction and keep the other; when both have ended, the pipe ends."""
        self.ended = True
        if self.other is None or self.other.lost:
            return False
        if self.other.ended:
            self.other.finish()
            return False
        self.other.transport.write_eof()
        return True

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002
        self.lost = True
        if self.other is not None and not self.other.lost:
            # Bytes received before the end are still delivered to the other side.
            self.other.finish()

    def finish(self) -> None:
        """Close once the remaining bytes are delivered; a peer that does not read them in time loses them."""
        self.transport.close()
        if not self.lost and self.transport.get_write_buffer_size():
            asyncio.get_running_loop().call_later(LINGER_S, self.transport.abort)


class ServerSide(_Side):
    """The connection to an instance."""

    def __init__(self) -> None:
        super().__init__()
        self.first_answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        """The server's first message; empty if it closes without one. Who wants another one replaces it."""
        self._reworder: Reworder | None = None

    def data_received(self, data: bytes) -> None:
        if self.forward is not None:
            self.forward(data)
        elif not self.first_answer.done():
            self.transport.pause_reading()
            self.first_answer.set_result(data)

    def reword(self, client: ClientSide, refusal: Refusal, *, from_start: bool = False) -> None:
        """Replace read-only errors with a refusal to the client, until `stop_rewording`."""
        if self._reworder is not None:
            self._reworder.refusal = refusal
            return
        reworder = self._reworder = Reworder(refusal, from_start=from_start)
        to_client = client.transport.write

        def from_server(data: bytes) -> None:
            if ready := reworder.feed(data):
                to_client(ready)

        def from_client(data: bytes) -> None:
            reworder.client_sent()
            client.deliver(data)

        self.forward, client.forward = from_server, from_client

    def stop_rewording(self) -> None:
        """Become a plain pipe again; held-back bytes are passed on unchanged."""
        client, reworder = self.other, self._reworder
        if not isinstance(client, ClientSide) or reworder is None:
            return
        self._reworder = None
        self.forward, client.forward = client.transport.write, client.plain()
        if (held := reworder.release()) and not client.lost:
            client.transport.write(held)

    def eof_received(self) -> bool:
        """End the client's side too.

        A server that has ended reads nothing more, and an idle client would keep its slot indefinitely.
        """
        self.stop_rewording()
        if self.other is not None and not self.other.lost:
            self.other.finish()
        return False

    def connection_lost(self, error: Exception | None) -> None:
        if not self.first_answer.done():
            self.first_answer.set_result(b"")
        self.stop_rewording()
        super().connection_lost(error)


class Switchboard(Protocol):
    """The parts of the endpoint process that a client's connection needs."""

    table: RoutingTable
    delay_s: dict[str, float]
    startup_timeout_s: float
    tls: ssl.SSLContext | None
    """How to end TLS; None if clients are told that there is none."""

    def note_handshake(self, failure: str = "") -> None:
        """Count a TLS handshake: complete, or failed for a reason."""

    def meet(self, client: ClientSide) -> None:
        """Count a connection that has sent nothing yet."""

    def admit(self, client: ClientSide) -> bool:
        """Count a client in, unless its endpoint is full."""

    def forget(self, client: ClientSide) -> None:
        """Count a client out."""

    async def connect(self, client: ClientSide, packet: bytes) -> None:
        """Hand a client to a member, or hold it until there is one or the timeout expires."""

    async def cancel(self, client: ClientSide, packet: bytes) -> None:
        """Forward a cancel request."""


class ClientSide(_Side):
    """The connection from a client."""

    def __init__(self, switchboard: Switchboard, endpoint: str) -> None:
        super().__init__()
        self.endpoint = endpoint
        self.instance: str | None = None
        """The instance that it was handed to; None while it waits for one."""
        self.address: Address | None = None
        self._switchboard = switchboard
        self._buffer = b""
        self._refused_codes: set[bytes] = set()
        """Kinds of encryption that it has asked for without success; PostgreSQL accepts each once."""
        self.tls: TlsLayer | None = None
        """What stands between this and the socket; None for a plain connection."""
        self._handshake_timer: asyncio.TimerHandle | None = None
        self._enforcer: Enforcer | None = None
        """Follows what the client sends, if synchronous_commit is enforced."""
        self._search: asyncio.Task[None] | None = None
        self._startup_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        # A client that never sends a startup packet takes no server connection and is dropped.
        self._switchboard.meet(self)
        loop = asyncio.get_running_loop()
        self._startup_timer = loop.call_later(self._switchboard.startup_timeout_s, self.transport.abort)

    def data_received(self, data: bytes) -> None:
        delay_s = self._switchboard.delay_s.get(self.endpoint)
        if delay_s is None:
            self._take(data)
        else:
            self.transport.pause_reading()
            asyncio.get_running_loop().call_later(delay_s, self._take_late, data)

    def _take_late(self, data: bytes) -> None:
        """Deliver what was read before the pause, and resume reading unless another component paused it.

        Nothing more was read meanwhile, so the order is kept.
        """
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
            if self._begins_with_tls():
                self._begin_tls(direct=True)
                return
            while (packet := startup.parse_packet(self._buffer)) is not None:
                self._buffer = self._buffer[len(packet.content) :]
                if packet.kind is startup.Kind.ENCRYPTION_REQUEST:
                    if self._answer_encryption(packet):
                        return
                    continue
                self._end_startup()
                if packet.kind is startup.Kind.CANCEL_REQUEST:
                    self.transport.pause_reading()
                    self._search = asyncio.ensure_future(self._switchboard.cancel(self, packet.content))
                else:
                    self._begin(packet.content)
                return
        except startup.MalformedStartup:
            self.transport.abort()

    def _begins_with_tls(self) -> bool:
        """Return whether the client begins TLS without having asked for it (`sslnegotiation=direct`)."""
        unasked = self.tls is None and not self._refused_codes and self._switchboard.tls is not None
        return unasked and self._buffer[:1] == bytes([HANDSHAKE])

    def _answer_encryption(self, packet: startup.Packet) -> bool:
        """Answer a request for encryption; return whether TLS begins.

        Raises MalformedStartup if the client repeats the same request, which it could do without end, asks for encryption
        inside TLS, or sends bytes after its request, which would pass for encrypted ones.
        """
        code = packet.content[4:8]
        if code in self._refused_codes or self.tls is not None:
            raise startup.MalformedStartup("this encryption was refused or begun already")
        if code == startup.TLS_CODE and self._switchboard.tls is not None:
            if self._buffer:
                raise startup.MalformedStartup("unencrypted bytes after a request for TLS")
            self.transport.write(startup.ACCEPT_TLS)
            self._begin_tls(direct=False)
            return True
        self._refused_codes.add(code)
        self.transport.write(startup.REFUSE_ENCRYPTION)
        return False

    def _begin_tls(self, *, direct: bool) -> None:
        """Put TLS between this and the socket."""
        assert self._switchboard.tls is not None
        raw, said, self._buffer = self.transport, self._buffer, b""
        self.tls = TlsLayer(self, raw, self._switchboard.tls, direct=direct)
        self.transport = cast("asyncio.Transport", self.tls)
        raw.set_protocol(self.tls)
        loop = asyncio.get_running_loop()
        self._handshake_timer = loop.call_later(HANDSHAKE_TIMEOUT_S, raw.abort)
        if said:
            self.tls.data_received(said)

    def tls_begun(self) -> None:
        """Note that the handshake is complete."""
        self._end_handshake("")

    def tls_failed(self, reason: str) -> None:
        """Note that the handshake failed."""
        self._end_handshake(reason)

    def _end_handshake(self, failure: str) -> None:
        """Count a handshake that has not ended yet."""
        if self._handshake_timer is not None:
            self._handshake_timer.cancel()
            self._handshake_timer = None
            self._switchboard.note_handshake(failure)

    def _end_startup(self) -> None:
        if self._startup_timer is not None:
            self._startup_timer.cancel()

    def _begin(self, packet: bytes) -> None:
        if self._switchboard.table.tls_required and self.tls is None:
            peer = self.transport.get_extra_info("peername")
            if peer is None:
                # The client has reset the connection.
                self.transport.abort()
                return
            self.refuse(startup.INVALID_AUTHORIZATION, startup.without_encryption(packet, str(peer[0])))
            return
        if self._switchboard.table.synchronous_commit_enforced:
            if refused_startup(packet):
                self.refuse(startup.INSUFFICIENT_PRIVILEGE, REFUSAL)
                return
            self._enforcer = Enforcer()
        if not self._switchboard.admit(self):
            self.refuse(startup.TOO_MANY_CONNECTIONS, "sorry, too many clients already")
            return
        self.transport.pause_reading()
        self._search = asyncio.ensure_future(self._switchboard.connect(self, packet))

    def refuse(self, sqlstate: str, message: str, hint: str = "") -> None:
        """Close the connection with PostgreSQL's own kind of error."""
        if not self.lost:
            self.transport.write(startup.fatal(sqlstate, message, hint))
            self.finish()

    def join(self, server: ServerSide, instance: str, address: Address, answer: bytes, refusal: Refusal | None) -> None:
        """Become a pipe to a server that has answered, and begin rewording if writes are refused."""
        self.instance, self.address = instance, address
        self.other, server.other = server, self
        self.forward, server.forward = self.plain(), self.transport.write
        if refusal is not None:
            server.reword(self, refusal, from_start=True)
        server.data_received(answer)
        if self._buffer:
            self.deliver(self._buffer)
            self._buffer = b""
        for side in (self, server):
            with contextlib.suppress(RuntimeError):
                side.transport.resume_reading()

    def plain(self) -> Callable[[bytes], None]:
        """Return the handler of the client's bytes behind the enforcement."""
        return self.deliver if self._enforcer is not None or self.other is None else self.other.transport.write

    def deliver(self, data: bytes) -> None:
        """Pass on the client's bytes, through the enforcement if there is one."""
        ready = data if self._enforcer is None else self._enforcer.feed(data)
        if ready and self.other is not None:
            self.other.transport.write(ready)

    def _stop_enforcing(self) -> None:
        enforcer, self._enforcer = self._enforcer, None
        if enforcer is None or self.other is None:
            return
        if self.forward == self.deliver:
            self.forward = self.plain()
        if (held := enforcer.release()) and not self.other.lost:
            self.other.transport.write(held)

    def eof_received(self) -> bool:
        self._stop_enforcing()
        return super().eof_received()

    def follow(self, refusal: Refusal | None) -> None:
        """Adapt to a new routing table: begin, continue or stop rewording; stop enforcing."""
        if not self._switchboard.table.synchronous_commit_enforced:
            self._stop_enforcing()
        server = self.other
        if isinstance(server, ServerSide):
            if refusal is None:
                server.stop_rewording()
            else:
                server.reword(self, refusal)

    def cut(self, farewell: str = "") -> None:
        """Close both sides at once; with a farewell, tell the client the reason as PostgreSQL does."""
        if farewell and not self.lost:
            self.transport.write(startup.fatal(startup.ADMIN_SHUTDOWN, farewell))
            self.finish()
        else:
            self.transport.abort()
        if self.other is not None:
            self.other.transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        self._end_startup()
        self._end_handshake("the connection ended before it was complete")
        if self._search is not None:
            self._search.cancel()
        self._switchboard.forget(self)
        super().connection_lost(error)
