"""Declared clusters: classes from which pydantic reads the file and writes its schema.

They are plain dataclasses, so that observed clusters can have the same form without validation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from operator import not_
from typing import Annotated, Any, NamedTuple, Self

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from auroractl.core import identifiers
from auroractl.core.endpoint_types import CustomEndpointType
from auroractl.core.engine.locales import Provider
from auroractl.core.parameters.changes import group_name
from auroractl.core.parameters.model import GroupKind
from auroractl.core.volume.durability import Durability
from auroractl.core.volume.growth import HEADROOM_PERCENT_MAX
from auroractl.declarations import kinds
from auroractl.declarations.kinds import DeclarationError, by_identifier, by_name, refusal
from auroractl.declarations.schema import Schema, explained, plain_schema

ENDPOINTS_MAX = 5
FIXED = ("engine_version", "locale", "locale_provider", "database_name", "master_username", "port", "region")
"""Keys that are fixed at creation."""


class _Table:
    __pydantic_config__ = ConfigDict(
        extra="forbid",
        use_attribute_docstrings=True,
        # Docstrings of classes are not meant for the authors of files.
        json_schema_extra=lambda schema: schema.pop("description", None),
    )


@dataclass(frozen=True, kw_only=True)
class DeclaredInstance(_Table):
    """An instance."""

    promotion_tier: kinds.Tier | None = None
    """From 0 (promoted first) to 15 (promoted last)."""
    parameter_group: kinds.GroupName | None = None
    """DB parameter group, whose values go over those of the cluster."""


@dataclass(frozen=True, kw_only=True)
class Growth(_Table):
    """Growth settings of a volume; None for omitted keys."""

    auto_grow: kinds.Truth | None = None
    """Whether the volume grows automatically."""
    max_capacity_bytes: Annotated[kinds.Size | None, Field(alias="max_capacity")] = None
    """Maximum size, such as 64TiB."""
    increment_bytes: Annotated[kinds.Size | None, Field(alias="increment")] = None
    """Minimum growth at a time, such as 10GiB."""
    headroom_percent: Annotated[int, Field(strict=True, ge=0, le=HEADROOM_PERCENT_MAX)] | None = None
    """Share of the allocated space to keep free."""


@dataclass(frozen=True, kw_only=True)
class DeclaredEndpoint(_Table):
    """A custom endpoint."""

    type: kinds.EndpointType = CustomEndpointType.READER
    """READER (the default) excludes the writer; ANY includes it."""
    static_members: Annotated[kinds.Members, Field(exclude_if=not_)] = ()
    """Connect only to these instances."""
    excluded_members: Annotated[kinds.Members, Field(exclude_if=not_)] = ()
    """Never connect to these instances; not with static_members."""

    @model_validator(mode="after")
    def _one_list(self) -> Self:
        if self.static_members and self.excluded_members:
            raise refusal("has both static_members and excluded_members.", "Omit one of them")
        return self


@dataclass(frozen=True, kw_only=True)
class DeclaredCluster(_Table):
    """A cluster; None for omitted keys, which are not changed."""

    readers: Annotated[int, Field(strict=True, ge=0, le=identifiers.READERS_MAX)] | None = None
    """Number of readers; a new cluster has 2 without it."""
    promotion_tier: kinds.Tier | None = None
    """The tier of every instance that is not named under instances."""
    backtrack_window_s: Annotated[kinds.Window | None, Field(alias="backtrack_window")] = None
    """Backtrack window, such as 24h; 0 disables backtracking."""
    deletion_protection: kinds.Truth | None = None
    """Whether to refuse to delete the cluster."""
    iam_database_authentication: kinds.Truth | None = None
    """Whether members of rds_iam log in with tokens of AWS only."""
    durability: Durability | None = None
    """What is flushed to disk: machine (the writer), everywhere or none."""
    parameter_group: kinds.GroupName | None = None
    """DB cluster parameter group."""
    engine_version: kinds.Version | None = None
    """PostgreSQL version, such as 17 or 17.10. Fixed at creation."""
    locale: kinds.LocaleName | None = None
    """Locale of the databases, such as en_US.UTF-8. Fixed at creation."""
    locale_provider: Provider | None = None
    """What sorts text: libc, icu or builtin. Fixed at creation."""
    database_name: kinds.DatabaseName | None = None
    """Name of the first database. Fixed at creation."""
    master_username: kinds.Username | None = None
    """Name of the master user. Fixed at creation."""
    port: Annotated[int, Field(strict=True, ge=identifiers.PORT_MIN, le=identifiers.PORT_MAX)] | None = None
    """Port of all addresses. Fixed at creation."""
    region: kinds.Region | None = None
    """Region that names the Availability Zones. Fixed at creation."""
    tags: kinds.Tags | None = None
    """All tags of the cluster; others are removed."""
    growth: Growth | None = None
    """Growth of the storage volume."""
    instances: Annotated[
        dict[str, DeclaredInstance], by_identifier("DBInstanceIdentifier"), kinds.NAMED, Field(exclude_if=not_)
    ] = field(default_factory=dict)
    """Tiers and parameter groups of single instances."""
    endpoints: (
        Annotated[
            dict[str, DeclaredEndpoint],
            Field(max_length=ENDPOINTS_MAX),
            by_identifier("DBClusterEndpointIdentifier"),
            kinds.NAMED,
        ]
        | None
    ) = None
    """All custom endpoints of the cluster; others are deleted."""

    @property
    def tiers(self) -> dict[str, int]:
        """The tiers of single instances."""
        return {name: each.promotion_tier for name, each in self.instances.items() if each.promotion_tier is not None}

    @property
    def fixed(self) -> dict[str, Any]:
        """The declared values of the keys in FIXED."""
        return {key: value for key in FIXED if (value := getattr(self, key)) is not None}


@dataclass(frozen=True, kw_only=True)
class Declaration(DeclaredCluster):
    """A cluster with its name."""

    name: str


@dataclass(frozen=True, kw_only=True)
class DeclaredGroup(_Table):
    """A parameter group; None for omitted keys, which are not changed."""

    family: kinds.Family | None = None
    """Engine version that it is for, such as aurora-postgresql18. A new group needs it. Fixed at creation."""
    description: kinds.Description | None = None
    """Description. Fixed at creation."""
    parameters: kinds.Parameters | None = None
    """All parameters that differ from the defaults; others are reset."""


_Groups = Annotated[dict[str, DeclaredGroup], by_name(group_name), kinds.NAMED_GROUPS, Field(exclude_if=not_)]


@dataclass(frozen=True, kw_only=True)
class DeclaredFile(_Table):
    """A file."""

    cluster_parameter_groups: _Groups = field(default_factory=dict)
    """DB cluster parameter groups, by name."""
    parameter_groups: _Groups = field(default_factory=dict)
    """DB parameter groups, by name."""
    clusters: Annotated[dict[str, DeclaredCluster], by_identifier("DBClusterIdentifier"), kinds.NAMED] = field(
        default_factory=dict
    )
    """The clusters, by name."""


class GroupKey(NamedTuple):
    """What identifies a parameter group."""

    kind: GroupKind
    name: str

    @property
    def keys(self) -> tuple[str, str]:
        """The position of the group in a file."""
        return TABLES[self.kind], self.name


TABLES = {GroupKind.CLUSTER: "cluster_parameter_groups", GroupKind.INSTANCE: "parameter_groups"}
Groups = Mapping[GroupKey, DeclaredGroup]


class Declared(NamedTuple):
    """What a file declares."""

    clusters: list[Declaration]
    groups: Groups


FILE = TypeAdapter(DeclaredFile)
ENDPOINT = TypeAdapter(DeclaredEndpoint)


def read_declarations(document: Mapping[str, Any]) -> Declared:
    """Return what a file declares. Raises DeclarationError, which names the key."""
    try:
        file = FILE.validate_python(document)
    except ValidationError as error:
        raise explained(error, document, file_schema()) from error
    groups = {GroupKey(kind, name): each for kind in GroupKind for name, each in getattr(file, TABLES[kind]).items()}
    if not file.clusters and not groups:
        raise DeclarationError(
            ("clusters",), "declares no cluster, and there is no parameter group.", "Begin with a line [clusters.NAME]"
        )
    return Declared([Declaration(name=name, **vars(each)) for name, each in file.clusters.items()], groups)


def file_schema() -> Schema:
    """Return the JSON schema of the file."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Clusters and parameter groups for auroractl apply",
        "description": "Omitted keys are not changed.",
        **plain_schema(FILE),
        "minProperties": 1,
    }
