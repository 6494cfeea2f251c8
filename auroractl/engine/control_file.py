"""Giving a copied data directory an identity of its own.

A cluster copied from a template would share its system identifier with every other one, and PostgreSQL would then
take the log of one for the log of another. This does what pg_createsubscriber does: it writes a new identifier into
global/pg_control and into the log. (pg_createsubscriber lets pg_resetwal write new log instead; that resets wal_level
to minimal too, and no reader could then be started from a copy.)
"""

from __future__ import annotations

import os
import re
import struct
import time
from pathlib import Path

from auroractl.core.errors import EngineError
from auroractl.engine.binaries import Binaries
from auroractl.process.accounts import Account
from auroractl.process.programs import run

_CASTAGNOLI = 0x82F63B78
# XLogLongPageHeaderData in src/include/access/xlog_internal.h: magic, info, timeline, address, remaining length, padding,
# then the system identifier.
_LONG_HEADER = 0x0002
_LONG_HEADER_BYTES = 40
_IDENTIFIER_OFFSET = 24
_SEGMENT_NAME = re.compile(r"[0-9A-F]{24}")
_CHECKSUM_OFFSETS = range(200, 512, 4)


def _table_entry(byte: int) -> int:
    for _ in range(8):
        byte = (byte >> 1) ^ _CASTAGNOLI if byte & 1 else byte >> 1
    return byte


_TABLE = tuple(_table_entry(byte) for byte in range(256))


def crc32c(data: bytes) -> int:
    """The CRC-32C (Castagnoli) of some bytes.

    >>> hex(crc32c(b"123456789"))
    '0xe3069283'
    """
    value = 0xFFFFFFFF
    for byte in data:
        value = _TABLE[(value ^ byte) & 0xFF] ^ (value >> 8)
    return value ^ 0xFFFFFFFF


def new_system_identifier() -> int:
    """An identifier made as initdb makes it (seconds, microseconds, process), with random bits in the last part."""
    now_us = time.time_ns() // 1000
    seconds, microseconds = divmod(now_us, 1_000_000)
    return (seconds << 32) | (microseconds << 12) | (int.from_bytes(os.urandom(2)) & 0xFFF)


def set_system_identifier(data: Path, identifier: int) -> None:
    """Give a cleanly stopped data directory another system identifier.

    The identifier stands in pg_control, under its checksum, and in the first page header of every log segment, which
    has none. Raises EngineError where pg_control does not look as expected; nothing is changed then.
    """
    path = data / "global" / "pg_control"
    content = bytearray(path.read_bytes())
    # The checksum follows the last field, whose offset differs between major versions: it is where the sum is right.
    for offset in _CHECKSUM_OFFSETS:
        if struct.unpack_from("=I", content, offset)[0] == crc32c(bytes(content[:offset])):
            break
    else:
        raise EngineError(f"{path} has no valid checksum.", "Remove the folder template in the home and try again")
    struct.pack_into("=Q", content, 0, identifier)
    struct.pack_into("=I", content, offset, crc32c(bytes(content[:offset])))
    for segment in (data / "pg_wal").iterdir():
        if _SEGMENT_NAME.fullmatch(segment.name):
            _renew_segment(segment, identifier)
    path.write_bytes(content)


def _renew_segment(segment: Path, identifier: int) -> None:
    with segment.open("r+b") as file:
        (info,) = struct.unpack_from("=H", file.read(_LONG_HEADER_BYTES), 2)
        if info & _LONG_HEADER:
            file.seek(_IDENTIFIER_OFFSET)
            file.write(struct.pack("=Q", identifier))


def read_control_data(data: Path, binaries: Binaries, account: Account | None) -> dict[str, str]:
    """What pg_controldata prints, as a mapping from its labels to its values."""
    printed = run(
        [binaries.program("pg_controldata"), "-D", str(data)], account=account, extra_environment={"LC_ALL": "C"}
    )
    pairs = (line.partition(":") for line in printed.splitlines())
    return {label.strip(): value.strip() for label, _, value in pairs}
