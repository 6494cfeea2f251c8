"""What a value in a declaration may be: each kind reads a value and describes itself as JSON schema."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from auroractl.core.durations import parse_duration_s
from auroractl.core.errors import AuroraError, InvalidParameterValue
from auroractl.core.sizes import parse_size_bytes

Keys = tuple[str, ...]
Schema = dict[str, Any]
Value = TypeVar("Value")

_NAME = "^[A-Za-z](-?[A-Za-z0-9])*$"
_DURATION = "^[0-9]+ *[smhdSMHD]?$"
_SIZE = "^[0-9]+([.][0-9]+)? *([KkMmGgTt][Ii]?)?[Bb]?$"
_BARE = re.compile(r"[A-Za-z0-9_-]+")


class DeclarationError(InvalidParameterValue):
    """A value in a declaration cannot be; `keys` says where it stands."""

    def __init__(self, keys: Keys, problem: str, hint: str = "") -> None:
        super().__init__(f"{dotted(keys)} {problem}", hint)
        self.keys = keys

    def at(self, place: str) -> AuroraError:
        """The same with the file and the line."""
        return InvalidParameterValue(f"{place}: {self.message}", self.hint)


def dotted(keys: Keys) -> str:
    """A key as TOML writes it.

    >>> dotted(("clusters", "demo", "tags", "cost center"))
    'clusters.demo.tags."cost center"'
    """
    return ".".join(key if _BARE.fullmatch(key) else quoted(key) for key in keys)


def quoted(text: str) -> str:
    """A basic string of TOML: a JSON string but for DEL, which TOML wants escaped."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


class Kind(Protocol):
    """What a value may be."""

    def read(self, value: object, keys: Keys) -> Any:
        """The value in the form that the rest works with. Raises DeclarationError."""

    def schema(self) -> Schema:
        """The values that `read` accepts, as JSON schema as far as that can say it."""


def _refused(keys: Keys, what: str, value: object) -> DeclarationError:
    return DeclarationError(keys, f"must be {what}, not {value!r}.", "docs/declarative.md lists all keys")


@dataclass(frozen=True)
class Truth:
    """true or false."""

    def read(self, value: object, keys: Keys) -> bool:
        """The value itself."""
        if not isinstance(value, bool):
            raise _refused(keys, "true or false", value)
        return value

    def schema(self) -> Schema:
        """A boolean."""
        return {"type": "boolean"}


@dataclass(frozen=True)
class Whole:
    """A whole number within limits."""

    least: int
    most: int

    def read(self, value: object, keys: Keys) -> int:
        """The value itself."""
        if not isinstance(value, int) or isinstance(value, bool) or not self.least <= value <= self.most:
            raise _refused(keys, f"a whole number from {self.least} to {self.most}", value)
        return value

    def schema(self) -> Schema:
        """An integer."""
        return {"type": "integer", "minimum": self.least, "maximum": self.most}


@dataclass(frozen=True)
class Text:
    """Text that one of Aurora's rules accepts; the rule returns it in its stored form."""

    rule: Callable[[str], str] = str
    pattern: str | None = None

    def read(self, value: object, keys: Keys) -> str:
        """The stored form."""
        if not isinstance(value, str):
            raise _refused(keys, "text in quotes", value)
        if self.pattern and not re.search(self.pattern, value):
            raise DeclarationError(keys, f"cannot be {value!r}.", "docs/declarative.md lists all keys")
        return _by_rule(self.rule, value, keys)

    def schema(self) -> Schema:
        """A string."""
        return {"type": "string"} | ({"pattern": self.pattern} if self.pattern else {})


@dataclass(frozen=True)
class Choice:
    """One of some words, in any case."""

    words: tuple[str, ...]

    def read(self, value: object, keys: Keys) -> str:
        """The word in capitals."""
        if not isinstance(value, str) or value.upper() not in self.words:
            raise _refused(keys, f"one of {', '.join(self.words)}", value)
        return value.upper()

    def schema(self) -> Schema:
        """An enumeration."""
        return {"enum": [*self.words, *(word.lower() for word in self.words)]}


