"""backtrack: the whole cluster is what it was at a moment, in place, on the same endpoints; and forward again.

While clients go on, a copy of the cluster is brought back to the moment beside it (services/moments.py): what may fail or
take long is over before anybody notices. Then connections are closed, the writer is ended, its storage nodes are taken from
it, the copy is promoted onto a timeline of its own and put in the writer's place. What is undone stays in the storage nodes
for as long as the window reaches, and so a backtrack can be undone by another one.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from auroractl.core.backtrack import Backtrack, BacktrackStatus
from auroractl.core.errors import BacktrackNotFound, InvalidClusterState
from auroractl.core.model import Phase, RunningOperation
from auroractl.core.moments import Target
from auroractl.core.operations import OperationKind, OperationRecord
from auroractl.core.timestamps import exact_timestamp
from auroractl.core.views import View, backtrack_view
from auroractl.services import backtrack_steps, events, moments, operations, past_log, peek, places
from auroractl.services.context import Context
from auroractl.services.operations import Progress, new_record
from auroractl.services.places import Place


@dataclass(frozen=True, slots=True)
class BacktrackRequest:
    """What is asked for. Without a target, the last backtrack is undone."""

    target: Target | None
    use_earliest: bool = False


def backtrack(context: Context, cluster: str, request: BacktrackRequest, progress: Progress) -> Backtrack:
    """Bring a cluster back, or undo the last backtrack.

    Raises InvalidParameterValue for a moment that cannot be reached, InvalidClusterState where the cluster is stopped or
    busy, has no window, or there is nothing to undo; EngineError, QuorumLost, TimedOut where the moment is not reached: the
    cluster is then as it was.
    """
    context.require_running(cluster)
    identifier = str(uuid.uuid4())

    def prepare() -> OperationRecord:
        return _begin(context, cluster, identifier, find(context, cluster, request))

    operations.perform(
        context,
        OperationKind.BACKTRACK,
        cluster,
        prepare=prepare,
        progress=progress,
        planner=lambda context, record: backtrack_steps.plan(context, record, progress),
    )
    return _row(context, identifier)


def find(context: Context, cluster: str, request: BacktrackRequest) -> Place:
    """Where a request leads. Raises as `backtrack`."""
    # A failover may just have been.
    past_log.note_era(context, cluster)
    if request.target is not None:
        return places.find_place(context, cluster, request.target, use_earliest=request.use_earliest)
    places.require_window(context, cluster)
    last = next(
        (each for each in context.repository.backtracks(cluster) if each.status is BacktrackStatus.COMPLETED), None
    )
    if last is None or last.from_timeline is None or last.from_lsn is None:
        raise InvalidClusterState(
            f"DBCluster {cluster} has not been backtracked, so there is nothing to undo.",
            f"auroractl describe-backtracks {cluster}",
        )
    if not any(era.timeline == last.from_timeline for era in context.repository.eras(cluster)):
        raise InvalidClusterState("What the last backtrack undid is older than the window and is gone.", "")
    return places.end_of(context, cluster, last.from_timeline, last.from_lsn)


def look(context: Context, cluster: str, request: BacktrackRequest, progress: Progress) -> Backtrack:
    """Bring a copy to the moment and leave it there, readable, for a person who decides then (`accept` or `cancel`).

    Raises as `backtrack`, and InvalidClusterState where one is waiting already.
    """
    context.require_running(cluster)
    if waiting(context, cluster) is not None:
        raise InvalidClusterState(
            f"A backtrack of DBCluster {cluster} waits for a decision already.",
            f"auroractl backtrack {cluster} --accept, or --cancel",
        )
    identifier = str(uuid.uuid4())
    with context.locks.operation(cluster, RunningOperation(identifier, "backtrack", context.now())):
        place = find(context, cluster, request)
        copy = moments.moment(context, cluster, identifier, moments.free_address(context, cluster))
        pins = context.volume_memory(cluster).backtrack.pins
        pins[identifier] = place.image.reached_at
        context.repository.add_backtrack(_new_row(context, cluster, identifier, place, BacktrackStatus.PENDING))
        try:
            moments.lay_out_durably(context, cluster, place, copy, progress.message)
            moments.recover(context, cluster, place, copy, progress.message)
        except BaseException as error:
            moments.remove(context, cluster, identifier)
            pins.pop(identifier, None)
            context.repository.update_backtrack(identifier, status=BacktrackStatus.FAILED, error=str(error))
            raise
    message = f"A copy at {exact_timestamp(place.cut.at)} can be looked at; the cluster goes on until that is accepted"
    events.record(context, cluster, events.BACKTRACK, cluster, message)
    return _row(context, identifier)


def waiting(context: Context, cluster: str) -> Backtrack | None:
    """The backtrack whose copy waits for a decision."""
    rows = context.repository.unfinished_backtracks(cluster)
    return next((each for each in rows if each.status is BacktrackStatus.PENDING), None)


def waiting_connection(context: Context, cluster: str, identifier: str) -> dict[str, Any] | None:
    """How to read the copy that waits; None where its server is gone."""
    address = moments.address_of(context, cluster, identifier)
    if address is None:
        return None
    return peek.read_access(context, cluster, moments.moment(context, cluster, identifier, address))


def describe(context: Context, cluster: str | None, identifier: str | None) -> list[View]:
    """The backtracks of a cluster or of all, newest first, or one.

    Raises ClusterNotFound, and NotFound with AWS's code for a backtrack that is not known.
    """
    name = context.cluster(cluster).identifier if cluster is not None else None
    rows = [row for row in context.repository.backtracks(name) if identifier in {None, row.identifier}]
    if identifier is not None and not rows:
        raise BacktrackNotFound(
            f"DBClusterBacktrack {identifier} not found.", f"auroractl describe-backtracks {name or ''}".rstrip()
        )
    return [backtrack_view(row) for row in rows]


def cancel(context: Context, cluster: str) -> Backtrack:
    """Remove the copy that waits for a decision. Raises InvalidClusterState where none does."""
    row = _require_waiting(context, cluster)
    moments.remove(context, cluster, row.identifier)
    context.volume_memory(cluster).backtrack.pins.pop(row.identifier, None)
    context.repository.update_backtrack(row.identifier, status=BacktrackStatus.FAILED, error="cancelled")
    events.record(context, cluster, events.BACKTRACK, cluster, "The backtrack was cancelled; nothing was changed")
    return _row(context, row.identifier)


def accept(context: Context, cluster: str, progress: Progress) -> Backtrack:
    """Put the copy that waits in the writer's place; where its server is gone, another is made for the same moment."""
    context.require_running(cluster)
    row = _require_waiting(context, cluster)

    def prepare() -> OperationRecord:
        place = places.end_of(context, cluster, row.timeline, row.lsn + 1)
        return _begin(context, cluster, row.identifier, place, row)

    operations.perform(
        context,
        OperationKind.BACKTRACK,
        cluster,
        prepare=prepare,
        progress=progress,
        planner=lambda context, record: backtrack_steps.plan(context, record, progress),
    )
    return _row(context, row.identifier)


