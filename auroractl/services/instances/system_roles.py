"""Repair of the internal database and roles of a cluster."""

from __future__ import annotations

from auroractl.engine import system_roles
from auroractl.runtime import events
from auroractl.runtime.managed_cluster import ManagedCluster

_STATEMENT_TIMEOUT_S = 10.0


def restore(cluster: ManagedCluster) -> None:
    """Restore the internal database and roles of a cluster; record an event for each change. Raises EngineError."""
    cluster.observer.await_internals(cluster.name)
    access = cluster.installation.access(cluster.writer())
    for done in system_roles.restore(access, cluster.row().master_username, _STATEMENT_TIMEOUT_S):
        events.record(cluster, events.INTERNALS, cluster.name, done)
