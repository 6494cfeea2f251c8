"""Handlers of requests about storage volumes."""

from __future__ import annotations

from collections.abc import Mapping

from auroractl.api.requests import volumes as requests
from auroractl.core.operations import OperationRecord
from auroractl.runtime.managed_cluster import ManagedCluster
from auroractl.services.observation import describe
from auroractl.services.operations.dry_run import end_dry_run
from auroractl.services.volume import growth, replace_node
from auroractl.services.volume.lookup import require_volume
from auroractl.supervisor.handlers.call import Call, EarlyHandler, Handler
from auroractl.supervisor.results import Document, NodeReplaced, VolumeGrown, VolumeScrubbed


def storage_autogrow(call: Call, request: requests.StorageAutogrow) -> VolumeGrown:
    """Change a volume's growth settings. The service performs the dry run itself."""
    cluster = call.cluster(request.cluster)
    cluster.require_running()
    plan, volume = growth.storage_autogrow(cluster, request, dry_run=call.options.dry_run)
    return VolumeGrown(plan, volume, call.options.dry_run)


def scrub_volume(call: Call, request: requests.ScrubVolume) -> VolumeScrubbed:
    """scrub-volume."""
    cluster = call.cluster(request.cluster)
    require_volume(cluster)
    end_dry_run("Read all finished WAL on every storage node", "Repair damage from the other nodes")
    return VolumeScrubbed(cluster.name, cluster.runtime.wal_keepers.of(cluster.name).scrub())


def replace_storage_node(call: Call, request: requests.ReplaceStorageNode) -> NodeReplaced:
    """replace-storage-node."""
    cluster = call.cluster(request.cluster)
    old, new = replace_node.replace_storage_node(cluster, request.node)
    return NodeReplaced(cluster.name, old, new)


def replacing(_cluster: ManagedCluster, record: OperationRecord, _request: requests.ReplaceStorageNode) -> NodeReplaced:
    """Build the early answer of replace-storage-node."""
    return NodeReplaced(record.cluster, record.arguments["Old"], record.arguments["New"])


def describe_volumes(call: Call, request: requests.DescribeVolumes) -> Document:
    """describe-volumes."""
    return {"StorageVolumes": describe.describe_volumes(call.runtime, request.cluster)}


HANDLERS: Mapping[str, Handler] = {
    "storage-autogrow": storage_autogrow,
    "scrub-volume": scrub_volume,
    "replace-storage-node": replace_storage_node,
    "describe-volumes": describe_volumes,
}
EARLY: Mapping[str, EarlyHandler] = {
    "replace-storage-node": replacing,
}
