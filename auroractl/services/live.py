"""The status of a cluster for someone who looks several times a second.

Rows are read and processes are looked at once a second, and at once when a process or an operation came or went; the
numbers that move all the time are those that the observer last saw, which costs nothing.
"""

from __future__ import annotations

import time
from collections.abc import Hashable, Mapping
from typing import Any

from auroractl.core.lsn import format_lsn
from auroractl.core.model import InstanceObservation
from auroractl.core.timestamps import timestamp
from auroractl.core.views import View
from auroractl.services import describe
from auroractl.services.context import Context
from auroractl.services.live_document import LiveDocument

_GOOD_FOR_S = 1.0
_GOOD_FOR_WHILE_BUSY_S = 0.2
"""While an operation runs its steps are shown as they come."""


def describe_live(context: Context, cluster: str | None) -> dict[str, Any]:
    """What `describe_status` says, with positions and counters of this moment.

    Instances have in addition `CurrentLsn` and, the writer, `WriteTransactions`: how many transactions that wrote
    something have ended since the cluster was made. Rates are for whoever looks twice. Raises ClusterNotFound.
    """
    kept = context.live.get(cluster.lower()) if cluster is not None else None
    seen = context.observer.observed(kept.instances) if kept else {}
    if kept is None or not _still_good(context, kept, seen):
        kept = _look(context, cluster)
        seen = context.observer.observed(kept.instances)
    return {
        **kept.document,
        "Time": timestamp(context.now()),
        "DBInstances": [_moved(view, seen) for view in kept.document["DBInstances"]],
        "StorageVolume": _nodes_moved(context, kept),
    }


def _look(context: Context, cluster: str | None) -> LiveDocument:
    row = context.cluster(cluster)
    instances = tuple(context.repository.instances(row.identifier))
    condition = _condition(context, row.identifier, context.observer.observed(instances))
    made_s = time.monotonic()
    document = describe.describe_status(context, row.identifier)
    kept = LiveDocument(made_s, condition, document, instances)
    context.live[row.identifier] = kept
    return kept


def _still_good(context: Context, kept: LiveDocument, seen: Mapping[str, InstanceObservation]) -> bool:
    busy = kept.document["Operation"] is not None
    if time.monotonic() - kept.made_s > (_GOOD_FOR_WHILE_BUSY_S if busy else _GOOD_FOR_S):
        return False
    return kept.condition == _condition(context, kept.document["DBCluster"]["DBClusterIdentifier"], seen)


def _condition(context: Context, cluster: str, seen: Mapping[str, InstanceObservation]) -> Hashable:
    operation = context.locks.current(cluster)
    alive = tuple((name, each.pid, each.accepting) for name, each in seen.items())
    return operation.identifier if operation else None, alive


def _moved(view: View, seen: Mapping[str, InstanceObservation]) -> View:
    now = seen.get(view["DBInstanceIdentifier"])
    if now is None:
        return {**view, "CurrentLsn": None, "WriteTransactions": None}
    moved = {
        **view,
        "CurrentLsn": None if now.lsn is None else format_lsn(now.lsn),
        "WriteTransactions": now.transactions,
        "DatabaseConnections": now.connections,
        "ObservedTime": timestamp(now.at),
    }
    if not view["IsClusterWriter"]:
        moved |= {"ReplicaLagBytes": now.lag_bytes, "ReplicaLagMilliseconds": now.lag_ms}
    return moved


def _nodes_moved(context: Context, kept: LiveDocument) -> View | None:
    volume: View | None = kept.document["StorageVolume"]
    cluster = kept.document["DBCluster"]["DBClusterIdentifier"]
    answer = context.observer.writer_answer(cluster)
    if volume is None or answer is None:
        return volume
    moved = []
    for view in volume["StorageNodes"]:
        progress = answer.standbys.get(view["StorageNodeIdentifier"])
        if progress is not None and progress.flushed_lsn is not None:
            lag_bytes = max(0, answer.lsn - progress.flushed_lsn)
            view = {**view, "FlushedLsn": format_lsn(progress.flushed_lsn), "LagBytes": lag_bytes}  # noqa: PLW2901
        moved.append(view)
    return {**volume, "StorageNodes": moved}
