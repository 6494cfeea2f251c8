"""Parameter groups and parameters for people and as rows of text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

Document = dict[str, Any]
Rows = Iterable[tuple[object, ...]]
_KINDS = ("DBClusterParameterGroup", "DBParameterGroup")
_VALUE_LENGTH_MAX = 28


def created(document: Document) -> str:
    """Format a group that was created."""
    name, family, _ = groups_text(document)[0]
    return f"Parameter group {name} of family {family} was created."


def changed(document: Document) -> str:
    """Format a group that was changed."""
    return (
        f"Parameter group {_name(document)} was changed. Static parameters of instances that use it wait for "
        "reboot-instance; describe-instances shows which."
    )


def deleted(document: Document) -> str:
    """Format a group that was deleted."""
    return f"Parameter group {_name(document)} was deleted."


def groups(document: Document) -> str:
    """Show groups with their families and descriptions."""
    return _columns(("GROUP", "FAMILY", "DESCRIPTION"), groups_text(document))


def groups_text(document: Document) -> Sequence[tuple[str, str, str]]:
    """Return the rows of groups, or of one that was created."""
    for kind in _KINDS:
        views = document.get(f"{kind}s", [document[kind]] if kind in document else None)
        if views is not None:
            return [(view[f"{kind}Name"], view["DBParameterGroupFamily"], view["Description"]) for view in views]
    return []


def name_text(document: Document) -> Rows:
    """Return the row of a group that was changed."""
    return [(_name(document),)]


def _name(document: Document) -> str:
    return next(str(document[f"{kind}Name"]) for kind in _KINDS if f"{kind}Name" in document)


def parameters(document: Document) -> str:
    """Show parameters; of those that cannot be modified, why."""
    rows = []
    for view in _views(document):
        value = view["ParameterValue"] or ""
        shown = value if len(value) <= _VALUE_LENGTH_MAX else f"{value[: _VALUE_LENGTH_MAX - 3]}..."
        unit = f" {view['Unit']}" if view["Unit"] and value[-1:].isdigit() else ""
        change = view["ApplyType"] if view["IsModifiable"] else "-"
        rows.append((view["ParameterName"], f"{shown}{unit}", view["Source"], change))
    if not rows:
        return "There is no such parameter."
    return _columns(("PARAMETER", "VALUE", "SOURCE", "CHANGE"), rows)


def parameters_text(document: Document) -> Rows:
    """Return the rows of parameters."""
    keys = ("ParameterName", "ParameterValue", "Source", "ApplyType", "DataType", "AllowedValues", "IsModifiable")
    return [tuple(view[key] for key in keys) for view in _views(document)]


def _views(document: Document) -> list[Document]:
    found: list[Document] = document["EngineDefaults" if "EngineDefaults" in document else "Parameters"]
    return found["Parameters"] if isinstance(found, dict) else found


def _columns(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )
