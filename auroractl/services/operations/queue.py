"""The queue of a cluster, in which concurrent requests follow each other."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from auroractl.core.errors import AuroraError, Cancelled, TimedOut
from auroractl.core.model import Instance, RunningOperation
from auroractl.core.operation_kinds import OperationKind
from auroractl.core.repair_rules import lost_writer
from auroractl.runtime import events
from auroractl.runtime.caller import caller
from auroractl.runtime.managed_cluster import ManagedCluster
from auroractl.runtime.tickets import Ticket
from auroractl.services.operations.runner import new_record
from auroractl.system.waiting import wait_until

log = logging.getLogger(__name__)

MODIFY_CLUSTER, MODIFY_INSTANCE = "modify-cluster", "modify-instance"
_BESIDE = frozenset(
    {
        OperationKind.CREATE_CLUSTER, OperationKind.CREATE_INSTANCE, OperationKind.DELETE_INSTANCE,
        OperationKind.REBOOT_INSTANCE, OperationKind.SCALE_READERS, MODIFY_CLUSTER, MODIFY_INSTANCE,
    }
)  # fmt: skip
"""Operations behind which a request may wait; during all others it is refused."""
_POLL_S = 0.05


def ticket(cluster: ManagedCluster, kind: str, instance: Instance | None = None) -> Ticket:
    """Make the ticket of a request; `instance` is shown meanwhile."""
    return Ticket(cluster.name, RunningOperation("", kind, cluster.now()), instance, dry_run=caller().dry_run)


@contextmanager
def in_turn(
    cluster: ManagedCluster,
    make: Callable[[Collection[Ticket]], Ticket],
    arguments: Callable[[Ticket], dict[str, Any]] | None = None,
) -> Iterator[Ticket]:
    """Wait in the queue of a cluster, and hold its turn in this block.

    `make` checks the request and makes its ticket; what it raises refuses the request. A request that has to wait is
    accepted from then on, and `arguments` is what is known of its operation. Raises InvalidClusterState at once if the
    cluster is held by an operation for which requests are not queued, and when the turn has come if the cluster is
    stopped or incomplete; Cancelled if the request is dismissed; TimedOut if its turn does not come.
    """
    with cluster.locks.queued(make, _BESIDE) as made:
        ahead = None if made.dry_run else cluster.locks.waits_for(made)
        if ahead is None:
            cluster.require_running()
            yield made
            return
        caller().progress.message(f"Waiting for {ahead.kind} of DBCluster {made.cluster}")
        if arguments is not None:
            kind = OperationKind(made.operation.kind)
            caller().accepted(new_record(cluster, kind, arguments(made)))
        with _failure_told(cluster, made):
            cluster.locks.await_turn(made)
            # What it has waited for may have left the cluster incomplete.
            cluster.require_running()
            _settle(cluster, made)
            yield made


@contextmanager
def _failure_told(cluster: ManagedCluster, made: Ticket) -> Iterator[None]:
    """Record an event if an accepted request fails, because its caller may have left with the early answer."""
    try:
        yield
    except Cancelled:
        # Who cancelled it has recorded that.
        raise
    except AuroraError as error:
        subject = f" of {made.instance.identifier}" if made.instance else ""
        message = f"{made.operation.kind}{subject}, which had waited for its turn, failed: {error.message}"
        # It is logged even where it cannot be stored, and the first error says why.
        with suppress(AuroraError):
            events.record(cluster, events.REQUEST_FAILED, cluster.name, message)
        raise


def _settle(cluster: ManagedCluster, made: Ticket) -> None:
    """Let the supervisor replace a lost writer first: it does so between operations, and these leave no gap."""

    def lost() -> str:
        made.check()
        row = cluster.repository.cluster(made.cluster)
        return lost_writer(cluster.snapshot(row)) if row else ""

    try:
        wait_until("the cluster was not ready", lost, cluster.settings.start_timeout_s, _POLL_S)
    except TimedOut as error:
        # The operation itself will say what is wrong.
        log.info("%s: %s begins nevertheless: %s", made.cluster, made.operation.kind, error)
