"""The client sessions on all instances of a cluster, from PostgreSQL's pg_stat_activity.

https://www.postgresql.org/docs/18/monitoring-stats.html#MONITORING-PG-STAT-ACTIVITY-VIEW
"""

from __future__ import annotations

from typing import Any

from auroractl.api.documents import View
from auroractl.core.errors import AuroraError
from auroractl.core.model import Instance
from auroractl.core.text.timestamps import timestamp
from auroractl.engine import sql
from auroractl.runtime.managed_cluster import ManagedCluster
from auroractl.runtime.parallel import side_by_side

_TIMEOUT_S = 2.0
_SESSIONS = """
SELECT pid, usename, datname, application_name, pg_catalog.host(client_addr), state, wait_event_type, wait_event,
  extract(epoch FROM pg_catalog.clock_timestamp() - query_start) * 1000,
  extract(epoch FROM pg_catalog.clock_timestamp() - xact_start) * 1000,
  pg_catalog."left"(query, 2000)
FROM pg_catalog.pg_stat_activity
WHERE backend_type = 'client backend' AND usename <> 'rdsadmin'
"""
_KEYS = (
    "ProcessId", "User", "Database", "ApplicationName", "ClientAddress", "State", "WaitEventType", "WaitEvent",
    "StatementMilliseconds", "TransactionMilliseconds", "Statement",
)  # fmt: skip


def describe_activity(cluster: ManagedCluster) -> dict[str, Any]:
    """Return the client sessions of a cluster, active ones first, ordered by the duration of their statements.

    `StatementMilliseconds` is the time since the start of the current statement, or of the last one in an idle session.
    `Unanswered` names the instances that do not answer. Raises ClusterNotFound.
    """
    sessions: list[View] = []
    unanswered: list[str] = []

    def ask(instance: Instance) -> None:
        try:
            sessions.extend(_sessions(cluster, instance))
        except AuroraError:
            unanswered.append(instance.identifier)

    side_by_side(ask, [(instance,) for instance in cluster.instances()])
    sessions.sort(key=lambda each: (each["State"] != "active", -(each["StatementMilliseconds"] or 0)))
    return {
        "DBClusterIdentifier": cluster.name,
        "Time": timestamp(cluster.now()),
        "Sessions": sessions,
        "Unanswered": sorted(unanswered),
    }


def _sessions(cluster: ManagedCluster, instance: Instance) -> list[View]:
    access = cluster.installation.access(instance)
    with sql.session(access, timeout_s=_TIMEOUT_S, statement_timeout_s=_TIMEOUT_S) as connection:
        rows = connection.execute(_SESSIONS).fetchall()
    return [
        {"DBInstanceIdentifier": instance.identifier, **dict(zip(_KEYS, map(_plain, row), strict=True))} for row in rows
    ]


def _plain(value: object) -> object:
    """Convert a value to JSON; PostgreSQL's numeric arrives as a Decimal."""
    return value if value is None or isinstance(value, str | int) else round(float(str(value)), 1)
