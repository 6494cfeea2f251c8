"""Conditions that `wait` waits for, judged by documents as `status` prints them.

Only observations made after the wait began count. An earlier one may predate the awaited change, for example a failover
that was due but not yet noticed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from auroractl.core.errors import InvalidParameterValue
from auroractl.core.guessing import did_you_mean

Document = Mapping[str, Any]


class Condition(StrEnum):
    """A condition that can be waited for."""

    CLUSTER_AVAILABLE = "cluster-available"
    CLUSTER_STOPPED = "cluster-stopped"
    CLUSTER_DELETED = "cluster-deleted"
    FAILOVER_COMPLETED = "failover-completed"
    BACKTRACK_COMPLETED = "backtrack-completed"
    INSTANCE_AVAILABLE = "instance-available"
    QUORUM_HELD = "quorum-held"


AWS_NAMES = {
    "db-cluster-available": Condition.CLUSTER_AVAILABLE,
    "db-cluster-deleted": Condition.CLUSTER_DELETED,
    "db-instance-available": Condition.INSTANCE_AVAILABLE,
}


def parse_condition(text: str) -> Condition:
    """Parse a condition's name, or the name of the AWS command line's waiter.

    >>> parse_condition("db-cluster-available")
    <Condition.CLUSTER_AVAILABLE: 'cluster-available'>

    Raises InvalidParameterValue for another name.
    """
    if text in AWS_NAMES:
        return AWS_NAMES[text]
    known = [condition.value for condition in Condition]
    if text not in known:
        raise InvalidParameterValue(f"There is no condition {text!r}.", did_you_mean(text, known, ", ".join(known)))
    return Condition(text)


@dataclass(frozen=True, slots=True)
class WaitState:
    """The state of a wait: `met`, and a sentence with the last observation."""

    met: bool
    last: str


def judge(condition: Condition, document: Document | None, since: str, instance: str = "") -> WaitState:
    """Judge whether a condition holds.

    `document` is the answer of describe-status, None if there is no such cluster; `since` is when the wait began, in
    the documents' time format; `instance` is the subject of INSTANCE_AVAILABLE.
    """
    if condition is Condition.CLUSTER_DELETED:
        return WaitState(document is None, "" if document is None else _cluster(document))
    if document is None:
        return WaitState(False, "there is no such cluster")
    state = _JUDGES[condition](document, instance)
    stale = _stale(condition, document, since, instance)
    return WaitState(False, f"{state.last}; {stale} has not been observed since") if stale else state


def _stale(condition: Condition, document: Document, since: str, instance: str) -> str:
    """Return the first relevant item whose observation predates the wait; stopped items are not observed."""
    if condition is Condition.CLUSTER_STOPPED:
        return ""
    for view in document["DBInstances"]:
        name = str(view["DBInstanceIdentifier"])
        matters = view["IsClusterWriter"] if condition is not Condition.INSTANCE_AVAILABLE else name == instance
        if (condition is Condition.CLUSTER_AVAILABLE or matters) and view["ObservedTime"] < since:
            return name
    return ""


def _available(document: Document, _instance: str) -> WaitState:
    cluster = document["DBCluster"]
    operation = document["Operation"] or cluster["Operation"]
    if operation:
        return WaitState(False, f"{_cluster(document)}; {operation['Kind']} is in progress")
    if cluster["Status"] != "available":
        return WaitState(False, _cluster(document))
    for view in document["DBInstances"]:
        if view["DBInstanceStatus"] != "available":
            return WaitState(False, _instance_state(view))
    for view in document["DBClusterEndpoints"]:
        if view["Status"] != "available":
            return WaitState(False, f"the endpoint {view['DBClusterEndpointIdentifier']} is {view['Status']}")
    return WaitState(True, _cluster(document))


def _stopped(document: Document, _instance: str) -> WaitState:
    operation = document["Operation"] or document["DBCluster"]["Operation"]
    return WaitState(document["DBCluster"]["Status"] == "stopped" and not operation, _cluster(document))


def _failover_completed(document: Document, _instance: str) -> WaitState:
    """Return whether no failover is running or due: the writer answers."""
    running = _running(document, {"failover", "delete-instance"})
    if running or document["DBCluster"]["Status"] == "failing-over":
        return WaitState(False, f"{_cluster(document)}; {running or 'a failover'} is in progress")
    if not document["DBInstances"]:
        return WaitState(False, "the cluster has no instance")
    for view in document["DBInstances"]:
        if view["IsClusterWriter"] and view["DBInstanceStatus"] != "available":
            return WaitState(False, _instance_state(view))
    return WaitState(True, _cluster(document))


def _backtrack_completed(document: Document, _instance: str) -> WaitState:
    running = _running(document, {"backtrack"})
    busy = bool(running) or document["DBCluster"]["Status"] == "backtracking"
    return WaitState(not busy, _cluster(document))


def _instance_available(document: Document, instance: str) -> WaitState:
    for view in document["DBInstances"]:
        if view["DBInstanceIdentifier"] == instance:
            return WaitState(view["DBInstanceStatus"] == "available", _instance_state(view))
    return WaitState(False, f"there is no instance {instance}")


def _quorum_held(document: Document, _instance: str) -> WaitState:
    volume = document["StorageVolume"]
    if volume is None:
        return WaitState(False, "the cluster has no storage volume yet")
    write, read = volume["WriteQuorum"], volume["ReadQuorum"]
    last = f"{write['Available']} of {write['Required']} storage nodes needed for writing acknowledge"
    running = document["DBCluster"]["Status"] not in {"stopped", "stopping", "unavailable"}
    return WaitState(write["Held"] and read["Held"] and running, last if running else _cluster(document))


def _running(document: Document, kinds: set[str]) -> str:
    operation = document["Operation"] or document["DBCluster"]["Operation"]
    return str(operation["Kind"]) if operation and operation["Kind"] in kinds else ""


def _cluster(document: Document) -> str:
    view = document["DBCluster"]
    return f"{view['DBClusterIdentifier']} is {view['Status']}"


def _instance_state(view: Document) -> str:
    reason = f": {view['StatusReason']}" if view["StatusReason"] else ""
    return f"{view['DBInstanceIdentifier']} is {view['DBInstanceStatus']}{reason}"


_JUDGES: Mapping[Condition, Callable[[Document, str], WaitState]] = {
    Condition.CLUSTER_AVAILABLE: _available,
    Condition.CLUSTER_STOPPED: _stopped,
    Condition.FAILOVER_COMPLETED: _failover_completed,
    Condition.BACKTRACK_COMPLETED: _backtrack_completed,
    Condition.INSTANCE_AVAILABLE: _instance_available,
    Condition.QUORUM_HELD: _quorum_held,
}
