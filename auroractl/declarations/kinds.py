"""Kinds of values in a declaration: pydantic's types, with Aurora's rules and the notation of a file."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, WithJsonSchema
from pydantic_core import PydanticCustomError

from auroractl.core import identifiers
from auroractl.core.endpoint_types import CustomEndpointType
from auroractl.core.engine.versions import MAJORS
from auroractl.core.errors import AuroraError, InvalidParameterValue
from auroractl.core.parameters.changes import group_name
from auroractl.core.parameters.model import family_of
from auroractl.core.text.durations import parse_duration_s
from auroractl.core.text.sizes import parse_size_bytes
from auroractl.core.text.visible import escaped
from auroractl.core.volume.growth import MAX_CAPACITY_BYTES

Keys = tuple[str, ...]
HINT = "See docs/declarative.md for all keys"
_NAME = "^[A-Za-z](-?[A-Za-z0-9])*$"
_DURATION = "^[0-9]+ *[smhdSMHD]?$"
_SIZE = "^[0-9]+([.][0-9]+)? *([KkMmGgTt][Ii]?)?[Bb]?$"
_DURATION_UNITS = {"h": 3600, "m": 60, "s": 1}
_SIZE_UNITS = {"TiB": 1024**4, "GiB": 1024**3, "MiB": 1024**2, "KiB": 1024}
_MESSAGE_MAX = 500
"""The maximum length of an error, which may quote a value of any length."""
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_Value = TypeVar("_Value")


class DeclarationError(InvalidParameterValue):
    """An invalid value in a declaration; `keys` is its position."""

    def __init__(self, keys: Keys, problem: str, hint: str = "") -> None:
        message = f"{dotted(keys)} {problem}"
        super().__init__(message if len(message) <= _MESSAGE_MAX else f"{message[:_MESSAGE_MAX]} ...", hint)
        self.keys = keys


def dotted(keys: Keys) -> str:
    """Write a key as TOML does.

    >>> dotted(("clusters", "demo", "tags", "cost center"))
    'clusters.demo.tags."cost center"'
    """
    return ".".join(key if _BARE.fullmatch(key) else escaped(json.dumps(key, ensure_ascii=False)) for key in keys)


def refusal(problem: str, hint: str, below: str | None = None) -> PydanticCustomError:
    """Build the error for a value, or the key `below` it; `problem` completes a sentence about the key."""
    return PydanticCustomError("refused", "{problem}", {"problem": problem, "hint": hint, "below": below})


def _checked(rule: Callable[[_Value], _Value], value: _Value, below: str | None = None) -> _Value:
    """Return the stored form of a value according to one of Aurora's rules."""
    try:
        return rule(value)
    except AuroraError as error:
        raise refusal(f"is invalid. {error.message}", error.hint, below) from error


def _rule(rule: Callable[[_Value], _Value]) -> AfterValidator:
    return AfterValidator(partial(_checked, rule))


def by_identifier(parameter: str) -> AfterValidator:
    """Store the tables of a table under the stored form of their identifiers."""
    return by_name(partial(identifiers.identifier, parameter))


def by_name(rule: Callable[[str], str]) -> AfterValidator:
    """Store the tables of a table under the stored form of their names."""

    def rename(tables: Mapping[str, _Value]) -> dict[str, _Value]:
        found: dict[str, _Value] = {}
        for name, table in tables.items():
            stored = _checked(rule, name, below=name)
            if stored in found:
                raise refusal(f"means {stored}, which exists already.", "Names are stored in lower case", below=name)
            found[stored] = table
        return found

    return AfterValidator(rename)


def _distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) < len(names):
        raise refusal("has a duplicate.", "Name each once")
    return names


def _number(parse: Callable[[str], int], what: str) -> BeforeValidator:
    """Accept a whole number, or text with a unit."""

    def read(value: object) -> int:
        if isinstance(value, int | str) and not isinstance(value, bool):
            try:
                return parse(str(value))
            except InvalidParameterValue:
                pass
        raise refusal(f"must be {what}, not {value!r}.", HINT)

    return BeforeValidator(read)


def _family(text: str) -> str:
    if text.lower() not in FAMILIES:
        raise InvalidParameterValue(f"Families are {', '.join(FAMILIES)}.", "Name one of them")
    return text.lower()


def _group_reference(text: str) -> str:
    """Return the stored name of a group of one's own, or of a default one."""
    name = text.lower()
    return name if name.removeprefix("default.") in FAMILIES else group_name(name)


