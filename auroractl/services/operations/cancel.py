"""cancel-operation: stop the running operation of a cluster before its point of no return, and undo it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from auroractl.core.errors import EngineError, InvalidClusterState
from auroractl.core.model import RunningOperation
from auroractl.core.operation_kinds import OperationKind
from auroractl.core.operations import OperationRecord, OperationStatus, StepStatus
from auroractl.runtime import events
from auroractl.runtime.caller import caller
from auroractl.runtime.cancellation import Cancellation
from auroractl.runtime.managed_cluster import ManagedCluster
from auroractl.runtime.tickets import Ticket
from auroractl.services.operations.dry_run import end_dry_run
from auroractl.services.operations.runner import new_record

_UNDO_TIMEOUT_S = 300.0
_ON_REQUEST = "on request"


def cancel_operation(cluster: ManagedCluster) -> OperationRecord:
    """Cancel the running operation of a cluster and the requests that are queued behind it.

    Returns the record of the operation once it is undone, or of the first request if only requests can be cancelled. The
    caller's `accepted` is called as soon as the cancellation is accepted. Raises ClusterNotFound;
    InvalidClusterState if no operation is running or it is past its point of no return; EngineError if it was undone only
    in part; TimedOut if undoing takes longer than five minutes, in which case it continues.
    """
    try:
        running, cancellation = _running(cluster)
        cancellation.request(dry_run=True)
    except InvalidClusterState:
        dismissed = _dismiss(cluster)
        if dismissed is None:
            raise
        return dismissed
    record = _journalled(cluster) or new_record(cluster, OperationKind(running.kind), {})
    end_dry_run(f"Stop {running.kind}", *_undone_steps(record))
    cancellation.request()
    dismiss_all(cluster, _ON_REQUEST)
    message = f"{running.kind} is being cancelled"
    events.record(cluster, events.OPERATION_CANCELLED, cluster.name, message)
    caller().accepted(record)
    cluster.locks.wait_ended(cluster.name, cancellation, _UNDO_TIMEOUT_S)
    return _outcome(cluster, record, cancellation)


def _dismiss(cluster: ManagedCluster) -> OperationRecord | None:
    """Cancel the requests that wait for their turn; return the first as an operation that left nothing, if any."""
    waiting = cluster.locks.waiting(cluster.name)
    if not _journalled_kinds(waiting):
        # Only changes that take no time wait.
        return None
    end_dry_run(*(f"Cancel {ticket.operation.kind}, which waits" for ticket in waiting))
    cancelled = _journalled_kinds(dismiss_all(cluster, _ON_REQUEST))
    if not cancelled:
        # They have begun meanwhile.
        return None
    record = replace(new_record(cluster, cancelled[0], {}), status=OperationStatus.UNDONE)
    caller().accepted(record)
    return record


def _journalled_kinds(tickets: Sequence[Ticket]) -> list[OperationKind]:
    kinds = [ticket.operation.kind for ticket in tickets]
    return [OperationKind(kind) for kind in kinds if kind in set(OperationKind)]


def dismiss_all(cluster: ManagedCluster, why: str) -> list[Ticket]:
    """Cancel the requests that wait for a cluster, with an event for each, and return their tickets."""
    dismissed = cluster.locks.dismiss(cluster.name, why)
    for ticket in dismissed:
        message = f"{ticket.operation.kind} was cancelled before it had begun"
        events.record(cluster, events.OPERATION_CANCELLED, cluster.name, message)
    return dismissed


def cancel_creation(cluster: ManagedCluster) -> None:
    """Cancel a running create-cluster, or wait for it if it is past its point of no return."""
    running, cancellation = cluster.locks.current(cluster.name), cluster.locks.cancellation(cluster.name)
    if running is None or cancellation is None or running.kind != OperationKind.CREATE_CLUSTER:
        return
    try:
        cancel_operation(cluster)
    except InvalidClusterState:
        # It is about to complete, or has just ended.
        cluster.locks.wait_ended(cluster.name, cancellation, _UNDO_TIMEOUT_S)


def _running(cluster: ManagedCluster) -> tuple[RunningOperation, Cancellation]:
    running, cancellation = cluster.locks.current(cluster.name), cluster.locks.cancellation(cluster.name)
    if running is None or cancellation is None:
        raise InvalidClusterState(
            f"No operation is running on DBCluster {cluster.name}.",
            f"See past operations: auroractl describe-events {cluster.name}",
        )
    return running, cancellation


def _journalled(cluster: ManagedCluster) -> OperationRecord | None:
    """Return the journal record of the running operation; None while it is being prepared."""
    return next((each for each in cluster.repository.running_operations() if each.cluster == cluster.name), None)


def _undone_steps(record: OperationRecord) -> list[str]:
    begun = [each for each in record.steps if each.status is not StepStatus.UNDONE]
    return [f"Undo: {each.name}" for each in reversed(begun)]


def _outcome(cluster: ManagedCluster, record: OperationRecord, cancellation: Cancellation) -> OperationRecord:
    # The operation may have been journalled after the cancellation was accepted.
    ended = cluster.repository.operation(cancellation.record or record.identifier)
    if ended is None:
        # The operation had not written anything yet.
        return replace(record, status=OperationStatus.UNDONE)
    if ended.status is not OperationStatus.UNDONE:
        raise EngineError(
            f"{ended.kind} of DBCluster {ended.cluster} was cancelled, but only partly undone: {ended.error}",
            f"See auroractl status {ended.cluster}",
        )
    return ended
