"""The steps of a failover, planned and unplanned."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import Any

from auroractl.core.errors import AuroraError, EngineError, InvalidInstanceState, TimedOut
from auroractl.core.model import Instance, Phase
from auroractl.core.operation_kinds import OperationKind
from auroractl.core.operations import OperationRecord
from auroractl.core.wal.lsn import format_lsn, parse_lsn
from auroractl.core.wal.segments import Fork
from auroractl.engine import sql
from auroractl.engine.connections import Access
from auroractl.runtime import admitted_senders, events
from auroractl.runtime.endpoint_process import RoutingOverride
from auroractl.runtime.managed_cluster import ManagedCluster
from auroractl.runtime.parallel import side_by_side
from auroractl.services.instances import logical_slots, replication
from auroractl.services.instances.lineage import lineage
from auroractl.services.operations import runner
from auroractl.services.operations.runner import Plan, Step
from auroractl.services.parameters import pending
from auroractl.services.volume import quorum_recovery, storage_nodes
from auroractl.system.waiting import pause

log = logging.getLogger(__name__)

_RECEIVE_TIMEOUT_S = 5.0
_PROMOTE_TIMEOUT_S = 30.0
_SHARE_BEFORE_PROMOTION = 5 / 6
"""Of AWS's time: typically less than 30 s in all (Aurora User Guide, "Fault tolerance"), of which 5 s are a TTL of DNS."""


@dataclass(slots=True)
class Switch:
    """Measures the time without a writer."""

    began_at: float = 0.0
    duration_ms: float = 0.0

    def begin(self) -> None:
        self.began_at = time.monotonic()

    def end(self) -> None:
        self.duration_ms = (time.monotonic() - self.began_at) * 1000


def plan(cluster: ManagedCluster, record: OperationRecord, switch: Switch | None = None) -> Plan:
    work = FailoverSteps(cluster, record.arguments, switch or Switch(), record.identifier)
    if record.arguments["Planned"]:
        first = [
            Step("Write a checkpoint", work.checkpoint, undo=work.resume),
            Step("Hold new connections", work.hold),
            Step(f"Stop the writer {work.source}", work.stop_writer, undo=work.restart_writer),
            Step("Fence the storage nodes", work.fence_nodes),
        ]
    else:
        first = [
            Step("Cut connections to the writer", work.cut, undo=work.resume),
            Step(f"Fence the writer {work.source}", work.fence),
            Step("Fence the storage nodes", work.fence_nodes),
            Step("Recover WAL from the storage nodes", work.recover_wal, undo=work.clear),
        ]
    promote = f"Promote {work.target}"
    detection, dns = work.waits()
    rest = [
        *detection,
        Step(promote, work.promote),
        *dns,
        Step("Switch the endpoints", work.switch_endpoints),
        Step("Start the remaining storage nodes", work.complete_nodes),
        Step("Repoint the other readers", work.repoint),
        Step(f"Rejoin {work.source} as a reader", work.rejoin),
        Step("Mark the cluster available", work.finish),
    ]
    return Plan([*first, *rest], point_of_no_return=promote)


