"""backtrack: rewind the whole cluster to a point in time, in place, on the same endpoints, or undo that.

While clients keep working, a copy is recovered to the recovery point (services/restore/recovered_copy.py). So everything
that may fail or take long is done before clients notice. Then connections are closed, the writer and its storage nodes
are fenced, and the copy is promoted to a new timeline and replaces the writer's data. The storage nodes keep the undone
changes within the backtrack window, so that another backtrack can undo the first.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from auroractl.api.documents import View, backtrack_view
from auroractl.core.errors import BacktrackNotFound, InvalidClusterState
from auroractl.core.model import Phase, RunningOperation
from auroractl.core.operation_kinds import OperationKind
from auroractl.core.operations import OperationRecord
from auroractl.core.restore.retention import Backtrack, BacktrackStatus
from auroractl.core.restore.target import Target
from auroractl.core.text.timestamps import exact_timestamp
from auroractl.runtime import events
from auroractl.runtime.locks import BEING_PREPARED
from auroractl.runtime.managed_cluster import ManagedCluster
from auroractl.runtime.runtime import Runtime
from auroractl.services.operations import runner
from auroractl.services.operations.runner import new_record
from auroractl.services.restore import backtrack_steps, peek, recovered_copy, recovery_point
from auroractl.services.restore.recovery_point import RecoveryPoint
from auroractl.services.volume import abandoned_wal
from auroractl.system.waiting import stopping_when, uninterrupted


@dataclass(frozen=True, slots=True)
class BacktrackRequest:
    """The parameters of a backtrack. Without a target, the last backtrack is undone."""

    target: Target | None
    use_earliest: bool = False


def backtrack(cluster: ManagedCluster, request: BacktrackRequest) -> Backtrack:
    """Rewind a cluster, or undo the last backtrack.

    Raises InvalidParameterValue for a target outside the window, InvalidClusterState if the cluster is stopped or busy,
    has no window, or there is nothing to undo. Raises EngineError, QuorumLost or TimedOut if the recovery fails; the
    cluster is then unchanged.
    """
    cluster.require_running()
    identifier = str(uuid.uuid4())

    def prepare() -> OperationRecord:
        return _begin(cluster, identifier, find(cluster, request))

    runner.perform(cluster, OperationKind.BACKTRACK, prepare=prepare, planner=backtrack_steps.plan)
    return _row(cluster, identifier)


def find(cluster: ManagedCluster, request: BacktrackRequest) -> RecoveryPoint:
    """Return the recovery point of a request. Raises as `backtrack`."""
    # A failover may just have started a new timeline.
    abandoned_wal.note_era(cluster)
    if request.target is not None:
        return recovery_point.find_recovery_point(cluster, request.target, use_earliest=request.use_earliest)
    recovery_point.require_window(cluster)
    last = next(
        (each for each in cluster.repository.backtracks(cluster.name) if each.status is BacktrackStatus.COMPLETED), None
    )
    if last is None or last.from_timeline is None or last.from_lsn is None:
        raise InvalidClusterState(
            f"DBCluster {cluster.name} has not been backtracked, so there is nothing to undo.",
            f"auroractl describe-backtracks {cluster.name}",
        )
    if not any(era.timeline == last.from_timeline for era in cluster.eras()):
        raise InvalidClusterState(
            "The changes that the last backtrack undid are outside the backtrack window and are gone.", ""
        )
    return recovery_point.end_of(cluster, last.from_timeline, last.from_lsn)


def prepare(cluster: ManagedCluster, request: BacktrackRequest) -> Backtrack:
    """Make a recovered copy and keep it, readable, until `accept` or `cancel`.

    Raises as `backtrack`, and InvalidClusterState if there is a pending backtrack already.
    """
    cluster.require_running()
    if pending(cluster) is not None:
        raise InvalidClusterState(
            f"DBCluster {cluster.name} already has a prepared backtrack.",
            f"auroractl backtrack {cluster.name} --accept, or --cancel",
        )
    identifier = str(uuid.uuid4())
    operation = RunningOperation(identifier, OperationKind.BACKTRACK.value, cluster.now())
    hold = cluster.locks.operation(cluster.name, operation, BEING_PREPARED, final=False)
    with hold as cancellation, stopping_when(cancellation.check):
        place = find(cluster, request)
        copy = recovered_copy.copy_named(cluster, identifier, recovered_copy.free_address(cluster))
        cluster.repository.pin(cluster.name, identifier, place.image.reached_at)
        cluster.repository.add_backtrack(_new_row(cluster, identifier, place, BacktrackStatus.PENDING))
        try:
            recovered_copy.stage_durably(cluster, place, copy)
            recovered_copy.recover(cluster, place, copy)
            cancellation.enter("its copy is ready", final=True)
        except BaseException as error:
            with uninterrupted():
                recovered_copy.remove(cluster, identifier)
            cluster.repository.update_backtrack(identifier, status=BacktrackStatus.FAILED, error=str(error))
            raise
    message = (
        f"A copy as of {exact_timestamp(place.cut.at)} can be inspected; the cluster keeps running until it is accepted"
    )
    events.record(cluster, events.BACKTRACK, cluster.name, message)
    return _row(cluster, identifier)


def pending(cluster: ManagedCluster) -> Backtrack | None:
    """Return the pending backtrack, or None."""
    rows = cluster.repository.unfinished_backtracks(cluster.name)
    return next((each for each in rows if each.status is BacktrackStatus.PENDING), None)


def pending_connection(cluster: ManagedCluster, identifier: str) -> dict[str, Any] | None:
    """Return how to connect to the prepared copy; None if its server is gone."""
    address = recovered_copy.address_of(cluster, identifier)
    if address is None:
        return None
    return peek.read_access(cluster, recovered_copy.copy_named(cluster, identifier, address))


def describe(runtime: Runtime, cluster: str | None, identifier: str | None) -> list[View]:
    """List the backtracks of one cluster or of all, newest first, or one backtrack.

    Raises ClusterNotFound, BacktrackNotFound.
    """
    name = runtime.cluster(cluster).identifier if cluster is not None else None
    rows = [row for row in runtime.repository.backtracks(name) if identifier in {None, row.identifier}]
    if identifier is not None and not rows:
        raise BacktrackNotFound(
            f"DBClusterBacktrack {identifier} not found.", f"auroractl describe-backtracks {name or ''}".rstrip()
        )
    return [backtrack_view(row) for row in rows]


def cancel(cluster: ManagedCluster) -> Backtrack:
    """Cancel the pending backtrack and remove its copy. Raises InvalidClusterState if there is none."""
    row = _require_pending(cluster)
    recovered_copy.remove(cluster, row.identifier)
    cluster.repository.update_backtrack(row.identifier, status=BacktrackStatus.FAILED, error="cancelled")
    events.record(cluster, events.BACKTRACK, cluster.name, "The backtrack was cancelled; nothing was changed")
    return _row(cluster, row.identifier)


def accept(cluster: ManagedCluster) -> Backtrack:
    """Backtrack to the prepared copy; if its server is gone, another copy is made for the same recovery point."""
    cluster.require_running()
    row = _require_pending(cluster)

    def prepare() -> OperationRecord:
        place = recovery_point.end_of(cluster, row.timeline, row.lsn + 1)
        return _begin(cluster, row.identifier, place, row)

    runner.perform(cluster, OperationKind.BACKTRACK, prepare=prepare, planner=backtrack_steps.plan)
    return _row(cluster, row.identifier)


def end_orphans(runtime: Runtime, running: Sequence[OperationRecord]) -> None:
    """Fail the backtracks that no operation carries out, and remove the pins of whatever ended with a supervisor.

    For the start of a supervisor, with the operations that it found running. A backtrack that waits keeps its pin.
    """
    carried_out = [record.arguments["Backtrack"] for record in running if record.kind is OperationKind.BACKTRACK]
    runtime.repository.end_orphans(carried_out, "its operation has ended")


def _require_pending(cluster: ManagedCluster) -> Backtrack:
    row = pending(cluster)
    if row is None:
        raise InvalidClusterState(
            f"DBCluster {cluster.name} has no prepared backtrack.",
            f"Prepare one: auroractl backtrack {cluster.name} --wait-at WHEN --read-only",
        )
    return row


def _row(cluster: ManagedCluster, identifier: str) -> Backtrack:
    row = cluster.repository.backtrack(identifier)
    assert row is not None
    return row


def _new_row(cluster: ManagedCluster, identifier: str, place: RecoveryPoint, status: BacktrackStatus) -> Backtrack:
    return Backtrack(
        identifier=identifier,
        cluster=cluster.name,
        status=status,
        requested_at=cluster.now(),
        to=place.requested_at,
        consistent_at=place.cut.at,
        timeline=place.timeline,
        lsn=place.cut.lsn,
    )


def _begin(
    cluster: ManagedCluster, identifier: str, place: RecoveryPoint, row: Backtrack | None = None
) -> OperationRecord:
    arguments: dict[str, Any] = {
        "Backtrack": identifier,
        "Place": place.to_json(),
        "To": place.requested_at.isoformat() if place.requested_at else None,
        "Port": recovered_copy.free_address(cluster).port,
    }
    record = new_record(cluster, OperationKind.BACKTRACK, arguments)
    # The journal comes first, because a row without an operation would stay pending indefinitely.
    cluster.repository.begin_operation(record)
    cluster.repository.pin(cluster.name, identifier, place.image.reached_at)
    if row is None:
        cluster.repository.add_backtrack(_new_row(cluster, identifier, place, BacktrackStatus.APPLYING))
    else:
        cluster.repository.update_backtrack(identifier, status=BacktrackStatus.APPLYING)
    # From here on, nothing fills or prunes the nodes' folders, so that setting WAL aside need not wait.
    cluster.repository.update_cluster(cluster.name, phase=Phase.BACKTRACKING)
    cluster.runtime.wal_keepers.end(cluster.name)
    return record
