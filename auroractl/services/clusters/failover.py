"""failover: a planned switch if the writer is healthy, an unplanned promotion if it is dead.

In a planned failover, the old writer is stopped cleanly, and the target has all its WAL before it is promoted. In an
unplanned one, the old writer and its storage nodes are fenced before the promotion, so that there are never two writers,
and the target gets missing WAL from the nodes. Neither loses acknowledged commits.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from enum import StrEnum

from auroractl.core import topology
from auroractl.core.errors import AuroraError, InvalidClusterState, InvalidInstanceState, TimedOut
from auroractl.core.model import ClusterSnapshot, Instance
from auroractl.core.operation_kinds import OperationKind
from auroractl.core.operations import OperationRecord
from auroractl.core.repair_rules import promotable
from auroractl.runtime import events
from auroractl.runtime.managed_cluster import ManagedCluster
from auroractl.runtime.parallel import side_by_side
from auroractl.runtime.tickets import Ticket
from auroractl.services.clusters.failover_steps import FailoverSteps, Switch, plan
from auroractl.services.instances import replication
from auroractl.services.operations import runner
from auroractl.services.operations.runner import new_record
from auroractl.services.volume import quorum_recovery
from auroractl.system.limits import raise_shortage
from auroractl.system.waiting import wait_until

log = logging.getLogger(__name__)

_ANSWER_TIMEOUT_S = 10.0
_ANSWER_POLL_S = 0.05


class By(StrEnum):
    """Who requested a failover."""

    USER = "user"
    SUPERVISOR = "supervisor"


@dataclass(frozen=True, slots=True)
class FailoverResult:
    """The result of a failover; `switch_ms` is the time without a writer."""

    source: str
    target: str
    planned: bool
    switch_ms: float


def failover(
    cluster: ManagedCluster,
    target: str | None,
    *,
    allow_data_loss: bool = False,
    like_aws: bool = False,
    ticket: Ticket | None = None,
) -> FailoverResult:
    """Promote a reader to writer and make the writer a reader.

    `target` is the reader to promote, by default chosen in Aurora's order. With `like_aws` it takes as long as on AWS, and
    clients are refused meanwhile. With a ticket, the failover is part of a
    queued request. Raises InvalidClusterState if no reader can be promoted or another operation is in progress,
    InvalidInstanceState for an unsuitable target, InstanceNotFound for an unknown one, QuorumLost if the writer is dead
    and too few storage nodes can be read (unless `allow_data_loss`).
    """
    cluster.require_running()
    switch = Switch()
    record = runner.perform(
        cluster,
        OperationKind.FAILOVER,
        prepare=lambda: _prepare(cluster, target, allow_data_loss=allow_data_loss, like_aws=like_aws),
        planner=lambda cluster, record: plan(cluster, record, switch),
        ticket=ticket,
    )
    arguments = record.arguments
    return FailoverResult(arguments["From"], arguments["To"], arguments["Planned"], switch.duration_ms)


def fail_over(cluster: ManagedCluster, reason: str) -> None:
    """Promote a reader after the loss of the writer, based on the last observations; used by the supervisor.

    Raises as `failover`, also if the writer answers again or another operation has begun.
    """
    switch = Switch()
    runner.perform(
        cluster,
        OperationKind.FAILOVER,
        prepare=lambda: _prepare_unplanned(cluster, reason),
        planner=lambda cluster, record: plan(cluster, record, switch),
    )


def _prepare_unplanned(cluster: ManagedCluster, reason: str) -> OperationRecord:
    """Prepare without new probes, because one to a silent server would take until its deadline."""
    writer = cluster.writer()
    snapshot = cluster.snapshot()
    if _could_commit(cluster, snapshot, writer):
        raise InvalidClusterState(f"The writer {writer.identifier} answers again.", "")
    return _begin(cluster, snapshot, writer, _choose(cluster, snapshot, None), By.SUPERVISOR, reason)


def _could_commit(cluster: ManagedCluster, snapshot: ClusterSnapshot, writer: Instance) -> bool:
    """Return whether a writer could be stopped cleanly."""
    seen = snapshot.seen(writer.identifier)
    return seen.accepting and seen.stalled_s <= cluster.settings.stalled_after_s


def _prepare(cluster: ManagedCluster, wanted: str | None, *, allow_data_loss: bool, like_aws: bool) -> OperationRecord:
    cluster.require_running()
    writer = cluster.writer()
    for instance in cluster.instances():
        cluster.observer.refresh(instance)
    snapshot = cluster.snapshot()
    target = _choose(cluster, snapshot, wanted)
    like_aws_s = cluster.settings.aws_failover_s if like_aws else None
    return _begin(
        cluster, snapshot, writer, target, By.USER, "requested", allow_data_loss=allow_data_loss, like_aws_s=like_aws_s
    )


def _begin(
    cluster: ManagedCluster,
    snapshot: ClusterSnapshot,
    writer: Instance,
    target: Instance,
    by: By,
    reason: str,
    *,
    allow_data_loss: bool = False,
    like_aws_s: float | None = None,
) -> OperationRecord:
    planned = _could_commit(cluster, snapshot, writer)
    record = new_record(
        cluster,
        OperationKind.FAILOVER,
        {
            "From": writer.identifier,
            "To": target.identifier,
            "Planned": planned,
            "AllowDataLoss": allow_data_loss and not planned,
            "By": by.value,
            "Reason": reason,
            **({"LikeAwsSeconds": like_aws_s} if like_aws_s else {}),
        },
    )
    cluster.repository.begin_operation(record)
    same_zone = writer.availability_zone == target.availability_zone
    kind = events.FAILOVER_STARTED_SAME_AZ if same_zone else events.FAILOVER_STARTED_CROSS_AZ
    where = "same AZ" if same_zone else "cross AZ"
    message = f"Started {where} failover to DB instance: {target.identifier}"
    events.record(cluster, kind, cluster.name, message)
    return record


def _choose(cluster: ManagedCluster, snapshot: ClusterSnapshot, wanted: str | None) -> Instance:
    if wanted is not None:
        target = cluster.instance(wanted)
        if target.cluster != cluster.name:
            raise InvalidInstanceState(
                f"DBInstance {target.identifier} belongs to DBCluster {target.cluster}, not to {cluster.name}.",
                f"Readers of {cluster.name}: {', '.join(each.identifier for each in snapshot.readers) or 'none'}",
            )
        if target.is_writer:
            raise InvalidInstanceState(
                f"DBInstance {target.identifier} is already the writer.",
                f"Readers of {cluster.name}: {', '.join(each.identifier for each in snapshot.readers) or 'none'}",
            )
        if not snapshot.seen(target.identifier).accepting:
            raise InvalidInstanceState(
                f"DBInstance {target.identifier} does not answer: {snapshot.seen(target.identifier).detail}",
                f"See auroractl status {cluster.name}",
            )
        if snapshot.cut_off(target.identifier):
            raise InvalidInstanceState(
                f"DBInstance {target.identifier} is cut off: {snapshot.fault_on(target.identifier)}.",
                f"End the fault first: auroractl inject-fault restore {target.identifier}",
            )
        return target
    ready = promotable(snapshot)
    if not ready:
        raise InvalidClusterState(
            f"DBCluster {cluster.name} has no reader that could be promoted.",
            f"Add one: auroractl scale-readers {cluster.name} --add 1"
            if not snapshot.readers
            else f"See what is wrong with its readers: auroractl status {cluster.name}",
        )
    lsn = {reader.identifier: snapshot.seen(reader.identifier).lsn or 0 for reader in ready}
    return topology.promotion_order(_on_newest_timeline(cluster, ready), lsn)[0]


def _on_newest_timeline(cluster: ManagedCluster, readers: list[Instance]) -> list[Instance]:
    """Return the readers on the newest timeline, regardless of tiers, because others may have diverged."""
    if len(readers) == 1:
        return readers
    timelines = {}
    for reader in readers:
        try:
            timelines[reader] = quorum_recovery.newest_timeline(cluster.installation.server(reader))
        except OSError as error:
            raise_shortage(error)
            log.warning("%s is no candidate: its WAL cannot be listed: %s", reader.identifier, error)
    return [reader for reader, timeline in timelines.items() if timeline == max(timelines.values())] or readers


def has_lost_its_data(cluster: ManagedCluster, writer: Instance) -> bool:
    """Return whether a stopped writer's data directory is gone."""
    server = cluster.installation.server(writer)
    return server.pid() is None and not server.has_data()


