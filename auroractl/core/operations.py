"""What operations exist, and what becomes of one that was cut off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class OperationKind(StrEnum):
    """Journalled pieces of work; the value is the command's name."""

    CREATE_CLUSTER = "create-cluster"
    DELETE_CLUSTER = "delete-cluster"
    START_CLUSTER = "start-cluster"
    STOP_CLUSTER = "stop-cluster"
    SCALE_READERS = "scale-readers"
    DELETE_INSTANCE = "delete-instance"
    REBOOT_INSTANCE = "reboot-instance"
    FAILOVER = "failover"
    REPLACE_STORAGE_NODE = "replace-storage-node"
    BACKTRACK = "backtrack"


class OperationStatus(StrEnum):
    """How an operation stands."""

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    UNDONE = "undone"


class StepStatus(StrEnum):
    """How a step stands: journalled as started before it acts and as done after."""

    STARTED = "started"
    DONE = "done"
    UNDONE = "undone"


@dataclass(frozen=True, slots=True)
class StepRecord:
    """A step as the journal has it."""

    position: int
    name: str
    status: StepStatus
    started_at: datetime | None = field(default=None, compare=False)
    finished_at: datetime | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class OperationRecord:
    """An operation as the journal has it."""

    identifier: str
    kind: OperationKind
    cluster: str
    arguments: dict[str, Any]
    status: OperationStatus
    started_at: datetime
    steps: tuple[StepRecord, ...] = ()


class Recovery(StrEnum):
    """What the next start does with an operation that was cut off."""

    FINISH = "finish"
    UNDO = "undo"


def recovery(started: Sequence[str], point_of_no_return: str) -> Recovery:
    """Forward once the step that cannot be taken back was started, else back.

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
    """What a dry run tells: the steps by name, and whether anything would be changed."""
    return {
        "Operation": operation,
        "DBClusterIdentifier": cluster,
        "Changed": changed,
        "Arguments": dict(arguments or {}),
        "Steps": [{"Name": name} for name in steps],
    }
