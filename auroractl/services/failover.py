"""failover: a planned switch on a healthy cluster, a promotion where the writer is dead.

Planned, the old writer is stopped cleanly first and the target has its whole log before it is promoted. Unplanned, the
old writer's processes are killed and its storage nodes taken from it before anything is promoted, so that there are
never two writers, and the target gets from the nodes what it had not received. Nothing acknowledged is lost either way.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from auroractl.core import topology
from auroractl.core.errors import AuroraError, EngineError, InvalidClusterState, InvalidInstanceState
from auroractl.core.health import promotable
from auroractl.core.lsn import format_lsn, parse_lsn
from auroractl.core.model import ClusterSnapshot, Instance, Phase
from auroractl.core.operations import OperationKind, OperationRecord
from auroractl.core.wal import Fork
from auroractl.engine import sql
from auroractl.services import events, following, operations, quorum_recovery, storage_nodes
from auroractl.services.concurrency import side_by_side
from auroractl.services.context import Context
from auroractl.services.endpoint_process import RoutingOverride
from auroractl.services.operations import Plan, Progress, Silent, Step, new_record

log = logging.getLogger(__name__)

_RECEIVE_TIMEOUT_S = 5.0
_PROMOTE_TIMEOUT_S = 30.0
_CHECKPOINT_TIMEOUT_S = 300.0
_ANSWER_TIMEOUT_S = 10.0
_ANSWER_POLL_S = 0.05


class By(StrEnum):
    """Who wanted a failover."""

    USER = "user"
    SUPERVISOR = "supervisor"


@dataclass(frozen=True, slots=True)
class FailoverResult:
    """What a failover did; `switch_ms` is the time during which nobody could write."""

    source: str
    target: str
    planned: bool
    switch_ms: float


def failover(
    context: Context, name: str, target: str | None, progress: Progress, *, allow_data_loss: bool = False
) -> FailoverResult:
    """Make a reader the writer and the writer a reader.

    `target` is the reader's name; without it Aurora's order decides. Raises InvalidClusterState where there is no
    reader that could be promoted or another operation is in progress, InvalidInstanceState for a wrong target,
    InstanceNotFound for an unknown one, QuorumLost where the writer is dead and too few storage nodes can be read
    (`allow_data_loss` goes on with those that can).
    """
    context.require_running(name)
    switch = _Switch()
    record = operations.perform(
        context,
        OperationKind.FAILOVER,
        name,
        prepare=lambda: _prepare(context, name, target, allow_data_loss),
        progress=progress,
        planner=lambda context, record: _plan(context, record, switch),
    )
    arguments = record.arguments
    return FailoverResult(arguments["From"], arguments["To"], arguments["Planned"], switch.duration_ms)


def fail_over(context: Context, name: str, reason: str) -> None:
    """What the supervisor does about a writer that is lost: a promotion, by what was last seen.

    Raises what `failover` does; where the writer has come back, or another operation has begun, nothing is done.
    """
    switch = _Switch()
    operations.perform(
        context,
        OperationKind.FAILOVER,
        name,
        prepare=lambda: _prepare_unplanned(context, name, reason),
        progress=Silent(),
        planner=lambda context, record: _plan(context, record, switch),
    )


def _prepare_unplanned(context: Context, name: str, reason: str) -> OperationRecord:
    """Without looking at anybody again: a server that does not answer would take the time of a probe."""
    writer = context.writer(name)
    snapshot = context.snapshot(context.cluster(name))
    if _could_commit(context, snapshot, writer):
        raise InvalidClusterState(f"The writer {writer.identifier} answers again.", "")
    return _begin(context, snapshot, writer, _choose(context, snapshot, None), By.SUPERVISOR, reason)


def _could_commit(context: Context, snapshot: ClusterSnapshot, writer: Instance) -> bool:
    """Whether a writer could be stopped in an orderly way."""
    seen = snapshot.seen(writer.identifier)
    return seen.accepting and seen.stalled_s <= context.settings.stalled_after_s


@dataclass(slots=True)
class _Switch:
    """Measures the time without a writer."""

    began_at: float = 0.0
    duration_ms: float = 0.0

    def begin(self) -> None:
        self.began_at = time.monotonic()

    def end(self) -> None:
        self.duration_ms = (time.monotonic() - self.began_at) * 1000


def _prepare(context: Context, name: str, wanted: str | None, allow_data_loss: bool) -> OperationRecord:
    context.require_running(name)
    writer = context.writer(name)
    for instance in context.repository.instances(name):
        context.observer.refresh(instance)
    snapshot = context.snapshot(context.cluster(name))
    target = _choose(context, snapshot, wanted)
    return _begin(context, snapshot, writer, target, By.USER, "requested", allow_data_loss=allow_data_loss)


def _begin(
    context: Context,
    snapshot: ClusterSnapshot,
    writer: Instance,
    target: Instance,
    by: By,
    reason: str,
    *,
    allow_data_loss: bool = False,
) -> OperationRecord:
    name = writer.cluster
    planned = _could_commit(context, snapshot, writer)
    record = new_record(
        context,
        OperationKind.FAILOVER,
        name,
        {
            "From": writer.identifier,
            "To": target.identifier,
            "Planned": planned,
            "AllowDataLoss": allow_data_loss and not planned,
            "By": by.value,
            "Reason": reason,
        },
    )
    context.repository.begin_operation(record)
    same_zone = writer.availability_zone == target.availability_zone
    kind = events.FAILOVER_STARTED_SAME_AZ if same_zone else events.FAILOVER_STARTED_CROSS_AZ
    where = "same AZ" if same_zone else "cross AZ"
    message = f"Started {where} failover to DB instance: {target.identifier}"
    events.record(context, name, kind, name, message)
    return record


def _choose(context: Context, snapshot: ClusterSnapshot, wanted: str | None) -> Instance:
    name = snapshot.cluster.identifier
    if wanted is not None:
        target = context.instance(wanted)
        if target.cluster != name:
            raise InvalidInstanceState(
                f"DBInstance {target.identifier} belongs to DBCluster {target.cluster}, not to {name}.",
                f"Readers of {name}: {', '.join(each.identifier for each in snapshot.readers) or 'none'}",
            )
        if target.is_writer:
            raise InvalidInstanceState(
                f"DBInstance {target.identifier} is the writer already.",
                f"Readers of {name}: {', '.join(each.identifier for each in snapshot.readers) or 'none'}",
            )
        if not snapshot.seen(target.identifier).accepting:
            raise InvalidInstanceState(
                f"DBInstance {target.identifier} does not answer: {snapshot.seen(target.identifier).detail}",
                f"See auroractl status {name}",
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
            f"DBCluster {name} has no reader that could be promoted.",
            f"Add one: auroractl scale-readers {name} --add 1"
            if not snapshot.readers
            else f"See what is wrong with its readers: auroractl status {name}",
        )
    lsn = {reader.identifier: snapshot.seen(reader.identifier).lsn or 0 for reader in ready}
    return topology.promotion_order(ready, lsn)[0]


def has_lost_its_data(context: Context, writer: Instance) -> bool:
    """Whether a stopped writer's data directory is gone."""
    server = context.installation.server(writer)
    return server.pid() is None and not server.has_data()


