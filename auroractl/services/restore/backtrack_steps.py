"""The steps of a backtrack, in which a recovered copy replaces the writer's data."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import datetime

from auroractl.core.address import Address
from auroractl.core.errors import AuroraError, EngineError
from auroractl.core.model import Instance, Phase
from auroractl.core.operation_kinds import OperationKind
from auroractl.core.operations import OperationRecord
from auroractl.core.restore.retention import BacktrackStatus
from auroractl.core.text.timestamps import exact_timestamp
from auroractl.core.wal.lsn import format_lsn
from auroractl.core.wal.segments import Lineage
from auroractl.engine import sql
from auroractl.engine.server_log import said
from auroractl.runtime import events
from auroractl.runtime.caller import caller
from auroractl.runtime.endpoint_process import RoutingOverride
from auroractl.runtime.managed_cluster import ManagedCluster
from auroractl.runtime.parallel import side_by_side
from auroractl.services.instances import replication
from auroractl.services.instances.lineage import lineage
from auroractl.services.instances.master_password import set_kept_password
from auroractl.services.operations import runner
from auroractl.services.operations.runner import Plan, Step
from auroractl.services.restore import recovered_copy, recovery_point
from auroractl.services.restore.recovery_point import RecoveryPoint
from auroractl.services.volume import abandoned_wal, storage_nodes
from auroractl.storage.images import DamagedImage
from auroractl.system.files import exists, flush_folder, remove_tree
from auroractl.system.liveness import kill_all, processes_below

log = logging.getLogger(__name__)

_PROMOTE_TIMEOUT_S = 60.0
_ATTEMPTS = 3
_BETWEEN_ATTEMPTS_S = 1.0


def plan(cluster: ManagedCluster, record: OperationRecord) -> Plan:
    """Build the steps of a journalled backtrack."""
    work = _Backtracking(cluster, record)
    put = f"Put the recovered data in the place of {work.writer.identifier}"
    steps = [
        Step("Stage the recovery image and WAL", work.stage, undo=work.give_up),
        Step(f"Recover to {work.target_time}", work.recover),
        Step("Close connections", work.close_connections, undo=work.open_connections),
        Step("Stop the writer and the readers", work.end_instances, undo=work.restart_instances),
        Step("Fence the storage nodes", work.fence_nodes, undo=work.restart_nodes),
        Step("Promote the recovered data", work.promote),
        Step(put, work.retried(work.put_in_place)),
        Step("Keep the abandoned WAL", work.retried(work.keep_log)),
        Step("Start the writer and the storage nodes", work.retried(work.start)),
        Step("Switch the endpoints", work.retried(work.switch_endpoints)),
        Step("Rejoin the readers", work.retried(work.rejoin_readers)),
        Step("Mark the cluster available", work.retried(work.finish)),
    ]
    return Plan(steps, point_of_no_return=put)


class _Backtracking:
    def __init__(self, cluster: ManagedCluster, record: OperationRecord) -> None:
        self._cluster = cluster
        self._record = record.identifier
        self._arguments = record.arguments
        self._identifier: str = record.arguments["Backtrack"]
        self._closed_s: float | None = None
        self._downtime_ms: float | None = None
        self.writer = cluster.writer()
        host = self.writer.address.host
        known = recovered_copy.address_of(cluster, self._identifier)
        address = known or Address(host, record.arguments["Port"])
        self._copy = recovered_copy.copy_named(cluster, self._identifier, address)
        self._server = cluster.installation.server(self.writer)
        self._replaced = self._server.data.with_name("data.replaced")
        self.target_time = exact_timestamp(datetime.fromisoformat(record.arguments["Place"]["At"]))

    def _place(self) -> RecoveryPoint:
        to = self._arguments["To"]
        requested_at = datetime.fromisoformat(to) if to else None
        return recovery_point.load_recovery_point(self._cluster, self._arguments["Place"], requested_at)

    def _readers(self) -> list[Instance]:
        return [each for each in self._cluster.instances() if not each.is_writer]

    def retried(self, do: Callable[[], None]) -> Callable[[], None]:
        """Retry a step after the point of no return, because the operation cannot be undone any more.

        If all attempts fail, the watch loop takes over, and starts or replaces what is missing.
        """

        def persist() -> None:
            for attempt in range(1, _ATTEMPTS + 1):
                try:
                    do()
                except (AuroraError, OSError) as error:
                    log.warning("%s: attempt %d of a step of the backtrack: %s", self._cluster.name, attempt, error)
                    if attempt == _ATTEMPTS:
                        self._hand_over(str(error))
                        raise
                    time.sleep(_BETWEEN_ATTEMPTS_S)
                else:
                    return

        return persist

    def _hand_over(self, reason: str) -> None:
        self._cluster.repository.update_cluster(self._cluster.name, phase=Phase.NONE)
        self._cluster.repository.update_backtrack(self._identifier, status=BacktrackStatus.FAILED, error=reason)
        self._cluster.route(None)
        message = (
            f"Backtrack to {self.target_time} failed after its point of no return; missing parts are repaired: {reason}"
        )
        events.record(self._cluster, events.BACKTRACK, self._cluster.name, message)

    def stage(self) -> None:
        """Stage image and WAL, unless the copy is prepared and has reached its recovery point already."""
        if self._copy.server.pid() is not None and self._copy.server.is_ready():
            return
        place = self._place()
        while True:
            try:
                recovered_copy.stage_durably(self._cluster, place, self._copy)
            except DamagedImage as error:
                caller().progress.message(str(error))
                other = recovery_point.from_another_image(self._cluster, place)
                if other is None:
                    raise
                place = other
                self._arguments["Place"] = place.to_json()
                self._cluster.repository.update_operation_arguments(self._record, {"Place": place.to_json()})
            else:
                return

    def give_up(self) -> None:
        """Remove the copy and reset the status. This is the last undo, because it is the first step's."""
        recovered_copy.remove(self._cluster, self._identifier)
        self._cluster.repository.update_backtrack(
            self._identifier, status=BacktrackStatus.FAILED, error="the recovery point was not reached"
        )
        self._cluster.repository.update_cluster(self._cluster.name, phase=Phase.NONE)
        message = f"Backtrack to {self.target_time} failed; the cluster is unchanged"
        events.record(self._cluster, events.BACKTRACK, self._cluster.name, message)

    def recover(self) -> None:
        if not (self._copy.server.pid() is not None and self._copy.server.is_ready()):
            recovered_copy.recover(self._cluster, self._place(), self._copy)
        # Dirty pages are written now, while clients still work, not during the copy's shutdown.
        sql.write_checkpoint(self._copy.server.access(self._password), timeout_s=600)

    @property
    def _password(self) -> str:
        return self._cluster.installation.secrets.admin

    def close_connections(self) -> None:
        """Close connections with a message that explains why, and hold new ones."""
        self._closed_s = time.monotonic()
        everyone = [each.identifier for each in self._cluster.instances()]
        farewell = f"terminating connection: the cluster is being backtracked to {self.target_time}"
        self._cluster.route(RoutingOverride(without=everyone, farewell=farewell))

    def open_connections(self) -> None:
        self._cluster.route(None)

    def end_instances(self) -> None:
        """Stop all servers immediately: acknowledged changes are in the storage nodes, others are not needed."""
        servers = [self._server, *(self._cluster.installation.server(each) for each in self._readers())]
        side_by_side(lambda server: server.abort(), [(server,) for server in servers])

    def restart_instances(self) -> None:
        replication.start_writer(self._cluster, self.writer)
        storage_nodes.start_nodes(self._cluster)
        side_by_side(self._restart, [(each,) for each in self._readers()])
        self._cluster.observer.refresh(self.writer)

    def _restart(self, reader: Instance) -> None:
        try:
            replication.start_reader(self._cluster, reader, self.writer)
        except AuroraError as error:
            log.warning("%s does not start again: %s", reader.identifier, error)

    def fence_nodes(self) -> None:
        storage_nodes.fence_nodes(self._cluster)

    def restart_nodes(self) -> None:
        replication.start_writer(self._cluster, self.writer)
        storage_nodes.start_nodes(self._cluster)

    def promote(self) -> None:
        """Promote the copy to a new timeline and stop it, so that it can take over the writer's address."""
        server = self._copy.server
        if not self._is_promoted():
            if server.pid() is None:
                recovered_copy.recover(self._cluster, self._place(), self._copy)
            # Promotion uses the next timeline without a history file. Others may have been used while the copy was pending.
            recovered_copy.stage_histories(self._cluster, self._copy)
            with sql.session(server.access(self._password)) as connection:
                sql.end_pause(connection, _PROMOTE_TIMEOUT_S)
        server.stop(self._cluster.settings.stop_timeout_s)
        if not self._is_promoted():
            state = server.control_data()["Database cluster state"]
            raise EngineError(
                f"The server of the recovered copy ended during its promotion (its state is: {state}){said(server.log)}",
                f"Its log is {server.log}",
            )

    def _is_promoted(self) -> bool:
        """Return whether the copy was promoted and then shut down cleanly."""
        server = self._copy.server
        return (
            server.pid() is None
            and server.has_data()
            and server.control_data()["Database cluster state"] == "shut down"
        )

    def put_in_place(self) -> None:
        """Replace the data by renames, each of which is either complete or not done after a crash."""
        source, target = self._copy.server.data, self._server.data
        if exists(source):
            kill_all(processes_below(target))
            if exists(target) and not exists(self._replaced):
                target.rename(self._replaced)
            source.rename(target)
        self._server.incomplete.unlink(missing_ok=True)
        for name in ("recovery.signal", "standby.signal"):
            (target / name).unlink(missing_ok=True)
        self._cluster.configure(self.writer, None)
        flush_folder(target.parent)

    def keep_log(self) -> None:
        """Set the abandoned timeline's WAL aside on the storage nodes, which continue with the new timeline."""
        timeline, forks = lineage(self._cluster, self.writer)
        eras = self._cluster.eras()
        left = eras[-1].timeline
        abandoned_wal.set_aside(self._cluster, Lineage(timeline, forks))
        if left == timeline:
            return
        end_lsn = abandoned_wal.finish_tail(self._cluster, left)
        now = self._cluster.now()
        self._cluster.repository.update_backtrack(
            self._identifier, backtracked_from=now, from_timeline=left, from_lsn=end_lsn, new_timeline=timeline
        )
        self._cluster.repository.begin_era(self._cluster.name, timeline, now, end_lsn, left_behind=True)

    def start(self) -> None:
        # The old writer's observations of its nodes are of the abandoned timeline.
        self._cluster.observer.forget_writer(self._cluster.name)
        self._cluster.memory.volume.flushed_lsn.clear()
        self._cluster.memory.failed.pop(self.writer.identifier, None)
        replication.start_writer(self._cluster, self.writer)
        storage_nodes.start_nodes(self._cluster)
        self._cluster.observer.refresh(self.writer)

    def switch_endpoints(self) -> None:
        """Switch to the recovered data, in which the master user may still have an earlier password."""
        set_kept_password(self._cluster)
        readers = [each.identifier for each in self._readers()]
        self._cluster.route(RoutingOverride(without=readers))
        if self._closed_s is not None:
            self._downtime_ms = round((time.monotonic() - self._closed_s) * 1000, 1)

    def rejoin_readers(self) -> None:
        """Rejoin the readers. A failure leaves a working cluster without that reader, which the watch loop retries."""
        remove_tree(self._replaced)
        recovered_copy.remove(self._cluster, self._identifier)
        faults = {fault.target for fault in self._cluster.faults()}
        readers = [each for each in self._readers() if each.availability_zone not in faults]
        side_by_side(self._rejoin, [(each,) for each in readers])

    def _rejoin(self, reader: Instance) -> None:
        try:
            replication.rejoin(self._cluster, reader, self.writer, diverged=True)
        except AuroraError as error:
            message = f"It cannot follow yet: {error}"
            events.record(self._cluster, events.REPAIR, reader.identifier, message)
        self._cluster.observer.refresh(reader)

    def finish(self) -> None:
        self._cluster.repository.update_cluster(self._cluster.name, phase=Phase.NONE)
        self._cluster.route(None)
        self._cluster.repository.update_backtrack(
            self._identifier, status=BacktrackStatus.COMPLETED, downtime_ms=self._downtime_ms, error=""
        )
        lsn = format_lsn(self._arguments["Place"]["Lsn"])
        took = f" in {self._downtime_ms:.0f} ms" if self._downtime_ms else ""
        message = f"Backtracked to {self.target_time} (LSN {lsn}){took}; undo it with: auroractl backtrack {self._cluster.name} --undo"
        events.record(self._cluster, events.BACKTRACK, self._cluster.name, message)


runner.PLANNERS[OperationKind.BACKTRACK] = plan
