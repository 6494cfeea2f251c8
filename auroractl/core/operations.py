"""The kinds of operations, and the recovery of interrupted ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from auroractl.core.operation_kinds import OperationKind


class OperationStatus(StrEnum):
    """The status of an operation."""

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    UNDONE = "undone"


class StepStatus(StrEnum):
    """The status of a step, journalled as started before it acts and as done after."""

    STARTED = "started"
    DONE = "done"
    UNDONE = "undone"


@dataclass(frozen=True, slots=True)
class StepRecord:
    """A step in the journal."""

    position: int
    name: str
    status: StepStatus
    started_at: datetime | None = field(default=None, compare=False)
    finished_at: datetime | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class OperationRecord:
    """An operation in the journal."""

    identifier: str
    kind: OperationKind
    cluster: str
    arguments: dict[str, Any]
    status: OperationStatus
    started_at: datetime
    steps: tuple[StepRecord, ...] = ()
    error: str = ""
    """Why it failed or was undone."""


class Recovery(StrEnum):
    """What the next start does with an interrupted operation."""

    FINISH = "finish"
    UNDO = "undo"


def recovery(started: Sequence[str], point_of_no_return: str) -> Recovery:
    """Decide whether to finish an interrupted operation, once its point of no return was started, or to undo it.

    `started` are the names of the steps that were started (done or not).

    >>> recovery(["hold connections"], "promote")
    <Recovery.UNDO: 'undo'>
    >>> recovery(["hold connections", "promote"], "promote")
    <Recovery.FINISH: 'finish'>
    """
    return Recovery.FINISH if point_of_no_return in started else Recovery.UNDO


def plan_view(
    operation: str,
    cluster: str | None,
    steps: Sequence[str],
    *,
    changed: bool,
    arguments: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Build the document of a dry run: the steps by name, and whether anything would be changed."""
    return {
        "Operation": operation,
        "DBClusterIdentifier": cluster,
        "Changed": changed,
        "Arguments": dict(arguments or {}),
        "Steps": [{"Name": name} for name in steps],
    }
