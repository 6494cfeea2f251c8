"""The runner of journalled operations, which undoes failed ones and resumes interrupted ones."""

from __future__ import annotations

import logging
import os
import signal
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from auroractl.core.errors import AuroraError
from auroractl.core.model import RunningOperation
from auroractl.core.operation_kinds import OperationKind
from auroractl.core.operations import OperationRecord, OperationStatus, Recovery, StepStatus, recovery
from auroractl.engine.server_log import step_begins
from auroractl.runtime import events, flushing
from auroractl.runtime.caller import NO_ONE, caller, on_behalf_of
from auroractl.runtime.cancellation import Cancellation
from auroractl.runtime.locks import BEING_PREPARED
from auroractl.runtime.managed_cluster import ManagedCluster
from auroractl.runtime.tickets import Ticket
from auroractl.system.waiting import stopping_when, uninterrupted

log = logging.getLogger(__name__)

_WITHOUT_PROGRAMS = frozenset({OperationKind.CREATE_CLUSTER, OperationKind.DELETE_CLUSTER})
"""Operations that need no PostgreSQL programs, or get them while they run."""
_GO_FIRST = frozenset({OperationKind.DELETE_CLUSTER, OperationKind.STOP_CLUSTER, OperationKind.FAILOVER})
"""Operations that no waiting request may hold up."""