def _parameters(value: object) -> dict[str, str]:
    """Return the values of parameters as texts. The key a.b of TOML is a table in a table, and one name here."""
    if not isinstance(value, dict):
        raise refusal("must be a table of parameters and their values.", HINT)
    found: dict[str, str] = {}
    for key, each in value.items():
        named = {f"{key}.{below}": text for below, text in each.items()} if isinstance(each, dict) else {key: each}
        for name, entry in named.items():
            if not isinstance(entry, str | int | float):
                raise refusal(f"has no value that fits into a text: {entry!r}.", HINT, key)
            if name.lower() in found:
                raise refusal(f"means {name.lower()}, which exists already.", "Name each parameter once", key)
            found[name.lower()] = _switches.get(entry, str(entry)) if isinstance(entry, bool) else str(entry).strip()
    return found


def _size_bytes(text: str) -> int:
    size_bytes = parse_size_bytes(text)
    if not 0 < size_bytes <= MAX_CAPACITY_BYTES:
        raise InvalidParameterValue("The size is out of range.")
    return size_bytes


def as_duration(seconds: int | None) -> str | None:
    """Format a duration exactly, in the notation of a file.

    >>> as_duration(86_400), as_duration(90), as_duration(0)
    ('24h', '90s', '0s')
    """
    return None if seconds is None else _in_units(seconds, _DURATION_UNITS) or "0s"


def as_size(size_bytes: int | None) -> str | int | None:
    """Format a size exactly, in the notation of a file.

    >>> as_size(10 * 1024**3), as_size(1500)
    ('10GiB', 1500)
    """
    return None if size_bytes is None else _in_units(size_bytes, _SIZE_UNITS) or size_bytes


def _in_units(number: int, units: Mapping[str, int]) -> str | None:
    return next((f"{number // size}{name}" for name, size in units.items() if number and number % size == 0), None)


FAMILIES = tuple(family_of(str(major)) for major in MAJORS)
_GROUP = "^[A-Za-z]([.-]?[A-Za-z0-9])*$"
_switches = {True: "on", False: "off"}
NAMED = Field(json_schema_extra={"propertyNames": {"pattern": _NAME, "maxLength": 63}})
NAMED_GROUPS = Field(json_schema_extra={"propertyNames": {"pattern": _NAME, "maxLength": 255}})
Tier = Annotated[int, Field(strict=True, ge=0, le=identifiers.PROMOTION_TIER_MAX)]
Truth = Annotated[bool, Field(strict=True)]
Version = Annotated[str, Field(pattern="^[0-9]+([.][0-9]+)?$")]
DatabaseName = Annotated[str, _rule(identifiers.database_name)]
Username = Annotated[str, _rule(identifiers.master_username)]
LocaleName = Annotated[str, Field(pattern="^[A-Za-z0-9][A-Za-z0-9_.@-]{0,62}$")]
Region = Annotated[str, _rule(identifiers.region)]
Family = Annotated[str, _rule(_family), WithJsonSchema({"type": "string", "enum": FAMILIES})]
GroupName = Annotated[
    str, _rule(_group_reference), WithJsonSchema({"type": "string", "pattern": _GROUP, "maxLength": 255})
]
Description = Annotated[str, Field(max_length=1000)]
Parameters = Annotated[
    dict[str, str],
    BeforeValidator(_parameters),
    WithJsonSchema({"type": "object", "additionalProperties": {"type": ["string", "number", "boolean", "object"]}}),
]
Tags = Annotated[
    dict[str, Annotated[str, WithJsonSchema({"type": "string", "maxLength": 256})]], _rule(identifiers.tags)
]
Member = Annotated[
    str,
    _rule(partial(identifiers.identifier, "DBInstanceIdentifier")),
    WithJsonSchema({"type": "string", "pattern": _NAME}),
]
Members = Annotated[tuple[Member, ...], Field(json_schema_extra={"uniqueItems": True}), AfterValidator(_distinct)]
EndpointType = Annotated[
    CustomEndpointType,
    BeforeValidator(lambda value: CustomEndpointType(str(value).upper())),
    WithJsonSchema({"enum": ["READER", "ANY", "reader", "any"]}),
]
Window = Annotated[
    int,
    _number(parse_duration_s, 'a duration such as "24h"'),
    _rule(identifiers.backtrack_window),
    PlainSerializer(as_duration),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": _DURATION}]}),
]
Size = Annotated[
    int,
    _number(_size_bytes, f'a size such as "10GiB", more than 0 and at most {as_size(MAX_CAPACITY_BYTES)}'),
    PlainSerializer(as_size),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 1, "maximum": MAX_CAPACITY_BYTES},
                {"type": "string", "pattern": _SIZE},
            ]
        }
    ),
]
