"""What happened: events, and the failovers that the journal knows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from auroractl.core import identifiers, views
from auroractl.core.errors import InvalidParameterValue
from auroractl.core.model import Event
from auroractl.core.operations import OperationKind
from auroractl.core.timestamps import timestamp
from auroractl.core.views import View
from auroractl.services.context import Context

_FAILOVERS_SHOWN = 100
_EVENTS_LOOKED_AT_MAX = 10_000


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events are wanted; None and nothing mean all. Times are ISO 8601; without a zone they are UTC."""

    source: str | None = None
    """A cluster, whose instances' events are meant too, or an instance."""
    source_type: str | None = None
    duration_s: float = 3600.0
    start: str | None = None
    """In place of `duration_s`."""
    end: str | None = None
    categories: tuple[str, ...] = ()


def describe_events(context: Context, wanted: EventFilter, max_records: int) -> list[View]:
    """The newest events that are wanted, also of a cluster that was deleted; oldest first.

    Raises InvalidParameterValue for a number of records that AWS would refuse, or for what is not a time.
    """
    identifiers.max_records(max_records)
    since = _moment("StartTime", wanted.start) or context.now() - timedelta(seconds=wanted.duration_s)
    until = _moment("EndTime", wanted.end)
    name = wanted.source.lower() if wanted.source is not None else None
    instance = wanted.source_type == "db-instance" or (name is not None and context.repository.instance(name))

    def chosen(event: Event) -> bool:
        return (
            (wanted.source_type in {None, event.source_type})
            and (not instance or name in {None, event.source})
            and (until is None or timestamp(event.at) <= timestamp(until))
            and (not wanted.categories or bool({*wanted.categories} & {*event.categories}))
        )

    found = context.repository.events(None if instance else name, since, _EVENTS_LOOKED_AT_MAX)
    return [views.event_view(event) for event in found if chosen(event)][-max_records:]


def _moment(parameter: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidParameterValue(
            f"{parameter}: {text!r} is not a time.", "Write it as ISO 8601: 2026-11-23T04:00:00Z"
        ) from None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def failover_history(context: Context, cluster: str | None) -> list[View]:
    """The last failovers of a cluster or of all, newest first. Raises ClusterNotFound."""
    name = context.cluster(cluster).identifier if cluster is not None else None
    records = context.repository.last_operations(OperationKind.FAILOVER, name, _FAILOVERS_SHOWN)
    return [views.failover_view(record) for record in records]
