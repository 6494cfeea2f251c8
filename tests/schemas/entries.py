"""The entries of a dump in plain SQL, by the headings that pg_dump writes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

AURORA_SHOP = Path(__file__).with_name("aurora_shop.sql")
_HEADING = re.compile(
    r"^--\n-- Name: (?P<name>.+); Type: (?P<kind>.+?); Schema: (?P<schema>.+?); .+\n--\n", re.MULTILINE
)
_NOT_PART_OF = re.compile(r"^(\\(un)?restrict \w+|--.*|SET default_\w+ = .*;)$", re.MULTILINE)
_PARTS_OF_OBJECTS = {"ACL", "COMMENT", "DATABASE", "DATABASE PROPERTIES", "DEFAULT", "DEFAULT ACL", "INDEX ATTACH"} | {
    "PUBLICATION TABLE", "PUBLICATION TABLES IN SCHEMA", "ROW SECURITY", "SEQUENCE OWNED BY", "TABLE ATTACH",
}  # fmt: skip


def parts(script: str) -> Iterable[tuple[str, str]]:
    """Split a script into entries with their keys, such as `TABLE shop.orders`; what precedes the first has no key."""
    ends = [*_HEADING.finditer(script)]
    yield "", script[: ends[0].start()] if ends else script
    for found, following in zip(ends, [*(each.start() for each in ends[1:]), len(script)], strict=True):
        schema = "" if found["schema"] == "-" else f"{found['schema']}."
        yield f"{found['kind']} {schema}{found['name']}", script[found.start() : following]


def entries(script: str) -> dict[str, str]:
    """Return the entries of a script by key, without what differs between two dumps of one database."""
    return {key: _NOT_PART_OF.sub("", text).strip() for key, text in parts(script) if key}


def objects(script: str) -> list[str]:
    """Return the keys of the entries that are objects of their own."""
    return [
        f"{found['kind']} {found['name']}"
        for found in _HEADING.finditer(script)
        if found["kind"] not in _PARTS_OF_OBJECTS
    ]


def first_statement(entry: str) -> str:
    """Return the first statement of an entry."""
    text = _HEADING.sub("", entry).strip()
    return text.partition(";\n")[0].removesuffix(";") + ";"


def without(script: str, replacements: Mapping[str, str]) -> str:
    """Return a script in which the first statements of entries are replaced, and with an empty one the whole entries."""
    kept = []
    for key, text in parts(script):
        if key not in replacements:
            kept.append(text)
        elif replacements[key]:
            kept.append(text.replace(first_statement(text), replacements[key]))
    return "".join(kept)
