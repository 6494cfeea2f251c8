"""Aurora's SQL functions in the databases of a cluster, and the figures that they show."""

from __future__ import annotations

import logging
import time

from auroractl.core.errors import EngineError
from auroractl.core.model import ClusterSnapshot, Instance
from auroractl.engine import aurora_sql, aurora_topology
from auroractl.runtime import events
from auroractl.runtime.managed_cluster import ManagedCluster

log = logging.getLogger(__name__)

_STATEMENT_TIMEOUT_S = 10.0
_RETRY_S = 10.0


def unchecked(cluster: ManagedCluster, snapshot: ClusterSnapshot) -> frozenset[int]:
    """Return the databases, by oid, that may lack the functions.

    On a new timeline these are all: a backtrack brings back databases as they were.
    """
    memory, writer = cluster.memory.aurora, snapshot.writer
    timeline = snapshot.seen(writer.identifier).timeline if writer is not None and snapshot.writing else None
    if not cluster.settings.aurora_sql or timeline is None or time.monotonic() < memory.due_s:
        return frozenset()
    if snapshot.volume is not None and not snapshot.volume.write_quorum_held:
        # A commit would wait.
        return frozenset()
    if timeline != memory.timeline:
        memory.timeline, memory.checked = timeline, frozenset()
    return cluster.observer.databases(cluster.name) - memory.checked


def install(cluster: ManagedCluster, oids: frozenset[int]) -> None:
    """Make the functions in those of some databases that lack them, and record an event. Raises EngineError.

    A database where that fails, for example because a client has locked the view, is tried again later.
    """
    memory = cluster.memory.aurora
    timeline, access = memory.timeline, cluster.installation.access(cluster.writer())
    memory.due_s = time.monotonic() + _RETRY_S
    failed, made = set(), []
    for oid, name in aurora_sql.names(access, oids, _STATEMENT_TIMEOUT_S).items():
        try:
            made += [name] if aurora_sql.install(access, name, _STATEMENT_TIMEOUT_S) else []
        except EngineError as error:
            failed.add(oid)
            log.warning("%s: database %s does not get Aurora's functions yet: %s", cluster.name, name, error)
    if timeline == memory.timeline:
        memory.checked |= oids - failed
    if not failed:
        memory.due_s = 0.0
    if made:
        said = f"Databases got Aurora's functions: {', '.join(sorted(made))}."
        events.record(cluster, events.INTERNALS, cluster.name, said)


def anyone_asks(cluster: ManagedCluster, snapshot: ClusterSnapshot) -> bool:
    """Return whether a function has read on any instance what was last written there."""
    accepting = (each for each in snapshot.instances if snapshot.seen(each.identifier).accepting)
    return any(aurora_topology.was_read(cluster.paths.instance(each.identifier).data) for each in accepting)


def refresh(cluster: ManagedCluster, instance: Instance, pid: int) -> None:
    """Renew what the functions show on an instance. Raises MachineError."""
    cluster.memory.aurora.of(instance.identifier).measure_cpu(pid)
    cluster.write_topology(instance, cluster.writer())
