"""Repair of the internal database and roles of a cluster, and of what clients make of replication."""

from __future__ import annotations

from auroractl.core.model import Instance
from auroractl.engine import replication_roles, sql, system_roles
from auroractl.runtime import events
from auroractl.runtime.managed_cluster import ManagedCluster

_STATEMENT_TIMEOUT_S = 10.0


def restore(cluster: ManagedCluster) -> None:
    """Restore the internal database and roles of a cluster; record an event for each change. Raises EngineError."""
    cluster.observer.await_internals(cluster.name)
    access = cluster.installation.access(cluster.writer())
    for done in system_roles.restore(access, cluster.row().master_username, _STATEMENT_TIMEOUT_S):
        events.record(cluster, events.INTERNALS, cluster.name, done)


def end_intruders(cluster: ManagedCluster, instance: Instance) -> None:
    """End sessions of clients that do not replicate logically, and record an event for each. Raises EngineError."""
    access = cluster.installation.access(instance)
    with sql.session(access, statement_timeout_s=_STATEMENT_TIMEOUT_S) as connection:
        for done in replication_roles.end_intruders(connection):
            events.record(cluster, events.INTERNALS, instance.identifier, done)
