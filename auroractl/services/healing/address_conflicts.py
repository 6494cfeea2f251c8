"""Events about foreign processes on the addresses of instances and endpoints."""

from __future__ import annotations

import time

from auroractl.core.model import ClusterSnapshot
from auroractl.runtime import events
from auroractl.runtime.cluster_memory import Told
from auroractl.runtime.managed_cluster import ManagedCluster

_PERIOD_S = 60.0
_EVENTS_PER_PERIOD_MAX = 5


def attend(cluster: ManagedCluster, snapshot: ClusterSnapshot) -> None:
    """Record an event when a foreign process appears on an address of a cluster, and when it is gone."""
    for instance in snapshot.instances:
        sits = snapshot.seen(instance.identifier).occupant
        why = (
            f"Its address {instance.address} is in use by {sits}; it will start when the address is free"
            if sits
            else ""
        )
        _tell(cluster, events.DISPLACED, instance.identifier, why)
    for endpoint in snapshot.endpoints:
        why = snapshot.endpoint_process.unbound.get(endpoint.identifier, "")
        _tell(cluster, events.DISPLACED_ENDPOINT, endpoint.identifier, why[:1].upper() + why[1:])


def _tell(cluster: ManagedCluster, kind: events.EventKind, name: str, why: str) -> None:
    """Record a change, but only a few times a minute if a process keeps coming and going."""
    now_s = time.monotonic()
    told = cluster.memory.displaced.setdefault(name, Told())
    if why and why != told.why:
        told.at_s = [at_s for at_s in told.at_s if now_s - at_s < _PERIOD_S]
        if len(told.at_s) < _EVENTS_PER_PERIOD_MAX:
            told.why = why
            told.at_s.append(now_s)
            events.record(cluster, kind, name, why)
    elif not why and told.why:
        told.why = ""
        events.record(cluster, kind, name, "Its address is free again")
