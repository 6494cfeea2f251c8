"""The differences between clusters and the file that declares them."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import Any

Document = dict[str, Any]


_NAMES = {
    "DBClusterIdentifier": ("Cluster", "create-cluster"),
    "DBClusterParameterGroupName": ("Cluster parameter group", "create-cluster-parameter-group"),
    "DBParameterGroupName": ("Parameter group", "create-parameter-group"),
}


def difference(document: Document) -> str:
    """Format one line per difference under the name of what it is of: + added, - removed, ~ changed."""
    created = {
        (key, step["Request"][key])
        for key, (_, verb) in _NAMES.items()
        for step in document["Steps"]
        if step["Verb"] == verb
    }
    lines = []
    for (key, name), group in groupby(document["Changes"], key=_named):
        changes = list(group)
        width = max(len(change["Key"]) for change in changes)
        lines.append(f"{_NAMES[key][0]} {name} {'is created' if (key, name) in created else 'changes'}:")
        lines += [_line(change, width) for change in changes]
    return "\n".join(lines)


def _named(change: Document) -> tuple[str, str]:
    return next((key, change[key]) for key in _NAMES if change[key] is not None)


def _line(change: Document, width: int) -> str:
    before, after = change["Before"], change["After"]
    key = f"{change['Key']:<{width}}"
    if before is None:
        return f"  + {key}  {_value(after)}"
    if after is None:
        return f"  - {key}  {_value(before)}"
    return f"  ~ {key}  {_value(before)} -> {_value(after)}"


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return " ".join(map(str, value))
    if isinstance(value, dict):
        return ", ".join(f"{key} {_value(each)}" for key, each in value.items())
    return str(value)


def applied(document: Document) -> str:
    """Format the result of apply."""
    if not document["Changes"]:
        return "No changes: the clusters match the file."
    changes, steps = len(document["Changes"]), len(document["Steps"])
    return (
        f"Applied: {changes} {'change' if changes == 1 else 'changes'} in {steps} {'step' if steps == 1 else 'steps'}."
    )


def rows(document: Document) -> Iterable[tuple[object, ...]]:
    """Return one row per difference: cluster or group, key, before, after."""
    return [
        (
            _named(change)[1],
            change["Key"],
            *(_value(change[key]) if change[key] is not None else None for key in ("Before", "After")),
        )
        for change in document["Changes"]
    ]
