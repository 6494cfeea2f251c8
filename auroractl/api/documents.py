"""The documents that commands print, in AWS's shape and with AWS's key names. Keys are never removed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from auroractl.core import status
from auroractl.core.dns_names import endpoint_name, instance_name
from auroractl.core.engine.versions import Build
from auroractl.core.identifiers import ENGINE
from auroractl.core.model import ClusterSnapshot, Endpoint, EndpointType, Event, Instance
from auroractl.core.operations import OperationRecord
from auroractl.core.parameters.model import group_in_use
from auroractl.core.restore.retention import Backtrack
from auroractl.core.text.log_lines import LogLine
from auroractl.core.text.timestamps import exact_timestamp, timestamp
from auroractl.core.volume.model import ScrubReport, StorageNode, VolumeSnapshot
from auroractl.core.volume.quorum import Quorum
from auroractl.core.wal.lsn import format_lsn

View = dict[str, Any]


def cluster_view(snapshot: ClusterSnapshot) -> View:
    """Build one element of DBClusters."""
    cluster = snapshot.cluster
    writer, reader = (_address(snapshot, type_) for type_ in (EndpointType.WRITER, EndpointType.READER))
    return {
        "DBClusterIdentifier": cluster.identifier,
        "DbClusterResourceId": cluster.resource_id,
        "Status": status.cluster_status(snapshot),
        "Health": status.health(snapshot).value,
        "Problems": status.problems(snapshot),
        "Warnings": status.warnings(snapshot),
        "Engine": ENGINE,
        "EngineMode": "provisioned",
        "EngineVersion": cluster.engine_version,
        "Locale": cluster.locale.name,
        "LocaleProvider": cluster.locale.provider.value,
        "Endpoint": writer[0],
        "ReaderEndpoint": reader[0],
        "EndpointName": _name(snapshot, EndpointType.WRITER),
        "ReaderEndpointName": _name(snapshot, EndpointType.READER),
        "Port": writer[1],
        "ReaderPort": reader[1],
        "DatabaseName": cluster.database_name,
        "MasterUsername": cluster.master_username,
        "AvailabilityZones": list(cluster.availability_zones),
        "DBClusterMembers": [
            {
                "DBInstanceIdentifier": instance.identifier,
                "IsClusterWriter": instance.is_writer,
                "PromotionTier": instance.promotion_tier,
                "DBClusterParameterGroupStatus": _apply_status(snapshot, instance),
            }
            for instance in snapshot.instances
        ],
        "DBClusterParameterGroup": group_in_use(cluster.parameter_group, cluster.engine_version),
        **_durability(snapshot),
        "BacktrackWindow": cluster.backtrack_window_s,
        "EarliestBacktrackTime": _earliest(snapshot),
        "BacktrackWindowActual": _actual_window_s(snapshot),
        "BacktrackLogBytes": snapshot.backtrack.log_bytes,
        "BacktrackImageBytes": snapshot.backtrack.image_bytes,
        "BacktrackLogBytesPerHour": snapshot.backtrack.log_bytes_per_hour,
        "BacktrackImageBytesPerHour": snapshot.backtrack.image_bytes_per_hour,
        "ClusterCreateTime": timestamp(cluster.created_at),
        "DeletionProtection": cluster.deletion_protection,
        "IAMDatabaseAuthenticationEnabled": cluster.iam_authentication,
        "AutomationPaused": cluster.automation_paused,
        "TagList": [{"Key": key, "Value": value} for key, value in sorted(cluster.tags.items())],
        "UsedBytes": snapshot.used_bytes,
        "Operation": (
            {
                "OperationIdentifier": snapshot.operation.identifier,
                "Kind": snapshot.operation.kind,
                "StartTime": timestamp(snapshot.operation.started_at),
            }
            if snapshot.operation
            else None
        ),
        "EndpointProcessId": snapshot.endpoint_process.pid,
    }


def _durability(snapshot: ClusterSnapshot) -> View:
    return {
        "Durability": snapshot.cluster.durability.value,
        "DurableInstance": status.durable_instance(snapshot),
        "EveryCopyFlushed": not snapshot.cluster.unflushed_boot,
    }


def _apply_status(snapshot: ClusterSnapshot, instance: Instance) -> str:
    """Return AWS's status of parameters: `applying` until the instance has been asked since its start."""
    names = snapshot.pending_parameters.get(instance.identifier)
    if names is None:
        return "applying"
    return "pending-reboot" if names else "in-sync"


