"""Enforcement of synchronous_commit: clients cannot set it to anything but `on`.

While the routing table asks for it, the client's messages are followed one by one. A startup packet that sets the
parameter is refused. A text that sets it is replaced, before the server receives it, by a statement that raises an
error. The server alone therefore decides the resulting state of the connection. Everything else passes unchanged, and
only a message that may contain such a text is held back until it is complete.

A connection is followed from its first byte or not at all: in one that is older than the setting, the position of
message boundaries is unknown.

Format: https://www.postgresql.org/docs/18/protocol-message-formats.html
"""

from __future__ import annotations

import re
import struct

from auroractl.core.synchronous_commit.setting import NAME, REFUSAL, weakens
from auroractl.core.synchronous_commit.statements import weakens_commits
from auroractl.endpoints.startup import message

TEXT_BYTES_MAX = 64 * 1024
"""A longer message is not examined: it would have to be buffered, and parsing it would delay other clients."""
REFUSED_NAMES_MAX = 1000
"""Maximum number of refused prepared statements remembered for one connection."""
HINT = "This cluster is run with enforce_synchronous_commit = true. Nothing of this message was carried out."
_NAME_BYTES_MAX = 64
"""PostgreSQL's NAMEDATALEN."""
REFUSING = (
    "DO LANGUAGE plpgsql $refused$BEGIN RAISE EXCEPTION USING ERRCODE = '42501', "
    f"MESSAGE = '{REFUSAL}', HINT = '{HINT}'; END$refused$"
).encode()
_TYPES = frozenset(b"BCDEFHPQSXcdfp")
"""All message types that a client sends after its startup packet."""
_HEADER = struct.Struct("!BI")
_NONE = struct.pack("!h", 0)
_OPTION = re.compile(rf"{NAME.replace('_', '[-_]')}=(.*)", re.IGNORECASE | re.DOTALL)
_SPLIT = re.compile(r"(?:\\.|\S)+", re.DOTALL)
_STARTUP_HEADER_BYTES = 8


class Enforcer:
    """Follows the messages of one client after its startup packet."""

    def __init__(self) -> None:
        self._skip = 0
        """Remaining bytes of a message that passes unchanged."""
        self._kept = b""
        """Beginning of a header or of a message under examination; the server has received none of it."""
        self._refused: set[bytes] = set()
        """Names of prepared statements for which the server has the one that raises the error."""
        self._lost = False

    def feed(self, data: bytes) -> bytes:
        """Return the bytes to send to the server, given these from the client."""
        if self._lost:
            return data
        data = self._kept + data
        out, start, position = b"", 0, self._skip
        while position + _HEADER.size <= len(data):
            kind, length = _HEADER.unpack_from(data, position)
            if kind not in _TYPES or length < 4:
                # The server ends the connection over this.
                self._lost, self._kept = True, b""
                return out + data[start:]
            end = position + 1 + length
            if self._is_examined(kind, length):
                if end > len(data):
                    break
                instead = self._instead(kind, data[position + _HEADER.size : end])
                if instead is not None:
                    out += data[start:position] + instead
                    start = end
            position = end
        self._skip = max(0, position - len(data))
        self._kept = data[position:]
        return out + data[start:position]

    def release(self) -> bytes:
        """Return the held-back bytes, for the server to receive unchanged, and follow nothing any more."""
        held, self._kept, self._lost = self._kept, b"", True
        return held

    def _is_examined(self, kind: int, length: int) -> bool:
        return length <= TEXT_BYTES_MAX and (kind in b"QPF" or (kind in b"BC" and bool(self._refused)))

    def _instead(self, kind: int, body: bytes) -> bytes | None:
        """Return the replacement of a message; None to send the message itself."""
        match chr(kind):
            case "Q":
                return message("Q", REFUSING + b"\0") if _weakens(body.rstrip(b"\0")) else None
            case "F":
                return message("Q", REFUSING + b"\0") if NAME.encode() in body.lower() else None
            case "P":
                return self._instead_of_parse(body)
            case "B":
                return self._instead_of_bind(body)
            case _:
                if body[:1] == b"S":
                    self._refused.discard(body[1:].rstrip(b"\0"))
                return None

    def _instead_of_parse(self, body: bytes) -> bytes | None:
        name, _, rest = body.partition(b"\0")
        self._refused.discard(name)
        if not _weakens(rest.partition(b"\0")[0]):
            return None
        if len(self._refused) < REFUSED_NAMES_MAX and len(name) < _NAME_BYTES_MAX:
            self._refused.add(name)
        return message("P", name + b"\0" + REFUSING + b"\0" + _NONE)

    def _instead_of_bind(self, body: bytes) -> bytes | None:
        """Replace a Bind: the statement that raises the error has no parameters, whatever the refused one had."""
        portal, _, rest = body.partition(b"\0")
        name = rest.partition(b"\0")[0]
        if name not in self._refused:
            return None
        return message("B", portal + b"\0" + name + b"\0" + _NONE * 3)


def _weakens(text: bytes) -> bool:
    return NAME.encode() in text.lower() and weakens_commits(text.decode("latin-1"))


def refused_startup(packet: bytes) -> bool:
    r"""Return whether a startup packet sets synchronous_commit to anything but `on`.

    >>> head = struct.pack("!II", 0, 196608)
    >>> [refused_startup(head + rest) for rest in (b"synchronous_commit\0off\0\0", b"options\0-c synchronous-commit=on\0\0")]
    [True, False]
    """
    fields = packet[_STARTUP_HEADER_BYTES:].decode("latin-1").split("\0")
    for name, value in zip(fields[::2], fields[1::2], strict=False):
        if name.lower() == NAME and weakens(value):
            return True
        if name == "options" and _options_weaken(value):
            return True
    return False


def _options_weaken(text: str) -> bool:
    words = (re.sub(r"\\(.)", r"\1", word, flags=re.DOTALL) for word in _SPLIT.findall(text))
    found = (_OPTION.search(word) for word in words)
    return any(match is not None and weakens(match[1]) for match in found)
