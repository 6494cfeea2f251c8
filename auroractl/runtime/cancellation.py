"""Cancellation of a running operation, agreed between the operation and the requester."""

from __future__ import annotations

from threading import Lock

from auroractl.core.errors import InvalidClusterState, Stopped
from auroractl.core.model import RunningOperation


class Cancellation:
    """Cancellation of one running operation.

    A request is accepted until the point of no return. Once accepted it is always carried out. It does not survive a
    restart of the supervisor, which undoes every operation before its point of no return.
    """

    def __init__(self, cluster: str, operation: RunningOperation, doing: str, *, final: bool) -> None:
        self._cluster = cluster
        self._kind = operation.kind
        self._lock = Lock()
        self._requested = False
        self._final = final
        self._doing = doing
        self.record: str | None = None
        """The identifier of the operation's journal record; None until there is one."""

    @property
    def requested(self) -> bool:
        """Return whether a cancellation was accepted."""
        return self._requested

    @property
    def doing(self) -> str:
        """Return the operation's current activity."""
        return self._doing

    def request(self, *, dry_run: bool = False) -> None:
        """Request a cancellation.

        Raises InvalidClusterState, with the operation's activity, past the point of no return.
        """
        with self._lock:
            if self._final:
                raise InvalidClusterState(
                    f"{self._kind} of DBCluster {self._cluster} cannot be undone any more: {self._doing}.",
                    f"Wait for it: auroractl status {self._cluster}",
                )
            self._requested = self._requested or not dry_run

    def check(self) -> None:
        """Raise Stopped if a cancellation was requested. Waits of the operation call this."""
        if self._requested:
            raise Stopped(f"{self._kind} of DBCluster {self._cluster} was cancelled.")

    def enter(self, doing: str, *, final: bool = False) -> None:
        """Note what the operation does next; `final` marks the point of no return.

        Raises Stopped if a cancellation was requested before.
        """
        with self._lock:
            if not self._final:
                self.check()
            self._final = self._final or final
            self._doing = doing
