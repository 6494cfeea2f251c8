"""Writing TOML, and finding the line on which a key of a TOML text stands (tomli tells neither)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from auroractl.core.declarations.kinds import Keys, dotted, quoted

_KEY = r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*"|'[^']*')"""
_DOTTED = rf"{_KEY}(?:\s*\.\s*{_KEY})*"
_HEADER = re.compile(rf"^\s*\[\[?\s*({_DOTTED})\s*\]\]?\s*(?:#.*)?$")
_ASSIGNMENT = re.compile(rf"^\s*({_DOTTED})\s*=")
_PART = re.compile(_KEY)


def line_of(text: str, keys: Keys) -> int:
    """The line, counted from 1, on which a key stands, or else the nearest table above it; 1 where nothing fits.

    >>> line_of('[clusters.demo]\\nreaders = 1\\ntags = { a = "b" }', ("clusters", "demo", "tags", "a"))
    3
    """
    # Names of clusters and instances have no upper case, keys in the file may: the same letters come first.
    exact, loose = (_nearest(text, [fold(key) for key in keys], fold) for fold in (str, str.lower))
    return exact[1] if exact[0] >= loose[0] else loose[1]


def _nearest(text: str, wanted: list[str], fold: Callable[[str], str]) -> tuple[int, int]:
    """How many of the keys fit at best, and the line on which they do."""
    best, line = 0, 1
    for number, raw in _keys_by_line(text):
        here = [fold(key) for key in raw]
        # A table that has no line of its own begins with the first line that is in it.
        fitting = min(len(here), len(wanted))
        if fitting > best and here[:fitting] == wanted[:fitting]:
            best, line = fitting, number
    return best, line


def _keys_by_line(text: str) -> Iterator[tuple[int, list[str]]]:
    table: list[str] = []
    for number, content in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(content):
            table = _parts(header[1])
            yield number, table
        elif assignment := _ASSIGNMENT.match(content):
            yield number, table + _parts(assignment[1])


def _parts(key: str) -> list[str]:
    return [_unquoted(part) for part in _PART.findall(key)]


def _unquoted(part: str) -> str:
    if part.startswith('"'):
        try:
            return str(json.loads(part))
        except ValueError:
            return part.strip('"')
    return part.strip("'")


def write_toml(document: Mapping[str, Any]) -> str:
    """TOML text of tables, text, whole numbers, truth values and lists of those.

    >>> print(write_toml({"clusters": {"demo": {"readers": 2, "tags": {}}}}), end="")
    [clusters.demo]
    readers = 2
    <BLANKLINE>
    [clusters.demo.tags]
    """
    return "\n".join(_tables(document, ())) if document else ""


def _tables(table: Mapping[str, Any], keys: Keys) -> Iterator[str]:
    """Each table with its own values; one that only holds tables needs no header."""
    values = {key: value for key, value in table.items() if not isinstance(value, Mapping)}
    below = {key: value for key, value in table.items() if isinstance(value, Mapping)}
    if values or not below:
        header = f"[{dotted(keys)}]\n" if keys else ""
        yield header + "".join(f"{dotted((key,))} = {_value(value)}\n" for key, value in values.items())
    for key, value in below.items():
        yield from _tables(value, (*keys, key))


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, int):
        return str(value)
    return quoted(str(value))
