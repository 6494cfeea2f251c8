"""Which service answers which verb: request keys in, result document out."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from datetime import datetime
from typing import Any

from auroractl import __version__
from auroractl.core import views
from auroractl.core.backtrack import Backtrack
from auroractl.core.model import CustomEndpointType, Endpoint
from auroractl.core.moments import Target
from auroractl.core.status import cluster_status
from auroractl.core.timestamps import timestamp
from auroractl.services import (
    activity,
    backtrack,
    backtrack_plan,
    create_cluster,
    custom_endpoints,
    delete_cluster,
    describe,
    failover,
    faults,
    growth,
    history,
    impairments,
    live,
    modify,
    peek,
    power,
    replace_node,
    scale_readers,
)
from auroractl.services.context import Context
from auroractl.services.operations import Progress
from auroractl.services.rehearsal import certain

Body = dict[str, Any]
Answer = Callable[[Any], None]
Verb = Callable[[Context, Body, Progress, Answer], Any]


def _name(context: Context, body: Body) -> str:
    return context.cluster(body["DBClusterIdentifier"]).identifier


def _create_cluster(context: Context, body: Body, progress: Progress, _answer: Answer) -> Any:
    request = create_cluster.CreateClusterRequest(
        cluster=body["DBClusterIdentifier"],
        readers=body["Readers"],
        engine_version=body["EngineVersion"],
        database_name=body["DatabaseName"],
        master_username=body["MasterUsername"],
        master_user_password=body["MasterUserPassword"],
        port=body["Port"],
        region=body["Region"],
        backtrack_window_s=body["BacktrackWindow"],
        deletion_protection=bool(body["DeletionProtection"]),
        tags=body["Tags"],
        retain=bool(body["Retain"]),
    )

    name = create_cluster.create_cluster(context, request, progress)
    return {**_cluster_with_instances(context, name), "Changed": True}


def _cluster_with_instances(context: Context, name: str) -> Any:
    return {
        "DBCluster": describe.describe_cluster(context, name),
        "DBInstances": describe.describe_instances(context, name, None),
    }


def _describe_clusters(context: Context, body: Body, _progress: Progress, _answer: Answer) -> Any:
    return {"DBClusters": describe.describe_clusters(context, body["DBClusterIdentifier"])}


def _describe_instances(context: Context, body: Body, _progress: Progress, _answer: Answer) -> Any:
    found = describe.describe_instances(context, body["DBClusterIdentifier"], body["DBInstanceIdentifier"])
    return {"DBInstances": found}


def _describe_endpoints(context: Context, body: Body, _progress: Progress, _answer: Answer) -> Any:
    wanted = body.get("DBClusterEndpointIdentifier")
    found = describe.describe_endpoints(context, body["DBClusterIdentifier"])
    chosen = [each for each in found if wanted in {None, each["DBClusterEndpointIdentifier"]}]
    return {"DBClusterEndpoints": chosen}


def _create_endpoint(context: Context, body: Body, _progress: Progress, _answer: Answer) -> Any:
    endpoint = custom_endpoints.create_endpoint(
        context,
        _name(context, body),
        body["DBClusterEndpointIdentifier"],
        CustomEndpointType(body["EndpointType"]),
        body["StaticMembers"] or [],
        body["ExcludedMembers"] or [],
    )
    return _endpoint_document(context, endpoint)


def _modify_endpoint(context: Context, body: Body, _progress: Progress, _answer: Answer) -> Any:
    endpoint = custom_endpoints.modify_endpoint(
        context,
        body["DBClusterEndpointIdentifier"],
        CustomEndpointType(body["EndpointType"]) if body["EndpointType"] else None,
        body["StaticMembers"],
        body["ExcludedMembers"],
    )
    return _endpoint_document(context, endpoint)


def _delete_endpoint(context: Context, body: Body, _progress: Progress, _answer: Answer) -> Any:
    endpoint = custom_endpoints.find_endpoint(context, body["DBClusterEndpointIdentifier"])
    document = _endpoint_document(context, endpoint, Status="deleting")
    custom_endpoints.delete_endpoint(context, endpoint.identifier)
    return document


def _endpoint_document(context: Context, endpoint: Endpoint, **changes: Any) -> Any:
    """AWS puts the one endpoint at the top; here it is in a list too, as describe-endpoints has it."""
    views_ = describe.describe_endpoints(context, endpoint.cluster)
    view = next(each for each in views_ if each["DBClusterEndpointIdentifier"] == endpoint.identifier)
    return {**view, **changes, "DBClusterEndpoints": [{**view, **changes}]}


def _describe_status(context: Context, body: Body, _progress: Progress, _answer: Answer) -> Any:
    return describe.describe_status(context, body["DBClusterIdentifier"])


def _describe_live(context: Context, body: Body, _progress: Progress, _answer: Answer) -> Any:
    return live.describe_live(context, body["DBClusterIdentifier"])


def _describe_activity(context: Context, body: Body, _progress: Progress, _answer: Answer) -> Any:
    return activity.describe_activity(context, body["DBClusterIdentifier"])


def _scale_readers(context: Context, body: Body, progress: Progress, _answer: Answer) -> Any:
    name = _name(context, body)
    added, removed = scale_readers.scale_readers(
        context, name, to=body["To"], add=body["Add"], remove=body["Remove"], progress=progress
    )
    changes = {"Added": added, "Removed": removed, "Changed": bool(added or removed)}
    return {**_cluster_with_instances(context, name), **changes}


def _delete_instance(context: Context, body: Body, progress: Progress, _answer: Answer) -> Any:
    instance = describe.describe_instances(context, None, body["DBInstanceIdentifier"])[0]
    scale_readers.delete_instance(context, body["DBInstanceIdentifier"], progress)
    return {"DBInstance": {**instance, "DBInstanceStatus": "deleting"}}


def _modify_instance(context: Context, body: Body, _progress: Progress, _answer: Answer) -> Any:
    modify.modify_instance(context, body["DBInstanceIdentifier"], promotion_tier=body["PromotionTier"])
    return {"DBInstance": describe.describe_instances(context, None, body["DBInstanceIdentifier"])[0]}


def _reboot_instance(context: Context, body: Body, progress: Progress, _answer: Answer) -> Any:
    power.reboot_instance(context, body["DBInstanceIdentifier"], progress)
    return {"DBInstance": describe.describe_instances(context, None, body["DBInstanceIdentifier"])[0]}


def _failover(context: Context, body: Body, progress: Progress, _answer: Answer) -> Any:
    name = _name(context, body)
    result = failover.failover(
        context,
        name,
        body["TargetDBInstanceIdentifier"],
        progress,
        allow_data_loss=bool(body["AllowDataLoss"]),
    )
    return {
        "DBCluster": describe.describe_cluster(context, name),
        "From": result.source,
        "To": result.target,
        "DurationMilliseconds": round(result.switch_ms, 1),
        "Planned": result.planned,
    }


def _stop_cluster(context: Context, body: Body, progress: Progress, _answer: Answer) -> Any:
    name = _name(context, body)
    changed = power.stop_cluster(context, name, progress)
    return {"DBCluster": describe.describe_cluster(context, name), "Changed": changed}


def _start_cluster(context: Context, body: Body, progress: Progress, _answer: Answer) -> Any:
    name = _name(context, body)
    changed = power.start_cluster(context, name, progress)
    return {"DBCluster": describe.describe_cluster(context, name), "Changed": changed}


def _delete_cluster(context: Context, body: Body, progress: Progress, _answer: Answer) -> Any:
    name = _name(context, body)
    cluster = describe.describe_cluster(context, name)
    delete_cluster.delete_cluster(context, name, progress)
    return {"DBClusterIdentifier": name, "DBCluster": {**cluster, "Status": "deleting"}, "Changed": True}


def _modify_cluster(context: Context, body: Body, _progress: Progress, _answer: Answer) -> Any:
    name = _name(context, body)
    modify.modify_cluster(
        context,
        name,
        deletion_protection=body["DeletionProtection"],
        backtrack_window_s=body["BacktrackWindow"],
        tags=body["Tags"],
        remove_tags=body["RemoveTags"] or [],
    )
    return {"DBCluster": describe.describe_cluster(context, name)}


def _pause_automation(context: Context, body: Body, _progress: Progress, _answer: Answer) -> Any:
    name = _name(context, body)
    changed = modify.pause_automation(context, name, paused=bool(body["Paused"]))
    return {"DBCluster": describe.describe_cluster(context, name), "Changed": changed}


def _describe_events(context: Context, body: Body, _progress: Progress, _answer: Answer) -> Any:
    wanted = history.EventFilter(
        source=body["SourceIdentifier"],
        source_type=body.get("SourceType"),
        duration_s=body["DurationSeconds"],
        start=body.get("StartTime"),
        end=body.get("EndTime"),
        categories=tuple(body.get("EventCategories") or ()),
    )
    return {"Events": history.describe_events(context, wanted, body["MaxRecords"])}


def _failover_history(context: Context, body: Body, _progress: Progress, _answer: Answer) -> Any:
    return {"Failovers": history.failover_history(context, body["DBClusterIdentifier"])}


def _target(body: Body) -> Target:
    if body["BacktrackTo"] is not None:
        return Target(at=datetime.fromisoformat(body["BacktrackTo"]))
    return Target(lsn=body["Lsn"])


def _backtrack_request(body: Body) -> backtrack.BacktrackRequest:
    target = None if body["Undo"] else _target(body)
    return backtrack.BacktrackRequest(target, bool(body["UseEarliestTimeOnPointInTimeUnavailable"]))


def _backtrack(context: Context, body: Body, progress: Progress, _answer: Answer) -> Any:
    name = _name(context, body)

    def document(row: Backtrack) -> Any:
        return {"DBClusterBacktrack": views.backtrack_view(row)}

    if body["Cancel"]:
        return document(backtrack.cancel(context, name))
    if body["Accept"]:
        return document(backtrack.accept(context, name, progress))
    request = _backtrack_request(body)
    if body["DryRun"]:
        return {"BacktrackPlan": backtrack_plan.plan(context, name, request)}
    if body["WaitAt"]:
        row = backtrack.look(context, name, request, progress)
        return {**document(row), "Connection": backtrack.waiting_connection(context, name, row.identifier)}
    return document(backtrack.backtrack(context, name, request, progress))


def _describe_backtracks(context: Context, body: Body, _progress: Progress, _answer: Answer) -> Any:
    return {
        "DBClusterBacktracks": backtrack.describe(context, body["DBClusterIdentifier"], body["BacktrackIdentifier"])
    }


def _peek(context: Context, body: Body, progress: Progress, _answer: Answer) -> Any:
    earliest = bool(body["UseEarliestTimeOnPointInTimeUnavailable"])
    request = peek.PeekRequest(_target(body), body["ClientProcessId"], earliest)
    return {"Peek": peek.peek(context, _name(context, body), request, progress)}


def _describe_volumes(context: Context, body: Body, _progress: Progress, _answer: Answer) -> Any:
    return {"StorageVolumes": describe.describe_volumes(context, body["DBClusterIdentifier"])}


def _storage_autogrow(context: Context, body: Body, _progress: Progress, _answer: Answer) -> Any:
    request = growth.GrowthRequest(
        enabled=body["AutoGrow"],
        max_capacity_bytes=body["MaxAllocatedBytes"],
        increment_bytes=body["IncrementBytes"],
        headroom_percent=body["HeadroomPercent"],
        dry_run=bool(body["DryRun"]),
    )
    name = _name(context, body)
    context.require_running(name)
    plan, volume = growth.storage_autogrow(context, name, request)
    return {"StorageGrowth": growth.growth_view(plan, volume, dry_run=request.dry_run)}


def _scrub_volume(context: Context, body: Body, progress: Progress, _answer: Answer) -> Any:
    name = _name(context, body)
    growth.require_volume(context, name)
    certain(context, "Read all finished log of every storage node", "Repair what is damaged from the other nodes")
    report = context.keepers.of(name).scrub(progress.message)
    return {"Scrub": views.scrub_view(name, report)}


def _replace_storage_node(context: Context, body: Body, progress: Progress, _answer: Answer) -> Any:
    name = _name(context, body)
    old, new = replace_node.replace_storage_node(context, name, body["StorageNodeIdentifier"], progress)
    return {"Old": old, "New": new, "StorageVolumes": describe.describe_volumes(context, name)}


def _inject_fault(context: Context, body: Body, _progress: Progress, _answer: Answer) -> Any:
    name = _name(context, body)
    context.require_running(name)
    target, duration_s = body["Target"], body["DurationSeconds"]
    match body["Kind"]:
        case "crash-storage-node":
            done = faults.crash_storage_node(context, name, target, duration_s)
        case "hang-storage-node":
            done = faults.hang_storage_node(context, name, target, duration_s)
        case "wipe-storage-node":
            done = faults.wipe_storage_node(context, name, target)
        case "crash-instance":
            done = faults.crash_instance(context, name, target)
        case "hang-instance":
            done = faults.hang_instance(context, name, target)
        case "corrupt-segment":
            done = faults.corrupt_segment(
                context, name, target, how=faults.Damage(body["How"]), count=body["Count"], seed=body["Seed"]
            )
        case "replica-lag":
            done = impairments.lag_reader(context, name, target, body["DelayMilliseconds"], duration_s)
        case "partition-instance":
            done = impairments.partition_reader(context, name, target, duration_s)
        case "slow-endpoint":
            done = impairments.slow_endpoint(context, name, target, body["DelayMilliseconds"], duration_s)
        case "refuse-endpoint":
            done = impairments.refuse_endpoint(context, name, target, duration_s)
        case "az-outage":
            done = faults.az_outage(context, name, target, duration_s)
        case _:
            done = faults.restore(context, name, target)
    return {"DBClusterIdentifier": name, "Target": done.target, "Message": done.message}


def _names(context: Context, _body: Body, _progress: Progress, _answer: Answer) -> Any:
    return describe.names(context)


def _connection(context: Context, body: Body, _progress: Progress, _answer: Answer) -> Any:
    return describe.connection(context, body["DBClusterIdentifier"], body["Role"], body["DBInstanceIdentifier"])


def _supervisor_status(context: Context, _body: Body, _progress: Progress, _answer: Answer) -> Any:
    return {
        "ProcessId": os.getpid(),
        "Version": __version__,
        "Home": str(context.home.root),
        "StartTime": timestamp(context.started_at),
        "Clusters": [
            {"DBClusterIdentifier": row.identifier, "Status": cluster_status(context.snapshot(row))}
            for row in context.repository.clusters()
        ],
    }


def _supervisor_stop(context: Context, body: Body, _progress: Progress, answer: Answer) -> Any:
    context.locks.require_idle()
    if body["All"]:
        power.end_all_processes(context)
    answer({"Stopped": True})
    os.kill(os.getpid(), signal.SIGTERM)


VERBS: dict[str, Verb] = {
    "create-cluster": _create_cluster,
    "describe-clusters": _describe_clusters,
    "describe-instances": _describe_instances,
    "describe-endpoints": _describe_endpoints,
    "describe-status": _describe_status,
    "describe-live": _describe_live,
    "describe-activity": _describe_activity,
    "scale-readers": _scale_readers,
    "delete-instance": _delete_instance,
    "modify-instance": _modify_instance,
    "reboot-instance": _reboot_instance,
    "failover": _failover,
    "stop-cluster": _stop_cluster,
    "start-cluster": _start_cluster,
    "delete-cluster": _delete_cluster,
    "modify-cluster": _modify_cluster,
    "backtrack": _backtrack,
    "describe-backtracks": _describe_backtracks,
    "peek": _peek,
    "describe-volumes": _describe_volumes,
    "storage-autogrow": _storage_autogrow,
    "scrub-volume": _scrub_volume,
    "replace-storage-node": _replace_storage_node,
    "create-endpoint": _create_endpoint,
    "modify-endpoint": _modify_endpoint,
    "delete-endpoint": _delete_endpoint,
    "inject-fault": _inject_fault,
    "pause-automation": _pause_automation,
    "describe-events": _describe_events,
    "failover-history": _failover_history,
    "connection": _connection,
    "names": _names,
    "supervisor-status": _supervisor_status,
    "supervisor-stop": _supervisor_stop,
}
