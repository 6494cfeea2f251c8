"""Output formats: JSON, YAML, text, the result of a query, identifiers only."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from auroractl.core.errors import InvalidParameterValue
from auroractl.core.text.visible import escaped, visible_data

if TYPE_CHECKING:
    from jmespath.parser import ParsedResult

Document = dict[str, Any]


class Output(StrEnum):
    """Output formats."""

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
    ("DBClusterParameterGroups", "DBClusterParameterGroupName"),
    ("DBClusterParameterGroup", "DBClusterParameterGroupName"),
    ("DBClusterParameterGroupName", None),
    ("DBParameterGroups", "DBParameterGroupName"),
    ("DBParameterGroup", "DBParameterGroupName"),
    ("DBParameterGroupName", None),
    ("Parameters", "ParameterName"),
    ("Settings", "Key"),
    ("DBClusterIdentifier", None),
)
"""Keys of documents with the key of the identifiers in their items; None: the value is an identifier itself."""


def identifiers(document: Document) -> list[str]:
    """Return the identifiers that `--quiet` prints for a document.

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
    """Compile a JMESPath expression. Raises InvalidParameterValue, which says what is wrong."""
    import jmespath  # noqa: PLC0415  (only with --query)
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
    """Return the result of a query, None if there is none. Raises InvalidParameterValue if a function is misused."""
    from jmespath.exceptions import JMESPathError  # noqa: PLC0415  (only with --query)

    try:
        return query.search(document)
    except JMESPathError as error:
        raise InvalidParameterValue(f"--query cannot be evaluated: {error}", "Read https://jmespath.org") from error


def printed(form: Output, data: Any) -> str:
    """Format any data in a common format; text is that of the AWS command line."""
    return {Output.JSON: as_json, Output.YAML: as_yaml}.get(form, as_text)(data)


def as_json(data: Any) -> str:
    """Format data as indented JSON."""
    return escaped(json.dumps(data, indent=2, ensure_ascii=False))


def as_yaml(data: Any) -> str:
    """Format data as YAML with the same keys in the same order; times stay strings."""
    import yaml  # noqa: PLC0415  (only with --output yaml)

    def represent(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
        style = None if escaped(text) == text else '"'
        return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)

    class Dumper(yaml.SafeDumper):
        """Quotes strings that need escapes with double quotes."""

    Dumper.add_representer(str, represent)
    text: str = yaml.dump(data, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=10_000)
    return escaped(text).removesuffix("\n").removesuffix("\n...")


def as_text(data: Any) -> str:
    """Format any data as the AWS command line's text output: tab-separated values, one line per object.

    >>> as_text(["demo", 5432, None])
    'demo\\t5432\\tNone'
    >>> as_text([{"B": 2, "A": 1}, {"A": 3}])
    '1\\t2\\n3\\t'
    >>> as_text({"Port": 5432, "Tags": [{"Key": "k"}]})
    '5432\\nTAGS\\tk'
    """
    return "\n".join(_text(visible_data(data), None, None))


def rows(lines: Iterable[Iterable[object]]) -> str:
    """Format the rows of a command's own text output."""
    return "\n".join("\t".join(_scalar(value) for value in line) for line in lines)


def _text(data: Any, name: str | None, keys: list[str] | None) -> Iterator[str]:
    if isinstance(data, dict):
        yield from _text_of_object(data, name, keys)
    elif isinstance(data, list):
        yield from _text_of_list(data, name)
    else:
        yield _scalar(data)


def _text_of_object(data: Document, name: str | None, keys: list[str] | None) -> Iterator[str]:
    """Yield a line of scalar values by key, then lines for other values, which begin with their keys in capitals."""
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
