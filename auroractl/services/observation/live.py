"""The status of a cluster for clients that poll several times a second.

Rows and processes are read once a second, and immediately after a process or an operation starts or ends. Counters are
the observer's last values, which cost nothing.
"""

from __future__ import annotations

import time
from collections.abc import Hashable, Mapping
from typing import Any

from auroractl.api.documents import View
from auroractl.core.model import InstanceObservation
from auroractl.core.text.timestamps import timestamp
from auroractl.core.wal.lsn import format_lsn
from auroractl.runtime.managed_cluster import ManagedCluster, find_cluster
from auroractl.runtime.runtime import Runtime
from auroractl.runtime.status_cache import LiveDocument
from auroractl.services.observation import describe

_GOOD_FOR_S = 1.0
_GOOD_FOR_WHILE_BUSY_S = 0.2
"""Shorter while an operation is running, so that its steps are shown promptly."""


def describe_live(runtime: Runtime, identifier: str | None) -> dict[str, Any]:
    """Describe a cluster as `describe_status` does, with current LSNs and counters.

    Instances have `CurrentLsn` in addition. The writer also has `WriteTransactions`, the number of writing transactions
    since the cluster was created, from which clients compute rates. Raises ClusterNotFound.
    """
    cluster = _cluster(runtime, identifier)
    kept = cluster.memory.live
    seen = cluster.observer.observed(kept.instances) if kept else {}
    if kept is None or not _still_good(cluster, kept, seen):
        kept = _look(cluster)
        seen = cluster.observer.observed(kept.instances)
    return {
        **kept.document,
        "Time": timestamp(cluster.now()),
        "DBInstances": [_moved(view, seen) for view in kept.document["DBInstances"]],
        "StorageVolume": _nodes_moved(cluster, kept),
    }


def _cluster(runtime: Runtime, identifier: str | None) -> ManagedCluster:
    """Return the cluster, without a query if it has been watched before. Raises ClusterNotFound."""
    if identifier is not None and runtime.remembers(identifier.lower()):
        return ManagedCluster(runtime, identifier.lower())
    return find_cluster(runtime, identifier)


def _look(cluster: ManagedCluster) -> LiveDocument:
    instances = tuple(cluster.instances())
    condition = _condition(cluster, cluster.observer.observed(instances))
    made_s = time.monotonic()
    document = describe.describe_status(cluster)
    kept = LiveDocument(made_s, condition, document, instances)
    cluster.memory.live = kept
    return kept


def _still_good(cluster: ManagedCluster, kept: LiveDocument, seen: Mapping[str, InstanceObservation]) -> bool:
    busy = kept.document["Operation"] is not None
    if time.monotonic() - kept.made_s > (_GOOD_FOR_WHILE_BUSY_S if busy else _GOOD_FOR_S):
        return False
    return kept.condition == _condition(cluster, seen)


def _condition(cluster: ManagedCluster, seen: Mapping[str, InstanceObservation]) -> Hashable:
    operation = cluster.locks.current(cluster.name)
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


def _nodes_moved(cluster: ManagedCluster, kept: LiveDocument) -> View | None:
    volume: View | None = kept.document["StorageVolume"]
    answer = cluster.observer.writer_answer(cluster.name)
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