class FailoverSteps:
    """The steps of one failover; arguments are those of its operation record."""

    def __init__(
        self, cluster: ManagedCluster, arguments: dict[str, Any], switch: Switch, record: str | None = None
    ) -> None:
        self._record = record
        self._cluster = cluster
        self._planned = arguments["Planned"]
        self._allow_data_loss = arguments.get("AllowDataLoss", False)
        self._like_aws_s: float | None = arguments.get("LikeAwsSeconds")
        self._fork: Fork | None = None
        self._read: quorum_recovery.RecoveredWal | None = None
        self._switch = switch
        self.source: str = arguments["From"]
        self.target: str = arguments["To"]

    def without_clients(self) -> list[Step]:
        """Return the steps of a failover during the start of a cluster, when there are no clients."""
        return [
            Step(f"Fence the writer {self.source}", self.fence),
            Step("Fence the storage nodes", self.fence_nodes),
            Step("Recover WAL from the storage nodes", self.recover_wal),
            Step(f"Promote {self.target}", self.promote),
            Step("Start the remaining storage nodes", self.complete_nodes),
            Step("Repoint the other readers", self.repoint),
            Step(f"Rejoin {self.source} as a reader", self.rejoin),
        ]

    def _instance(self, identifier: str) -> Instance:
        return self._cluster.instance(identifier)

    def _access(self, identifier: str) -> Access:
        return self._cluster.installation.access(self._instance(identifier))

    def checkpoint(self) -> None:
        """Write a checkpoint while clients still write, so that the writer's shutdown checkpoint is short."""
        self._cluster.repository.update_cluster(self._cluster.name, phase=Phase.FAILING_OVER)
        source = self._access(self.source)
        with sql.session(source) as connection:
            if self.target not in sql.streaming_standbys(connection):
                raise InvalidInstanceState(
                    f"DBInstance {self.target} is not receiving changes from the writer.",
                    f"See auroractl status {self._cluster.name}",
                )
        sql.write_checkpoint(source)

    def waits(self) -> tuple[list[Step], list[Step]]:
        """Return the steps that only take AWS's time, before the promotion and before the endpoints change."""
        if self._like_aws_s is None:
            return [], []
        first_s, last_s = (self._like_aws_s * share for share in (_SHARE_BEFORE_PROMOTION, 1 - _SHARE_BEFORE_PROMOTION))
        return (
            [Step(f"Wait {first_s:g} s, as AWS detects and promotes (rehearsed)", lambda: pause(first_s))],
            [Step(f"Wait {last_s:g} s, as AWS changes DNS (rehearsed)", lambda: pause(last_s))],
        )

    def hold(self) -> None:
        self._switch.begin()
        if self._like_aws_s is None:
            self._cluster.route(RoutingOverride(draining=[self.source]))
        else:
            self._cluster.route(RoutingOverride(without=[self.source], writer_closed=True))

    def cut(self) -> None:
        self._switch.begin()
        self._cluster.repository.update_cluster(self._cluster.name, phase=Phase.FAILING_OVER)
        self._cluster.route(RoutingOverride(without=[self.source], writer_closed=self._like_aws_s is not None))

    def resume(self) -> None:
        """Restore routes and status. This is the last undo, because it is the first step's."""
        self._cluster.repository.update_cluster(self._cluster.name, phase=Phase.NONE)
        self._cluster.route(None)
        message = f"Failover to DB instance {self.target} failed; {self.source} stays the writer"
        events.record(self._cluster, events.FAILOVER_FAILED, self._cluster.name, message)

    def stop_writer(self) -> None:
        """Stop the writer cleanly, and wait until the target has all its WAL including the shutdown checkpoint."""
        storage_nodes.kill_unresponsive(self._cluster)
        server = self._cluster.installation.server(self._instance(self.source))
        server.stop(self._cluster.settings.stop_timeout_s)
        control = server.control_data()
        if control["Database cluster state"] != "shut down":
            raise EngineError(f"{self.source} did not shut down cleanly: {control['Database cluster state']}.", "")
        checkpoint = parse_lsn(control["Latest checkpoint location"])
        with sql.session(self._access(self.target)) as connection:
            sql.wait_received(connection, checkpoint + 1, _RECEIVE_TIMEOUT_S)

    def restart_writer(self) -> None:
        source = self._instance(self.source)
        replication.start_writer(self._cluster, source)
        self._cluster.observer.refresh(source)

    def fence(self) -> None:
        """Kill every process of the old writer. Only then may another instance be promoted."""
        self._cluster.installation.server(self._instance(self.source)).kill()

    def fence_nodes(self) -> None:
        """Fence the storage nodes, so that the old writer could not acknowledge anything even if it were alive."""
        storage_nodes.fence_nodes(self._cluster)

    def recover_wal(self) -> None:
        """Stage acknowledged WAL that the target has not received."""
        target = self._instance(self.target)
        if self._cluster.repository.volume(self._cluster.name) is None:
            return
        with sql.session(self._access(target.identifier)) as connection:
            received_lsn = sql.received_lsn(connection)
        self._read = quorum_recovery.recover_wal(
            self._cluster, target, received_lsn, allow_data_loss=self._allow_data_loss
        )
        if self._read.segments:
            try:
                quorum_recovery.await_timeline(self._cluster, target, self._read.timeline)
            except TimedOut as error:
                if not self._allow_data_loss:
                    raise
                log.warning("%s", error)

    def clear(self) -> None:
        quorum_recovery.clear(self._cluster, self._instance(self.target))

    def promote(self) -> None:
        target = self._instance(self.target)
        server = self._cluster.installation.server(target)
        server.start(self._cluster.settings.start_timeout_s)
        server.resume_suspended()
        # Nodes that already receive from the target follow it to its new timeline, so that the first commit need not
        # wait for their start.
        side_by_side(
            lambda act: act(),
            [
                (lambda: storage_nodes.start_nodes(self._cluster, target),),
                (lambda: self._end_recovery(target),),
            ],
        )
        source = self._instance(self.source)
        self._cluster.repository.set_writer(self._cluster.name, self.target)
        side_by_side(
            lambda act: act(),
            [
                (lambda: logical_slots.take_over(self._cluster, source, target, planned=self._planned),),
                (lambda: self._configure_writer(target),),
            ],
        )

    def _configure_writer(self, target: Instance) -> None:
        self._cluster.configure(target, None)
        admitted_senders.reload(self._cluster.installation, target)
        storage_nodes.admit(self._cluster)

    def _end_recovery(self, target: Instance) -> None:
        with sql.session(self._access(target.identifier)) as connection:
            sql.promote(connection, _PROMOTE_TIMEOUT_S)
        self._cluster.observer.note_promoted(target)

    def _check_promoted(self, target: Instance) -> None:
        """Record a data loss event if the new timeline begins before the end of the recovered WAL."""
        _, forks = lineage(self._cluster, target)
        self._fork = forks[-1] if forks else None
        if self._read and self._read.segments and self._fork and self._fork.lsn <= self._read.end.last_record_lsn:
            message = (
                f"{self.target} was promoted at {format_lsn(self._fork.lsn)} although the storage nodes hold WAL up to "
                f"{format_lsn(self._read.end.lsn)}: acknowledged commits may be lost"
            )
            events.record(self._cluster, events.DATA_LOSS, self._cluster.name, message)

    def switch_endpoints(self) -> None:
        seen = self._cluster.observer.observed([self._instance(self.target)])[self.target]
        if not seen.accepting or seen.in_recovery:
            self._cluster.observer.refresh(self._instance(self.target))
        self._cluster.route(RoutingOverride(without=[self.source]))
        self._switch.end()

    def complete_nodes(self) -> None:
        """Start nodes that could not receive from the target while it was a standby, because they had more WAL."""
        storage_nodes.start_nodes(self._cluster)
        self.clear()
        self._check_promoted(self._instance(self.target))

    def _others(self) -> list[Instance]:
        instances = self._cluster.instances()
        return [each for each in instances if each.identifier not in {self.source, self.target}]

    def repoint(self) -> None:
        """Reload the configuration of the readers, which then follow the new timeline without a restart.

        A reader that had received more than every readable storage node has diverged, and rejoins. So does one with less
        of a parameter than the new writer, which it may be given only at a start.
        """
        target = self._instance(self.target)
        below = pending.readers_below(self._cluster, target)
        for reader in self._others():
            server = self._cluster.installation.server(reader)
            if server.has_data():
                ahead = self._is_ahead(reader)
                self._cluster.configure(reader, target)
                server.reload()
                if reader.identifier in below:
                    # It would pause its replay, because the new writer has more of a parameter.
                    server.abort()
                if ahead or reader.identifier in below:
                    self._rejoin(reader, diverged=ahead)

    def _is_ahead(self, reader: Instance) -> bool:
        """Return whether a reader has diverged; valid only before it follows the new writer and receives its WAL."""
        if self._planned or self._fork is None or not self._cluster.observer.refresh(reader).accepting:
            return False
        with sql.session(self._access(reader.identifier)) as connection:
            return sql.received_lsn(connection) > self._fork.lsn

    def rejoin(self) -> None:
        """Rejoin the old writer. A failure leaves a working cluster without it, which the watch loop retries."""
        source = self._instance(self.source)
        faults = self._cluster.faults()
        if source.availability_zone in {fault.target for fault in faults}:
            return
        if self._cluster.observer.refresh(source).disk_full:
            # The watch loop starts it when its disk accepts writes again.
            return
        self._rejoin(source, diverged=not self._planned)

    def _rejoin(self, reader: Instance, *, diverged: bool) -> None:
        try:
            replication.rejoin(self._cluster, reader, self._instance(self.target), diverged=diverged)
        except AuroraError as error:
            message = f"It cannot follow yet: {error}"
            events.record(self._cluster, events.REPAIR, reader.identifier, message)
        self._cluster.observer.refresh(reader)

    def finish(self) -> None:
        side_by_side(self._cluster.observer.refresh, [(each,) for each in self._others()])
        self._cluster.repository.update_cluster(self._cluster.name, phase=Phase.NONE)
        self._cluster.route(None)
        took = f" in {self._switch.duration_ms:.0f} ms" if self._switch.duration_ms else ""
        if self._record is not None:
            timeline, _ = lineage(self._cluster, self._instance(self.target))
            gap_ms = round(self._switch.duration_ms, 1) or None
            self._cluster.repository.update_operation_arguments(
                self._record, {"Timeline": timeline, "GapMilliseconds": gap_ms}
            )
        message = f"Completed failover to DB instance: {self.target}{took}"
        events.record(self._cluster, events.FAILOVER_COMPLETED, self._cluster.name, message)


runner.PLANNERS[OperationKind.FAILOVER] = plan
