"""The history of clusters: events, and failovers from the journal."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from auroractl.api import documents
from auroractl.api.documents import View
from auroractl.api.requests.clusters import DescribeEvents
from auroractl.core import identifiers
from auroractl.core.errors import InvalidParameterValue
from auroractl.core.model import Event
from auroractl.core.operation_kinds import OperationKind
from auroractl.core.text.timestamps import timestamp
from auroractl.runtime.runtime import Runtime

_FAILOVERS_SHOWN = 100
_EVENTS_LOOKED_AT_MAX = 10_000


def describe_events(runtime: Runtime, wanted: DescribeEvents) -> list[View]:
    """List the newest matching events, oldest first; those of deleted clusters are included.

    The source is an instance, or a cluster including its instances. Times without a zone are UTC.

    Raises InvalidParameterValue for a number of records that AWS would refuse, or for an invalid time.
    """
    identifiers.max_records(wanted.max_records)
    since = _moment("StartTime", wanted.start) or runtime.now() - timedelta(seconds=wanted.duration_s)
    until = _moment("EndTime", wanted.end)
    name = wanted.source.lower() if wanted.source is not None else None
    instance = wanted.source_type == "db-instance" or (name is not None and runtime.repository.instance(name))

    def chosen(event: Event) -> bool:
        return (
            (wanted.source_type in {None, event.source_type})
            and (not instance or name in {None, event.source})
            and (until is None or timestamp(event.at) <= timestamp(until))
            and (not wanted.categories or bool({*wanted.categories} & {*event.categories}))
        )

    found = runtime.repository.events(None if instance else name, since, _EVENTS_LOOKED_AT_MAX)
    return [documents.event_view(event) for event in found if chosen(event)][-wanted.max_records :]


def _moment(parameter: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise InvalidParameterValue(
            f"{parameter}: {text!r} is not a time.", "Use ISO 8601: 2026-11-23T04:00:00Z"
        ) from None


def failover_history(runtime: Runtime, cluster: str | None) -> list[View]:
    """List the last failovers of one cluster or of all, newest first. Raises ClusterNotFound."""
    name = runtime.cluster(cluster).identifier if cluster is not None else None
    records = runtime.repository.last_operations(OperationKind.FAILOVER, name, _FAILOVERS_SHOWN)
    return [documents.failover_view(record) for record in records]
