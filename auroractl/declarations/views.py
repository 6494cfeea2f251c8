"""Conversion of existing clusters to declarations, and of declarations to files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from auroractl.api.documents import View
from auroractl.core.endpoint_types import CustomEndpointType
from auroractl.core.engine.locales import Provider
from auroractl.core.model import EndpointType
from auroractl.core.parameters.model import GroupKind
from auroractl.core.volume.durability import Durability
from auroractl.declarations.model import (
    ENDPOINT,
    FILE,
    TABLES,
    Declaration,
    DeclaredEndpoint,
    DeclaredFile,
    DeclaredGroup,
    DeclaredInstance,
    GroupKey,
    Groups,
    Growth,
)


@dataclass(frozen=True, slots=True)
class ExistingParameter:
    """A parameter that a group sets."""

    value: str
    kind: tuple[str, str]
    """Its type and its unit."""


@dataclass(frozen=True, slots=True)
class ExistingGroup:
    """A parameter group of one's own."""

    family: str
    description: str
    parameters: Mapping[str, ExistingParameter] = field(default_factory=dict)
    """Only asked for where it matters."""

    @classmethod
    def of(cls, view: View, parameters: Sequence[View]) -> ExistingGroup:
        """Take it from the answers of the describe verbs."""
        return cls(
            view["DBParameterGroupFamily"],
            view["Description"],
            {
                each["ParameterName"]: ExistingParameter(each["ParameterValue"], (each["DataType"], each["Unit"]))
                for each in parameters
            },
        )


@dataclass(frozen=True, slots=True)
class Facts:
    """The answers of the describe verbs about all clusters."""

    clusters: Sequence[View]
    instances: Sequence[View]
    endpoints: Sequence[View]
    volumes: Sequence[View]
    new_group_bytes: int
    """The size of a protection group of a new cluster."""
    groups: Mapping[GroupKey, ExistingGroup] = field(default_factory=dict)
    """All parameter groups of one's own."""

    def cluster(self, name: str) -> View | None:
        """Return a cluster's document; None if it does not exist."""
        return next((view for view in self.clusters if view["DBClusterIdentifier"] == name), None)

    def volume(self, name: str) -> View | None:
        """Return the document of a cluster's volume; None if it does not exist."""
        return next((view for view in self.volumes if view["DBClusterIdentifier"] == name), None)

    def instances_of(self, name: str) -> list[View]:
        """Return the documents of a cluster's instances."""
        return [view for view in self.instances if view["DBClusterIdentifier"] == name]


def declared(facts: Facts, name: str) -> Declaration | None:
    """Return the complete declaration of an existing cluster; None if it does not exist."""
    view = facts.cluster(name)
    if view is None:
        return None
    instances = facts.instances_of(name)
    tiers = Counter(each["PromotionTier"] for each in instances)
    usual = tiers.most_common(1)[0][0] if instances else None
    return Declaration(
        name=name,
        readers=len(instances) - 1 if instances else None,
        promotion_tier=usual,
        instances={each["DBInstanceIdentifier"]: own for each in instances if (own := _instance(each, usual))},
        parameter_group=view["DBClusterParameterGroup"],
        backtrack_window_s=view["BacktrackWindow"],
        durability=Durability(view["Durability"]),
        deletion_protection=view["DeletionProtection"],
        iam_database_authentication=view["IAMDatabaseAuthenticationEnabled"],
        tags={tag["Key"]: tag["Value"] for tag in view["TagList"]},
        growth=_growth(facts.volume(name)),
        endpoints={
            each["DBClusterEndpointIdentifier"]: DeclaredEndpoint(
                type=CustomEndpointType(each["CustomEndpointType"]),
                static_members=tuple(each["StaticMembers"]),
                excluded_members=tuple(each["ExcludedMembers"]),
            )
            for each in facts.endpoints
            if each["DBClusterIdentifier"] == name and each["EndpointType"] == EndpointType.CUSTOM.value
        },
        engine_version=view["EngineVersion"],
        locale=view["Locale"],
        locale_provider=Provider(view["LocaleProvider"]),
        database_name=view["DatabaseName"],
        master_username=view["MasterUsername"],
        port=view["Port"],
        region=view["AvailabilityZones"][0][:-1],
    )


def _instance(view: View, usual: int | None) -> DeclaredInstance | None:
    """Return what distinguishes an instance from the others; None if nothing does."""
    tier, group = view["PromotionTier"], group_of_instance(view)
    own = DeclaredInstance(
        promotion_tier=tier if tier != usual else None,
        parameter_group=None if group.startswith("default.") else group,
    )
    return None if own == DeclaredInstance() else own


def group_of_instance(view: View) -> str:
    """Return the name of an instance's DB parameter group."""
    return str(view["DBParameterGroups"][0]["DBParameterGroupName"])


def used_groups(declarations: Sequence[Declaration], existing: Mapping[GroupKey, ExistingGroup]) -> Groups:
    """Return the complete declarations of the groups of one's own that clusters and their instances use."""
    named = [(GroupKind.CLUSTER, each.parameter_group) for each in declarations]
    named += [(GroupKind.INSTANCE, own.parameter_group) for each in declarations for own in each.instances.values()]
    keys = (GroupKey(kind, name) for kind, name in named if name)
    return {key: declared_group(existing[key]) for key in dict.fromkeys(keys) if key in existing}


def declared_group(group: ExistingGroup) -> DeclaredGroup:
    """Return the complete declaration of an existing group."""
    return DeclaredGroup(
        family=group.family,
        description=group.description or None,
        parameters={name: each.value for name, each in sorted(group.parameters.items())},
    )


def _growth(volume: View | None) -> Growth | None:
    if volume is None:
        return None
    return Growth(
        auto_grow=volume["AutoGrow"],
        max_capacity_bytes=volume["MaxAllocatedBytes"],
        increment_bytes=volume["IncrementBytes"],
        headroom_percent=volume["HeadroomPercent"],
    )


def file_document(declarations: Sequence[Declaration], groups: Groups) -> dict[str, Any]:
    """Build the document of a file that declares these clusters and groups, and can be read again."""
    tables = {
        table: {key.name: group for key, group in groups.items() if key.kind is kind} for kind, table in TABLES.items()
    }
    file = DeclaredFile(**tables, clusters={each.name: each for each in declarations})
    document: dict[str, Any] = FILE.dump_python(file, mode="json", by_alias=True, exclude_none=True)
    return document


def endpoint_document(endpoint: DeclaredEndpoint) -> dict[str, Any]:
    """Build the table of one custom endpoint."""
    document: dict[str, Any] = ENDPOINT.dump_python(endpoint, mode="json")
    return document
