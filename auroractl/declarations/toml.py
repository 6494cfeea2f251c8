"""Writing of TOML, and lookup of a key's line in TOML text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from auroractl.core.text.visible import escaped
from auroractl.declarations.kinds import Keys

_KEY = r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*"|'[^']*')"""
_DOTTED = rf"{_KEY}(?:\s*\.\s*{_KEY})*"
_HEADER = re.compile(rf"^\s*\[\[?\s*({_DOTTED})\s*\]\]?\s*(?:#.*)?$")
_ASSIGNMENT = re.compile(rf"^\s*({_DOTTED})\s*=")
_PART = re.compile(_KEY)


def line_of(text: str, keys: Keys) -> int:
    """Return the line of a key, counted from 1, or else of the nearest table above it, or 1.

    >>> line_of('[clusters.demo]\\nreaders = 1\\ntags = { a = "b" }', ("clusters", "demo", "tags", "a"))
    3
    """

    def fit(candidate: tuple[int, Keys]) -> tuple[int, bool, int]:
        line, here = candidate
        # A table without its own line begins with the first line in it.
        depth = min(len(here), len(keys))
        # Identifiers are stored in lower case but may be written in another; exact matches come first.
        if [key.lower() for key in here[:depth]] != [key.lower() for key in keys[:depth]]:
            depth = 0
        return depth, here[:depth] == keys[:depth], -line

    return max([(1, ()), *_keys_by_line(text)], key=fit)[0]


def _keys_by_line(text: str) -> Iterator[tuple[int, Keys]]:
    table: Keys = ()
    for number, content in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(content):
            table = _parts(header[1])
            yield number, table
        elif assignment := _ASSIGNMENT.match(content):
            yield number, table + _parts(assignment[1])


def _parts(key: str) -> Keys:
    return tuple(_unquoted(part) for part in _PART.findall(key))


def _unquoted(part: str) -> str:
    if part.startswith('"'):
        try:
            return str(json.loads(part))
        except ValueError:
            return part.strip('"')
    return part.strip("'")


def write_toml(document: Mapping[str, Any]) -> str:
    """Write a document as TOML text in which no character is invisible or controls a terminal.

    >>> print(write_toml({"clusters": {"demo": {"readers": 2, "tags": {}}}}), end="")
    [clusters.demo]
    readers = 2
    <BLANKLINE>
    [clusters.demo.tags]
    """
    import tomlkit  # noqa: PLC0415  (apply only reads)

    return escaped(tomlkit.dumps(document))
