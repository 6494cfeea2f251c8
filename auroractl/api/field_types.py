"""Kinds of values in requests: validation on the wire, conversion from and to Python values."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from auroractl.core.errors import InvalidParameterValue

_WHOLE_MAX = 2**53
"""Larger numbers lose precision in JSON parsers that use doubles."""
_DURATION_MAX_S = 100 * 366 * 86_400
_SHOWN_CHARACTERS_MAX = 60


def _same(value: Any) -> Any:
    return value


class Kind(NamedTuple):
    """A kind of value."""

    words: str
    """The kind in words, for errors."""
    fits: Callable[[object], bool]
    """Whether a wire value other than null is valid."""
    load: Callable[[Any], Any] = _same
    """Converts a valid wire value to a Python value."""
    dump: Callable[[Any], Any] = _same
    """Converts a Python value to its wire value."""

    def key(self, key: str) -> dict[str, Any]:
        """Metadata for a request field of this kind; `key` is its wire key."""
        return {"key": key, "kind": self}

    def read(self, key: str, value: object) -> Any:
        """Validate and convert a wire value. Raises InvalidParameterValue, which names the key."""
        if not self.fits(value):
            raise InvalidParameterValue(f"{key} is not {self.words}: {shown(value)}.", f"Give {self.words}")
        return self.load(value)


def shown(value: object) -> str:
    """Format a wire value for an error, truncated."""
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS_MAX else f"{text[: _SHOWN_CHARACTERS_MAX - 3]}..."


def one_of(words: list[str]) -> Kind:
    """Make a kind for one of several words, kept as text."""
    return Kind(" or ".join(words), lambda value: isinstance(value, str) and value in words)


def member_of(enumeration: type[StrEnum]) -> Kind:
    """Make a kind for a member of an enumeration, by its value."""
    words = [each.value for each in enumeration]
    named = one_of(words)
    return Kind(named.words, named.fits, enumeration, lambda member: member.value)


def _is_integer(value: object, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _is_duration(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= _DURATION_MAX_S


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _is_tags(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(each, str) for each in value.values())


def _is_time(value: object) -> bool:
    if not isinstance(value, str):
        return False
    try:
        return datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False


TEXT = Kind("a string", lambda value: isinstance(value, str))
WHOLE = Kind("a whole number", lambda value: _is_integer(value, -_WHOLE_MAX, _WHOLE_MAX))
LSN = Kind("an LSN as a whole number", lambda value: _is_integer(value, 0, 2**64 - 1))
PROCESS_ID = Kind("a process id", lambda value: _is_integer(value, 1, 2**31 - 1))
DURATION = Kind("a number of seconds", _is_duration)
FLAG = Kind("true or false", lambda value: isinstance(value, bool))
TEXTS = Kind("a list of strings", _is_texts, tuple, list)
TAGS = Kind("an object with string values", _is_tags)
TIME = Kind("an ISO 8601 time with a zone", _is_time, datetime.fromisoformat, datetime.isoformat)
