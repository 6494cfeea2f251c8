"""Running operations: steps journalled before and after, undone when one fails, picked up again after a crash."""

from __future__ import annotations

import logging
import os
import signal
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from auroractl.core.errors import AuroraError
from auroractl.core.model import RunningOperation
from auroractl.core.operations import (
    OperationKind,
    OperationRecord,
    OperationStatus,
    Recovery,
    StepStatus,
    recovery,
)
from auroractl.services.context import Context

log = logging.getLogger(__name__)


class Progress(Protocol):
    """Who is told how an operation gets on."""

    def step(self, name: str, state: str, elapsed_ms: float | None) -> None:
        """A step was started, is done, failed, is being undone or was undone."""

    def message(self, text: str) -> None:
        """Something worth knowing happened."""


class Silent:
    """Progress that nobody listens to."""

    def step(self, name: str, state: str, elapsed_ms: float | None) -> None:
        """Say nothing."""

    def message(self, text: str) -> None:
        """Say nothing."""


def nothing() -> None:
    """Do nothing; stands where a callback may be left out."""


@dataclass(frozen=True, slots=True)
class Step:
    """One piece of an operation.

    `do` may be run again after it was cut off anywhere, and `undo` after `do` was cut off anywhere: both find out
    what is left to do.
    """

    name: str
    do: Callable[[], None]
    undo: Callable[[], None] = nothing


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps of an operation, and the one from whose start on there is no way back."""

    steps: Sequence[Step]
    point_of_no_return: str


class Rehearsed(Exception):
    """A dry run has come to where it would begin to write; `steps` are the names of what would be done then."""

    def __init__(self, record: OperationRecord | None, steps: Sequence[str] = ()) -> None:
        super().__init__("rehearsed")
        self.record = record
        self.steps = list(steps)


Planner = Callable[[Context, OperationRecord], Plan]
PLANNERS: dict[OperationKind, Planner] = {}
"""How the steps of an operation are built again from its journal record; each service enters its own."""


def new_record(context: Context, kind: OperationKind, cluster: str, arguments: dict[str, Any]) -> OperationRecord:
    """A fresh journal record; `arguments` holds every decision that the steps depend on."""
    return OperationRecord(
        identifier=str(uuid.uuid4()),
        kind=kind,
        cluster=cluster,
        arguments=arguments,
        status=OperationStatus.RUNNING,
        started_at=context.now(),
    )


def perform(
    context: Context,
    kind: OperationKind,
    cluster: str,
    *,
    prepare: Callable[[], OperationRecord],
    progress: Progress,
    planner: Planner | None = None,
) -> OperationRecord:
    """Hold the cluster, prepare and journal an operation, and run it to its end.

    `prepare` checks everything that can refuse the operation and then writes, its journal record first; the context's
    `on_prepared` is called after it. Raises InvalidClusterState where another operation holds the cluster, and what
    the steps raise; in a dry run Rehearsed.
    """
    with context.locks.operation(cluster, RunningOperation("", kind.value, context.now())):
        try:
            record = prepare()
        except Rehearsed as rehearsed:
            if rehearsed.record is not None:
                rehearsed.steps = [step.name for step in (planner or PLANNERS[kind])(context, rehearsed.record).steps]
            raise
        context.on_prepared(record)
        try:
            _execute(context, record, (planner or PLANNERS[kind])(context, record), progress)
        finally:
            context.wake()
    return record


def abandon(context: Context, record: OperationRecord, reason: str) -> None:
    """Undo an operation whose preparation failed after its journal record was written."""
    undo(context, record, PLANNERS[record.kind](context, record), 0, Silent(), reason)


def _execute(context: Context, record: OperationRecord, plan: Plan, progress: Progress) -> None:
    """Run a journalled operation from its first step. The caller holds the cluster's lock.

    If a step fails before the point of no return, what was done is undone, last first, and the error is raised.
    After it the operation is recorded as failed where it stands and the error is raised.
    """
    try:
        for position, step in enumerate(plan.steps):
            _do(context, record, position, step, progress)
    except Exception as error:
        progress.step(step.name, "failed", None)
        log.warning("%s %s failed in %r: %s", record.kind, record.cluster, step.name, error)
        started = [done.name for done in plan.steps[: position + 1]]
        if recovery(started, plan.point_of_no_return) is Recovery.UNDO and not record.arguments.get("Retain"):
            undo(context, record, plan, len(started), progress, str(error))
        else:
            _finish(context, record, OperationStatus.FAILED, str(error))
        raise
    _finish(context, record, OperationStatus.COMPLETED, None)


def _do(context: Context, record: OperationRecord, position: int, step: Step, progress: Progress) -> None:
    progress.step(step.name, "started", None)
    started_at = time.monotonic()
    context.repository.begin_step(record.identifier, position, step.name)
    _crash_point(record.kind, position, "before")
    step.do()
    _crash_point(record.kind, position, "after")
    context.repository.finish_step(record.identifier, position)
    elapsed_ms = (time.monotonic() - started_at) * 1000
    log.info("%s %s: %s (%.0f ms)", record.kind, record.cluster, step.name, elapsed_ms)
    progress.step(step.name, "done", elapsed_ms)


def undo(context: Context, record: OperationRecord, plan: Plan, started: int, progress: Progress, reason: str) -> None:
    """Undo the first `started` steps, last first; one that fails is logged and the others are still undone.

    The first step is always undone: its undo takes back the rows that the preparation wrote.
    """
    left: list[str] = []
    for position in reversed(range(max(1, started))):
        step = plan.steps[position]
        progress.step(step.name, "undoing", None)
        try:
            step.undo()
        except (AuroraError, OSError) as error:
            log.exception("%s %s: undoing %r failed", record.kind, record.cluster, step.name)
            left.append(f"{step.name}: {error}")
            continue
        if position < started:
            context.repository.undo_step(record.identifier, position)
        progress.step(step.name, "undone", None)
    status = OperationStatus.FAILED if left else OperationStatus.UNDONE
    _finish(context, record, status, "; ".join([reason, *left]))


def resume(context: Context, record: OperationRecord) -> None:
    """Finish or undo an operation that was cut off by the end of a supervisor."""
    plan = PLANNERS[record.kind](context, record)
    started = [step.name for step in record.steps]
    with context.locks.operation(
        record.cluster, RunningOperation(record.identifier, record.kind.value, record.started_at)
    ):
        if recovery(started, plan.point_of_no_return) is Recovery.UNDO:
            log.warning("%s %s was cut off; undoing it", record.kind, record.cluster)
            undo(context, record, plan, len(started), Silent(), "cut off")
            return
        log.warning("%s %s was cut off; finishing it", record.kind, record.cluster)
        done = {step.position for step in record.steps if step.status is StepStatus.DONE}
        try:
            for position, step in enumerate(plan.steps):
                if position not in done:
                    _do(context, record, position, step, Silent())
        except Exception as error:
            _finish(context, record, OperationStatus.FAILED, str(error))
            raise
        _finish(context, record, OperationStatus.COMPLETED, None)


def _finish(context: Context, record: OperationRecord, status: OperationStatus, error: str | None) -> None:
    context.repository.finish_operation(record.identifier, status, error, context.now())


def _crash_point(kind: OperationKind, position: int, moment: str) -> None:
    """Where the tests end the supervisor with SIGKILL: AURORACTL_CRASH_AT=create-cluster:3:before."""
    if os.environ.get("AURORACTL_CRASH_AT") == f"{kind}:{position}:{moment}":
        os.kill(os.getpid(), signal.SIGKILL)
