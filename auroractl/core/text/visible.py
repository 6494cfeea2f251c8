"""Sanitising of text from clients and logs: characters that control a terminal or are invisible are escaped."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

_HIDDEN = "\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff"
"""DEL and C1, directional marks and overrides, line and paragraph separators, lone surrogates, BOM.

https://www.unicode.org/reports/tr36/#Bidirectional_Text_Spoofing
"""
_TAGS = "\U000e0000-\U000e007f"
"""Invisible tag characters."""
_UNSAFE = re.compile(f"[\x00-\x1f{_HIDDEN}{_TAGS}]")
_UNSAFE_IN_JSON = re.compile(f"[{_HIDDEN}]")
_SHORT = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}

Spaces = Mapping[str, str]
ESCAPED: Spaces = MappingProxyType({})
"""Line breaks and tabs are escaped too: for values within a layout."""
LAYOUT: Spaces = MappingProxyType({"\n": "\n", "\t": "\t"})
"""Line breaks and tabs are kept: for texts that are a layout themselves."""
BLANK: Spaces = MappingProxyType(dict.fromkeys("\n\t\r\v\f", " "))
"""Line breaks and tabs become blanks, as in SQL."""


def visible(text: str, spaces: Spaces = ESCAPED) -> str:
    r"""Replace each unsafe character with an escape, or with its replacement in `spaces`.

    >>> print(visible("a\x1b[31m\nb\u202e"))
    a\x1b[31m\nb\u202e
    >>> print(visible("select\n1\x07", BLANK))
    select 1\x07
    """
    if text.isascii() and text.isprintable():
        return text
    return _UNSAFE.sub(lambda found: spaces.get(found[0]) or _escape(found[0]), text)


def visible_data(data: Any, spaces: Spaces = ESCAPED) -> Any:
    r"""Make every text in a document `visible`.

    A line break in a value then cannot forge a line of a layout.

    >>> print(visible_data({"Rows": ["a\nb", 1, None]})["Rows"])
    ['a\\nb', 1, None]
    """
    if isinstance(data, str):
        return visible(data, spaces)
    if isinstance(data, list | tuple):
        return type(data)(visible_data(each, spaces) for each in data)
    if isinstance(data, dict):
        return {visible_data(key): visible_data(value, spaces) for key, value in data.items()}
    return data


def visible_message(text: str) -> str:
    r"""Indent all but the first line of a message, so that none can pass for ours.

    >>> print(visible_message("failed:\nTry: something else"))
    failed:
      Try: something else
    """
    return visible(text.strip("\n"), LAYOUT).replace("\n", "\n  ")


def escaped(text: str) -> str:
    r"""Escape unsafe raw characters in JSON, TOML or double-quoted YAML without changing its meaning.

    >>> print(escaped('"\u202e"'))
    "\u202e"
    """
    return (
        text
        if text.isascii() and "\x7f" not in text
        else _UNSAFE_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    )


def _escape(character: str) -> str:
    code = ord(character)
    return _SHORT.get(character) or (
        f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
    )
