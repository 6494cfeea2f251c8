"""The requests that a plan is made of: bodies of the verbs that the commands use too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from auroractl.core.declarations.model import Declaration, DeclaredEndpoint, Growth

Request = dict[str, Any]


def create_cluster(wanted: Declaration, readers: int) -> Request:
    """create-cluster."""
    return {
        "DBClusterIdentifier": wanted.name,
        "Readers": readers,
        "EngineVersion": wanted.fixed.get("engine_version"),
        "DatabaseName": wanted.fixed.get("database_name"),
        "MasterUsername": wanted.fixed.get("master_username"),
        "MasterUserPassword": None,
        "Port": wanted.fixed.get("port"),
        "Region": wanted.fixed.get("region"),
        "BacktrackWindow": wanted.backtrack_window_s,
        "DeletionProtection": bool(wanted.deletion_protection),
        "Tags": dict(wanted.tags or {}),
        "Retain": False,
        "NoWait": False,
    }


def modify_cluster(
    name: str,
    *,
    deletion_protection: bool | None,
    backtrack_window_s: int | None,
    tags: Mapping[str, str],
    remove_tags: Sequence[str],
) -> Request:
    """modify-cluster."""
    return {
        "DBClusterIdentifier": name,
        "DeletionProtection": deletion_protection,
        "BacktrackWindow": backtrack_window_s,
        "Tags": dict(tags) or None,
        "RemoveTags": list(remove_tags),
    }


def storage_autogrow(name: str, growth: Growth) -> Request:
    """storage-autogrow."""
    return {
        "DBClusterIdentifier": name,
        "AutoGrow": growth.auto_grow,
        "MaxAllocatedBytes": growth.max_capacity_bytes,
        "IncrementBytes": growth.increment_bytes,
        "HeadroomPercent": growth.headroom_percent,
        "DryRun": False,
    }


def scale_readers(name: str, readers: int) -> Request:
    """scale-readers."""
    return {"DBClusterIdentifier": name, "To": readers, "Add": None, "Remove": None}


def modify_instance(instance: str, promotion_tier: int) -> Request:
    """modify-instance."""
    return {"DBInstanceIdentifier": instance, "PromotionTier": promotion_tier}


def delete_instance(instance: str) -> Request:
    """delete-instance."""
    return {"DBInstanceIdentifier": instance}


def create_endpoint(cluster: str, name: str, endpoint: DeclaredEndpoint) -> Request:
    """create-endpoint."""
    return {"DBClusterIdentifier": cluster, **modify_endpoint(name, endpoint)}


def modify_endpoint(name: str, endpoint: DeclaredEndpoint) -> Request:
    """modify-endpoint; both lists are given, so both are replaced."""
    return {
        "DBClusterEndpointIdentifier": name,
        "EndpointType": endpoint.type,
        "StaticMembers": list(endpoint.static_members),
        "ExcludedMembers": list(endpoint.excluded_members),
    }


def delete_endpoint(name: str) -> Request:
    """delete-endpoint."""
    return {"DBClusterEndpointIdentifier": name}