def _require_waiting(context: Context, cluster: str) -> Backtrack:
    row = waiting(context, cluster)
    if row is None:
        raise InvalidClusterState(
            f"No backtrack of DBCluster {cluster} waits for a decision.",
            f"Begin one: auroractl backtrack {cluster} --wait-at WHEN --read-only",
        )
    return row


def _row(context: Context, identifier: str) -> Backtrack:
    row = context.repository.backtrack(identifier)
    assert row is not None
    return row


def _new_row(context: Context, cluster: str, identifier: str, place: Place, status: BacktrackStatus) -> Backtrack:
    return Backtrack(
        identifier=identifier,
        cluster=cluster,
        status=status,
        requested_at=context.now(),
        to=place.requested_at,
        consistent_at=place.cut.at,
        timeline=place.timeline,
        lsn=place.cut.lsn,
    )


def _begin(
    context: Context, cluster: str, identifier: str, place: Place, row: Backtrack | None = None
) -> OperationRecord:
    arguments: dict[str, Any] = {
        "Backtrack": identifier,
        "Place": place.to_json(),
        "To": place.requested_at.isoformat() if place.requested_at else None,
        "Port": moments.free_address(context, cluster).port,
    }
    record = new_record(context, OperationKind.BACKTRACK, cluster, arguments)
    context.volume_memory(cluster).backtrack.pins[identifier] = place.image.reached_at
    # The journal first: a row without an operation would wait for somebody for ever.
    context.repository.begin_operation(record)
    if row is None:
        context.repository.add_backtrack(_new_row(context, cluster, identifier, place, BacktrackStatus.APPLYING))
    else:
        context.repository.update_backtrack(identifier, status=BacktrackStatus.APPLYING)
    # Nobody fills or prunes the nodes' folders from here on, so that sorting them need not wait.
    context.repository.update_cluster(cluster, phase=Phase.BACKTRACKING)
    context.keepers.end(cluster)
    return record
