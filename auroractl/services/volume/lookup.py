"""Lookup of volumes and storage nodes."""

from __future__ import annotations

from auroractl.core.errors import InvalidClusterState, NotFound
from auroractl.core.guessing import did_you_mean
from auroractl.core.volume.model import StorageNode
from auroractl.runtime.managed_cluster import ManagedCluster
from auroractl.state.volumes import VolumeRows


def require_volume(cluster: ManagedCluster) -> VolumeRows:
    """Return the volume of a cluster. Raises InvalidClusterState if it has none yet."""
    rows = cluster.repository.volume_rows(cluster.name)
    if rows is None:
        raise InvalidClusterState(
            f"DBCluster {cluster.name} was created before there were storage volumes.",
            f"Restart it to create one: auroractl stop-cluster {cluster.name}; auroractl start-cluster {cluster.name}",
        )
    return rows


def find_node(cluster: ManagedCluster, identifier: str) -> StorageNode:
    """Return a storage node by its identifier or its number. Raises NotFound."""
    require_volume(cluster)
    nodes = cluster.storage_nodes()
    for node in nodes:
        if identifier.lower() in {node.identifier, node.identifier.rpartition("-")[2]}:
            return node
    known = [node.identifier for node in nodes]
    raise NotFound(
        f"DBCluster {cluster.name} has no storage node {identifier}.",
        did_you_mean(identifier, known, f"It has {', '.join(known)}"),
    )