def recover_writer(context: Context, writer: Instance) -> None:
    """Start a cluster whose writer's disk is gone: a reader is promoted with the log of the storage nodes.

    Raises InvalidClusterState where no reader has data to begin from, QuorumLost where too few nodes can be read.
    """
    cluster = writer.cluster
    readers = [each for each in context.repository.instances(cluster) if not each.is_writer]
    side_by_side(_start_or_pass_over, [(context, reader, writer) for reader in readers])
    snapshot = context.snapshot(context.cluster(cluster))
    target = _choose(context, snapshot, None)
    work = _Failover(
        context, cluster, {"From": writer.identifier, "To": target.identifier, "Planned": False}, _Switch()
    )
    for step in (
        work.fence,
        work.take_nodes,
        work.read_back,
        work.promote,
        work.complete_nodes,
        work.repoint,
        work.rejoin,
    ):
        step()
    message = f"The data of {writer.identifier} was gone; {target.identifier} was promoted from the storage nodes"
    events.record(context, cluster, events.FAILOVER_COMPLETED, cluster, message)


def _start_or_pass_over(context: Context, reader: Instance, writer: Instance) -> None:
    """A reader that does not start is no candidate; the watch loop deals with it later."""
    try:
        following.start_reader(context, reader, writer)
    except AuroraError as error:
        log.warning("%s cannot be started: %s", reader.identifier, error)
        return
    deadline = time.monotonic() + _ANSWER_TIMEOUT_S
    while not (seen := context.observer.refresh(reader)).accepting:
        if time.monotonic() > deadline:
            log.warning("%s was started and does not answer: %s", reader.identifier, seen.detail)
            return
        time.sleep(_ANSWER_POLL_S)


