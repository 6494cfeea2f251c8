"""Durations as users type them."""

from __future__ import annotations

import re

from auroractl.core.errors import InvalidParameterValue

_UNIT_S = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}


_UNIT_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000}


def parse_duration_ms(text: str) -> float:
    """Parse a number with a unit as milliseconds.

    >>> parse_duration_ms("1.5s")
    1500.0
    >>> parse_duration_ms("800ms")
    800.0

    Raises InvalidParameterValue for anything else.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h)", text.strip().lower())
    if not match:
        raise InvalidParameterValue(f"{text!r} is not a duration.", "Write a number with ms, s, m or h: 800ms, 1.5s")
    return float(match[1]) * _UNIT_MS[match[2]]


def parse_duration_s(text: str) -> int:
    """Parse a number with an optional unit as whole seconds.

    >>> parse_duration_s("24h")
    86400
    >>> parse_duration_s("90")
    90

    Raises InvalidParameterValue for anything else.
    """
    match = re.fullmatch(r"(\d+)\s*([smhd]?)", text.strip().lower())
    if not match:
        raise InvalidParameterValue(f"{text!r} is not a duration.", "Write seconds, or a number with s, m, h or d: 24h")
    return int(match[1]) * _UNIT_S[match[2]]
