"""The shape of a JSON document: its keys, and the types of its values, which vary from run to run themselves."""

from __future__ import annotations

import re
from typing import Any

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}(\d{3})?Z")
NULLABLE = "(or null)"
"""Stands as a key in the shape of an object in whose place there may be null."""


def shape(value: Any) -> Any:
    """The shape of a value.

    >>> shape({"Port": 5432, "Tags": [], "At": "2026-11-23T04:00:00.000Z", "Lag": [1, None]})
    {'Port': 'integer', 'Tags': [], 'At': 'time', 'Lag': ['integer|null']}
    """
    match value:
        case dict():
            return {key: shape(each) for key, each in value.items()}
        case list():
            merged: Any = None
            for each in value:
                merged = shape(each) if merged is None else merge(merged, shape(each))
            return [] if merged is None else [merged]
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case None:
            return "null"
        case _:
            return "time" if _TIME.fullmatch(value) else "string"


def merge(one: Any, other: Any) -> Any:
    """The shape of what has either shape. Objects must have the same keys: a key is always there.

    >>> merge("integer", "number"), merge("null", {"A": "time"})
    ('number', {'(or null)': True, 'A': 'time'})
    """
    match one, other:
        case dict(), dict():
            keys, others = one.keys() - {NULLABLE}, other.keys() - {NULLABLE}
            assert keys == others, f"keys come and go: {keys ^ others}"
            found = {key: merge(one[key], other[key]) for key in one if key != NULLABLE}
            return {NULLABLE: True, **found} if NULLABLE in one or NULLABLE in other else found
        case list(), list():
            return [merge(one[0], other[0])] if one and other else one or other
        case "null", dict():
            return {NULLABLE: True, **{key: value for key, value in other.items() if key != NULLABLE}}
        case dict(), "null":
            return merge(other, one)
        case str(), str():
            words = {*one.split("|"), *other.split("|")}
            if "number" in words:
                words.discard("integer")
            return "|".join(sorted(words, key=lambda word: (word == "null", word)))
        case _:
            raise AssertionError(f"{one!r} and {other!r} cannot stand in one place")


def assert_fits(found: Any, golden: Any, place: str = "") -> None:
    """Fail where a document's shape is not that of the golden file, naming the place."""
    if isinstance(golden, dict):
        if found == "null" and NULLABLE in golden:
            return
        assert isinstance(found, dict), f"{place}: {found!r} in place of an object"
        keys = golden.keys() - {NULLABLE}
        assert found.keys() == keys, f"{place}: keys {sorted(found.keys() ^ keys)} are new or gone"
        for key in keys:
            assert_fits(found[key], golden[key], f"{place}.{key}")
    elif isinstance(golden, list):
        assert isinstance(found, list), f"{place}: {found!r} in place of a list"
        if found and golden:
            assert_fits(found[0], golden[0], f"{place}[]")
    else:
        assert isinstance(found, str), f"{place}: {found!r} in place of {golden}"
        assert merge(found, golden) == golden, f"{place}: {found} in place of {golden}"