@dataclass(frozen=True)
class Duration:
    """Seconds, or text such as "24h"."""

    rule: Callable[[int], int]

    def read(self, value: object, keys: Keys) -> int:
        """Whole seconds."""
        return _by_rule(self.rule, _number(value, parse_duration_s, 'a duration such as "24h"', keys), keys)

    def schema(self) -> Schema:
        """A number or a string."""
        return {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": _DURATION}]}


@dataclass(frozen=True)
class Size:
    """Bytes, or text such as "64TiB"."""

    most_bytes: int

    def read(self, value: object, keys: Keys) -> int:
        """Bytes."""
        size_bytes = _number(value, parse_size_bytes, 'a size such as "10GiB"', keys)
        if not 0 < size_bytes <= self.most_bytes:
            raise _refused(keys, f"more than 0 and at most {self.most_bytes} bytes", value)
        return size_bytes

    def schema(self) -> Schema:
        """A number or a string."""
        number = {"type": "integer", "minimum": 1, "maximum": self.most_bytes}
        return {"anyOf": [number, {"type": "string", "pattern": _SIZE}]}


@dataclass(frozen=True)
class Names:
    """A list of identifiers."""

    rule: Callable[[str], str]

    def read(self, value: object, keys: Keys) -> tuple[str, ...]:
        """The identifiers in their stored form."""
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise _refused(keys, 'a list of names such as ["demo-instance-2"]', value)
        names = tuple(_by_rule(self.rule, each, keys) for each in value)
        if len(set(names)) < len(names):
            raise DeclarationError(keys, "names one twice.", "Name each once")
        return names

    def schema(self) -> Schema:
        """An array of strings."""
        return {"type": "array", "items": {"type": "string", "pattern": _NAME}, "uniqueItems": True}


@dataclass(frozen=True)
class Pairs:
    """A table of text by text."""

    rule: Callable[[dict[str, str]], dict[str, str]]

    def read(self, value: object, keys: Keys) -> dict[str, str]:
        """The table itself."""
        table = _table(value, keys)
        for key, text in table.items():
            if not isinstance(text, str):
                raise _refused((*keys, key), "text in quotes", text)
        return _by_rule(self.rule, table, keys)

    def schema(self) -> Schema:
        """An object of strings."""
        return {"type": "object", "additionalProperties": {"type": "string", "maxLength": 256}}


@dataclass(frozen=True)
class Key:
    """One key of a table."""

    kind: Kind
    meaning: str


@dataclass(frozen=True)
class Section:
    """A table with known keys, none of which must be there."""

    keys: Mapping[str, Key]

    def read(self, value: object, keys: Keys) -> dict[str, Any]:
        """What is there, by key."""
        found = {}
        for name, each in _table(value, keys).items():
            key = self.keys.get(name)
            if key is None:
                close = difflib.get_close_matches(name, self.keys, 1)
                hint = f"Did you mean {close[0]}?" if close else f"Known there: {', '.join(self.keys)}"
                raise DeclarationError((*keys, name), "is not known.", hint)
            found[name] = key.kind.read(each, (*keys, name))
        return found

    def schema(self) -> Schema:
        """An object with these properties and no others."""
        properties = {name: {"description": key.meaning, **key.kind.schema()} for name, key in self.keys.items()}
        return {"type": "object", "additionalProperties": False, "properties": properties}


@dataclass(frozen=True)
class Named:
    """A table of tables, each of which has an identifier for its key."""

    rule: Callable[[str], str]
    section: Section
    most: int | None = None

    def read(self, value: object, keys: Keys) -> dict[str, dict[str, Any]]:
        """The tables by the stored form of their identifiers."""
        found = {}
        for name, each in _table(value, keys).items():
            here = (*keys, name)
            stored = _by_rule(self.rule, name, here)
            if stored in found:
                raise DeclarationError(here, f"means {stored}, which is there already.", "Names have no upper case")
            found[stored] = self.section.read(each, here)
        if self.most is not None and len(found) > self.most:
            raise DeclarationError(keys, f"has {len(found)} entries; {self.most} are the most.", "Remove some")
        return found

    def schema(self) -> Schema:
        """An object with properties of any valid name."""
        limit = {} if self.most is None else {"maxProperties": self.most}
        names = {"propertyNames": {"pattern": _NAME, "maxLength": 63}}
        return {"type": "object", **names, **limit, "additionalProperties": self.section.schema()}


def _table(value: object, keys: Keys) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _refused(keys, f"a table such as [{dotted(keys)}]", value)
    return value


def _number(value: object, parse: Callable[[str], int], what: str, keys: Keys) -> int:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise _refused(keys, what, value)
    try:
        return parse(str(value))
    except InvalidParameterValue as error:
        raise _refused(keys, what, value) from error


def _by_rule(rule: Callable[[Value], Value], value: Value, keys: Keys) -> Value:
    try:
        return rule(value)
    except AuroraError as error:
        raise DeclarationError(keys, f"cannot be. {error.message}", error.hint) from error
