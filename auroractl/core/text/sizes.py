"""Sizes as users type and read them."""

from __future__ import annotations

import re

from auroractl.core.errors import InvalidParameterValue

_UNITS = {
    "": 1, "b": 1,
    "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12,
    "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40,
    "kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40,
}  # fmt: skip
_NAMES = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB")


def parse_size_bytes(text: str) -> int:
    """Parse a number with an optional unit as bytes.

    Units are KiB, MiB, GiB, TiB (or K, M, G, T) and the decimal kB, MB, GB, TB.

    >>> parse_size_bytes("10GiB")
    10737418240
    >>> parse_size_bytes("1.5 MB")
    1500000

    Raises InvalidParameterValue for anything else.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]*)", text.strip().lower())
    if not match or match[2] not in _UNITS:
        raise InvalidParameterValue(f"{text!r} is not a size.", "Write bytes, or a number with a unit: 10GiB, 512MiB")
    return round(float(match[1]) * _UNITS[match[2]])


def format_size(size_bytes: int) -> str:
    """Format a size with a binary unit, for a user.

    >>> format_size(8 * 1024**2)
    '8.0 MiB'
    """
    value, position = float(size_bytes), 0
    while value >= 1024 and position < len(_NAMES) - 1:
        value, position = value / 1024, position + 1
    return f"{size_bytes} bytes" if position == 0 else f"{value:.1f} {_NAMES[position]}"
