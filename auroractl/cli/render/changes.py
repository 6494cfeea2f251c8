"""The differences between clusters and the file that declares them."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import Any

Document = dict[str, Any]


def difference(document: Document) -> str:
    """Format one line per difference under the cluster's name: + added, - removed, ~ changed."""
    created = {step["Request"]["DBClusterIdentifier"] for step in document["Steps"] if step["Verb"] == "create-cluster"}
    lines = []
    for name, group in groupby(document["Changes"], key=lambda change: change["DBClusterIdentifier"]):
        changes = list(group)
        width = max(len(change["Key"]) for change in changes)
        lines.append(f"Cluster {name} {'is created' if name in created else 'changes'}:")
        lines += [_line(change, width) for change in changes]
    return "\n".join(lines)


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
    """Return one row per difference: cluster, key, before, after."""
    keys = ("DBClusterIdentifier", "Key", "Before", "After")
    return [
        tuple(_value(change[key]) if change[key] is not None else None for key in keys)
        for change in document["Changes"]
    ]
