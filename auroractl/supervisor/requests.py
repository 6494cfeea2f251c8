"""What a request may say about any verb: DryRun, NoWait, IfNotExists, IfExists."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

from auroractl.core.errors import ClusterAlreadyExists, ClusterNotFound
from auroractl.core.operations import OperationKind, OperationRecord, plan_view
from auroractl.services import backtrack, describe
from auroractl.services.context import Context
from auroractl.services.operations import Progress, Rehearsed
from auroractl.services.rehearsal import rehearse
from auroractl.supervisor.verbs import VERBS, Answer, Body

_NAMES_ITS_STEPS = {"inject-fault", "scrub-volume"}
"""Verbs that tell what they would do without journalling it."""

_ONE_STEP = {
    "modify-cluster": "Change the cluster's settings",
    "modify-instance": "Change the instance's promotion tier",
    "create-endpoint": "Make the endpoint and publish it",
    "modify-endpoint": "Change the endpoint and publish it",
    "delete-endpoint": "Take the endpoint away",
    "pause-automation": "Change the cluster's automation",
}
"""Verbs that change rows without a journalled operation."""

_STATUS = {
    OperationKind.DELETE_CLUSTER: "deleting",
    OperationKind.START_CLUSTER: "starting",
    OperationKind.STOP_CLUSTER: "stopping",
    OperationKind.FAILOVER: "failing-over",
}
_INSTANCE_STATUS = {"reboot-instance": "rebooting", "delete-instance": "deleting"}
"""What AWS answers while the work goes on; deleting a writer begins with a failover."""


def serve(context: Context, verb: str, body: Body, progress: Progress, answer: Answer) -> Any:
    """The result document of a verb. `answer` is called with it before the work is done where that was asked for.

    Verbs that are in no table here see to their own dry runs and early answers.
    """
    if body.get("DryRun") and verb in _PLANNED:
        return _plan(context, verb, body, progress)
    if body.get("IfNotExists") and context.repository.cluster(str(body["DBClusterIdentifier"]).lower()) is not None:
        return _existing(context, body)
    if body.get("NoWait") and verb in EARLY:
        context = copy.copy(context)
        context.on_prepared = _early(context, verb, body, answer)
    try:
        return VERBS[verb](context, body, progress, answer)
    except ClusterAlreadyExists:
        if body.get("IfNotExists"):
            return _existing(context, body)
        raise
    except ClusterNotFound:
        if body.get("IfExists"):
            return {"DBClusterIdentifier": body["DBClusterIdentifier"], "DBCluster": None, "Changed": False}
        raise


def _existing(context: Context, body: Body) -> Any:
    name = context.cluster(body["DBClusterIdentifier"]).identifier
    return {**_with_instances(context, name), "Changed": False}


def _with_instances(context: Context, name: str) -> dict[str, Any]:
    return {
        "DBCluster": describe.describe_cluster(context, name),
        "DBInstances": describe.describe_instances(context, name, None),
    }


def _plan(context: Context, verb: str, body: Body, progress: Progress) -> Any:
    """The steps of a verb, by name; every check has been made and nothing else done."""

    def call(rehearsing: Context) -> None:
        VERBS[verb](rehearsing, body, progress, lambda _result: None)

    try:
        rehearsed = rehearse(context, call)
    except ClusterAlreadyExists:
        if not body.get("IfNotExists"):
            raise
        rehearsed = None
    except ClusterNotFound:
        if not body.get("IfExists"):
            raise
        rehearsed = None
    return {"Plan": _plan_view(context, verb, body, rehearsed)}


def _plan_view(context: Context, verb: str, body: Body, rehearsed: Rehearsed | None) -> dict[str, Any]:
    record = rehearsed.record if rehearsed else None
    steps = [] if rehearsed is None else rehearsed.steps or [_ONE_STEP[verb]]
    return plan_view(
        verb,
        record.cluster if record else _cluster_of(context, body),
        steps,
        changed=rehearsed is not None,
        arguments=record.arguments if record else None,
    )


def _cluster_of(context: Context, body: Body) -> str | None:
    if body.get("DBInstanceIdentifier"):
        return context.instance(body["DBInstanceIdentifier"]).cluster
    if body.get("IfExists") and body["DBClusterIdentifier"]:
        return str(body["DBClusterIdentifier"]).lower()
    if "DBClusterIdentifier" in body:
        return context.cluster(body["DBClusterIdentifier"]).identifier
    for endpoint in describe.describe_endpoints(context, None):
        if endpoint["DBClusterEndpointIdentifier"] == body["DBClusterEndpointIdentifier"].lower():
            return str(endpoint["DBClusterIdentifier"])
    return None


def _early(context: Context, verb: str, body: Body, answer: Answer) -> Callable[[OperationRecord], None]:
    def on_prepared(record: OperationRecord) -> None:
        answer(EARLY[verb](context, record, body))

    return on_prepared


def _cluster(context: Context, record: OperationRecord) -> dict[str, Any]:
    status = _STATUS.get(record.kind)
    view = describe.describe_cluster(context, record.cluster)
    return {**view, "Status": status} if status else view


def _created(context: Context, record: OperationRecord, _body: Body) -> Any:
    return {**_with_instances(context, record.cluster), "Changed": True}


def _changed(context: Context, record: OperationRecord, _body: Body) -> Any:
    return {"DBCluster": _cluster(context, record), "Changed": True}


def _deleted(context: Context, record: OperationRecord, _body: Body) -> Any:
    return {"DBClusterIdentifier": record.cluster, "DBCluster": _cluster(context, record), "Changed": True}


def _scaled(context: Context, record: OperationRecord, _body: Body) -> Any:
    changes = {"Added": record.arguments.get("Add", []), "Removed": record.arguments.get("Remove", [])}
    return {**_with_instances(context, record.cluster), **changes, "Changed": True}


def _failing_over(context: Context, record: OperationRecord, _body: Body) -> Any:
    facts = {key: record.arguments[key] for key in ("From", "To", "Planned")}
    return {"DBCluster": _cluster(context, record), **facts, "DurationMilliseconds": None}


def _instance(verb: str) -> Callable[[Context, OperationRecord, Body], Any]:
    def view(context: Context, _record: OperationRecord, body: Body) -> Any:
        found = describe.describe_instances(context, None, body["DBInstanceIdentifier"])[0]
        return {"DBInstance": {**found, "DBInstanceStatus": _INSTANCE_STATUS[verb]}}

    return view


def _replacing(context: Context, record: OperationRecord, _body: Body) -> Any:
    facts = {key: record.arguments[key] for key in ("Old", "New")}
    return {**facts, "StorageVolumes": describe.describe_volumes(context, record.cluster)}


def _backtracking(context: Context, record: OperationRecord, _body: Body) -> Any:
    return {"DBClusterBacktrack": backtrack.describe(context, record.cluster, record.arguments["Backtrack"])[0]}


EARLY: Mapping[str, Callable[[Context, OperationRecord, Body], Any]] = {
    "create-cluster": _created,
    "delete-cluster": _deleted,
    "start-cluster": _changed,
    "stop-cluster": _changed,
    "scale-readers": _scaled,
    "failover": _failing_over,
    "reboot-instance": _instance("reboot-instance"),
    "delete-instance": _instance("delete-instance"),
    "replace-storage-node": _replacing,
    "backtrack": _backtracking,
}
"""What a verb answers with NoWait: the keys of its result, as things are when nothing can refuse it any more."""

_PLANNED = EARLY.keys() - {"backtrack"} | _ONE_STEP.keys() | _NAMES_ITS_STEPS
"""Verbs whose dry run is the list of their steps; the others see to their own, or have none."""
