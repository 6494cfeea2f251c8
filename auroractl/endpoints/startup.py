"""The first packets of a PostgreSQL connection, and the errors that the endpoint process itself sends.

Format: https://www.postgresql.org/docs/18/protocol-message-formats.html
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import Enum

STARTUP_BYTES_MAX = 10_000
"""PostgreSQL's MAX_STARTUP_PACKET_LENGTH."""
_CANCEL, _SSL, _GSSENC = 80877102, 80877103, 80877104
_MESSAGE_HEADER_BYTES = 5

REFUSE_ENCRYPTION = b"N"
ACCEPT_TLS = b"S"
TLS_CODE = struct.pack("!I", _SSL)
INSUFFICIENT_PRIVILEGE = "42501"
INVALID_AUTHORIZATION = "28000"
TOO_MANY_CONNECTIONS = "53300"
ADMIN_SHUTDOWN = "57P01"
CANNOT_CONNECT_NOW = "57P03"


class Kind(Enum):
    """What a client's first packet asks for."""

    ENCRYPTION_REQUEST = "encryption request"
    CANCEL_REQUEST = "cancel request"
    STARTUP = "startup"


@dataclass(frozen=True, slots=True)
class Packet:
    """A complete first packet."""

    kind: Kind
    content: bytes


class MalformedStartup(ValueError):
    """The bytes received are no PostgreSQL startup packet."""


def parse_packet(buffer: bytes) -> Packet | None:
    """Parse the packet at the beginning of a buffer; None while it is incomplete.

    >>> parse_packet(struct.pack("!II", 8, 80877103)).kind
    <Kind.ENCRYPTION_REQUEST: 'encryption request'>

    Raises MalformedStartup for a length that PostgreSQL would refuse; TLS without a prior request looks like that.
    """
    if len(buffer) < 4:
        return None
    (length,) = struct.unpack_from("!I", buffer)
    if not 8 <= length <= STARTUP_BYTES_MAX:
        raise MalformedStartup(f"a startup packet of {length} bytes")
    if len(buffer) < length:
        return None
    (code,) = struct.unpack_from("!I", buffer, 4)
    kinds = {_CANCEL: Kind.CANCEL_REQUEST, _SSL: Kind.ENCRYPTION_REQUEST, _GSSENC: Kind.ENCRYPTION_REQUEST}
    return Packet(kinds.get(code, Kind.STARTUP), buffer[:length])


def parameters(packet: bytes) -> dict[bytes, bytes]:
    r"""Return what a startup packet says.

    >>> parameters(struct.pack("!II", 0, 196608) + b"user\0eva\0\0")
    {b'user': b'eva'}
    """
    fields = packet[8:].split(b"\0")
    return {name: value for name, value in zip(fields[::2], fields[1::2], strict=False) if name}


def without_encryption(packet: bytes, host: str) -> str:
    r"""Return PostgreSQL's sentence for a client that may only connect with TLS and does not.

    >>> without_encryption(struct.pack("!II", 0, 196608) + b"user\0eva\0\0", "127.0.0.1")
    'no pg_hba.conf entry for host "127.0.0.1", user "eva", database "eva", no encryption'
    """
    given = parameters(packet)
    user = given.get(b"user", b"").decode(errors="replace")
    database = given.get(b"database", b"").decode(errors="replace") or user
    return f'no pg_hba.conf entry for host "{host}", user "{user}", database "{database}", no encryption'


def message(kind: str, body: bytes) -> bytes:
    """Build a message as either side sends it after the startup.

    >>> message("Z", b"I")
    b'Z\\x00\\x00\\x00\\x05I'
    """
    return kind.encode() + struct.pack("!I", 4 + len(body)) + body


def fatal(sqlstate: str, text: str, hint: str = "") -> bytes:
    """Build an ErrorResponse of severity FATAL, as PostgreSQL sends before it closes a connection."""
    fields = {"S": "FATAL", "V": "FATAL", "C": sqlstate, "M": text} | ({"H": hint} if hint else {})
    return message("E", b"".join(name.encode() + value.encode() + b"\0" for name, value in fields.items()) + b"\0")


def is_error(answer: bytes) -> bool:
    """Return whether a server's first answer is an error, after which it closes the connection."""
    return answer[:1] == b"E"


def cannot_connect_now(answer: bytes) -> bool:
    """Return whether a server's first answer says that it is starting up or shutting down.

    >>> cannot_connect_now(fatal("57P03", "the database system is starting up"))
    True
    >>> cannot_connect_now(fatal("28P01", "password authentication failed"))
    False
    """
    if not is_error(answer):
        return False
    fields = answer[_MESSAGE_HEADER_BYTES:].split(b"\0")
    return b"C" + CANNOT_CONNECT_NOW.encode() in fields