def _earliest(snapshot: ClusterSnapshot) -> str | None:
    earliest = snapshot.backtrack.earliest
    return exact_timestamp(earliest) if earliest else None


def _actual_window_s(snapshot: ClusterSnapshot) -> int | None:
    """Return BacktrackWindowActual in seconds, the unit of the window. On AWS it is a metric in minutes."""
    earliest = snapshot.backtrack.earliest
    if earliest is None:
        return None
    return min(snapshot.cluster.backtrack_window_s, int((snapshot.at - earliest).total_seconds()))


def _address(snapshot: ClusterSnapshot, type_: EndpointType) -> tuple[str | None, int]:
    for endpoint in snapshot.endpoints:
        if endpoint.type is type_:
            return endpoint.address.host, endpoint.address.port
    return None, snapshot.cluster.port


def _name(snapshot: ClusterSnapshot, type_: EndpointType) -> str | None:
    found = (endpoint_name(snapshot.dns_domain, each) for each in snapshot.endpoints if each.type is type_)
    return next(found, None)


def instance_view(snapshot: ClusterSnapshot, instance: Instance, data_directory: str) -> View:
    """Build one element of DBInstances; `data_directory` is its path on this machine."""
    seen = snapshot.seen(instance.identifier)
    return {
        "DBInstanceIdentifier": instance.identifier,
        "DBClusterIdentifier": instance.cluster,
        "DBInstanceStatus": status.instance_status(snapshot, instance),
        "IsClusterWriter": instance.is_writer,
        "AvailabilityZone": instance.availability_zone,
        "PromotionTier": instance.promotion_tier,
        "Endpoint": {
            "Address": instance.address.host,
            "Name": instance_name(snapshot.dns_domain, instance.identifier),
            "Port": instance.address.port,
        },
        "Engine": ENGINE,
        "EngineVersion": snapshot.cluster.engine_version,
        "InstanceCreateTime": timestamp(instance.created_at),
        "DBParameterGroups": [
            {
                "DBParameterGroupName": group_in_use(instance.parameter_group, snapshot.cluster.engine_version),
                "ParameterApplyStatus": _apply_status(snapshot, instance),
            }
        ],
        "ParametersPendingReboot": list(snapshot.pending_parameters.get(instance.identifier, ())),
        "ProcessId": seen.pid,
        "DataDirectory": data_directory,
        "ReplicaLagBytes": None if instance.is_writer else seen.lag_bytes,
        "ReplicaLagMilliseconds": None if instance.is_writer else seen.lag_ms,
        "Following": None if instance.is_writer else seen.following,
        "Timeline": seen.timeline,
        "DatabaseConnections": seen.connections,
        "ObservedTime": timestamp(seen.at),
        "StatusReason": snapshot.failed.get(instance.identifier) or seen.detail,
    }


def endpoint_view(snapshot: ClusterSnapshot, endpoint: Endpoint) -> View:
    """Build one element of DBClusterEndpoints. Built-in endpoints have no identifier on AWS, but have one here."""
    process = snapshot.endpoint_process
    return {
        "DBClusterEndpointIdentifier": endpoint.identifier,
        "DBClusterIdentifier": endpoint.cluster,
        "Endpoint": endpoint.address.host,
        "EndpointName": endpoint_name(snapshot.dns_domain, endpoint),
        "Port": endpoint.address.port,
        "EndpointType": endpoint.type.value,
        "CustomEndpointType": endpoint.custom_type.value if endpoint.custom_type else None,
        "Status": status.AVAILABLE if process.responding and endpoint.identifier not in process.unbound else "inactive",
        "StaticMembers": list(endpoint.static_members),
        "ExcludedMembers": list(endpoint.excluded_members),
        "Connections": process.connections.get(endpoint.identifier),
    }


