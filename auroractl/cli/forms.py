"""The forms in which data is printed: JSON, YAML, text, what a query finds in it, identifiers alone."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from auroractl.core.errors import InvalidParameterValue

if TYPE_CHECKING:
    from jmespath.parser import ParsedResult

Document = dict[str, Any]


class Output(StrEnum):
    """Forms of output."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"
    TEXT = "text"


_IDENTIFIERS: tuple[tuple[str, str | None], ...] = (
    ("DBClusters", "DBClusterIdentifier"),
    ("Clusters", "DBClusterIdentifier"),
    ("New", None),
    ("To", None),
    ("Target", None),
    ("DBCluster", "DBClusterIdentifier"),
    ("DBClusterEndpoints", "DBClusterEndpointIdentifier"),
    ("DBClusterBacktracks", "BacktrackIdentifier"),
    ("DBClusterSnapshots", "DBClusterSnapshotIdentifier"),
    ("DBInstances", "DBInstanceIdentifier"),
    ("DBInstance", "DBInstanceIdentifier"),
    ("Settings", "Key"),
    ("DBClusterIdentifier", None),
)
"""Where a document's identifiers lie, the first key that is there; None: the value is one itself."""


def identifiers(document: Document) -> list[str]:
    """What `--quiet` leaves of a document: the names of what it lists, made or changed.

    >>> identifiers({"DBCluster": {"DBClusterIdentifier": "demo"}, "DBInstances": []})
    ['demo']
    >>> identifiers({"Added": ["demo-instance-4"], "Removed": [], "DBCluster": {}})
    ['demo-instance-4']
    >>> identifiers({"Events": []})
    []
    """
    if "Added" in document:
        return [*document["Added"], *document["Removed"]]
    if "StorageVolumes" in document and "New" not in document:
        return [node["StorageNodeIdentifier"] for view in document["StorageVolumes"] for node in view["StorageNodes"]]
    for key, identifier in _IDENTIFIERS:
        if key in document:
            found = document[key]
            several = found if isinstance(found, list) else [] if found is None else [found]
            return [str(each if identifier is None else each[identifier]) for each in several]
    return []


def compiled(expression: str) -> ParsedResult:
    """A JMESPath expression, ready for use. Raises InvalidParameterValue saying where it is wrong."""
    import jmespath  # noqa: PLC0415  (only where a query is asked)
    from jmespath.exceptions import JMESPathError  # noqa: PLC0415

    try:
        return jmespath.compile(expression)
    except JMESPathError as error:
        reason = str(error).splitlines()[0].partition(", for expression")[0]
        raise InvalidParameterValue(
            f"--query {expression!r} is not a JMESPath expression: {reason}",
            "For example: --query 'DBClusters[].Status'",
        ) from error


def found(query: ParsedResult, document: Document) -> Any:
    """What a query finds in a document; None for nothing. Raises InvalidParameterValue where a function is misused."""
    from jmespath.exceptions import JMESPathError  # noqa: PLC0415  (only where a query is asked)

    try:
        return query.search(document)
    except JMESPathError as error:
        raise InvalidParameterValue(
            f"--query cannot be answered: {error}", "https://jmespath.org explains it"
        ) from error


def printed(form: Output, data: Any) -> str:
    """Any data in a form that is not a command's own; text is as of the AWS command line."""
    return {Output.JSON: as_json, Output.YAML: as_yaml}.get(form, as_text)(data)


def as_json(data: Any) -> str:
    """Indented JSON."""
    return json.dumps(data, indent=2, ensure_ascii=False)


def as_yaml(data: Any) -> str:
    """YAML with the same keys in the same order; times stay strings."""
    import yaml  # noqa: PLC0415  (only where YAML is asked for)

    text: str = yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=10_000)
    return text.removesuffix("\n").removesuffix("\n...")


def as_text(data: Any) -> str:
    """Any data as the AWS command line's text output has it: tabs between values, one line per thing.

    >>> as_text(["demo", 5432, None])
    'demo\\t5432\\tNone'
    >>> as_text([{"B": 2, "A": 1}, {"A": 3}])
    '1\\t2\\n3\\t'
    >>> as_text({"Port": 5432, "Tags": [{"Key": "k"}]})
    '5432\\nTAGS\\tk'
    """
    return "\n".join(_text(data, None, None))


def rows(lines: Iterable[Iterable[object]]) -> str:
    """Rows of a command's own text form."""
    return "\n".join("\t".join(_scalar(value) for value in line) for line in lines)


def _text(data: Any, name: str | None, keys: list[str] | None) -> Iterator[str]:
    if isinstance(data, dict):
        yield from _text_of_object(data, name, keys)
    elif isinstance(data, list):
        yield from _text_of_list(data, name)
    else:
        yield _scalar(data)


def _text_of_object(data: Document, name: str | None, keys: list[str] | None) -> Iterator[str]:
    """Its plain values by key on one line, then a line for each other value, which begins with its key in capitals."""
    plain = keys if keys is not None else _plain_keys([data])
    values = [_scalar(data[key]) if key in data else "" for key in plain]
    if values:
        yield "\t".join([name.upper(), *values] if name else values)
    for key in sorted(data):
        if isinstance(data[key], dict | list):
            yield from _text(data[key], key, None)


def _text_of_list(data: list[Any], name: str | None) -> Iterator[str]:
    objects = [each for each in data if isinstance(each, dict)]
    if objects:
        keys = _plain_keys(objects)
        for each in data:
            yield from _text(each, name, keys)
        return
    plain = [_scalar(each) for each in data if not isinstance(each, list)]
    if plain:
        yield "\t".join([name.upper(), *plain] if name else plain)
    for each in data:
        if isinstance(each, list):
            yield from _text_of_list(each, name)


def _plain_keys(objects: list[Document]) -> list[str]:
    return sorted({key for each in objects for key, value in each.items() if not isinstance(value, dict | list)})


def _scalar(value: object) -> str:
    return str(value)
