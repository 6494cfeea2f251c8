"""Descriptions of clusters, instances, endpoints and volumes, as documents."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from auroractl.api import documents
from auroractl.api.documents import View
from auroractl.core.addresses import tls_address
from auroractl.core.engine.versions import Feature
from auroractl.core.errors import InstanceNotFound
from auroractl.core.model import ClusterSnapshot, Endpoint, Instance
from auroractl.runtime.managed_cluster import ManagedCluster, find_cluster
from auroractl.runtime.runtime import Runtime
from auroractl.services.instances.master_password import master_password
from auroractl.system.occupants import occupant

_EVENTS_SHOWN = 5
_GROWTHS_SHOWN = 100


def describe_clusters(runtime: Runtime, cluster: str | None) -> list[View]:
    """Describe all clusters, or one. Raises ClusterNotFound."""
    return [documents.cluster_view(snapshot) for snapshot in _snapshots(runtime, cluster)]


def describe_cluster(cluster: ManagedCluster) -> View:
    """Describe one cluster. Raises ClusterNotFound."""
    return documents.cluster_view(cluster.snapshot())


def describe_with_instances(cluster: ManagedCluster) -> tuple[View, list[View]]:
    """Describe one cluster, and its instances as they were in the same instant. Raises ClusterNotFound."""
    snapshot = cluster.snapshot()
    return documents.cluster_view(snapshot), _instance_views(cluster.runtime, snapshot)


def describe_instances(runtime: Runtime, cluster: str | None, instance: str | None) -> list[View]:
    """Describe all instances, those of a cluster, or one. Raises ClusterNotFound, InstanceNotFound."""
    if instance is not None:
        found = runtime.locks.coming(instance.lower()) or runtime.instance(instance)
        if cluster is not None and runtime.cluster(cluster).identifier != found.cluster:
            known = [each.identifier for each in runtime.repository.instances(cluster.lower())]
            raise InstanceNotFound(instance, known)
        cluster = found.cluster
    return [
        view
        for snapshot in _snapshots(runtime, cluster)
        for view in _instance_views(runtime, snapshot)
        if instance is None or view["DBInstanceIdentifier"] == instance.lower()
    ]


def describe_endpoints(runtime: Runtime, cluster: str | None) -> list[View]:
    """Describe all endpoints, or those of a cluster. Raises ClusterNotFound."""
    return [
        documents.endpoint_view(snapshot, endpoint)
        for snapshot in _snapshots(runtime, cluster)
        for endpoint in snapshot.endpoints
    ]


def describe_status(cluster: ManagedCluster) -> dict[str, Any]:
    """Describe one cluster with its instances, endpoints, volume, last events and running operation."""
    snapshot = cluster.snapshot()
    return {
        "DBCluster": documents.cluster_view(snapshot),
        "DBInstances": _instance_views(cluster.runtime, snapshot),
        "DBClusterEndpoints": [documents.endpoint_view(snapshot, endpoint) for endpoint in snapshot.endpoints],
        "StorageVolume": _volume_view(cluster.runtime, snapshot),
        "Events": [
            documents.event_view(event) for event in cluster.repository.events(cluster.name, None, _EVENTS_SHOWN)
        ],
        "Operation": _operation_view(cluster),
    }


def describe_volumes(runtime: Runtime, cluster: str | None) -> list[View]:
    """Describe all volumes, or that of a cluster. Raises ClusterNotFound."""
    found = []
    for snapshot in _snapshots(runtime, cluster):
        if snapshot.volume is not None:
            history = runtime.repository.growth_history(snapshot.cluster.identifier, _GROWTHS_SHOWN)
            snapshot = replace(snapshot, volume=replace(snapshot.volume, history=tuple(history)))  # noqa: PLW2901
        view = _volume_view(runtime, snapshot)
        if view is not None:
            found.append(view)
    return found


def _volume_view(runtime: Runtime, snapshot: ClusterSnapshot) -> View | None:
    paths = runtime.home.cluster(snapshot.cluster.identifier)
    nodes = snapshot.volume.nodes if snapshot.volume else ()
    return documents.volume_view(
        snapshot, {node.identifier: str(paths.storage_node(node.identifier)) for node in nodes}
    )


def names(runtime: Runtime) -> dict[str, list[str]]:
    """List all names for shell completion, without probing anything."""
    clusters = [row.identifier for row in runtime.repository.clusters()]
    return {
        "Clusters": clusters,
        "Instances": [row.identifier for row in runtime.repository.instances()],
        "Endpoints": [row.identifier for cluster in clusters for row in runtime.repository.endpoints(cluster)],
        "StorageNodes": [row.identifier for cluster in clusters for row in runtime.repository.storage_nodes(cluster)],
    }


def connection(runtime: Runtime, name: str | None, role: str, instance: str | None) -> dict[str, Any]:
    """Return how to connect as the master user: through the writer or reader endpoint, or to one instance."""
    if instance is not None and name is None:
        name = runtime.instance(instance).cluster
    cluster = find_cluster(runtime, name)
    snapshot = cluster.snapshot()
    row = snapshot.cluster
    if instance is not None:
        found = runtime.instance(instance)
        if found.cluster != row.identifier:
            raise InstanceNotFound(instance, [each.identifier for each in snapshot.instances])
        address, used_by = found.address, snapshot.seen(found.identifier).occupant
        encrypting = tls_address(address)
    else:
        endpoint = next(each for each in snapshot.endpoints if each.type.value == role.upper())
        address, used_by = endpoint.address, _user_of(snapshot, endpoint)
        encrypting = address
    programs = cluster.binaries.folder / "bin"
    required = instance is None and cluster.tls_required()
    return {
        "TlsHost": encrypting.host if encrypting and runtime.settings.tls else None,
        "TlsRequired": required,
        "ProgramsHaveTls": not required or _has_tls(runtime, row.engine_build),
        "CaBundle": str(runtime.home.ca_bundle),
        "UsedBy": used_by or None,
        "Host": address.host,
        "Port": address.port,
        "User": row.master_username,
        "Password": master_password(cluster),
        "Database": row.database_name,
        "PsqlPath": str(programs / "psql"),
        "PgbenchPath": str(programs / "pgbench"),
    }


def _has_tls(runtime: Runtime, build: str) -> bool:
    """Return whether the client programs of a build were compiled with TLS."""
    builds, _ = runtime.installation.builds.all()
    return any(each.identifier == build and Feature.TLS in each.features for each in builds)


def _user_of(snapshot: ClusterSnapshot, endpoint: Endpoint) -> str:
    """Return the foreign process that listens on an endpoint's address; empty if there is none."""
    process = snapshot.endpoint_process
    taken = endpoint.identifier in process.unbound if process.responding else process.pid is None
    found = occupant(endpoint.address.host, endpoint.address.port) if taken else None
    return str(found) if found else ""


def _snapshots(runtime: Runtime, cluster: str | None) -> list[ClusterSnapshot]:
    rows = runtime.repository.clusters() if cluster is None else [runtime.cluster(cluster)]
    return [ManagedCluster(runtime, row.identifier).snapshot(row) for row in rows]


def _instance_views(runtime: Runtime, snapshot: ClusterSnapshot) -> list[View]:
    return [instance_view(runtime, snapshot, each) for each in snapshot.instances]


def instance_view(runtime: Runtime, snapshot: ClusterSnapshot, instance: Instance) -> View:
    """Describe one instance of a snapshot."""
    data = runtime.home.cluster(snapshot.cluster.identifier).instance(instance.identifier).data
    return documents.instance_view(snapshot, instance, str(data))


def _operation_view(cluster: ManagedCluster) -> View | None:
    for record in cluster.repository.running_operations():
        if record.cluster == cluster.name:
            return documents.operation_view(record)
    return None
