"""A cluster as it is, in the form of a declaration; and a declaration in the form of a file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from auroractl.core.declarations.model import Declaration, DeclaredEndpoint, Growth
from auroractl.core.model import EndpointType
from auroractl.core.views import View

_DURATION_UNITS = (("h", 3600), ("m", 60), ("s", 1))
_SIZE_UNITS = (("TiB", 1024**4), ("GiB", 1024**3), ("MiB", 1024**2), ("KiB", 1024))


@dataclass(frozen=True, slots=True)
class Facts:
    """What the describe verbs answer about all clusters."""

    clusters: Sequence[View]
    instances: Sequence[View]
    endpoints: Sequence[View]
    volumes: Sequence[View]
    new_group_bytes: int
    """The size of a protection group of a cluster that does not exist yet."""

    def cluster(self, name: str) -> View | None:
        """A cluster's view; None where there is none."""
        return next((view for view in self.clusters if view["DBClusterIdentifier"] == name), None)

    def volume(self, name: str) -> View | None:
        """The view of a cluster's volume; None where there is none."""
        return next((view for view in self.volumes if view["DBClusterIdentifier"] == name), None)

    def instances_of(self, name: str) -> list[View]:
        """The views of a cluster's instances."""
        return [view for view in self.instances if view["DBClusterIdentifier"] == name]


def declared(facts: Facts, name: str) -> Declaration | None:
    """A cluster as it is, with everything said that can be said; None where there is none."""
    view = facts.cluster(name)
    if view is None:
        return None
    tiers = {each["DBInstanceIdentifier"]: each["PromotionTier"] for each in facts.instances_of(name)}
    usual = Counter(tiers.values()).most_common(1)[0][0] if tiers else None
    return Declaration(
        name=name,
        readers=max(len(tiers) - 1, 0),
        promotion_tier=usual,
        tiers={instance: tier for instance, tier in tiers.items() if tier != usual},
        backtrack_window_s=view["BacktrackWindow"],
        deletion_protection=view["DeletionProtection"],
        tags={tag["Key"]: tag["Value"] for tag in view["TagList"]},
        growth=_growth(facts.volume(name)),
        endpoints={
            each["DBClusterEndpointIdentifier"]: DeclaredEndpoint(
                each["CustomEndpointType"], tuple(each["StaticMembers"]), tuple(each["ExcludedMembers"])
            )
            for each in facts.endpoints
            if each["DBClusterIdentifier"] == name and each["EndpointType"] == EndpointType.CUSTOM.value
        },
        fixed={
            "engine_version": view["EngineVersion"],
            "database_name": view["DatabaseName"],
            "master_username": view["MasterUsername"],
            "port": view["Port"],
            "region": view["AvailabilityZones"][0][:-1],
        },
    )


def _growth(volume: View | None) -> Growth:
    if volume is None:
        return Growth()
    return Growth(volume["AutoGrow"], volume["MaxAllocatedBytes"], volume["IncrementBytes"], volume["HeadroomPercent"])


def file_document(declarations: Sequence[Declaration]) -> dict[str, Any]:
    """The document of a file that declares these clusters; reading it gives them again."""
    return {"clusters": {each.name: cluster_document(each) for each in declarations}}


def cluster_document(declaration: Declaration) -> dict[str, Any]:
    """The table of one cluster; what is not said is left out."""
    growth = declaration.growth
    endpoints = declaration.endpoints
    return _said(
        {
            "readers": declaration.readers,
            "promotion_tier": declaration.promotion_tier,
            "backtrack_window": as_duration(declaration.backtrack_window_s),
            "deletion_protection": declaration.deletion_protection,
            **declaration.fixed,
            "tags": declaration.tags,
            "growth": _said(
                {
                    "auto_grow": growth.auto_grow,
                    "max_capacity": as_size(growth.max_capacity_bytes),
                    "increment": as_size(growth.increment_bytes),
                    "headroom_percent": growth.headroom_percent,
                }
            )
            or None,
            "instances": {name: {"promotion_tier": tier} for name, tier in declaration.tiers.items()} or None,
            "endpoints": None
            if endpoints is None
            else {name: endpoint_document(each) for name, each in endpoints.items()},
        }
    )


def endpoint_document(endpoint: DeclaredEndpoint) -> dict[str, Any]:
    """The table of one custom endpoint."""
    return {"type": endpoint.type} | _said(
        {
            "static_members": list(endpoint.static_members) or None,
            "excluded_members": list(endpoint.excluded_members) or None,
        }
    )


def _said(table: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in table.items() if value is not None}


def as_duration(seconds: int | None) -> str | None:
    """A duration as a file has it, exactly.

    >>> as_duration(86_400), as_duration(90), as_duration(0)
    ('24h', '90s', '0s')
    """
    if seconds is None:
        return None
    for unit, length_s in _DURATION_UNITS:
        if seconds and seconds % length_s == 0:
            return f"{seconds // length_s}{unit}"
    return "0s"


def as_size(size_bytes: int | None) -> str | int | None:
    """A size as a file has it, exactly.

    >>> as_size(10 * 1024**3), as_size(1500)
    ('10GiB', 1500)
    """
    if size_bytes is None:
        return None
    for unit, length_bytes in _SIZE_UNITS:
        if size_bytes and size_bytes % length_bytes == 0:
            return f"{size_bytes // length_bytes}{unit}"
    return size_bytes
