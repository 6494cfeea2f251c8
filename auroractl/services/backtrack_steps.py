"""The steps of a backtrack: a copy at the moment takes the writer's place."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import datetime

from auroractl.core.backtrack import BacktrackStatus
from auroractl.core.errors import AuroraError, EngineError
from auroractl.core.lsn import format_lsn
from auroractl.core.model import Address, Instance, Phase
from auroractl.core.operations import OperationKind, OperationRecord
from auroractl.core.timestamps import exact_timestamp
from auroractl.core.wal import Lineage
from auroractl.engine import sql
from auroractl.process.files import flush_folder, remove_tree
from auroractl.process.liveness import kill_all, processes_below
from auroractl.services import events, following, moments, operations, past_log, places, storage_nodes
from auroractl.services.concurrency import side_by_side
from auroractl.services.context import Context
from auroractl.services.endpoint_process import RoutingOverride
from auroractl.services.operations import Plan, Progress, Step
from auroractl.services.places import Place
from auroractl.storage.images import DamagedImage

log = logging.getLogger(__name__)

_PROMOTE_TIMEOUT_S = 60.0
_ATTEMPTS = 3
_BETWEEN_ATTEMPTS_S = 1.0


def plan(context: Context, record: OperationRecord, progress: Progress | None = None) -> Plan:
    """The steps of a backtrack that the journal has; `progress` is told how its copy gets on."""
    work = _Backtracking(context, record, progress or operations.Silent())
    put = f"Put the recovered data in the place of {work.writer.identifier}"
    steps = [
        Step("Lay a page image and the log ready", work.lay_out, undo=work.give_up),
        Step(f"Recover to {work.told}", work.recover),
        Step("Close connections", work.close_connections, undo=work.open_connections),
        Step("End the writer and the readers", work.end_instances, undo=work.restart_instances),
        Step("Take the storage nodes from the writer", work.take_nodes, undo=work.give_nodes_back),
        Step("Promote the recovered data", work.promote),
        Step(put, work.surely(work.put_in_place)),
        Step("Keep the log of what is undone", work.surely(work.keep_log)),
        Step("Start the writer and the storage nodes", work.surely(work.start)),
        Step("Switch the endpoints", work.surely(work.switch_endpoints)),
        Step("Bring the readers back", work.surely(work.bring_readers_back)),
        Step("Mark the cluster available", work.surely(work.finish)),
    ]
    return Plan(steps, point_of_no_return=put)


class _Backtracking:
    def __init__(self, context: Context, record: OperationRecord, progress: Progress) -> None:
        self._context = context
        self._cluster = record.cluster
        self._record = record.identifier
        self._arguments = record.arguments
        self._progress = progress
        self._identifier: str = record.arguments["Backtrack"]
        self._closed_s: float | None = None
        self._downtime_ms: float | None = None
        self.writer = context.writer(record.cluster)
        host = self.writer.address.host
        known = moments.address_of(context, record.cluster, self._identifier)
        address = known or Address(host, record.arguments["Port"])
        self._copy = moments.moment(context, record.cluster, self._identifier, address)
        self._server = context.installation.server(self.writer)
        self._replaced = self._server.data.with_name("data.replaced")
        self.told = exact_timestamp(datetime.fromisoformat(record.arguments["Place"]["At"]))

    def _place(self) -> Place:
        to = self._arguments["To"]
        requested_at = datetime.fromisoformat(to) if to else None
        return places.restore_place(self._context, self._cluster, self._arguments["Place"], requested_at)

    def _readers(self) -> list[Instance]:
        return [each for each in self._context.repository.instances(self._cluster) if not each.is_writer]

    def surely(self, do: Callable[[], None]) -> Callable[[], None]:
        """A step after the point of no return: there is no way but forward, so it is tried again.

        Where that does not help, the watch loop gets the cluster as it stands: it starts or replaces what is missing.
        """

        def persist() -> None:
            for attempt in range(1, _ATTEMPTS + 1):
                try:
                    do()
                except (AuroraError, OSError) as error:
                    log.warning("%s: attempt %d of a step of the backtrack: %s", self._cluster, attempt, error)
                    if attempt == _ATTEMPTS:
                        self._hand_over(str(error))
                        raise
                    time.sleep(_BETWEEN_ATTEMPTS_S)
                else:
                    return

        return persist

    def _hand_over(self, reason: str) -> None:
        self._context.repository.update_cluster(self._cluster, phase=Phase.NONE)
        self._context.repository.update_backtrack(self._identifier, status=BacktrackStatus.FAILED, error=reason)
        self._context.volume_memory(self._cluster).backtrack.pins.pop(self._identifier, None)
        self._context.route(self._cluster, None)
        message = f"Backtrack to {self.told} could not be finished; what is missing is repaired: {reason}"
        events.record(self._context, self._cluster, events.BACKTRACK, self._cluster, message)

    def lay_out(self) -> None:
        """A copy that has been looked at and accepted is there already, and stands at its place."""
        if self._copy.server.pid() is not None and self._copy.server.is_ready():
            return
        place = self._place()
        while True:
            try:
                moments.lay_out_durably(self._context, self._cluster, place, self._copy, self._progress.message)
            except DamagedImage as error:
                self._progress.message(str(error))
                other = places.from_another_image(self._context, self._cluster, place)
                if other is None:
                    raise
                place = other
                self._arguments["Place"] = place.to_json()
                self._context.repository.update_operation_arguments(self._record, {"Place": place.to_json()})
            else:
                return

    def give_up(self) -> None:
        """The first step's undo, and so the last: no copy, nothing under way."""
        moments.remove(self._context, self._cluster, self._identifier)
        self._context.volume_memory(self._cluster).backtrack.pins.pop(self._identifier, None)
        self._context.repository.update_backtrack(
            self._identifier, status=BacktrackStatus.FAILED, error="the moment was not reached"
        )
        self._context.repository.update_cluster(self._cluster, phase=Phase.NONE)
        message = f"Backtrack to {self.told} failed; the cluster is as it was"
        events.record(self._context, self._cluster, events.BACKTRACK, self._cluster, message)

    def recover(self) -> None:
        if not (self._copy.server.pid() is not None and self._copy.server.is_ready()):
            moments.recover(self._context, self._cluster, self._place(), self._copy, self._progress.message)
        # What is dirty is written now, while clients still work, and not when the copy is shut down.
        with sql.session(self._copy.server.address, self._password, statement_timeout_s=600) as connection:
            connection.execute("CHECKPOINT")

    @property
    def _password(self) -> str:
        return self._context.installation.secrets.admin

    def close_connections(self) -> None:
        """Clients are told why; new connections are held."""
        self._closed_s = time.monotonic()
        everyone = [each.identifier for each in self._context.repository.instances(self._cluster)]
        farewell = f"terminating connection: the cluster is being backtracked to {self.told}"
        self._context.route(self._cluster, RoutingOverride(without=everyone, farewell=farewell))

    def open_connections(self) -> None:
        self._context.route(self._cluster, None)

    def end_instances(self) -> None:
        """At once: what was acknowledged is in the storage nodes, and what was not is not wanted."""
        servers = [self._server, *(self._context.installation.server(each) for each in self._readers())]
        side_by_side(lambda server: server.abort(), [(server,) for server in servers])

    def restart_instances(self) -> None:
        following.start_writer(self._context, self.writer)
        storage_nodes.start_nodes(self._context, self._cluster)
        side_by_side(self._restart, [(each,) for each in self._readers()])
        self._context.observer.refresh(self.writer)

    def _restart(self, reader: Instance) -> None:
        try:
            following.start_reader(self._context, reader, self.writer)
        except AuroraError as error:
            log.warning("%s does not start again: %s", reader.identifier, error)

    def take_nodes(self) -> None:
        storage_nodes.take_away(self._context, self._cluster)

    def give_nodes_back(self) -> None:
        following.start_writer(self._context, self.writer)
        storage_nodes.start_nodes(self._context, self._cluster)

    def promote(self) -> None:
        """Onto a timeline of its own, and stopped again, so that it can take the writer's place and address."""
        server = self._copy.server
        if not self._is_promoted():
            if server.pid() is None:
                moments.recover(self._context, self._cluster, self._place(), self._copy, self._progress.message)
            # It takes the next number that no history file has; others may have been taken while the copy waited.
            moments.lay_histories(self._context, self._cluster, self._copy)
            with sql.session(server.address, self._password) as connection:
                sql.end_pause(connection, _PROMOTE_TIMEOUT_S)
        server.stop(self._context.settings.stop_timeout_s)
        if not self._is_promoted():
            state = server.control_data()["Database cluster state"]
            raise EngineError(
                f"The server of the recovered data ended while it was promoted (its state is: {state}).",
                f"Its log is {server.log}",
            )

    def _is_promoted(self) -> bool:
        """Stopped cleanly, as a writer."""
        server = self._copy.server
        return (
            server.pid() is None
            and server.has_data()
            and server.control_data()["Database cluster state"] == "shut down"
        )

    def put_in_place(self) -> None:
        """Renames, each of which is found done or not done after a crash."""
        source, target = self._copy.server.data, self._server.data
        if source.exists():
            kill_all(processes_below(target))
            if target.exists() and not self._replaced.exists():
                target.rename(self._replaced)
            source.rename(target)
        self._server.incomplete.unlink(missing_ok=True)
        for name in ("recovery.signal", "standby.signal"):
            (target / name).unlink(missing_ok=True)
        self._context.configure(self.writer, None)
        flush_folder(target.parent)

    def keep_log(self) -> None:
        """The storage nodes go on with the new history; what they hold of the old one is set aside."""
        timeline, forks = storage_nodes.lineage(self._context, self.writer)
        eras = self._context.repository.eras(self._cluster)
        left = eras[-1].timeline
        past_log.set_aside(self._context, self._cluster, Lineage(timeline, forks))
        if left == timeline:
            return
        end_lsn = past_log.finish_tail(self._context, self._cluster, left)
        now = self._context.now()
        self._context.repository.update_backtrack(
            self._identifier, backtracked_from=now, from_timeline=left, from_lsn=end_lsn, new_timeline=timeline
        )
        self._context.repository.begin_era(self._cluster, timeline, now, end_lsn, left_behind=True)

    def start(self) -> None:
        # What the ended writer said of its nodes is of the history that was left.
        self._context.observer.forget_writer(self._cluster)
        self._context.volume_memory(self._cluster).flushed_lsn.clear()
        self._context.failed.pop(f"{self._cluster}/{self.writer.identifier}", None)
        following.start_writer(self._context, self.writer)
        storage_nodes.start_nodes(self._context, self._cluster)
        self._context.observer.refresh(self.writer)

    def switch_endpoints(self) -> None:
        readers = [each.identifier for each in self._readers()]
        self._context.route(self._cluster, RoutingOverride(without=readers))
        if self._closed_s is not None:
            self._downtime_ms = round((time.monotonic() - self._closed_s) * 1000, 1)

    def bring_readers_back(self) -> None:
        """A failure here leaves a working cluster with an instance less; the watch loop goes on trying."""
        remove_tree(self._replaced)
        moments.remove(self._context, self._cluster, self._identifier)
        faults = {fault.target for fault in self._context.repository.faults(self._cluster)}
        readers = [each for each in self._readers() if each.availability_zone not in faults]
        side_by_side(self._rejoin, [(each,) for each in readers])

    def _rejoin(self, reader: Instance) -> None:
        try:
            following.rejoin(self._context, reader, self.writer, diverged=True)
        except AuroraError as error:
            message = f"It cannot follow yet: {error}"
            events.record(self._context, self._cluster, events.REPAIR, reader.identifier, message)
        self._context.observer.refresh(reader)

    def finish(self) -> None:
        self._context.repository.update_cluster(self._cluster, phase=Phase.NONE)
        self._context.route(self._cluster, None)
        self._context.volume_memory(self._cluster).backtrack.pins.pop(self._identifier, None)
        self._context.repository.update_backtrack(
            self._identifier, status=BacktrackStatus.COMPLETED, downtime_ms=self._downtime_ms, error=""
        )
        lsn = format_lsn(self._arguments["Place"]["Lsn"])
        took = f" in {self._downtime_ms:.0f} ms" if self._downtime_ms else ""
        message = (
            f"Backtracked to {self.told} (LSN {lsn}){took}; undo it with: auroractl backtrack {self._cluster} --undo"
        )
        events.record(self._context, self._cluster, events.BACKTRACK, self._cluster, message)


operations.PLANNERS[OperationKind.BACKTRACK] = plan