def nothing() -> None:
    """Do nothing; the default of optional callbacks."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of an operation.

    Both functions may be called after an interruption at any point, and determine what is left to do.
    """

    name: str
    do: Callable[[], None]
    undo: Callable[[], None] = nothing


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps of an operation, and the step from whose start on it cannot be undone."""

    steps: Sequence[Step]
    point_of_no_return: str


class Rehearsed(Exception):
    """Ends a dry run at its first write; `steps` are the names of the steps that would follow."""

    def __init__(self, record: OperationRecord | None, steps: Sequence[str] = ()) -> None:
        super().__init__("rehearsed")
        self.record = record
        self.steps = list(steps)


Planner = Callable[[ManagedCluster, OperationRecord], Plan]
PLANNERS: dict[OperationKind, Planner] = {}
"""Functions that build the steps of an operation from its journal record; services register their own."""


def new_record(cluster: ManagedCluster, kind: OperationKind, arguments: dict[str, Any]) -> OperationRecord:
    """Make a journal record; `arguments` has all decisions that the steps depend on."""
    return OperationRecord(
        identifier=str(uuid.uuid4()),
        kind=kind,
        cluster=cluster.name,
        arguments=arguments,
        status=OperationStatus.RUNNING,
        started_at=cluster.now(),
    )


def perform(
    cluster: ManagedCluster,
    kind: OperationKind,
    *,
    prepare: Callable[[], OperationRecord],
    planner: Planner | None = None,
    ticket: Ticket | None = None,
) -> OperationRecord:
    """Hold the cluster, prepare and journal an operation, and run it.

    `prepare` runs all checks and then writes, its journal record first. Afterwards the caller's `accepted` is called, and
    its `progress` receives the steps. With a ticket, the operation waits for its turn. Raises InvalidClusterState if
    another operation holds the cluster, Cancelled, and the errors of the steps; in a dry run Rehearsed.
    """
    operation = RunningOperation("", kind.value, cluster.now())
    first = kind in _GO_FIRST
    hold = cluster.locks.operation(
        cluster.name, operation, BEING_PREPARED, final=False, ticket=ticket, goes_first=first
    )
    with hold as cancellation:
        try:
            with stopping_when(cancellation.check):
                if kind not in _WITHOUT_PROGRAMS:
                    cluster.installation.require_programs(cluster.name)
                    flushing.require_settled(cluster.repository, cluster.name)
                record = prepare()
        except Rehearsed as rehearsed:
            if rehearsed.record is not None:
                rehearsed.steps = [step.name for step in (planner or PLANNERS[kind])(cluster, rehearsed.record).steps]
            raise
        cancellation.record = record.identifier
        caller().accepted(record)
        try:
            _execute(cluster, record, (planner or PLANNERS[kind])(cluster, record), cancellation)
        finally:
            cluster.wake()
    return record


def abandon(cluster: ManagedCluster, record: OperationRecord, reason: str) -> None:
    """Undo an operation whose preparation failed after its journal record was written."""
    with on_behalf_of(NO_ONE):
        undo(cluster, record, PLANNERS[record.kind](cluster, record), 0, reason)


def _execute(cluster: ManagedCluster, record: OperationRecord, plan: Plan, cancellation: Cancellation) -> None:
    """Run a journalled operation from its first step. The caller holds the cluster's lock.

    If a step fails or the operation is cancelled before the point of no return, its steps are undone, the last one first.
    If a step fails after that point, the operation is recorded as failed. The error is raised in either case.
    """
    begun = 0
    try:
        with stopping_when(cancellation.check):
            for position, step in enumerate(plan.steps):
                cancellation.enter(f"it is at {step.name!r}", final=step.name == plan.point_of_no_return)
                begun = position + 1
                _do(cluster, record, position, step)
    except Exception as error:
        _stop(cluster, record, plan, begun, error, cancelled=cancellation.requested)
        raise
    _finish(cluster, record, OperationStatus.COMPLETED, None)


def _stop(
    cluster: ManagedCluster,
    record: OperationRecord,
    plan: Plan,
    begun: int,
    error: Exception,
    *,
    cancelled: bool,
) -> None:
    """Undo the first `begun` steps, unless the operation is past its point of no return or is to be retained."""
    started = [step.name for step in plan.steps[:begun]]
    if started:
        caller().progress.step(started[-1], "failed", None)
    where = repr(started[-1]) if started else "its preparation"
    log.warning("%s %s failed in %s: %s", record.kind, record.cluster, where, error)
    kept = bool(record.arguments.get("Retain")) and not cancelled
    if kept or recovery(started, plan.point_of_no_return) is Recovery.FINISH:
        _finish(cluster, record, OperationStatus.FAILED, str(error))
        return
    status = undo(cluster, record, plan, begun, str(error))
    if cancelled:
        outcome = "undone" if status is OperationStatus.UNDONE else "only partly undone"
        message = f"{record.kind} was cancelled and {outcome}"
        events.record(cluster, events.OPERATION_CANCELLED, record.cluster, message)


def _do(cluster: ManagedCluster, record: OperationRecord, position: int, step: Step) -> None:
    caller().progress.step(step.name, "started", None)
    started_at = time.monotonic()
    cluster.repository.begin_step(record.identifier, position, step.name)
    _crash_point(record.kind, position, "before")
    with step_begins():
        step.do()
    _crash_point(record.kind, position, "after")
    cluster.repository.finish_step(record.identifier, position)
    elapsed_ms = (time.monotonic() - started_at) * 1000
    log.info("%s %s: %s (%.0f ms)", record.kind, record.cluster, step.name, elapsed_ms)
    caller().progress.step(step.name, "done", elapsed_ms)


def undo(cluster: ManagedCluster, record: OperationRecord, plan: Plan, started: int, reason: str) -> OperationStatus:
    """Undo the first `started` steps, the last one first; a failure is logged and does not stop the others.

    Returns the status: undone, or failed if a step could not be undone. The first step is always undone, because its undo
    also removes the rows of the preparation.
    """
    left: list[str] = []
    for position in reversed(range(max(1, started))):
        step = plan.steps[position]
        caller().progress.step(step.name, "undoing", None)
        try:
            with uninterrupted():
                step.undo()
        except (AuroraError, OSError) as error:
            log.exception("%s %s: undoing %r failed", record.kind, record.cluster, step.name)
            left.append(f"{step.name}: {error}")
            continue
        if position < started:
            cluster.repository.undo_step(record.identifier, position)
        _crash_point(record.kind, position, "undo")
        caller().progress.step(step.name, "undone", None)
    status = OperationStatus.FAILED if left else OperationStatus.UNDONE
    _finish(cluster, record, status, "; ".join([reason, *left]))
    return status


def resume(cluster: ManagedCluster, record: OperationRecord) -> None:
    """Finish or undo an operation that was interrupted by the end of a supervisor.

    Do nothing if it has ended meanwhile, because another operation on the cluster began first. Raises EngineError, and
    leaves it to start-cluster, while it is not settled which copy is trusted after the end of the machine.
    """
    if record.kind not in _WITHOUT_PROGRAMS:
        flushing.require_settled(cluster.repository, cluster.name)
    plan = PLANNERS[record.kind](cluster, record)
    started = [step.name for step in record.steps]
    operation = RunningOperation(record.identifier, record.kind.value, record.started_at)
    back = recovery(started, plan.point_of_no_return) is Recovery.UNDO
    doing = "it is being undone" if back else "it is being finished after a restart of the supervisor"
    with cluster.locks.operation(record.cluster, operation, doing, final=not back):
        recorded = cluster.repository.operation(record.identifier)
        if recorded is None or recorded.status is not OperationStatus.RUNNING:
            return
        log.warning("%s %s was interrupted; %s", record.kind, record.cluster, doing)
        if back:
            undo(cluster, record, plan, len(started), "interrupted")
            return
        done = {step.position for step in record.steps if step.status is StepStatus.DONE}
        try:
            for position, step in enumerate(plan.steps):
                if position not in done:
                    _do(cluster, record, position, step)
        except Exception as error:
            _finish(cluster, record, OperationStatus.FAILED, str(error))
            raise
        _finish(cluster, record, OperationStatus.COMPLETED, None)


def _finish(cluster: ManagedCluster, record: OperationRecord, status: OperationStatus, error: str | None) -> None:
    if status is not OperationStatus.COMPLETED:
        # This precedes the record, so that after a crash in between the operation is resumed and does it again.
        _clear_status(cluster)
    cluster.repository.finish_operation(record.identifier, status, error, cluster.now())


def _clear_status(cluster: ManagedCluster) -> None:
    """Clear the phases of an ended operation, and route clients by observations again."""
    cluster.repository.clear_phases(cluster.name)
    try:
        cluster.route(None)
    except AuroraError as error:
        log.warning("%s: the endpoint process refused its routes: %s", cluster.name, error)


def _crash_point(kind: OperationKind, position: int, moment: str) -> None:
    """Kill the supervisor here if a test asks for it: AURORACTL_CRASH_AT=create-cluster:3:before."""
    if os.environ.get("AURORACTL_CRASH_AT") == f"{kind}:{position}:{moment}":
        os.kill(os.getpid(), signal.SIGKILL)
