"""What happened: events, and the failovers that the journal knows."""

from __future__ import annotations

from datetime import timedelta

from auroractl.core import identifiers, views
from auroractl.core.operations import OperationKind
from auroractl.core.views import View
from auroractl.services.context import Context

_FAILOVERS_SHOWN = 100


def describe_events(context: Context, cluster: str | None, duration_s: float, max_records: int) -> list[View]:
    """The newest events of a cluster, also of one that was deleted, or of all; oldest first.

    Raises InvalidParameterValue for a number of records that AWS would refuse.
    """
    identifiers.max_records(max_records)
    since = context.now() - timedelta(seconds=duration_s)
    name = cluster.lower() if cluster is not None else None
    return [views.event_view(event) for event in context.repository.events(name, since, max_records)]


def failover_history(context: Context, cluster: str | None) -> list[View]:
    """The last failovers of a cluster or of all, newest first. Raises ClusterNotFound."""
    name = context.cluster(cluster).identifier if cluster is not None else None
    records = context.repository.last_operations(OperationKind.FAILOVER, name, _FAILOVERS_SHOWN)
    return [views.failover_view(record) for record in records]
