"""Tickets: how the endpoint process logs a client in whose token it has checked, without a password of the user.

A ticket is random, is good for one login of one user, and is known to no one but this process. It is given to the server in
place of a password, and the server asks this process over RADIUS whether it is good. RADIUS is the one method with which
every build of PostgreSQL asks someone else (https://www.postgresql.org/docs/18/auth-radius.html,
https://www.rfc-editor.org/rfc/rfc2865). The server names the user, so nothing depends on how a startup packet is read here.

Any local account may send packets to this port. Without the secret it gets no ticket accepted, and it cannot answer in
place of this process, which holds the port.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import secrets
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

from auroractl.core.iam import IamRules

log = logging.getLogger(__name__)

_ACCESS_REQUEST, _ACCESS_ACCEPT, _ACCESS_REJECT = 1, 2, 3
_USER_NAME, _USER_PASSWORD = 1, 2
_HEADER = struct.Struct("!BBH16s")
_PACKET_BYTES_MAX = 4096
_BLOCK_BYTES = 16
_TICKET_BYTES = 32
_HIDDEN_BYTES = 48
"""The length of a ticket's encrypted text: 43 characters in blocks of 16."""
_BUFFER_BYTES = 4 * 1024**2
"""As many bytes of packets as the system allows wait: anyone may send some."""


class Tickets(asyncio.DatagramProtocol):
    """The tickets of logins in progress, and the answers to servers that are given one."""

    def __init__(self) -> None:
        self._secret = b""
        self._told = ""
        """Why the port could last not be opened."""
        self._users: dict[bytes, bytes] = {}
        """The user of each ticket."""
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note that the port is open."""
        self._transport = cast("asyncio.DatagramTransport", transport)

    @property
    def is_open(self) -> bool:
        """Return whether servers are answered."""
        return self._transport is not None

    async def open(self, rules: IamRules) -> None:
        """Begin to answer servers. While another process has the port, no one is; the log says so once."""
        self._secret = rules.secret.encode()
        port = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            port.setblocking(False)
            port.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
            port.bind((rules.judge.host, rules.judge.port))
            await asyncio.get_running_loop().create_datagram_endpoint(lambda: self, sock=port)
        except OSError as error:
            port.close()
            reason = f"IAM authentication is not possible: UDP port {rules.judge}: {error.strerror or error}"
            if reason != self._told:
                log.warning("%s", reason)
            self._told = reason
        else:
            self._told = ""

    def close(self) -> None:
        """Answer no one any more."""
        if self._transport is not None:
            self._transport.close()
        self._transport, self._secret = None, b""

    @contextmanager
    def issued(self, user: bytes) -> Iterator[bytes]:
        """Hold a ticket for a user, until it is used or the block ends."""
        ticket = secrets.token_urlsafe(_TICKET_BYTES).encode()
        self._users[ticket] = user
        try:
            yield ticket
        finally:
            self._users.pop(ticket, None)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Answer a server; drop what is no request."""
        answer = self.answer(data)
        if answer and self._transport is not None:
            self._transport.sendto(answer, addr)

    def answer(self, data: bytes) -> bytes:
        """Return the answer to a request, whose ticket is used up; empty for what belongs to no login.

        What anyone may send costs as little as possible.
        """
        request = _parse(data) if self._users and self._secret else None
        if request is None:
            return b""
        number, authenticator, attributes = request
        ticket = _revealed(attributes[_USER_PASSWORD], authenticator, self._secret)
        user = self._users.pop(ticket, None)
        good = user is not None and hmac.compare_digest(user, attributes[_USER_NAME])
        return _sealed(_ACCESS_ACCEPT if good else _ACCESS_REJECT, number, authenticator, self._secret)


def _parse(data: bytes) -> tuple[int, bytes, dict[int, bytes]] | None:
    """Return number, authenticator and attributes of a request; None for anything else."""
    if not _HEADER.size <= len(data) <= _PACKET_BYTES_MAX:
        return None
    code, number, length, authenticator = _HEADER.unpack_from(data)
    if code != _ACCESS_REQUEST or length != len(data):
        return None
    attributes: dict[int, bytes] = {}
    rest = data[_HEADER.size :]
    while rest:
        if len(rest) < 2 or not 2 <= rest[1] <= len(rest) or rest[0] in attributes:
            return None
        attributes[rest[0]] = rest[2 : rest[1]]
        rest = rest[rest[1] :]
    hidden = attributes.get(_USER_PASSWORD, b"")
    if len(hidden) != _HIDDEN_BYTES or _USER_NAME not in attributes:
        return None
    return number, authenticator, attributes


def _revealed(hidden: bytes, authenticator: bytes, secret: bytes) -> bytes:
    """Decrypt a password (RFC 2865, 5.2)."""
    shown, before = b"", authenticator
    for start in range(0, len(hidden), _BLOCK_BYTES):
        block = hidden[start : start + _BLOCK_BYTES]
        mask = _md5(secret + before)
        shown += bytes(one ^ other for one, other in zip(block, mask, strict=True))
        before = block
    return shown.rstrip(b"\0")


def _sealed(code: int, number: int, authenticator: bytes, secret: bytes) -> bytes:
    """Build an answer that only who knows the secret can give to this request (RFC 2865, 3)."""
    seal = _md5(_HEADER.pack(code, number, _HEADER.size, authenticator) + secret)
    return _HEADER.pack(code, number, _HEADER.size, seal)


def _md5(data: bytes) -> bytes:
    return hashlib.md5(data, usedforsecurity=False).digest()
