"""The login of a client that gives a token in place of a password.

Who has to is the server's own decision: it refuses the passwords of members of rds_iam (`engine.iam_users`), and this
process asks for a token where it does.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct

from auroractl.core.iam import TOKEN_BYTES_MAX
from auroractl.endpoints.connection import ClientSide
from auroractl.endpoints.startup import INVALID_AUTHORIZATION, message, parameters

_INTERNAL = frozenset({b"rdsadmin", b"rdsrepladmin"})
_HEADER = struct.Struct("!cI")
_REJECTED_IN, _FAILED_IN = b"RClientAuthentication", b"Rauth_failed"
"""The functions in which PostgreSQL refuses a client by pg_hba.conf, and after it has proven nothing."""
_PASSWORD_REQUEST = message("R", struct.pack("!I", 3))
"""AuthenticationCleartextPassword."""
_VERSION = b"v"
"""NegotiateProtocolVersion, which precedes the answer to a client that asks for a newer protocol."""


class TokenNeeded(Exception):
    """A server lets a client in with a token only."""

    def __init__(self, instance: str, notice: bytes) -> None:
        """Note the instance, and what it has said to the client before."""
        super().__init__(instance)
        self.instance, self.notice = instance, notice


def needs_token(packet: bytes, answer: bytes) -> bool:
    """Return whether a server's answer to a startup packet refuses a password that this process could replace by a token."""
    given = parameters(packet)
    if b"replication" in given or given.get(b"user") in _INTERNAL:
        return False
    return _is_error_of(answer.removeprefix(notice(answer)), _REJECTED_IN)


def notice(answer: bytes) -> bytes:
    """Return what a server says about the version of the protocol before its answer; most clients ask for none."""
    end = 0
    while answer[end : end + 1] == _VERSION and len(answer) >= end + _HEADER.size:
        end += 1 + _HEADER.unpack_from(answer, end)[1]
    return answer[:end]


def asks_password(answer: bytes) -> bool:
    """Return whether a server asks for a password in clear text, and nothing else."""
    return answer.removeprefix(notice(answer)) == _PASSWORD_REQUEST


def is_unproven(answer: bytes) -> bool:
    """Return whether a server did not accept a ticket."""
    return _is_error_of(answer, _FAILED_IN)


def _is_error_of(answer: bytes, function: bytes) -> bool:
    fields = answer[_HEADER.size :].split(b"\0") if answer[:1] == b"E" else []
    return b"C" + INVALID_AUTHORIZATION.encode() in fields and function in fields


def password_message(password: bytes) -> bytes:
    """Build a PasswordMessage."""
    return message("p", password + b"\0")


async def ask_token(client: ClientSide, notice: bytes, timeout_s: float) -> bytes | None:
    """Ask a client for its token; None if it sends something else or too much, or too late."""
    heard, complete = bytearray(), asyncio.Event()

    def hear(data: bytes) -> None:
        heard.extend(data)
        if _is_complete(heard):
            client.transport.pause_reading()
            complete.set()
        else:
            _read_on(client)

    client.transport.write(notice + _PASSWORD_REQUEST)
    client.forward = hear
    try:
        _read_on(client)
        async with asyncio.timeout(timeout_s):
            await complete.wait()
    except TimeoutError:
        return None
    finally:
        client.forward = None
    return _password(bytes(heard))


def _read_on(client: ClientSide) -> None:
    with contextlib.suppress(RuntimeError):
        client.transport.resume_reading()


def _is_complete(heard: bytearray) -> bool:
    """Return whether a whole message has come, or something that is none or too long."""
    if not heard or heard[:1] != b"p":
        return bool(heard)
    if len(heard) < _HEADER.size:
        return False
    length: int = _HEADER.unpack_from(heard)[1]
    return length > TOKEN_BYTES_MAX or len(heard) > length


def _password(heard: bytes) -> bytes | None:
    """Return the password of a PasswordMessage; None if it is none, is too long or is followed by anything."""
    if len(heard) < _HEADER.size or heard[:1] != b"p" or _HEADER.unpack_from(heard)[1] != len(heard) - 1:
        return None
    password, end, rest = heard[_HEADER.size :].partition(b"\0")
    return password if end and not rest else None
