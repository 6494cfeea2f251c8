"""Log sequence numbers: positions in PostgreSQL's WAL as plain integers of bytes.

Format: https://www.postgresql.org/docs/18/datatype-pg-lsn.html
"""

from __future__ import annotations


def parse_lsn(text: str) -> int:
    """Parse PostgreSQL's text form into bytes from the start of the WAL.

    >>> parse_lsn("1/2A")
    4294967338

    Raises ValueError for anything else.
    """
    high, _, low = text.partition("/")
    return (int(high, 16) << 32) | int(low, 16)


def format_lsn(lsn: int) -> str:
    """Format an LSN in PostgreSQL's text form.

    >>> format_lsn(4294967338)
    '1/2A'
    """
    return f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}"
