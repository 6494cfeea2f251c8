"""One operation at a time on a cluster; the supervisor's own repairs step aside for it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition

from auroractl.core.errors import InvalidClusterState
from auroractl.core.model import RunningOperation
from auroractl.core.timestamps import timestamp

_REPAIR_WAIT_S = 60.0


class ClusterLocks:
    """Who is at work on which cluster, in this process; the journal says the same across restarts."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._operations: dict[str, RunningOperation] = {}
        self._repairs: Counter[str] = Counter()

    def current(self, cluster: str) -> RunningOperation | None:
        """The operation that is running on a cluster."""
        with self._changed:
            return self._operations.get(cluster)

    def require_idle(self) -> None:
        """Raise InvalidClusterState where an operation is running on any cluster."""
        with self._changed:
            for cluster, operation in self._operations.items():
                raise _busy(cluster, operation)

    @contextmanager
    def operation(self, cluster: str, operation: RunningOperation) -> Iterator[None]:
        """Hold a cluster for an operation. Raises InvalidClusterState at once where another one holds it.

        A repair that the supervisor has begun is waited for.
        """
        with self._changed:
            other = self._operations.get(cluster)
            if other is not None:
                raise _busy(cluster, other)
            self._operations[cluster] = operation
            try:
                deadline = time.monotonic() + _REPAIR_WAIT_S
                while self._repairs[cluster] and self._changed.wait(deadline - time.monotonic()):
                    pass
            except BaseException:
                del self._operations[cluster]
                raise
        try:
            yield
        finally:
            with self._changed:
                del self._operations[cluster]

    @contextmanager
    def repair(self, cluster: str) -> Iterator[bool]:
        """Mark a repair as under way; yields False, and nothing may be done, where an operation holds the cluster."""
        with self._changed:
            free = cluster not in self._operations
            self._repairs[cluster] += free
        try:
            yield free
        finally:
            if free:
                with self._changed:
                    self._repairs[cluster] -= 1
                    self._changed.notify_all()


def _busy(cluster: str, operation: RunningOperation) -> InvalidClusterState:
    return InvalidClusterState(
        f"Another operation is in progress on DBCluster {cluster}: {operation.kind}, since "
        f"{timestamp(operation.started_at)}.",
        f"Wait for it: auroractl status {cluster}",
    )
