"""The documents of parameter groups and parameters, in AWS's shape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from auroractl.core.parameters.model import Catalog, Definition, GroupKind, ParameterGroup
from auroractl.core.parameters.ownership import is_modifiable, why_closed, why_not_per_instance
from auroractl.core.parameters.values import allowed_values

View = dict[str, Any]
_TYPES = {"bool": "boolean", "real": "float", "enum": "string"}


def group_view(group: ParameterGroup) -> View:
    """Build one element of DBClusterParameterGroups or DBParameterGroups."""
    return {
        f"{group.kind.words}Name": group.name,
        "DBParameterGroupFamily": group.family,
        "Description": group.description,
        "TagList": [{"Key": key, "Value": value} for key, value in sorted(group.tags.items())],
    }


def parameter_views(
    catalog: Catalog, kind: GroupKind, chosen: Mapping[str, str], system: Mapping[str, str | int]
) -> list[View]:
    """Build the list Parameters: those of a group, over what auroractl sets (`system`), over the engine's defaults."""
    views = []
    for name, definition in sorted(catalog.definitions.items()):
        value: str | None
        if name in chosen:
            value, source = chosen[name], "user"
        elif name in system:
            value, source = str(system[name]), "system"
        else:
            value, source = definition.default, "engine-default"
        views.append(_view(definition, kind, value, source))
    return views


def _view(definition: Definition, kind: GroupKind, value: str | None, source: str) -> View:
    why = why_closed(definition) or (why_not_per_instance(definition) if kind is GroupKind.INSTANCE else "")
    return {
        "ParameterName": definition.name,
        "ParameterValue": value,
        "Description": definition.description,
        "Source": source,
        "ApplyType": definition.apply_type.value,
        "DataType": _TYPES.get(definition.type, definition.type),
        "Unit": definition.unit,
        "AllowedValues": allowed_values(definition),
        "IsModifiable": is_modifiable(definition, kind),
        "NotModifiableReason": why,
        "ApplyMethod": "immediate" if definition.apply_type.value == "dynamic" else "pending-reboot",
    }
