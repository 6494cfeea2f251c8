"""One operation at a time per cluster. The supervisor's own repairs yield to it; requests with a ticket wait."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from threading import Condition

from auroractl.core.errors import Cancelled, InvalidClusterState, Stopped, TimedOut
from auroractl.core.model import Instance, Phase, RunningOperation
from auroractl.core.text.timestamps import timestamp
from auroractl.runtime.cancellation import Cancellation
from auroractl.runtime.tickets import Ticket, shown_with
from auroractl.system.waiting import SLICE_S, check_stop, wait_until

_REPAIR_WAIT_S = 60.0
_TURN_WAIT_S = 3600.0
"""How long a request waits for its turn; the operations before it have deadlines of their own."""
_FIRST_WAIT_S = 60.0
"""How long an operation that goes before waiting requests waits for the one that is running."""

BEING_PREPARED = "it is being prepared"
"""First activity of an operation that can be cancelled."""


class ClusterLocks:
    """The lock holders by cluster.

    None of it survives a restart of the supervisor. The journal says which operations were running.
    """

    def __init__(self) -> None:
        self._changed = Condition()
        """Held for each change of what follows, and notified of it. After a restart: free."""
        self._operations: dict[str, RunningOperation] = {}
        """After a restart: an operation that was cut off holds its cluster again while it is finished or undone."""
        self._repairs: Counter[str] = Counter()
        """Number of running repairs. After a restart: none; what is still broken is observed and repaired again."""
        self._cancellations: dict[str, Cancellation] = {}
        """After a restart: what was cancelled before its point of no return is undone without it."""
        self._tickets: list[Ticket] = []
        """Of all clusters, in the order of the requests; a ticket stays until its request has ended.

        After a restart: none; a request that had not begun has changed nothing.
        """
        self._going_first: defaultdict[str, list[RunningOperation]] = defaultdict(list)
        """Operations that wait to go before the tickets of a cluster. After a restart: none."""

    def current(self, cluster: str) -> RunningOperation | None:
        """Return the operation that is running on a cluster."""
        with self._changed:
            return self._operations.get(cluster)

    def cancellation(self, cluster: str) -> Cancellation | None:
        """Return the cancellation of the operation that is running on a cluster."""
        with self._changed:
            return self._cancellations.get(cluster)

    def wait_ended(self, cluster: str, cancellation: Cancellation, timeout_s: float) -> None:
        """Wait until an operation no longer holds a cluster. Raises TimedOut with its activity."""

        def holds() -> str:
            with self._changed:
                if self._cancellations.get(cluster) is cancellation:
                    self._changed.wait(SLICE_S)
                return cancellation.doing if self._cancellations.get(cluster) is cancellation else ""

        what = f"the operation on DBCluster {cluster} did not end"
        wait_until(what, holds, timeout_s, poll_s=0, hint=f"See how far it is: auroractl status {cluster}")

    def require_idle(self) -> None:
        """Raise InvalidClusterState if an operation is running on any cluster, or waits."""
        with self._changed:
            for cluster, operation in self._operations.items():
                raise _busy(cluster, operation)
            for ticket in self._tickets:
                raise _busy(ticket.cluster, ticket.operation)

    @contextmanager
    def queued(self, make: Callable[[Collection[Ticket]], Ticket], beside: Collection[str]) -> Iterator[Ticket]:
        """Hold a place in a cluster's queue in this block.

        `make` gets the tickets of all clusters, which cannot change meanwhile; what it raises refuses the request.
        Raises InvalidClusterState at once if an operation holds the cluster that has no ticket and is not of a kind
        in `beside`.
        """
        with self._changed:
            ticket = make(tuple(self._tickets))
            other = self._operations.get(ticket.cluster)
            if other is not None and other.kind not in beside and not self._is_ticketed(ticket.cluster):
                raise _busy(ticket.cluster, other)
            if not ticket.dry_run:
                self._tickets.append(ticket)
        if ticket.dry_run:
            yield ticket
            return
        try:
            yield ticket
        finally:
            with self._changed:
                self._tickets.remove(ticket)
                self._changed.notify_all()

    def waits_for(self, ticket: Ticket) -> RunningOperation | None:
        """Return the operation before which a ticket's turn does not come; None if it has its turn, which it keeps."""
        with self._changed:
            if self._may_begin(ticket):
                ticket.has_turn = True
                return None
            return self._before(ticket.cluster)

    def await_turn(self, ticket: Ticket) -> None:
        """Wait until it is a ticket's turn. Raises Cancelled if it was dismissed, TimedOut after an hour."""
        with self._changed:
            self._await_turn(ticket)

    def dismiss(self, cluster: str, why: str) -> list[Ticket]:
        """Refuse the requests that wait for a cluster, and return their tickets."""
        with self._changed:
            waiting = self.waiting(cluster)
            for ticket in waiting:
                ticket.dismissed = why
            self._changed.notify_all()
        return waiting

    def waiting(self, cluster: str) -> list[Ticket]:
        """Return the tickets of requests that have not begun."""
        with self._changed:
            return [ticket for ticket in self._tickets if ticket.cluster == cluster and not ticket.begun]

    def coming(self, identifier: str) -> Instance | None:
        """Return the instance of a name that a request with a ticket is to create, if any."""
        with self._changed:
            return next((each for each in self.all_coming() if each.identifier == identifier), None)

    def all_coming(self) -> list[Instance]:
        """Return the instances of all clusters that requests with tickets are to create."""
        with self._changed:
            instances = (ticket.instance for ticket in self._tickets)
            return [each for each in instances if each is not None and each.phase is Phase.CREATING]

    def shown(self, cluster: str, rows: Collection[Instance]) -> tuple[Instance, ...]:
        """Return the instances of a cluster with those to come, and in the phases that requests with tickets mean."""
        with self._changed:
            return shown_with(rows, [ticket for ticket in self._tickets if ticket.cluster == cluster])

    def _next(self, cluster: str) -> Ticket:
        tickets = [ticket for ticket in self._tickets if ticket.cluster == cluster]
        return min(tickets, key=lambda ticket: (not ticket.begun, not ticket.has_turn, ticket.yields()))

    def _before(self, cluster: str) -> RunningOperation:
        """Return the operation that holds a cluster, or else the one that is to hold it next."""
        first = self._going_first[cluster]
        return self._operations.get(cluster) or (first[0] if first else self._next(cluster).operation)

    def _is_ticketed(self, cluster: str) -> bool:
        return any(ticket.begun and ticket.cluster == cluster for ticket in self._tickets)

    def _may_begin(self, ticket: Ticket) -> bool:
        free = ticket.cluster not in self._operations and not self._going_first[ticket.cluster]
        return free and self._next(ticket.cluster) is ticket

    def _await_turn(self, ticket: Ticket) -> None:
        deadline_s = time.monotonic() + _TURN_WAIT_S
        while not self._may_begin(ticket):
            ticket.check()
            check_stop()
            if time.monotonic() > deadline_s:
                raise _turn_missed(ticket, self._before(ticket.cluster))
            self._changed.wait(SLICE_S)
        ticket.check()
        ticket.has_turn = True

    def _go_first(self, cluster: str, operation: RunningOperation) -> None:
        """Wait for the running operation, and before the tickets that would else follow each other without a gap."""
        deadline_s = time.monotonic() + _FIRST_WAIT_S
        self._going_first[cluster].append(operation)
        try:
            while (
                self.waiting(cluster)
                and self._is_ticketed(cluster)
                and cluster in self._operations
                and time.monotonic() < deadline_s
            ):
                self._changed.wait(SLICE_S)
        finally:
            self._going_first[cluster].remove(operation)
            self._changed.notify_all()

    @contextmanager
    def operation(
        self,
        cluster: str,
        operation: RunningOperation,
        doing: str = "it ends in a moment",
        *,
        final: bool = True,
        ticket: Ticket | None = None,
        goes_first: bool = False,
    ) -> Iterator[Cancellation]:
        """Hold a cluster for an operation; yield its cancellation.

        An operation that is not `final` can be cancelled: its kind is an OperationKind, and it calls `check`. A repair
        that the supervisor has already begun is waited for. With a ticket its turn is waited for. One that `goes_first`
        is not held up by waiting tickets. Raises InvalidClusterState at once if another operation holds the cluster,
        Cancelled.
        """
        cancellation = Cancellation(cluster, operation, doing, final=final)
        try:
            with self._held(cluster, operation, cancellation, ticket, goes_first):
                yield cancellation
        except Stopped as stopped:
            raise Cancelled(str(stopped), f"auroractl describe-events {cluster}") from stopped

    @contextmanager
    def _held(
        self,
        cluster: str,
        operation: RunningOperation,
        cancellation: Cancellation,
        ticket: Ticket | None,
        goes_first: bool,
    ) -> Iterator[None]:
        if ticket is not None and ticket.dry_run:
            yield
            return
        with self._changed:
            if goes_first and ticket is None:
                self._go_first(cluster, operation)
            if ticket is not None:
                self._await_turn(ticket)
                ticket.begun = True
            other = self._operations.get(cluster)
            if other is not None:
                raise _busy(cluster, other)
            self._operations[cluster] = operation
            self._cancellations[cluster] = cancellation
            try:
                deadline_s = time.monotonic() + _REPAIR_WAIT_S
                while self._repairs[cluster] and (left_s := deadline_s - time.monotonic()) > 0:
                    self._changed.wait(min(left_s, SLICE_S))
                    cancellation.check()
            except BaseException:
                self._release(cluster)
                raise
        try:
            yield
        finally:
            with self._changed:
                self._release(cluster)

    def _release(self, cluster: str) -> None:
        del self._operations[cluster]
        del self._cancellations[cluster]
        self._changed.notify_all()

    @contextmanager
    def repair(self, cluster: str) -> Iterator[bool]:
        """Mark a repair as running. If an operation holds the cluster, yield False; the caller must then do nothing."""
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


def _turn_missed(ticket: Ticket, before: RunningOperation) -> TimedOut:
    return TimedOut(
        f"{ticket.operation.kind} of DBCluster {ticket.cluster} has waited {_TURN_WAIT_S:g} s for its turn: "
        f"{before.kind} goes first.",
        f"See how far that is: auroractl status {ticket.cluster}",
    )


def _busy(cluster: str, operation: RunningOperation) -> InvalidClusterState:
    return InvalidClusterState(
        f"Another operation is in progress on DBCluster {cluster}: {operation.kind}, since "
        f"{timestamp(operation.started_at)}.",
        f"Wait for it: auroractl status {cluster}",
    )
