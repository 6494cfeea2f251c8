"""TLS on a client's connection: the layer between its socket and the pipe of bytes.

A plain connection never meets this module. Where a client asks for TLS, a `TlsLayer` takes its place as the protocol of
the socket's transport, and serves as the transport of the `ClientSide`, which sees the same bytes as without TLS.

The records are OpenSSL's, by way of `ssl.MemoryBIO`. The event loop's own `start_tls` is not used: it cannot be given the
ClientHello that a client without a prior SSLRequest has already sent, and uvloop's keeps buffers of 256 KiB for each
connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

ALPN = "postgresql"
"""https://www.postgresql.org/docs/18/protocol-flow.html#PROTOCOL-FLOW-SSL"""
HANDSHAKE = 0x16
"""The first byte of a TLS connection; no startup packet that PostgreSQL accepts begins with it."""
_RECORD_BYTES_MAX = 16 * 1024
"""OpenSSL returns at most one record at a time, and Python allocates what it is asked for."""


class Inside(Protocol):
    """What is inside the layer: a client's side of a pipe."""

    def data_received(self, data: bytes) -> None:
        """Take bytes that the client has sent."""

    def eof_received(self) -> bool:
        """Note that the client sends nothing more; return whether it still gets bytes."""

    def connection_lost(self, error: Exception | None) -> None:
        """Note the end of the connection."""

    def pause_writing(self) -> None:
        """Note that the client does not read."""

    def resume_writing(self) -> None:
        """Note that the client reads again."""

    def tls_begun(self) -> None:
        """Note that the handshake is complete."""

    def tls_failed(self, reason: str) -> None:
        """Note that the handshake failed; the connection is being closed."""


class TlsLayer(asyncio.Protocol):
    """The server's end of a TLS connection: a protocol towards the socket, a transport towards its client's side."""

    def __init__(self, inside: Inside, transport: asyncio.Transport, context: ssl.SSLContext, *, direct: bool) -> None:
        """Prepare; nothing is allocated by OpenSSL before the client's first byte. `direct`: without an SSLRequest."""
        self._inside = inside
        self._transport = transport
        self._context = context
        self._direct = direct
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls: ssl.SSLObject | None = None
        self.established = False
        self._closing = False

    # Towards the socket

    def data_received(self, data: bytes) -> None:
        """Decrypt what has arrived and pass it on."""
        self._incoming.write(data)
        if not self.established and not self._shake_hands():
            return
        try:
            text, ended = self._decrypt()
        except ssl.SSLError:
            self._transport.abort()
            return
        self._flush()
        if text:
            self._inside.data_received(text)
        if ended and not self._closing and not self._inside.eof_received():
            self.close()

    def eof_received(self) -> bool:
        """Note that the client closed its direction, with a close_notify or without one."""
        return self.established and self._inside.eof_received()

    def connection_lost(self, error: Exception | None) -> None:
        """Pass on the end of the connection."""
        self._inside.connection_lost(error)

    def pause_writing(self) -> None:
        """Pass on that the client does not read."""
        self._inside.pause_writing()

    def resume_writing(self) -> None:
        """Pass on that the client reads again."""
        self._inside.resume_writing()

    def _shake_hands(self) -> bool:
        """Continue the handshake; return whether it is complete."""
        if self._tls is None:
            self._tls = self._context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
            return False
        except ssl.SSLError as error:
            self._fail(error.reason or "no TLS")
            return False
        if self._direct and self._tls.selected_alpn_protocol() != ALPN:
            self._fail("direct TLS without ALPN")
            return False
        self._flush()
        self.established = True
        self._inside.tls_begun()
        return True

    def _fail(self, reason: str) -> None:
        """Send the client OpenSSL's alert, and close."""
        self._flush()
        self._inside.tls_failed(reason)
        self._transport.close()

    def _decrypt(self) -> tuple[bytes, bool]:
        """Return the decrypted bytes, and whether the client has ended its direction. Raises SSLError."""
        tls, incoming = self._tls, self._incoming
        assert tls is not None
        text = b""
        try:
            # Asking for more than there is would raise an exception, which costs as much as decrypting a short record.
            while incoming.pending or tls.pending():
                part = tls.read(_RECORD_BYTES_MAX)
                if not part:
                    return text, True
                text = text + part if text else part
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            return text, True
        return text, False

    def _flush(self) -> None:
        if self._outgoing.pending and not self._transport.is_closing():
            self._transport.write(self._outgoing.read())

    # Towards the client's side

    def write(self, data: bytes) -> None:
        """Encrypt and send bytes; nothing is sent before the handshake is complete or after `close`."""
        if self._tls is None or not self.established or self._closing or not data:
            return
        try:
            self._tls.write(data)
        except ssl.SSLError:
            self._transport.abort()
            return
        self._flush()

    def write_eof(self) -> None:
        """Do nothing: PostgreSQL never closes one direction alone."""

    def close(self) -> None:
        """Send a close_notify and close once everything is delivered."""
        if self._tls is not None and self.established and not self._closing:
            self._closing = True
            # The client's own close_notify has not come, and is not waited for.
            with contextlib.suppress(ssl.SSLError):
                self._tls.unwrap()
            self._flush()
        self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        self._transport.abort()

    def pause_reading(self) -> None:
        """Stop reading from the client."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read from the client again."""
        self._transport.resume_reading()

    def is_closing(self) -> bool:
        """Return whether the connection is being closed."""
        return self._closing or self._transport.is_closing()

    def get_write_buffer_size(self) -> int:
        """Return how many encrypted bytes wait for the client."""
        return self._transport.get_write_buffer_size()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return what the socket's transport knows."""
        return self._transport.get_extra_info(name, default)


def server_context(pem: str) -> ssl.SSLContext:
    """Build the context of new TLS connections from a private key with its certificates. Raises OSError, SSLError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # As PostgreSQL: from TLS 1.2 on, no renegotiation, no sessions to resume.
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_TICKET
    context.num_tickets = 0
    context.set_alpn_protocols([ALPN])
    with _as_file(pem) as path:
        context.load_cert_chain(path)
    return context


@contextmanager
def _as_file(text: str) -> Iterator[str]:
    """Hold a text in a file for a moment: in memory where the system can.

    The library reads nothing else. Started by root, this process has given up the account that could read the supervisor's file.
    """
    if sys.platform == "linux":
        descriptor = os.memfd_create("certificate")
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            yield f"/proc/self/fd/{descriptor}"
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "certificate.pem"
        path.touch(mode=0o600)
        path.write_text(text)
        yield str(path)