def recover_writer(cluster: ManagedCluster, writer: Instance) -> None:
    """Start a cluster whose writer lost its data: promote a reader with WAL from the storage nodes.

    Raises InvalidClusterState if no reader has data, QuorumLost if too few nodes can be read.
    """
    readers = [each for each in cluster.instances() if not each.is_writer]
    side_by_side(_try_start, [(cluster, reader, writer) for reader in readers])
    snapshot = cluster.snapshot()
    target = _choose(cluster, snapshot, None)
    work = FailoverSteps(cluster, {"From": writer.identifier, "To": target.identifier, "Planned": False}, Switch())
    for step in work.without_clients():
        step.do()
    message = f"The data of {writer.identifier} was gone; {target.identifier} was promoted from the storage nodes"
    events.record(cluster, events.FAILOVER_COMPLETED, cluster.name, message)


def _try_start(cluster: ManagedCluster, reader: Instance, writer: Instance) -> None:
    """Start a reader; one that fails is no candidate, and the watch loop handles it later."""
    try:
        replication.start_reader(cluster, reader, writer)
    except AuroraError as error:
        log.warning("%s cannot be started: %s", reader.identifier, error)
        return

    def silent() -> str:
        seen = cluster.observer.refresh(reader)
        return "" if seen.accepting else seen.detail or "no answer"

    try:
        wait_until("it did not answer", silent, _ANSWER_TIMEOUT_S, _ANSWER_POLL_S)
    except TimedOut as error:
        log.warning("%s was started: %s", reader.identifier, error)
