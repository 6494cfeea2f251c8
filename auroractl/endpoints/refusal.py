"""Refusal of writes: PostgreSQL's error for a read-only transaction, reworded for the client.

When a cluster's storage volume is full the writer is made read-only, and PostgreSQL then reports only "cannot execute
INSERT in a read-only transaction". While the routing table says so, the server's messages are followed one by one. That
one error is replaced by a disk_full error with the reason and a hint. Everything else passes unchanged and at once;
only an error that has not arrived completely is held back.

A connection that begins while writes are refused is followed from its first byte, and so with certainty. A connection
that was open before has been a plain pipe, for speed, so the position of message boundaries in it is unknown. It is
followed from the moment when the client sends something and the server has either been silent since the refusal began,
or has just sent a ReadyForQuery.

The states of one connection:

    open before the refusal --> quiet --client_sent--> following <-- new during the refusal
                                |   ^                      |
                    other bytes |   | ReadyForQuery        | bytes that are no message
                                v   | at the end           v
                                busy               quiet or busy, by the last bytes

    quiet (`_silent`), busy (not `_silent`): everything passes at once
    following (`_follows`): between messages, in one that passes at once (`_skip`), or in an error, held back (`_kept`)

Each becomes a plain pipe when the refusal ends (`release`).

A client that waits for each answer does that only between two messages, so for it this too is certain. For a client
that sends ahead (pipeline mode, COPY in both directions) it is not. The silence may fall within a message, and so may
bytes that look like a ReadyForQuery. The next header is then usually invalid, and the stream passes unchanged until the
next such moment. If it happens to be valid, an error may pass unchanged that should have been reworded. Data could be
reworded by mistake only if it contained a complete PostgreSQL error, byte by byte, including the function that raised
it, at exactly that position of such a connection.

Format: https://www.postgresql.org/docs/18/protocol-message-formats.html
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from auroractl.endpoints.startup import message

ERROR_BYTES_MAX = 256 * 1024
"""Maximum size of a held-back error. A longer one is never a read-only error and passes unchanged."""

_READ_ONLY_TRANSACTION, _DISK_FULL = b"25006", b"53100"
_ROUTINE = b"PreventCommandIfReadOnly"
"""The function in which PostgreSQL raises the error.

A 25006 from elsewhere, such as a foreign server, has another reason.
"""
_SUFFIX = b" in a read-only transaction"
_ERROR = ord("E")
_READY_FOR_QUERY = tuple(message("Z", status) for status in (b"I", b"T", b"E"))
_READY_BYTES = 6
_TYPES = frozenset(b"123ACDEGHIKNRSTVWZcdnstv")
"""All message types that a server sends."""
_LONG_TYPES = frozenset(b"ADENSTVdt")
_LENGTH_MAX, _SHORT_LENGTH_MAX = 0x3FFFFFFF, 30_000
"""PostgreSQL's MaxAllocSize, and libpq's own limit for a message that holds no data or text."""
_HEADER = struct.Struct("!BI")


@dataclass(frozen=True, slots=True)
class Refusal:
    """The error that a client receives instead of PostgreSQL's own."""

    reason: str
    hint: str


def reworded(body: bytes, refusal: Refusal) -> bytes | None:
    """Reword the body of an ErrorResponse; return None for any other error, which stays as it is.

    >>> body = b"SERROR\\0VERROR\\0C25006\\0Mcannot execute INSERT in a read-only transaction\\0\\0"
    >>> reworded(body, Refusal("the volume is full", "Make room."))
    b'SERROR\\x00VERROR\\x00C53100\\x00Mcannot execute INSERT: the volume is full\\x00HMake room.\\x00\\x00'

    Severity, position, context and the location in PostgreSQL's source are kept. A translated message keeps its text.
    """
    if not body.endswith(b"\0\0"):
        return None
    fields = {field[:1]: field[1:] for field in body[:-2].split(b"\0")}
    if b"" in fields or fields.get(b"C") != _READ_ONLY_TRANSACTION or fields.get(b"R", _ROUTINE) != _ROUTINE:
        return None
    what = fields.get(b"M", b"cannot write").removesuffix(_SUFFIX)
    fields |= {b"C": _DISK_FULL, b"M": what + b": " + _encoded(refusal.reason)}
    if refusal.hint:
        fields[b"H"] = _encoded(refusal.hint)
    return b"".join(kind + value + b"\0" for kind, value in fields.items()) + b"\0"


def _encoded(text: str) -> bytes:
    """Encode in ASCII: the client's encoding is unknown here, and every encoding that PostgreSQL offers contains ASCII."""
    return text.replace("\0", " ").encode("ascii", "replace")


class Reworder:
    """Follows the server's messages on one connection."""

    def __init__(self, refusal: Refusal, *, from_start: bool) -> None:
        """Begin to follow; `from_start` means that the server has sent nothing yet.

        The module's docstring describes the other case.
        """
        self.refusal = refusal
        self._follows = from_start
        self._silent = True
        """While not following: nothing has come, or a ReadyForQuery came last."""
        self._tail = b""
        """While not following: the end of the received bytes, as long as a ReadyForQuery."""
        self._skip = 0
        """Remaining bytes of a message that passes unchanged."""
        self._kept = b""
        """Beginning of a header, or of an error. The client already has it, unless it belongs to an error."""

    def client_sent(self) -> None:
        """Note that the client has sent something: the server may be followable from here."""
        self._follows = self._follows or self._silent

    def feed(self, data: bytes) -> bytes:
        """Return the bytes to send to the client, given these from the server."""
        if not self._follows:
            self._watch(data)
            return data
        out, start, position = b"", len(self._kept) - len(self._held()), self._skip
        data = self._kept + data
        while position + _HEADER.size <= len(data):
            kind, length = _HEADER.unpack_from(data, position)
            if not _plausible(kind, length):
                self._lose(data)
                return out + data[start:]
            end = position + 1 + length
            if kind == _ERROR and length <= ERROR_BYTES_MAX:
                if end > len(data):
                    break
                body = reworded(data[position + _HEADER.size : end], self.refusal)
                if body is not None:
                    out += data[start:position] + message("E", body)
                    start = end
            position = end
        return out + data[start : self._keep(data, position)]

    def _keep(self, data: bytes, position: int) -> int:
        """Keep the incomplete bytes from a position on, and return up to where the client gets the rest."""
        self._skip = max(0, position - len(data))
        self._kept = data[position:]
        return len(data) - len(self._held())

    def _held(self) -> bytes:
        """Return the kept bytes that the client does not have yet."""
        return self._kept if self._kept[:1] == b"E" else b""

    def _watch(self, data: bytes) -> None:
        self._tail = (self._tail + data[-_READY_BYTES:])[-_READY_BYTES:]
        self._silent = self._tail in _READY_FOR_QUERY

    def _lose(self, data: bytes) -> None:
        """Stop following, because these bytes are no message.

        A position was wrong, or the server ended with plain text, as a failed fork does.
        """
        self._follows, self._kept, self._skip, self._tail = False, b"", 0, b""
        self._watch(data)

    def release(self) -> bytes:
        """Return the held-back bytes, for the client to receive unchanged, and follow nothing any more."""
        held = self._held()
        self._follows, self._kept = False, b""
        return held


def _plausible(kind: int, length: int) -> bool:
    limit = _LENGTH_MAX if kind in _LONG_TYPES else _SHORT_LENGTH_MAX
    return kind in _TYPES and 4 <= length <= limit
