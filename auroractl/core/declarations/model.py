"""A cluster as declared, and the one table of keys from which the file is read and its schema is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from auroractl.core import identifiers
from auroractl.core.declarations.kinds import (
    Choice,
    DeclarationError,
    Duration,
    Key,
    Named,
    Names,
    Pairs,
    Schema,
    Section,
    Size,
    Text,
    Truth,
    Whole,
)
from auroractl.core.growth import HEADROOM_PERCENT_MAX, MAX_CAPACITY_BYTES

ENDPOINTS_MAX = 5
FIXED = ("engine_version", "database_name", "master_username", "port", "region")
"""What is chosen when a cluster is created and stays."""

_cluster_name = partial(identifiers.identifier, "DBClusterIdentifier")
_instance_name = partial(identifiers.identifier, "DBInstanceIdentifier")
_endpoint_name = partial(identifiers.identifier, "DBClusterEndpointIdentifier")
_TIER = Whole(0, identifiers.PROMOTION_TIER_MAX)

_INSTANCE = Section({"promotion_tier": Key(_TIER, "0 is promoted first, 15 last.")})
_GROWTH = Section(
    {
        "auto_grow": Key(Truth(), "Whether the volume grows by itself."),
        "max_capacity": Key(Size(MAX_CAPACITY_BYTES), "What the volume never grows beyond, such as 64TiB."),
        "increment": Key(Size(MAX_CAPACITY_BYTES), "By how much it grows at least, such as 10GiB."),
        "headroom_percent": Key(Whole(0, HEADROOM_PERCENT_MAX), "How much of what is allocated is kept free."),
    }
)
_ENDPOINT = Section(
    {
        "type": Key(Choice(("READER", "ANY")), "READER (the default): never to the writer; ANY: to it too."),
        "static_members": Key(Names(_instance_name), "Only to these instances."),
        "excluded_members": Key(Names(_instance_name), "To all but these instances; not with static_members."),
    }
)
_CLUSTER = Section(
    {
        "readers": Key(Whole(0, identifiers.READERS_MAX), "Number of readers; a new cluster has 2 without it."),
        "promotion_tier": Key(_TIER, "The tier of every instance that is not named under instances."),
        "instances": Key(Named(_instance_name, _INSTANCE), "Tiers of single instances."),
        "backtrack_window": Key(Duration(identifiers.backtrack_window), "How far back, such as 24h; 0 for none."),
        "deletion_protection": Key(Truth(), "Whether deleting the cluster is refused."),
        "tags": Key(Pairs(identifiers.tags), "All tags of the cluster; others are removed."),
        "growth": Key(_GROWTH, "How the storage volume grows."),
        "endpoints": Key(
            Named(_endpoint_name, _ENDPOINT, ENDPOINTS_MAX), "All custom endpoints of the cluster; others are deleted."
        ),
        "engine_version": Key(Text(pattern="^[0-9]+([.][0-9]+)?$"), "Such as 18 or 18.6. Fixed at creation."),
        "database_name": Key(Text(identifiers.database_name), "The first database. Fixed at creation."),
        "master_username": Key(Text(identifiers.master_username), "The master user. Fixed at creation."),
        "port": Key(Whole(identifiers.PORT_MIN, identifiers.PORT_MAX), "Port of all addresses. Fixed at creation."),
        "region": Key(Text(identifiers.region), "Region whose Availability Zones are used. Fixed at creation."),
    }
)
FILE = Section({"clusters": Key(Named(_cluster_name, _CLUSTER), "The clusters, by name.")})


@dataclass(frozen=True, slots=True)
class Growth:
    """How a volume grows; None for what is not said."""

    auto_grow: bool | None = None
    max_capacity_bytes: int | None = None
    increment_bytes: int | None = None
    headroom_percent: int | None = None


@dataclass(frozen=True, slots=True)
class DeclaredEndpoint:
    """A custom endpoint."""

    type: str = "READER"
    static_members: tuple[str, ...] = ()
    excluded_members: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Declaration:
    """A cluster as declared; None for what is not said and stays as it is."""

    name: str
    readers: int | None = None
    promotion_tier: int | None = None
    tiers: Mapping[str, int] = field(default_factory=dict)
    """By instance."""
    backtrack_window_s: int | None = None
    deletion_protection: bool | None = None
    tags: Mapping[str, str] | None = None
    growth: Growth = Growth()
    endpoints: Mapping[str, DeclaredEndpoint] | None = None
    fixed: Mapping[str, Any] = field(default_factory=dict)
    """What is said of the keys in FIXED."""


def read_declarations(document: Mapping[str, Any]) -> list[Declaration]:
    """The clusters that a file declares. Raises DeclarationError naming the key."""
    clusters = FILE.read(document, ()).get("clusters", {})
    if not clusters:
        raise DeclarationError(("clusters",), "declares no cluster.", "Begin with a line [clusters.NAME]")
    return [_declaration(name, found) for name, found in clusters.items()]


def file_schema() -> Schema:
    """The JSON schema of the file."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Clusters for auroractl apply",
        "description": "What is not said stays as it is.",
        **FILE.schema(),
        "required": ["clusters"],
    }


def _declaration(name: str, found: Mapping[str, Any]) -> Declaration:
    growth = found.get("growth", {})
    endpoints = found.get("endpoints")
    return Declaration(
        name=name,
        readers=found.get("readers"),
        promotion_tier=found.get("promotion_tier"),
        tiers={
            instance: values["promotion_tier"]
            for instance, values in found.get("instances", {}).items()
            if "promotion_tier" in values
        },
        backtrack_window_s=found.get("backtrack_window"),
        deletion_protection=found.get("deletion_protection"),
        tags=found.get("tags"),
        growth=Growth(
            auto_grow=growth.get("auto_grow"),
            max_capacity_bytes=growth.get("max_capacity"),
            increment_bytes=growth.get("increment"),
            headroom_percent=growth.get("headroom_percent"),
        ),
        endpoints=None if endpoints is None else {key: _endpoint(name, key, each) for key, each in endpoints.items()},
        fixed={key: found[key] for key in FIXED if key in found},
    )


def _endpoint(cluster: str, name: str, found: Mapping[str, Any]) -> DeclaredEndpoint:
    endpoint = DeclaredEndpoint(**found)
    if endpoint.static_members and endpoint.excluded_members:
        raise DeclarationError(
            ("clusters", cluster, "endpoints", name),
            "has both static_members and excluded_members.",
            "Leave one of them out",
        )
    return endpoint
