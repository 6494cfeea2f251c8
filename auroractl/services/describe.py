"""What there is and how it is, as views."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from auroractl.core import views
from auroractl.core.errors import InstanceNotFound
from auroractl.core.model import ClusterSnapshot
from auroractl.core.timestamps import timestamp
from auroractl.core.views import View
from auroractl.services.context import Context
from auroractl.services.create_cluster import master_password

_EVENTS_SHOWN = 5
_GROWTHS_SHOWN = 100


def describe_clusters(context: Context, cluster: str | None) -> list[View]:
    """All clusters, or one. Raises ClusterNotFound."""
    return [views.cluster_view(snapshot) for snapshot in _snapshots(context, cluster)]


def describe_cluster(context: Context, cluster: str) -> View:
    """One cluster. Raises ClusterNotFound."""
    return describe_clusters(context, cluster)[0]


def describe_instances(context: Context, cluster: str | None, instance: str | None) -> list[View]:
    """All instances, those of a cluster, or one. Raises ClusterNotFound, InstanceNotFound."""
    if instance is not None:
        found = context.instance(instance)
        if cluster is not None and context.cluster(cluster).identifier != found.cluster:
            known = [each.identifier for each in context.repository.instances(cluster.lower())]
            raise InstanceNotFound(instance, known)
        cluster = found.cluster
    return [
        view
        for snapshot in _snapshots(context, cluster)
        for view in _instance_views(context, snapshot)
        if instance is None or view["DBInstanceIdentifier"] == instance.lower()
    ]


def describe_endpoints(context: Context, cluster: str | None) -> list[View]:
    """All endpoints, or those of a cluster. Raises ClusterNotFound."""
    return [
        views.endpoint_view(snapshot, endpoint)
        for snapshot in _snapshots(context, cluster)
        for endpoint in snapshot.endpoints
    ]


def describe_status(context: Context, cluster: str | None) -> dict[str, Any]:
    """Everything about one cluster that fits on a screen."""
    snapshot = context.snapshot(context.cluster(cluster))
    name = snapshot.cluster.identifier
    return {
        "DBCluster": views.cluster_view(snapshot),
        "DBInstances": _instance_views(context, snapshot),
        "DBClusterEndpoints": [views.endpoint_view(snapshot, endpoint) for endpoint in snapshot.endpoints],
        "StorageVolume": _volume_view(context, snapshot),
        "Events": [views.event_view(event) for event in context.repository.events(name, None, _EVENTS_SHOWN)],
        "Operation": _operation_view(context, name),
    }


def describe_volumes(context: Context, cluster: str | None) -> list[View]:
    """All volumes, or that of a cluster. Raises ClusterNotFound."""
    found = []
    for snapshot in _snapshots(context, cluster):
        if snapshot.volume is not None:
            history = context.repository.growth_history(snapshot.cluster.identifier, _GROWTHS_SHOWN)
            snapshot = replace(snapshot, volume=replace(snapshot.volume, history=tuple(history)))  # noqa: PLW2901
        view = _volume_view(context, snapshot)
        if view is not None:
            found.append(view)
    return found


def _volume_view(context: Context, snapshot: ClusterSnapshot) -> View | None:
    paths = context.home.cluster(snapshot.cluster.identifier)
    nodes = snapshot.volume.nodes if snapshot.volume else ()
    return views.volume_view(snapshot, {node.identifier: str(paths.storage_node(node.identifier)) for node in nodes})


def names(context: Context) -> dict[str, list[str]]:
    """What things are called, without looking at any of them: for completing what is being typed."""
    clusters = [row.identifier for row in context.repository.clusters()]
    return {
        "Clusters": clusters,
        "Instances": [row.identifier for row in context.repository.instances()],
        "Endpoints": [row.identifier for cluster in clusters for row in context.repository.endpoints(cluster)],
        "StorageNodes": [row.identifier for cluster in clusters for row in context.repository.storage_nodes(cluster)],
    }


def connection(context: Context, cluster: str | None, role: str, instance: str | None) -> dict[str, Any]:
    """How to connect as the master user: to the writer or reader endpoint, or to one instance."""
    if instance is not None and cluster is None:
        cluster = context.instance(instance).cluster
    snapshot = context.snapshot(context.cluster(cluster))
    row = snapshot.cluster
    if instance is not None:
        found = context.instance(instance)
        if found.cluster != row.identifier:
            raise InstanceNotFound(instance, [each.identifier for each in snapshot.instances])
        address = found.address
    else:
        address = next(each.address for each in snapshot.endpoints if each.type.value == role.upper())
    return {
        "Host": address.host,
        "Port": address.port,
        "User": row.master_username,
        "Password": master_password(context, row.identifier),
        "Database": row.database_name,
        "PsqlPath": context.installation.binaries.program("psql"),
        "PgbenchPath": context.installation.binaries.program("pgbench"),
    }


def _snapshots(context: Context, cluster: str | None) -> list[ClusterSnapshot]:
    rows = context.repository.clusters() if cluster is None else [context.cluster(cluster)]
    return [context.snapshot(row) for row in rows]


def _instance_views(context: Context, snapshot: ClusterSnapshot) -> list[View]:
    paths = context.home.cluster(snapshot.cluster.identifier)
    return [
        views.instance_view(snapshot, each, str(paths.instance(each.identifier).data)) for each in snapshot.instances
    ]


def _operation_view(context: Context, cluster: str) -> View | None:
    for record in context.repository.running_operations():
        if record.cluster == cluster:
            return {
                "OperationIdentifier": record.identifier,
                "Kind": record.kind.value,
                "StartTime": timestamp(record.started_at),
                "Steps": [{"Name": step.name, "Status": step.status.value} for step in record.steps],
            }
    return None
