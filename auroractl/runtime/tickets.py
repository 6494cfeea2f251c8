"""Tickets of requests that wait for their turn on a cluster."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace

from auroractl.core.errors import Cancelled, InstanceAlreadyExists, InvalidInstanceState
from auroractl.core.model import Instance, Phase, RunningOperation


@dataclass(eq=False, slots=True)
class Ticket:
    """A request with a place in the queue of a cluster. Nothing of it is written before its turn.

    Tickets do not survive the supervisor: a request that has not begun has changed nothing.
    """

    cluster: str
    operation: RunningOperation
    """Named to those who are refused because of it."""
    instance: Instance | None = None
    """The instance that it is about, in the phase that is shown meanwhile."""
    yields: Callable[[], bool] = field(default=lambda: False)
    """Whether others that wait go before it, until it has its turn."""
    has_turn: bool = False
    """True once it is next: it decides what to do by what there is then, so no other request may come between."""
    begun: bool = False
    """True from the beginning of its first operation."""
    dismissed: str = ""
    """Why it does not get its turn."""
    dry_run: bool = False
    """True if nothing will be written: then it takes no place, holds nothing and does not wait."""

    def check(self) -> None:
        """Raise Cancelled if the request was dismissed before it had begun."""
        if self.dismissed and not self.begun:
            raise Cancelled(
                f"{self.operation.kind} of DBCluster {self.cluster} was cancelled: {self.dismissed}.",
                f"auroractl describe-events {self.cluster}",
            )


def still_creating(instance: str) -> InvalidInstanceState:
    """Make the error of a request about an instance whose creation has not ended."""
    return InvalidInstanceState(
        f"DBInstance {instance} is still being created.", f"auroractl wait instance-available {instance}"
    )


def require_no_other(tickets: Collection[Ticket], instance: str, *, creating: bool = False) -> None:
    """Refuse a request about an instance that another request is about to create or to delete.

    Raises InstanceAlreadyExists if it is to be created by both, InvalidInstanceState otherwise.
    """
    for ticket in tickets:
        if ticket.instance is None or ticket.instance.identifier != instance:
            continue
        if ticket.instance.phase is Phase.CREATING and creating:
            raise InstanceAlreadyExists(instance)
        if ticket.instance.phase is Phase.CREATING:
            raise still_creating(instance)
        if ticket.instance.phase is Phase.DELETING:
            raise InvalidInstanceState(
                f"DBInstance {instance} is already being deleted.", f"See auroractl status {ticket.cluster}"
            )


def shown_with(rows: Collection[Instance], tickets: Sequence[Ticket]) -> tuple[Instance, ...]:
    """Return instances as requests with tickets will change them.

    One to come is added, and one that is to be deleted or modified shows that phase if its own is none.
    """
    shown = {row.identifier: row for row in rows}
    for instance in (ticket.instance for ticket in tickets):
        if instance is None:
            continue
        row = shown.get(instance.identifier)
        if row is None and instance.phase is Phase.CREATING:
            shown[instance.identifier] = instance
        elif row is not None and row.phase is Phase.NONE and instance.phase is not Phase.CREATING:
            shown[instance.identifier] = replace(row, phase=instance.phase)
    return tuple(shown.values())
