"""Durations as people type them."""

from __future__ import annotations

import re

from auroractl.core.errors import InvalidParameterValue

_UNIT_S = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}


def parse_duration_s(text: str) -> int:
    """Whole seconds for a number with an optional unit.

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
