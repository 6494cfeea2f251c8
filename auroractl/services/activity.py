"""What clients are doing: their sessions on every instance of a cluster, as PostgreSQL's pg_stat_activity has them.

https://www.postgresql.org/docs/18/monitoring-stats.html#MONITORING-PG-STAT-ACTIVITY-VIEW
"""

from __future__ import annotations

from typing import Any

from auroractl.core.errors import AuroraError
from auroractl.core.model import Instance
from auroractl.core.timestamps import timestamp
from auroractl.core.views import View
from auroractl.engine import sql
from auroractl.services.concurrency import side_by_side
from auroractl.services.context import Context

_TIMEOUT_S = 2.0
_SESSIONS = """
SELECT pid, usename, datname, application_name, host(client_addr), state, wait_event_type, wait_event,
  extract(epoch FROM clock_timestamp() - query_start) * 1000,
  extract(epoch FROM clock_timestamp() - xact_start) * 1000,
  left(query, 2000)
FROM pg_stat_activity
WHERE backend_type = 'client backend' AND usename <> 'rdsadmin'
"""
_KEYS = (
    "ProcessId", "User", "Database", "ApplicationName", "ClientAddress", "State", "WaitEventType", "WaitEvent",
    "StatementMilliseconds", "TransactionMilliseconds", "Statement",
)  # fmt: skip


def describe_activity(context: Context, cluster: str | None) -> dict[str, Any]:
    """The client sessions of a cluster: those that run a statement first, of these the longest first.

    `StatementMilliseconds` is how long the statement runs or, in a session that is idle, how long ago it began.
    An instance that does not answer is named in `Unanswered`. Raises ClusterNotFound.
    """
    row = context.cluster(cluster)
    sessions: list[View] = []
    unanswered: list[str] = []

    def ask(instance: Instance) -> None:
        try:
            sessions.extend(_sessions(context, instance))
        except AuroraError:
            unanswered.append(instance.identifier)

    side_by_side(ask, [(instance,) for instance in context.repository.instances(row.identifier)])
    sessions.sort(key=lambda each: (each["State"] != "active", -(each["StatementMilliseconds"] or 0)))
    return {
        "DBClusterIdentifier": row.identifier,
        "Time": timestamp(context.now()),
        "Sessions": sessions,
        "Unanswered": sorted(unanswered),
    }


def _sessions(context: Context, instance: Instance) -> list[View]:
    password = context.installation.secrets.admin
    with sql.session(instance.address, password, timeout_s=_TIMEOUT_S, statement_timeout_s=_TIMEOUT_S) as connection:
        rows = connection.execute(_SESSIONS).fetchall()
    return [
        {"DBInstanceIdentifier": instance.identifier, **dict(zip(_KEYS, map(_plain, row), strict=True))} for row in rows
    ]


def _plain(value: object) -> object:
    """A value as JSON has it; PostgreSQL's numeric comes as a Decimal."""
    return value if value is None or isinstance(value, str | int) else round(float(str(value)), 1)
