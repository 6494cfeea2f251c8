"""Lookup of a key's line in TOML text; neither tomli nor tomlkit tells positions."""

from __future__ import annotations

import re
from collections.abc import Iterator

import tomli

# Patterns are compiled when they are used, because few commands that read settings look up a line.
_KEY = r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*"|'[^']*')"""
_DOTTED = rf"{_KEY}(?:[ \t]*\.[ \t]*{_KEY})*"
_HEADER = rf"[ \t]*\[\[?[ \t]*({_DOTTED})[ \t]*\]\]?\s*(?:#.*)?$"
_ASSIGNMENT = rf"[ \t]*({_DOTTED})[ \t]*="
_COMMENT = r"#[^\n]*"
_LONG_STRING = r"""(\"{3}(?:[^\\]|\\.)*?\"{3,5}|'{3}.*?'{3,5})"""
_STRING = r""""(?:[^"\\\n]|\\.)*"|'[^'\n]*'"""
_TOKEN = rf"(?s:{_COMMENT}|{_LONG_STRING}|{_STRING})"


def line_of(text: str, keys: tuple[str, ...]) -> int:
    """Return the line of a key, counted from 1, or else of the nearest table above it, or 1. The text must be TOML.

    >>> line_of('[clusters.demo]\\nreaders = 1\\ntags = { a = "b" }', ("clusters", "demo", "tags", "a"))
    3
    """

    def fit(candidate: tuple[int, tuple[str, ...]]) -> tuple[int, bool, int]:
        line, here = candidate
        # A table without its own line begins with the first line in it.
        depth = min(len(here), len(keys))
        # Identifiers are stored in lower case but may be written in another; exact matches come first.
        if [key.lower() for key in here[:depth]] != [key.lower() for key in keys[:depth]]:
            depth = 0
        return depth, here[:depth] == keys[:depth], -line

    return max([(1, ()), *_keys_by_line(text)], key=fit)[0]


def _keys_by_line(text: str) -> Iterator[tuple[int, tuple[str, ...]]]:
    table: tuple[str, ...] = ()
    for number, content in enumerate(re.sub(_TOKEN, _without_content, text).split("\n"), 1):
        if header := re.match(_HEADER, content):
            table = _parts(header[1])
            yield number, table
        elif assignment := re.match(_ASSIGNMENT, content):
            yield number, table + _parts(assignment[1])


def _without_content(token: re.Match[str]) -> str:
    """Empty a string of several lines but for its line ends, so that nothing in it looks like a key."""
    return "\n" * token[0].count("\n") if token[1] else token[0]


def _parts(key: str) -> tuple[str, ...]:
    parts, value = [], tomli.loads(f"{key} = 0")
    while isinstance(value, dict):
        ((part, value),) = value.items()
        parts.append(part)
    return tuple(parts)
