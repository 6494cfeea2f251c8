"""Requests about DB cluster parameter groups and DB parameter groups, which differ in the keys of their names only."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from auroractl.api.field_types import FLAG, TAGS, TEXT, Kind, one_of
from auroractl.api.request import Request
from auroractl.core.parameters.model import ApplyMethod, GroupKind, ParameterChange

_SOURCE = one_of(["user", "system", "engine-default"])
_KEYS = {"ParameterName", "ParameterValue", "ApplyMethod"}
_METHODS = {method.value for method in ApplyMethod}


def _is_change(value: object) -> bool:
    return (
        isinstance(value, dict)
        and isinstance(value.get("ParameterName"), str)
        and isinstance(value.get("ParameterValue"), str | None)
        and value.get("ApplyMethod") in {None, *_METHODS}
        and value.keys() <= _KEYS
    )


def _load(values: list[dict[str, Any]]) -> tuple[ParameterChange, ...]:
    return tuple(
        ParameterChange(
            each["ParameterName"],
            each.get("ParameterValue"),
            ApplyMethod(each["ApplyMethod"]) if each.get("ApplyMethod") else None,
        )
        for each in values
    )


def _dump(changes: tuple[ParameterChange, ...]) -> list[dict[str, Any]]:
    return [
        {
            "ParameterName": each.name,
            "ParameterValue": each.value,
            "ApplyMethod": each.method.value if each.method else None,
        }
        for each in changes
    ]


_CHANGES = Kind(
    "a list of parameters (ParameterName, ParameterValue, ApplyMethod)",
    lambda value: isinstance(value, list) and all(map(_is_change, value)),
    _load,
    _dump,
)


@dataclass(frozen=True, kw_only=True)
class _Cluster(Request):
    kind: ClassVar[GroupKind] = GroupKind.CLUSTER

    group: str = field(metadata=TEXT.key("DBClusterParameterGroupName"))


@dataclass(frozen=True, kw_only=True)
class _Instance(Request):
    kind: ClassVar[GroupKind] = GroupKind.INSTANCE

    group: str = field(metadata=TEXT.key("DBParameterGroupName"))


@dataclass(frozen=True, kw_only=True)
class _Create(Request):
    family: str = field(metadata=TEXT.key("DBParameterGroupFamily"))
    description: str = field(default="", metadata=TEXT.key("Description"))
    tags: dict[str, str] = field(default_factory=dict, metadata=TAGS.key("Tags"))


@dataclass(frozen=True, kw_only=True)
class CreateClusterParameterGroup(_Create, _Cluster):
    """Create a DB cluster parameter group with the defaults of a family."""


@dataclass(frozen=True, kw_only=True)
class CreateParameterGroup(_Create, _Instance):
    """Create a DB parameter group with the defaults of a family."""


@dataclass(frozen=True, kw_only=True)
class _Copy(Request):
    description: str = field(default="", metadata=TEXT.key("TargetDescription"))
    tags: dict[str, str] = field(default_factory=dict, metadata=TAGS.key("Tags"))


@dataclass(frozen=True, kw_only=True)
class CopyClusterParameterGroup(_Copy):
    """Create a DB cluster parameter group with the values of another one."""

    kind: ClassVar[GroupKind] = GroupKind.CLUSTER

    source: str = field(metadata=TEXT.key("SourceDBClusterParameterGroupIdentifier"))
    target: str = field(metadata=TEXT.key("TargetDBClusterParameterGroupIdentifier"))


@dataclass(frozen=True, kw_only=True)
class CopyParameterGroup(_Copy):
    """Create a DB parameter group with the values of another one."""

    kind: ClassVar[GroupKind] = GroupKind.INSTANCE

    source: str = field(metadata=TEXT.key("SourceDBParameterGroupIdentifier"))
    target: str = field(metadata=TEXT.key("TargetDBParameterGroupIdentifier"))


@dataclass(frozen=True, kw_only=True)
class _Modify(Request):
    parameters: tuple[ParameterChange, ...] = field(metadata=_CHANGES.key("Parameters"))


@dataclass(frozen=True, kw_only=True)
class ModifyClusterParameterGroup(_Modify, _Cluster):
    """Change parameters of a DB cluster parameter group."""


@dataclass(frozen=True, kw_only=True)
class ModifyParameterGroup(_Modify, _Instance):
    """Change parameters of a DB parameter group."""


@dataclass(frozen=True, kw_only=True)
class _Reset(Request):
    everything: bool = field(default=False, metadata=FLAG.key("ResetAllParameters"))
    parameters: tuple[ParameterChange, ...] = field(default=(), metadata=_CHANGES.key("Parameters"))


@dataclass(frozen=True, kw_only=True)
class ResetClusterParameterGroup(_Reset, _Cluster):
    """Reset parameters of a DB cluster parameter group."""


@dataclass(frozen=True, kw_only=True)
class ResetParameterGroup(_Reset, _Instance):
    """Reset parameters of a DB parameter group."""


class DeleteClusterParameterGroup(_Cluster):
    """Delete a DB cluster parameter group."""


class DeleteParameterGroup(_Instance):
    """Delete a DB parameter group."""


@dataclass(frozen=True, kw_only=True)
class DescribeClusterParameterGroups(Request):
    """Describe all DB cluster parameter groups, or one."""

    kind: ClassVar[GroupKind] = GroupKind.CLUSTER

    group: str | None = field(default=None, metadata=TEXT.key("DBClusterParameterGroupName"))


@dataclass(frozen=True, kw_only=True)
class DescribeParameterGroups(Request):
    """Describe all DB parameter groups, or one."""

    kind: ClassVar[GroupKind] = GroupKind.INSTANCE

    group: str | None = field(default=None, metadata=TEXT.key("DBParameterGroupName"))


@dataclass(frozen=True, kw_only=True)
class _Parameters(Request):
    source: str | None = field(default=None, metadata=_SOURCE.key("Source"))


@dataclass(frozen=True, kw_only=True)
class DescribeClusterParameters(_Parameters, _Cluster):
    """Describe the parameters of a DB cluster parameter group."""


@dataclass(frozen=True, kw_only=True)
class DescribeParameters(_Parameters, _Instance):
    """Describe the parameters of a DB parameter group."""


@dataclass(frozen=True, kw_only=True)
class DescribeEngineDefaultClusterParameters(Request):
    """Describe the defaults of a family for clusters."""

    kind: ClassVar[GroupKind] = GroupKind.CLUSTER

    family: str = field(metadata=TEXT.key("DBParameterGroupFamily"))


@dataclass(frozen=True, kw_only=True)
class DescribeEngineDefaultParameters(Request):
    """Describe the defaults of a family for instances."""

    kind: ClassVar[GroupKind] = GroupKind.INSTANCE

    family: str = field(metadata=TEXT.key("DBParameterGroupFamily"))
