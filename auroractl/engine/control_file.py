"""A separate identity for a copied data directory.

All clusters copied from a template would share its system identifier, and PostgreSQL would then accept the WAL of one
as that of another. This does what pg_createsubscriber does: it writes a new identifier into global/pg_control and into
the WAL. (pg_createsubscriber runs pg_resetwal to write new WAL instead. That also resets wal_level to minimal, and no
reader could then be started from a copy.)
"""

from __future__ import annotations

import os
import re
import struct
import time
from pathlib import Path

from auroractl.core.errors import EngineError
from auroractl.engine.binaries import Binaries
from auroractl.system.account import Account
from auroractl.system.programs import run
from auroractl.system.safe_open import open_to_change, read_regular

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
    """Return the CRC-32C (Castagnoli) of some bytes.

    >>> hex(crc32c(b"123456789"))
    '0xe3069283'
    """
    value = 0xFFFFFFFF
    for byte in data:
        value = _TABLE[(value ^ byte) & 0xFF] ^ (value >> 8)
    return value ^ 0xFFFFFFFF


def new_system_identifier() -> int:
    """Make an identifier as initdb does (seconds, microseconds, process), with random bits in the last part."""
    now_us = time.time_ns() // 1000
    seconds, microseconds = divmod(now_us, 1_000_000)
    return (seconds << 32) | (microseconds << 12) | (int.from_bytes(os.urandom(2)) & 0xFFF)


def set_system_identifier(data: Path, identifier: int) -> None:
    """Give a cleanly stopped data directory another system identifier.

    The identifier is in pg_control, under its checksum, and in the first page header of every WAL segment, which has no
    checksum. Raises EngineError if pg_control has an unexpected format; nothing is changed then.
    """
    path = data / "global" / "pg_control"
    content = bytearray(read_regular(path))
    # The checksum follows the last field, whose offset differs between major versions. Its offset is the one at which
    # the checksum is correct.
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
    with open_to_change(path) as file:
        file.write(content)


def _renew_segment(segment: Path, identifier: int) -> None:
    with open_to_change(segment) as file:
        (info,) = struct.unpack_from("=H", file.read(_LONG_HEADER_BYTES), 2)
        if info & _LONG_HEADER:
            file.seek(_IDENTIFIER_OFFSET)
            file.write(struct.pack("=Q", identifier))


def read_control_data(data: Path, binaries: Binaries, account: Account | None) -> dict[str, str]:
    """Read the output of pg_controldata as a mapping from label to value."""
    printed = run(
        [binaries.program("pg_controldata"), "-D", str(data)], account=account, extra_environment={"LC_ALL": "C"}
    )
    pairs = (line.partition(":") for line in printed.splitlines())
    return {label.strip(): value.strip() for label, _, value in pairs}