def _plan(context: Context, record: OperationRecord, switch: _Switch | None = None) -> Plan:
    work = _Failover(context, record.cluster, record.arguments, switch or _Switch(), record.identifier)
    if record.arguments["Planned"]:
        first = [
            Step("Write a checkpoint", work.checkpoint, undo=work.resume),
            Step("Hold new connections", work.hold),
            Step(f"Stop the writer {work.source}", work.stop_writer, undo=work.restart_writer),
            Step("Take the storage nodes from it", work.take_nodes),
        ]
    else:
        first = [
            Step("Cut connections to the writer", work.cut, undo=work.resume),
            Step(f"End the writer {work.source}", work.fence),
            Step("Take the storage nodes from it", work.take_nodes),
            Step("Read the log back from the storage nodes", work.read_back, undo=work.clear),
        ]
    promote = f"Promote {work.target}"
    rest = [
        Step(promote, work.promote),
        Step("Switch the endpoints", work.switch_endpoints),
        Step("Complete the storage nodes", work.complete_nodes),
        Step("Point the other readers to it", work.repoint),
        Step(f"Bring {work.source} back as a reader", work.rejoin),
        Step("Mark the cluster available", work.finish),
    ]
    return Plan([*first, *rest], point_of_no_return=promote)


class _Failover:
    def __init__(
        self, context: Context, cluster: str, arguments: dict[str, Any], switch: _Switch, record: str | None = None
    ) -> None:
        self._record = record
        self._context = context
        self._cluster = cluster
        self._planned = arguments["Planned"]
        self._allow_data_loss = arguments.get("AllowDataLoss", False)
        self._fork: Fork | None = None
        self._read: quorum_recovery.RecoveredLog | None = None
        self._switch = switch
        self._password = context.installation.secrets.admin
        self.source: str = arguments["From"]
        self.target: str = arguments["To"]

    def _instance(self, identifier: str) -> Instance:
        return self._context.instance(identifier)

    def checkpoint(self) -> None:
        """While clients still write, so that the writer's own last checkpoint is short."""
        self._context.repository.update_cluster(self._cluster, phase=Phase.FAILING_OVER)
        with sql.session(
            self._instance(self.source).address, self._password, statement_timeout_s=_CHECKPOINT_TIMEOUT_S
        ) as connection:
            if self.target not in sql.streaming_standbys(connection):
                raise InvalidInstanceState(
                    f"DBInstance {self.target} is not receiving changes from the writer.",
                    f"See auroractl status {self._cluster}",
                )
            connection.execute("CHECKPOINT")

    def hold(self) -> None:
        self._switch.begin()
        self._context.route(self._cluster, RoutingOverride(draining=[self.source]))

    def cut(self) -> None:
        self._switch.begin()
        self._context.repository.update_cluster(self._cluster, phase=Phase.FAILING_OVER)
        self._context.route(self._cluster, RoutingOverride(without=[self.source]))

    def resume(self) -> None:
        """The first step's undo, and so the last: routes as they were, nothing under way."""
        self._context.repository.update_cluster(self._cluster, phase=Phase.NONE)
        self._context.route(self._cluster, None)
        message = f"Failover to DB instance {self.target} failed; {self.source} stays the writer"
        events.record(self._context, self._cluster, events.FAILOVER_FAILED, self._cluster, message)

    def stop_writer(self) -> None:
        """Stop it cleanly and make sure that the target has all of its log, the final checkpoint included."""
        storage_nodes.end_unresponsive(self._context, self._cluster)
        server = self._context.installation.server(self._instance(self.source))
        server.stop(self._context.settings.stop_timeout_s)
        control = server.control_data()
        if control["Database cluster state"] != "shut down":
            raise EngineError(f"{self.source} did not shut down cleanly: {control['Database cluster state']}.", "")
        checkpoint = parse_lsn(control["Latest checkpoint location"])
        with sql.session(self._instance(self.target).address, self._password) as connection:
            sql.wait_received(connection, checkpoint + 1, _RECEIVE_TIMEOUT_S)

    def restart_writer(self) -> None:
        source = self._instance(self.source)
        following.start_writer(self._context, source)
        self._context.observer.refresh(source)

    def fence(self) -> None:
        """SIGKILL to every process of the old writer; only then may another one be promoted."""
        self._context.installation.server(self._instance(self.source)).kill()

    def take_nodes(self) -> None:
        """After this the old writer could acknowledge nothing even if it were still alive."""
        storage_nodes.take_away(self._context, self._cluster)

    def read_back(self) -> None:
        """What was acknowledged and the target has not received."""
        target = self._instance(self.target)
        if self._context.repository.volume(self._cluster) is None:
            return
        with sql.session(target.address, self._password) as connection:
            received_lsn = sql.received_lsn(connection)
        self._read = quorum_recovery.read_back(
            self._context, target, received_lsn, allow_data_loss=self._allow_data_loss
        )

    def clear(self) -> None:
        quorum_recovery.clear(self._context, self._instance(self.target))

    def promote(self) -> None:
        target = self._instance(self.target)
        server = self._context.installation.server(target)
        server.start(self._context.settings.start_timeout_s)
        server.resume_suspended()
        # Nodes that already receive from the target follow it onto its new timeline, so that the first commit need
        # not wait until they were started.
        side_by_side(
            lambda act: act(),
            [
                (lambda: storage_nodes.start_nodes(self._context, self._cluster, target),),
                (lambda: self._end_recovery(target),),
            ],
        )
        self._context.repository.set_writer(self._cluster, self.target)
        self._context.configure(target, None)
        server.reload()

    def _end_recovery(self, target: Instance) -> None:
        with sql.session(target.address, self._password) as connection:
            sql.promote(connection, _PROMOTE_TIMEOUT_S)
        self._context.observer.note_promoted(target)

    def _check_promoted(self, target: Instance) -> None:
        """Say so at once where the new writer's history begins before the end of what was read back."""
        _, forks = storage_nodes.lineage(self._context, target)
        self._fork = forks[-1] if forks else None
        if self._read and self._read.segments and self._fork and self._fork.lsn <= self._read.end.last_record_lsn:
            message = (
                f"{self.target} was promoted at {format_lsn(self._fork.lsn)} although the storage nodes hold log up to "
                f"{format_lsn(self._read.end.lsn)}: acknowledged commits may be lost"
            )
            events.record(self._context, self._cluster, events.DATA_LOSS, self._cluster, message)

    def switch_endpoints(self) -> None:
        seen = self._context.observer.observed([self._instance(self.target)])[self.target]
        if not seen.accepting or seen.in_recovery:
            self._context.observer.refresh(self._instance(self.target))
        self._context.route(self._cluster, RoutingOverride(without=[self.source]))
        self._switch.end()

    def complete_nodes(self) -> None:
        """Those that could not receive from the target while it was a standby, having more of the log than it."""
        storage_nodes.start_nodes(self._context, self._cluster)
        self.clear()
        self._check_promoted(self._instance(self.target))

    def _others(self) -> list[Instance]:
        instances = self._context.repository.instances(self._cluster)
        return [each for each in instances if each.identifier not in {self.source, self.target}]

    def repoint(self) -> None:
        """Readers read their configuration again and follow the new timeline without a restart.

        One that had received more than any storage node that could be read is on a history that nobody else has.
        """
        target = self._instance(self.target)
        for reader in self._others():
            server = self._context.installation.server(reader)
            if server.has_data():
                ahead = self._is_ahead(reader)
                self._context.configure(reader, target.address)
                server.reload()
                if ahead:
                    self._rejoin(reader, diverged=True)

    def _is_ahead(self, reader: Instance) -> bool:
        """Only before it is told of the new writer: afterwards it soon has more, and rightly so."""
        if self._planned or self._fork is None or not self._context.observer.refresh(reader).accepting:
            return False
        with sql.session(reader.address, self._password) as connection:
            return sql.received_lsn(connection) > self._fork.lsn

    def rejoin(self) -> None:
        """A failure here leaves a working cluster with an instance less; the watch loop goes on trying."""
        source = self._instance(self.source)
        faults = self._context.repository.faults(self._cluster)
        if source.availability_zone in {fault.target for fault in faults}:
            return
        if self._context.observer.refresh(source).disk_full:
            # The watch loop starts it when its disk takes writes again.
            return
        self._rejoin(source, diverged=not self._planned)

    def _rejoin(self, reader: Instance, *, diverged: bool) -> None:
        try:
            following.rejoin(self._context, reader, self._instance(self.target), diverged=diverged)
        except AuroraError as error:
            message = f"It cannot follow yet: {error}"
            events.record(self._context, self._cluster, events.REPAIR, reader.identifier, message)
        self._context.observer.refresh(reader)

    def finish(self) -> None:
        side_by_side(self._context.observer.refresh, [(each,) for each in self._others()])
        self._context.repository.update_cluster(self._cluster, phase=Phase.NONE)
        self._context.route(self._cluster, None)
        took = f" in {self._switch.duration_ms:.0f} ms" if self._switch.duration_ms else ""
        if self._record is not None:
            timeline, _ = storage_nodes.lineage(self._context, self._instance(self.target))
            gap_ms = round(self._switch.duration_ms, 1) or None
            self._context.repository.update_operation_arguments(
                self._record, {"Timeline": timeline, "GapMilliseconds": gap_ms}
            )
        message = f"Completed failover to DB instance: {self.target}{took}"
        events.record(self._context, self._cluster, events.FAILOVER_COMPLETED, self._cluster, message)


operations.PLANNERS[OperationKind.FAILOVER] = _plan
