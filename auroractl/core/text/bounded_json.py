"""Bounded parsing of JSON from an untrusted source."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NoReturn

from auroractl.core.errors import InvalidParameterValue

REQUEST_BYTES_MAX = 64 * 1024
"""Limit for a request to the supervisor."""
DEPTH_MAX = 16
_NO_BRACKETS = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[^"\[\]{}]++', re.DOTALL)
"""Strings, and everything between brackets."""


def bounded_object(content: bytes) -> dict[str, Any]:
    """Parse a JSON object.

    >>> bounded_object(b'{"Readers": 2}')
    {'Readers': 2}

    Raises InvalidParameterValue for anything else, for nesting deeper than `DEPTH_MAX`, for invalid text (NUL characters,
    lone surrogates) and for invalid numbers (NaN).
    """
    if _depth(content) > DEPTH_MAX:
        raise InvalidParameterValue(f"The request is nested deeper than {DEPTH_MAX} levels.", "Send a flat JSON object")
    try:
        # Decode first: for bytes json would guess the encoding, in which other brackets count.
        document = json.loads(content.decode(), parse_constant=_no_number)
        for text in _texts(document):
            text.encode()
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise InvalidParameterValue("The request is not a JSON object.", "Send {} for no arguments")
    if any("\0" in text for text in _texts(document)):
        raise InvalidParameterValue("The request holds a NUL character.", "Leave it out")
    return document


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number")


def _depth(content: bytes) -> int:
    deepest = depth = 0
    for byte in _NO_BRACKETS.sub(b"", content):
        if byte in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif byte in b"]}":
            depth -= 1
    return deepest


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, each in value.items():
            yield key
            yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)
