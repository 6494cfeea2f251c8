"""Saying why writes are refused while the volume is full.

The writer is read-only then, and PostgreSQL can only say that (SQLSTATE 25006). The endpoint knows why, and rewords this
one error on its way to the client. Messages: https://www.postgresql.org/docs/18/protocol-message-formats.html
"""

from __future__ import annotations

import struct

_HEADER_BYTES = 5
_ERROR = ord("E")
_READY = b"Z\x00\x00\x00\x05"
READY_BYTES = len(_READY) + 1
_READ_ONLY = b"25006"
_DISK_FULL = b"53100"
_ENDING = b" in a read-only transaction"


def at_boundary(last: bytes) -> bool:
    """Whether the last bytes that a server sent are ReadyForQuery, after which a message begins.

    A row that happens to end like that and is cut off exactly there looks the same; it would have to hold these six
    bytes where one packet ends and the reading of the next begins.
    """
    return last[:-1] == _READY and last[-1:] in {b"I", b"T", b"E"}


class Rewording:
    """Follows the messages of one server and rewords its refusals; all else passes unchanged and at once."""

    def __init__(self, reason: str, hint: str, *, aligned: bool) -> None:
        """`aligned` tells whether the next byte begins a message; else the next ReadyForQuery is waited for."""
        self._reason = reason.encode()
        self._hint = hint.encode()
        self._aligned = aligned
        self._passing_bytes = 0
        """What is left of a message that passes."""
        self._held = b""
        """The beginning of a message that may be an error."""

    def feed(self, data: bytes) -> bytes:
        """Bytes from the server in, bytes for the client out."""
        if not self._aligned:
            self._aligned = at_boundary(data[-READY_BYTES:])
            return data
        data, self._held = self._held + data, b""
        parts, position = [], 0
        while position < len(data):
            if self._passing_bytes:
                passing = data[position : position + self._passing_bytes]
                self._passing_bytes -= len(passing)
            elif len(data) - position < _HEADER_BYTES:
                self._held = data[position:]
                break
            elif data[position] != _ERROR:
                self._passing_bytes = 1 + _length(data, position)
                continue
            elif len(data) - position < 1 + _length(data, position):
                self._held = data[position:]
                break
            else:
                passing = data[position : position + 1 + _length(data, position)]
                parts.append(self._reworded(passing))
                position += len(passing)
                continue
            parts.append(passing)
            position += len(passing)
        return b"".join(parts)

    def rest(self) -> bytes:
        """What is held back, for when nothing is to be reworded any more."""
        held, self._held = self._held, b""
        return held

    def _reworded(self, message: bytes) -> bytes:
        fields = [(field[:1], field[1:]) for field in message[_HEADER_BYTES:].rstrip(b"\0").split(b"\0")]
        if (b"C", _READ_ONLY) not in fields:
            return message
        said = dict(fields)
        said[b"C"] = _DISK_FULL
        said[b"M"] = said.get(b"M", b"").removesuffix(_ENDING) + b": " + self._reason
        said[b"H"] = self._hint
        body = b"".join(kind + text + b"\0" for kind, text in said.items()) + b"\0"
        return b"E" + struct.pack("!i", 4 + len(body)) + body


def _length(data: bytes, position: int) -> int:
    return int.from_bytes(data[position + 1 : position + _HEADER_BYTES], "big")
