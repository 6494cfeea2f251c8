"""Conversion of existing clusters to declarations, and of declarations to files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from auroractl.api.documents import View
from auroractl.core.endpoint_types import CustomEndpointType
from auroractl.core.engine.locales import Provider
from auroractl.core.model import EndpointType
from auroractl.declarations.model import (
    ENDPOINT,
    FILE,
    Declaration,
    DeclaredEndpoint,
    DeclaredFile,
    DeclaredInstance,
    Growth,
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
    tiers = {each["DBInstanceIdentifier"]: each["PromotionTier"] for each in facts.instances_of(name)}
    usual = Counter(tiers.values()).most_common(1)[0][0] if tiers else None
    return Declaration(
        name=name,
        readers=len(tiers) - 1 if tiers else None,
        promotion_tier=usual,
        instances={name: DeclaredInstance(promotion_tier=tier) for name, tier in tiers.items() if tier != usual},
        backtrack_window_s=view["BacktrackWindow"],
        deletion_protection=view["DeletionProtection"],
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


def _growth(volume: View | None) -> Growth | None:
    if volume is None:
        return None
    return Growth(
        auto_grow=volume["AutoGrow"],
        max_capacity_bytes=volume["MaxAllocatedBytes"],
        increment_bytes=volume["IncrementBytes"],
        headroom_percent=volume["HeadroomPercent"],
    )


def file_document(declarations: Sequence[Declaration]) -> dict[str, Any]:
    """Build the document of a file that declares these clusters, and can be read again."""
    file = DeclaredFile(clusters={each.name: each for each in declarations})
    document: dict[str, Any] = FILE.dump_python(file, mode="json", by_alias=True, exclude_none=True)
    return document


def endpoint_document(endpoint: DeclaredEndpoint) -> dict[str, Any]:
    """Build the table of one custom endpoint."""
    document: dict[str, Any] = ENDPOINT.dump_python(endpoint, mode="json")
    return document