def volume_view(snapshot: ClusterSnapshot, paths: Mapping[str, str]) -> View | None:
    """Build one element of StorageVolumes; None for a cluster without a volume.

    `paths` maps storage nodes to their folders.
    """
    volume = snapshot.volume
    if volume is None:
        return None
    write, read = volume.write_quorum, volume.read_quorum
    return {
        "DBClusterIdentifier": snapshot.cluster.identifier,
        "Status": status.volume_status(snapshot),
        "UsedBytes": volume.used_bytes,
        "AllocatedBytes": volume.allocated_bytes,
        "MaxAllocatedBytes": volume.volume.max_capacity_bytes,
        "ProtectionGroups": volume.groups,
        "ProtectionGroupBytes": volume.volume.group_bytes,
        "AutoGrow": volume.volume.auto_grow,
        "IncrementBytes": volume.volume.increment_bytes,
        "HeadroomPercent": volume.volume.headroom_percent,
        "GrowthHistory": [
            {
                "Date": timestamp(growth.at),
                "ProtectionGroupsBefore": growth.groups_before,
                "ProtectionGroupsAfter": growth.groups_after,
                "UsedBytes": growth.used_bytes,
            }
            for growth in volume.history
        ],
        "WriteQuorum": {
            **_quorum_view(write, volume.writable),
            "LostSince": timestamp(volume.quorum_lost_since) if volume.quorum_lost_since else None,
            "WaitingCommits": volume.waiting_commits,
        },
        "ReadQuorum": _quorum_view(read, volume.readable),
        "Faults": [
            {
                "Kind": fault.kind.value,
                "Target": fault.target,
                "Since": timestamp(fault.since),
                "Until": timestamp(fault.until) if fault.until else None,
                "DelayMilliseconds": fault.delay_ms,
            }
            for fault in volume.faults
        ],
        "StorageNodes": [
            {**_node_view(volume, node, paths[node.identifier]), "PageImages": _images_view(snapshot, node)}
            for node in volume.nodes
        ],
    }


def _quorum_view(quorum: Quorum, present: Collection[str]) -> View:
    return {
        "Required": quorum.required,
        "Available": quorum.count(present),
        "Held": quorum.met_by(present),
        "Margin": quorum.margin(present),
    }


def _images_view(snapshot: ClusterSnapshot, node: StorageNode) -> list[View]:
    return [
        {
            "Identifier": image.identifier,
            "Timeline": image.timeline,
            "CheckpointLsn": format_lsn(image.checkpoint_lsn),
            "ReachedTime": timestamp(image.reached_at),
            "Bytes": image.held_bytes,
        }
        for image in snapshot.backtrack.images
        if image.node == node.identifier
    ]


def _node_view(volume: VolumeSnapshot, node: StorageNode, path: str) -> View:
    seen = volume.seen(node)
    return {
        "StorageNodeIdentifier": node.identifier,
        "AvailabilityZone": node.availability_zone,
        "Kind": node.kind.value,
        "Membership": node.membership.value,
        "Status": volume.state(node).value,
        "StatusReason": volume.reason(node),
        "ProcessId": seen.pid,
        "Path": path,
        "ReceivedLsn": None if seen.received_lsn is None else format_lsn(seen.received_lsn),
        "FlushedLsn": None if seen.flushed_lsn is None else format_lsn(seen.flushed_lsn),
        "LagBytes": seen.lag_bytes,
        "LagMilliseconds": None if seen.lag_s is None else round(seen.lag_s * 1000),
        "HeldBytes": seen.held_bytes,
        "MissingSegments": seen.missing_segments,
        "DamageFound": node.damage_found,
        "DamageRepaired": node.damage_repaired,
        "ObservedTime": timestamp(seen.at),
    }


def scrub_view(cluster: str, report: ScrubReport) -> View:
    """Build the document of one scrub of a volume."""
    return {
        "DBClusterIdentifier": cluster,
        "Segments": report.segments,
        "ReadBytes": report.read_bytes,
        "DamagedCopies": dict(report.damaged),
        "RepairedCopies": dict(report.repaired),
        "BeyondRepair": list(report.beyond_repair),
        "DurationMilliseconds": round(report.duration_s * 1000),
    }


