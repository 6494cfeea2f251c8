"""Handlers of requests about clusters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from auroractl.api.requests import clusters as requests
from auroractl.api.verbs import VERBS
from auroractl.core.errors import UsageError
from auroractl.core.operations import OperationRecord
from auroractl.runtime.managed_cluster import ManagedCluster
from auroractl.services.clusters import create, delete, engine_version, failover, modify, power, scale_readers
from auroractl.services.observation import activity, describe, engine_versions, history, live
from auroractl.services.operations import cancel
from auroractl.supervisor.handlers.call import Call, EarlyHandler, Handler
from auroractl.supervisor.results import (
    ClusterChanged,
    ClusterCreated,
    ClusterDeleted,
    Document,
    FailedOver,
    OperationCancelled,
    ReadersScaled,
)


def create_cluster(call: Call, request: requests.CreateCluster) -> ClusterCreated:
    """create-cluster."""
    return ClusterCreated(create.create_cluster(call.runtime, request))


def creating(_cluster: ManagedCluster, record: OperationRecord, _request: requests.CreateCluster) -> ClusterCreated:
    """Build the early answer of create-cluster."""
    return ClusterCreated(record.cluster)


def delete_cluster(call: Call, request: requests.DeleteCluster) -> ClusterDeleted:
    """delete-cluster."""
    cluster = call.cluster(request.cluster)
    snapshot = cluster.snapshot()
    delete.delete_cluster(cluster)
    return ClusterDeleted(cluster.name, snapshot)


def deleting(cluster: ManagedCluster, record: OperationRecord, _request: requests.DeleteCluster) -> ClusterDeleted:
    """Build the early answer of delete-cluster. Undoing the creation may have removed the cluster already."""
    row = cluster.repository.cluster(record.cluster)
    return ClusterDeleted(record.cluster, cluster.snapshot(row) if row else None)


def start_cluster(call: Call, request: requests.StartCluster) -> ClusterChanged:
    """start-cluster."""
    cluster = call.cluster(request.cluster)
    return ClusterChanged(cluster.name, power.start_cluster(cluster, allow_data_loss=request.allow_data_loss))


def stop_cluster(call: Call, request: requests.StopCluster) -> ClusterChanged:
    """stop-cluster."""
    cluster = call.cluster(request.cluster)
    return ClusterChanged(cluster.name, power.stop_cluster(cluster))


def changing(_cluster: ManagedCluster, record: OperationRecord, request: requests.ClusterRequest) -> ClusterChanged:
    """Build the early answer of start-cluster and stop-cluster."""
    return ClusterChanged(record.cluster, True, VERBS[request.verb].cluster_status)


def scale_readers_(call: Call, request: requests.ScaleReaders) -> ReadersScaled:
    """scale-readers."""
    cluster = call.cluster(request.cluster)
    added, removed = scale_readers.scale_readers(cluster, to=request.to, add=request.add, remove=request.remove)
    return ReadersScaled(cluster.name, added, removed)


def scaling(_cluster: ManagedCluster, record: OperationRecord, _request: requests.ScaleReaders) -> ReadersScaled:
    """Build the early answer of scale-readers."""
    return ReadersScaled(record.cluster, record.arguments.get("Add", []), record.arguments.get("Remove", []))


def failover_(call: Call, request: requests.Failover) -> FailedOver:
    """failover."""
    cluster = call.cluster(request.cluster)
    done = failover.failover(
        cluster, request.target, allow_data_loss=request.allow_data_loss, like_aws=request.like_aws
    )
    return FailedOver(cluster.name, done.source, done.target, done.planned, done.switch_ms)


def failing_over(_cluster: ManagedCluster, record: OperationRecord, request: requests.Failover) -> FailedOver:
    """Build the early answer of failover."""
    source, target, planned = (record.arguments[key] for key in ("From", "To", "Planned"))
    return FailedOver(record.cluster, source, target, planned, status=VERBS[request.verb].cluster_status)


def cancel_operation(call: Call, request: requests.CancelOperation) -> OperationCancelled:
    """cancel-operation."""
    cluster = call.cluster(request.cluster)
    return OperationCancelled(cluster.name, cancel.cancel_operation(cluster))


def cancelling(
    _cluster: ManagedCluster, record: OperationRecord, _request: requests.CancelOperation
) -> OperationCancelled:
    """Build the early answer of cancel-operation, with the status of the operation that is being cancelled."""
    return OperationCancelled(record.cluster, record, VERBS[record.kind].cluster_status)


def modify_cluster(call: Call, request: requests.ModifyCluster) -> ClusterChanged:
    """modify-cluster."""
    cluster = call.cluster(request.cluster)
    if request.engine_version is not None:
        if replace(request, engine_version=None) != requests.ModifyCluster(cluster=request.cluster):
            raise UsageError("--engine-version excludes other changes.", "Make them with a command of their own")
        engine_version.change_engine_version(cluster, request.engine_version)
        return ClusterChanged(cluster.name, None)
    modify.modify_cluster(
        cluster,
        deletion_protection=request.deletion_protection,
        iam_authentication=request.iam_authentication,
        backtrack_window_s=request.backtrack_window_s,
        tags=request.tags,
        remove_tags=request.remove_tags,
        master_user_password=request.master_user_password,
        parameter_group=request.parameter_group,
        durability=request.durability,
    )
    return ClusterChanged(cluster.name, None)


def pause_automation(call: Call, request: requests.PauseAutomation) -> ClusterChanged:
    """pause-automation."""
    cluster = call.cluster(request.cluster)
    return ClusterChanged(cluster.name, modify.pause_automation(cluster, paused=request.paused))


def describe_clusters(call: Call, request: requests.DescribeClusters) -> Document:
    """describe-clusters."""
    return {"DBClusters": describe.describe_clusters(call.runtime, request.cluster)}


def describe_status(call: Call, request: requests.DescribeStatus) -> Document:
    """describe-status."""
    return describe.describe_status(call.cluster(request.cluster))


def describe_live(call: Call, request: requests.DescribeLive) -> Document:
    """describe-live."""
    return live.describe_live(call.runtime, request.cluster)


def describe_activity(call: Call, request: requests.DescribeActivity) -> Document:
    """describe-activity."""
    return activity.describe_activity(call.cluster(request.cluster))


def describe_events(call: Call, request: requests.DescribeEvents) -> Document:
    """describe-events."""
    return {"Events": history.describe_events(call.runtime, request)}


def failover_history(call: Call, request: requests.FailoverHistory) -> Document:
    """failover-history."""
    return {"Failovers": history.failover_history(call.runtime, request.cluster)}


def describe_db_engine_versions(call: Call, request: requests.DescribeDbEngineVersions) -> Document:
    """describe-db-engine-versions."""
    return engine_versions.describe_engine_versions(call.runtime, request)


HANDLERS: Mapping[str, Handler] = {
    "create-cluster": create_cluster,
    "delete-cluster": delete_cluster,
    "start-cluster": start_cluster,
    "stop-cluster": stop_cluster,
    "scale-readers": scale_readers_,
    "failover": failover_,
    "cancel-operation": cancel_operation,
    "modify-cluster": modify_cluster,
    "pause-automation": pause_automation,
    "describe-clusters": describe_clusters,
    "describe-status": describe_status,
    "describe-live": describe_live,
    "describe-activity": describe_activity,
    "describe-events": describe_events,
    "failover-history": failover_history,
    "describe-db-engine-versions": describe_db_engine_versions,
}
EARLY: Mapping[str, EarlyHandler] = {
    "create-cluster": creating,
    "delete-cluster": deleting,
    "start-cluster": changing,
    "stop-cluster": changing,
    "scale-readers": scaling,
    "failover": failing_over,
    "cancel-operation": cancelling,
}
