"""The JSON schema of a file, and its requirements as sentences for errors."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from typing import Any

from pydantic import TypeAdapter, ValidationError

from auroractl.core.guessing import did_you_mean
from auroractl.declarations.kinds import HINT, DeclarationError, Keys, dotted

Schema = dict[str, Any]
_LEFT_OUT = {"$defs", "title", "default"}


def plain_schema(adapter: TypeAdapter[Any]) -> Schema:
    """Return an adapter's JSON schema without references and null, because omitted keys are absent."""
    schema = adapter.json_schema()
    return {key: _plain(part, schema["$defs"]) for key, part in schema.items() if key not in _LEFT_OUT}


def _plain(part: Any, tables: Schema) -> Any:
    match part:
        case {"$ref": reference, **rest}:
            return _plain(tables[reference.rpartition("/")[2]] | rest, tables)
        case {"anyOf": [only, {"type": "null"}], **rest}:
            return _plain(only | rest, tables)
        case {}:
            return {key: _plain(each, tables) for key, each in part.items() if key not in _LEFT_OUT}
        case [*_]:
            return [_plain(each, tables) for each in part if each != {"type": "null"}]
    return part


def explained(error: ValidationError, document: Mapping[str, Any], schema: Schema) -> DeclarationError:
    """Return the first error in a document as one sentence."""
    first = error.errors(include_url=False)[0]
    keys = tuple(part for part in first["loc"] if isinstance(part, str))
    value = reduce(lambda table, key: table[key], keys, document)
    context = first.get("ctx", {})
    match first["type"]:
        case "refused":
            below = context["below"]
            return DeclarationError(keys if below is None else (*keys, below), context["problem"], context["hint"])
        case "unexpected_keyword_argument":
            known = _part(schema, keys[:-1])["properties"]
            return DeclarationError(
                keys, "is unknown.", did_you_mean(keys[-1], known, f"Known keys: {', '.join(known)}")
            )
        case "too_long":
            return DeclarationError(
                keys, f"has {len(value)} entries; the maximum is {context['max_length']}.", "Remove some"
            )
        case "string_pattern_mismatch":
            return DeclarationError(keys, f"must not be {value!r}.", HINT)
    return DeclarationError(keys, f"must be {_demanded(_part(schema, keys), keys)}, not {value!r}.", HINT)


def _part(schema: Schema, keys: Keys) -> Schema:
    for key in keys:
        schema = schema.get("properties", {}).get(key) or schema["additionalProperties"]
    return schema


def _demanded(schema: Schema, keys: Keys) -> str:
    match schema:
        case {"enum": words}:
            return f"one of {', '.join(word for word in words if word.isupper())}"
        case {"type": "integer", "minimum": least, "maximum": most}:
            return f"a whole number from {least} to {most}"
        case {"type": "boolean"}:
            return "true or false"
        case {"type": "array"}:
            return 'a list of names such as ["demo-instance-2"]'
        case {"type": "object"}:
            return f"a table such as [{dotted(keys)}]"
    return "a string in quotes"
