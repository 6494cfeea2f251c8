"""Why the writer takes no writes: PostgreSQL's error for a read-only transaction, reworded for the client.

When a cluster's storage volume is full the writer is made read-only, and PostgreSQL then says no more than "cannot
execute INSERT in a read-only transaction". While the routing table says so, what the server sends is followed message
by message, and that one error leaves as a disk_full with the reason and a hint. Everything else passes unchanged and
at once; only an error that has not arrived in full is held back.

A connection that begins while writes are refused is followed from its first byte, and so with certainty. For one that
was open before, nobody knows where in the stream it is: until then it was a plain pipe, and has to be one for speed.
It is followed from where the client sends something while the server has been silent since the refusal began, or since
a ReadyForQuery at the end of what came. A client that waits for each answer does that between two messages only, so for
it this too is certain. For a client that sends ahead (pipeline mode, COPY in both directions) it is not: the silence
may fall within a message, and so may bytes that look like a ReadyForQuery. The next header then makes no sense, as a
rule, and the stream passes unchanged until the next such moment; by chance it makes sense, and an error may pass
unchanged that should have been reworded. Data could only be reworded that contained a whole error of PostgreSQL, byte
by byte, down to the function that raised it, in just that place of such a connection.

Format: https://www.postgresql.org/docs/18/protocol-message-formats.html
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from auroractl.endpoints.startup import message

ERROR_BYTES_MAX = 256 * 1024
"""What is held back of an error at most; a longer one, which none of a read-only transaction is, passes unchanged."""

_READ_ONLY_TRANSACTION, _DISK_FULL = b"25006", b"53100"
_ROUTINE = b"PreventCommandIfReadOnly"
"""Where PostgreSQL raises the error; a 25006 from elsewhere, such as from a foreign server, has another reason."""
_SUFFIX = b" in a read-only transaction"
_ERROR = ord("E")
_READY_FOR_QUERY = tuple(message("Z", status) for status in (b"I", b"T", b"E"))
_READY_BYTES = 6
_TYPES = frozenset(b"123ACDEGHIKNRSTVWZcdnstv")
"""All that a server sends."""
_LONG_TYPES = frozenset(b"ADENSTVdt")
_LENGTH_MAX, _SHORT_LENGTH_MAX = 0x3FFFFFFF, 30_000
"""PostgreSQL's MaxAllocSize; and what libpq, too, takes as the limit for a message that holds no data or text."""
_HEADER = struct.Struct("!BI")


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a client is told instead of PostgreSQL's own words."""

    reason: str
    hint: str


def reworded(body: bytes, refusal: Refusal) -> bytes | None:
    """The body of an ErrorResponse in other words; None where it is another error, which stays as it is.

    >>> body = b"SERROR\\0VERROR\\0C25006\\0Mcannot execute INSERT in a read-only transaction\\0\\0"
    >>> reworded(body, Refusal("the volume is full", "Make room."))
    b'SERROR\\x00VERROR\\x00C53100\\x00Mcannot execute INSERT: the volume is full\\x00HMake room.\\x00\\x00'

    Severity, position, context and the place in PostgreSQL's source stay. A translated message keeps all its words.
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
    """In ASCII: the client's encoding is not known here, and every one that PostgreSQL offers contains that."""
    return text.replace("\0", " ").encode("ascii", "replace")


class Reworder:
    """Follows what the server sends on one connection."""

    def __init__(self, refusal: Refusal, *, from_start: bool) -> None:
        """`from_start` says that the server has sent nothing yet; the top of this module tells of the other case."""
        self.refusal = refusal
        self._follows = from_start
        self._silent = True
        """While it does not follow: nothing has come, or a ReadyForQuery was the last that did."""
        self._tail = b""
        """While it does not follow: the end of what came, as long as a ReadyForQuery."""
        self._skip = 0
        """What is still to come of a message that passes unchanged."""
        self._kept = b""
        """The beginning of a header, or of an error."""
        self._passed = 0
        """How much of that the client has already: all, unless it is an error's."""

    def client_sent(self) -> None:
        """The client has sent something, which may be the moment from which the server can be followed."""
        self._follows = self._follows or self._silent

    def feed(self, data: bytes) -> bytes:
        """What the client gets now that the server has sent this."""
        if not self._follows:
            self._watch(data)
            return data
        data = self._kept + data
        out, start, position = b"", self._passed, self._skip
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
        """Remember what is not complete from a position on, and say up to where the client gets what came."""
        self._skip = max(0, position - len(data))
        self._kept = data[position:]
        is_error = self._kept[:1] == b"E"
        self._passed = 0 if is_error else len(self._kept)
        return position if is_error else len(data)

    def _watch(self, data: bytes) -> None:
        self._tail = (self._tail + data[-_READY_BYTES:])[-_READY_BYTES:]
        self._silent = self._tail in _READY_FOR_QUERY

    def _lose(self, data: bytes) -> None:
        """This is no message: a place was wrong, or the server has ended in words without form, as a failed fork does."""
        self._follows, self._kept, self._passed, self._skip, self._tail = False, b"", 0, 0, b""
        self._watch(data)

    def release(self) -> bytes:
        """What was held back, for the client to get as it is; nothing is followed any more."""
        held = self._kept[self._passed :]
        self._follows, self._kept, self._passed = False, b"", 0
        return held


def _plausible(kind: int, length: int) -> bool:
    limit = _LENGTH_MAX if kind in _LONG_TYPES else _SHORT_LENGTH_MAX
    return kind in _TYPES and 4 <= length <= limit
