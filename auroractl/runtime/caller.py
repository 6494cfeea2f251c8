"""The caller for which a thread works: its progress, early answer and dry run.

It is a context variable of the request's thread, which `side_by_side` passes to its threads, as it does the checks of
waits (`system/waiting.py`). Controllers, workers and resumed operations have the caller `NO_ONE`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from auroractl.api.progress import Progress, Silent
from auroractl.core.operations import OperationRecord


def _ignore(_record: OperationRecord) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Caller:
    """The sender of a request: receivers of its progress and early answer, and whether it is a dry run."""

    progress: Progress = field(default_factory=Silent)
    """Receives the progress of operations."""
    accepted: Callable[[OperationRecord], None] = _ignore
    """Called as soon as an operation has been accepted."""
    dry_run: bool = False
    """Whether the request ends at the first write (`services/operations/dry_run.py`)."""


NO_ONE = Caller()
_caller: ContextVar[Caller] = ContextVar("caller", default=NO_ONE)


def caller() -> Caller:
    """Return the caller for which this thread works."""
    return _caller.get()


@contextmanager
def on_behalf_of(sender: Caller) -> Iterator[None]:
    """Run a block for a caller, including its threads of `side_by_side`."""
    token = _caller.set(sender)
    try:
        yield
    finally:
        _caller.reset(token)