def failover_view(record: OperationRecord) -> View:
    """Build one element of Failovers."""
    arguments = record.arguments
    return {
        "DBClusterIdentifier": record.cluster,
        "StartTime": timestamp(record.started_at),
        "Status": record.status.value,
        "Reason": arguments.get("Reason", "requested"),
        "RequestedBy": arguments.get("By", "user"),
        "Planned": arguments["Planned"],
        "From": arguments["From"],
        "To": arguments["To"],
        "Timeline": arguments.get("Timeline"),
        "GapMilliseconds": arguments.get("GapMilliseconds"),
        "Steps": [
            {
                "Name": step.name,
                "Status": step.status.value,
                "DurationMilliseconds": None
                if step.started_at is None or step.finished_at is None
                else round((step.finished_at - step.started_at).total_seconds() * 1000, 1),
            }
            for step in record.steps
        ],
    }


def backtrack_view(backtrack: Backtrack) -> View:
    """Build one element of DBClusterBacktracks. For a backtrack to an LSN, `BacktrackTo` is the time of that LSN."""

    def time(at: datetime | None) -> str | None:
        return timestamp(at) if at else None

    def position(lsn: int | None) -> str | None:
        return None if lsn is None else format_lsn(lsn)

    return {
        "DBClusterIdentifier": backtrack.cluster,
        "BacktrackIdentifier": backtrack.identifier,
        "BacktrackTo": time(backtrack.to or backtrack.consistent_at),
        "BacktrackedFrom": time(backtrack.backtracked_from),
        "BacktrackRequestCreationTime": time(backtrack.requested_at),
        "Status": backtrack.status.value,
        "ConsistentTime": exact_timestamp(backtrack.consistent_at) if backtrack.consistent_at else None,
        "DowntimeMilliseconds": backtrack.downtime_ms,
        "Timeline": backtrack.timeline,
        "ConsistentLsn": position(backtrack.lsn),
        "BacktrackedFromTimeline": backtrack.from_timeline,
        "BacktrackedFromLsn": position(backtrack.from_lsn),
        "NewTimeline": backtrack.new_timeline,
        "StatusReason": backtrack.error,
    }


def operation_view(record: OperationRecord) -> View:
    """Build the document of a running operation, with its steps."""
    return {
        "OperationIdentifier": record.identifier,
        "Kind": record.kind.value,
        "StartTime": timestamp(record.started_at),
        "Steps": [{"Name": step.name, "Status": step.status.value} for step in record.steps],
    }


def cancelled_view(cluster: str, record: OperationRecord, document: View | None) -> View:
    """Build the document of cancel-operation; `document` is the cluster, None if its creation was cancelled."""
    operation = {**operation_view(record), "Status": record.status.value}
    return {"DBClusterIdentifier": cluster, "Operation": operation, "DBCluster": document, "Changed": True}


def event_view(event: Event) -> View:
    """Build one element of Events."""
    return {
        "SourceIdentifier": event.source,
        "SourceType": event.source_type,
        "EventId": event.event_id,
        "Message": event.message,
        "Date": timestamp(event.at),
        "EventCategories": list(event.categories),
    }


def log_view(line: LogLine) -> View:
    """Build one element of LogLines."""
    return {"Time": timestamp(line.at), "TimeIsExact": line.exact, "Part": line.part, "Message": line.text}


def engine_version_view(build: Build) -> View:
    """A PostgreSQL build, as AWS describes an engine version, with what it was compiled with."""
    return {
        "Engine": ENGINE,
        "EngineVersion": str(build.version),
        "MajorEngineVersion": str(build.version.major),
        "DBParameterGroupFamily": f"{ENGINE}{build.version.major}",
        "DBEngineVersionDescription": f"PostgreSQL {build.version}",
        "Status": "available",
        "IsDefault": build.is_default,
        "Build": build.identifier,
        "Origin": build.origin.value,
        "Folder": build.folder,
        "Features": sorted(feature.value for feature in build.features),
        "Extensions": list(build.extensions),
        "SqlExtensions": list(build.sql_extensions),
    }
