"""Checks of values against the server's own description of a parameter.

They refuse what is surely wrong, in one sentence. What passes is tried on a server before it is stored.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from fractions import Fraction

from auroractl.core.errors import InvalidParameterValue
from auroractl.core.parameters import ownership
from auroractl.core.parameters.model import Catalog, Definition

_LENGTH_MAX = 4000
_NUMBER = re.compile(r"([-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]{1,3})?)\s*([A-Za-z]*)")
_MEMORY = {"B": 1, "kB": 1024, "MB": 1024**2, "GB": 1024**3, "TB": 1024**4}
_TIME = {"us": 1, "ms": 1000, "s": 1_000_000, "min": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000}
_UNIT = re.compile(r"([0-9]*)([A-Za-z]+)")
TRUE, FALSE = frozenset({"on", "true", "yes", "1"}), frozenset({"off", "false", "no", "0"})


def checked(definition: Definition, text: str, catalog: Catalog) -> str:
    """Return a value without surrounding blanks. Raises InvalidParameterValue."""
    value = text.strip()
    if len(value) > _LENGTH_MAX or any(not letter.isprintable() for letter in value):
        raise InvalidParameterValue(
            f"The value of {definition.name} is longer than {_LENGTH_MAX} characters or has unprintable ones.",
            "Give a text of one line",
        )
    if re.search(r"\{.*\}|\b(GREATEST|LEAST|SUM)\s*\(", value, re.IGNORECASE):
        raise InvalidParameterValue(
            f"{definition.name} cannot be a formula: instances here have no class to compute it from.",
            f"Give a value; allowed are {allowed_values(definition) or 'texts'}",
        )
    if definition.name == "shared_preload_libraries":
        _require_libraries(value, catalog)
    else:
        _KINDS.get(definition.type, _any)(definition, value)
    return stored_form(definition.name, definition.type, definition.unit, value)


def stored_form(name: str, type_: str, unit: str, text: str) -> str:
    """Return a valid value as a group keeps it.

    >>> stored_form("max_connections", "integer", "", " 1e2"), stored_form("work_mem", "integer", "kB", "4MB ")
    ('100', '4MB')
    """
    value = text.strip()
    if name == "shared_preload_libraries":
        return ",".join(dict.fromkeys(_names(value)))
    if type_ == "integer" and not unit and _NUMBER.fullmatch(value):
        # The server rounds, and others read this number.
        return str(round(Fraction(value)))
    return value


def allowed_values(definition: Definition) -> str:
    """Describe what a parameter allows, as AWS's AllowedValues; empty for texts."""
    if definition.type == "bool":
        return "0,1"
    if definition.type == "enum":
        return ",".join(definition.choices)
    if definition.type in {"integer", "real"}:
        return f"{ownership.least(definition.name)[0] or definition.minimum}-{definition.maximum}"
    return ",".join(ownership.LIBRARIES) if definition.name == "shared_preload_libraries" else ""


def is_on(settings: Mapping[str, str], name: str) -> bool:
    """Return whether a boolean parameter is set to true."""
    return settings.get(name, "").lower() in TRUE


def _names(value: str) -> list[str]:
    return [name.strip() for name in value.split(",") if name.strip()]


def _require_libraries(value: str, catalog: Catalog) -> None:
    there = catalog.libraries
    for name in _names(value):
        if name not in ownership.LIBRARIES:
            raise InvalidParameterValue(
                f"shared_preload_libraries cannot load {name!r}.", f"Choose from {', '.join(there)}"
            )
        if name not in there:
            raise InvalidParameterValue(
                f"This PostgreSQL build does not have the library {name}.",
                f"{catalog.packages.get(name, '')}It has {', '.join(there)}",
            )


def _bool(definition: Definition, value: str) -> None:
    if value.lower() not in TRUE | FALSE:
        raise _refused(definition, value)


def _enum(definition: Definition, value: str) -> None:
    if definition.choices and value.lower() not in {each.lower() for each in definition.choices}:
        raise _refused(definition, value)


def _number(definition: Definition, value: str) -> None:
    match = _NUMBER.fullmatch(value)
    number = _in_base_units(Fraction(match[1]), match[2], definition.unit) if match else None
    if number is None:
        raise _refused(definition, value)
    least, why = ownership.least(definition.name)
    if not ownership.permits(definition.name, number):
        unit = f" {definition.unit}" if definition.unit else ""
        raise InvalidParameterValue(
            f"{definition.name} must be at least {least}{unit}, not {value}: {why}.", f"Give {least}{unit} or more"
        )
    if not _limit(definition.minimum, number) <= number <= _limit(definition.maximum, number):
        raise _refused(definition, value)


def _limit(text: str, otherwise: Fraction) -> Fraction:
    """Return a limit from pg_settings; a text that is no number limits nothing."""
    try:
        return Fraction(text)
    except ValueError:
        return otherwise


def _in_base_units(number: Fraction, unit: str, base: str) -> Fraction | None:
    """Convert a number to the unit of a parameter; None if the unit does not fit.

    >>> _in_base_units(Fraction(64), "MB", "8kB"), _in_base_units(Fraction(2), "min", "ms")
    (Fraction(8192, 1), Fraction(120000, 1))
    """
    if not unit:
        return number
    match = _UNIT.fullmatch(base)
    for table in (_MEMORY, _TIME):
        if match and match[2] in table and unit in table:
            return number * table[unit] / (int(match[1] or 1) * table[match[2]])
    return None


def _any(definition: Definition, value: str) -> None:
    """Accept any text; the server decides."""


_KINDS: Mapping[str, Callable[[Definition, str], None]] = {
    "bool": _bool,
    "enum": _enum,
    "integer": _number,
    "real": _number,
}


def _refused(definition: Definition, value: str) -> InvalidParameterValue:
    unit = (
        f" (in {definition.unit}, or with a unit such as {_example_unit(definition.unit)})" if definition.unit else ""
    )
    shown = value if len(value) <= 60 else f"{value[:57]}..."
    return InvalidParameterValue(
        f"Invalid parameter value: {shown} for: {definition.name} allowed values are: {allowed_values(definition)}.",
        f"Give one of the allowed values{unit}",
    )


def _example_unit(base: str) -> str:
    return "MB" if base.lstrip("0123456789") in _MEMORY else "s"
