"""When what somebody waits for has come about, judged by documents as `status` prints them.

Only what was observed after the waiting began counts: what was seen before may be older than what is waited for, such as
a failover that nobody has noticed to be due.
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
    """What can be waited for."""

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
    """A condition by its name or by that of the waiter of the AWS command line.

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
class Seen:
    """How far it is: `met`, and a sentence that says what was last seen."""

    met: bool
    last: str


def look(condition: Condition, document: Document | None, since: str, instance: str = "") -> Seen:
    """Whether a condition holds.

    `document` is what describe-status answers, None where there is no such cluster; `since` the time at which the waiting
    began, as documents have times; `instance` the one that INSTANCE_AVAILABLE is about.
    """
    if condition is Condition.CLUSTER_DELETED:
        return Seen(document is None, "" if document is None else _cluster(document))
    if document is None:
        return Seen(False, "there is no such cluster")
    seen = _LOOKS[condition](document, instance)
    stale = _stale(condition, document, since, instance)
    return Seen(False, f"{seen.last}; {stale} has not been looked at since") if stale else seen


def _stale(condition: Condition, document: Document, since: str, instance: str) -> str:
    """The first thing that matters whose observation is older than the waiting; nobody looks at what is stopped."""
    if condition is Condition.CLUSTER_STOPPED:
        return ""
    for view in document["DBInstances"]:
        name = str(view["DBInstanceIdentifier"])
        matters = view["IsClusterWriter"] if condition is not Condition.INSTANCE_AVAILABLE else name == instance
        if (condition is Condition.CLUSTER_AVAILABLE or matters) and view["ObservedTime"] < since:
            return name
    return ""


def _available(document: Document, _instance: str) -> Seen:
    cluster = document["DBCluster"]
    operation = document["Operation"] or cluster["Operation"]
    if operation:
        return Seen(False, f"{_cluster(document)}; {operation['Kind']} is in progress")
    if cluster["Status"] != "available":
        return Seen(False, _cluster(document))
    for view in document["DBInstances"]:
        if view["DBInstanceStatus"] != "available":
            return Seen(False, _instance_state(view))
    for view in document["DBClusterEndpoints"]:
        if view["Status"] != "available":
            return Seen(False, f"the endpoint {view['DBClusterEndpointIdentifier']} is {view['Status']}")
    return Seen(True, _cluster(document))


def _stopped(document: Document, _instance: str) -> Seen:
    operation = document["Operation"] or document["DBCluster"]["Operation"]
    return Seen(document["DBCluster"]["Status"] == "stopped" and not operation, _cluster(document))


def _failover_completed(document: Document, _instance: str) -> Seen:
    """Nothing is being failed over, and nothing is due to be: the writer answers."""
    running = _running(document, {"failover", "delete-instance"})
    if running or document["DBCluster"]["Status"] == "failing-over":
        return Seen(False, f"{_cluster(document)}; {running or 'a failover'} is in progress")
    for view in document["DBInstances"]:
        if view["IsClusterWriter"] and view["DBInstanceStatus"] != "available":
            return Seen(False, _instance_state(view))
    return Seen(True, _cluster(document))


def _backtrack_completed(document: Document, _instance: str) -> Seen:
    running = _running(document, {"backtrack"})
    busy = bool(running) or document["DBCluster"]["Status"] == "backtracking"
    return Seen(not busy, _cluster(document))


def _instance_available(document: Document, instance: str) -> Seen:
    for view in document["DBInstances"]:
        if view["DBInstanceIdentifier"] == instance:
            return Seen(view["DBInstanceStatus"] == "available", _instance_state(view))
    return Seen(False, f"there is no instance {instance}")


def _quorum_held(document: Document, _instance: str) -> Seen:
    volume = document["StorageVolume"]
    if volume is None:
        return Seen(False, "the cluster has no storage volume yet")
    write, read = volume["WriteQuorum"], volume["ReadQuorum"]
    last = f"{write['Available']} of {write['Required']} storage nodes needed for writing acknowledge"
    running = document["DBCluster"]["Status"] not in {"stopped", "stopping", "unavailable"}
    return Seen(write["Held"] and read["Held"] and running, last if running else _cluster(document))


def _running(document: Document, kinds: set[str]) -> str:
    operation = document["Operation"] or document["DBCluster"]["Operation"]
    return str(operation["Kind"]) if operation and operation["Kind"] in kinds else ""


def _cluster(document: Document) -> str:
    view = document["DBCluster"]
    return f"{view['DBClusterIdentifier']} is {view['Status']}"


def _instance_state(view: Document) -> str:
    reason = f": {view['StatusReason']}" if view["StatusReason"] else ""
    return f"{view['DBInstanceIdentifier']} is {view['DBInstanceStatus']}{reason}"


_LOOKS: Mapping[Condition, Callable[[Document, str], Seen]] = {
    Condition.CLUSTER_AVAILABLE: _available,
    Condition.CLUSTER_STOPPED: _stopped,
    Condition.FAILOVER_COMPLETED: _failover_completed,
    Condition.BACKTRACK_COMPLETED: _backtrack_completed,
    Condition.INSTANCE_AVAILABLE: _instance_available,
    Condition.QUORUM_HELD: _quorum_held,
}
