"""The steps in which readers are added and removed."""

from __future__ import annotations

from collections.abc import Sequence

from auroractl.core.errors import EngineError
from auroractl.core.model import Instance, Phase, Wanted
from auroractl.runtime import events
from auroractl.runtime.endpoint_process import RoutingOverride
from auroractl.runtime.managed_cluster import ManagedCluster
from auroractl.runtime.parallel import side_by_side
from auroractl.services.instances import replication
from auroractl.services.instances.draining import wait_idle
from auroractl.services.operations.runner import Plan, Step

_COPIES_AT_ONCE = 2
_FOLLOW_TIMEOUT_S = 60.0


def plan_add(readers: Readers) -> Plan:
    """Return the steps that add readers."""
    steps = [
        Step(f"Copy the data to {readers.words}", readers.copy, undo=readers.remove),
        Step("Start them", readers.start),
        Step("Wait until they follow the writer", readers.wait),
        Step("Mark them available", readers.available),
    ]
    return Plan(steps, point_of_no_return="Mark them available")


def plan_remove(readers: Readers) -> Plan:
    """Return the steps that remove readers."""
    steps = [
        Step(f"Take {readers.words} from the endpoints", readers.drain),
        Step("Let running statements end", readers.wait_idle),
        Step("Stop and remove", readers.remove),
        Step("Update the endpoints", readers.removed),
    ]
    return Plan(steps, point_of_no_return=steps[0].name)


class Readers:
    """The work on readers that come or go in one operation."""

    def __init__(self, cluster: ManagedCluster, names: Sequence[str]) -> None:
        self._cluster = cluster
        self._names = list(names)
        self.words = names[0] if len(names) == 1 else f"{len(names)} readers"

    def _rows(self) -> list[Instance]:
        """Return the readers that still have rows; a resumed operation may have removed some."""
        return [each for each in self._cluster.instances() if each.identifier in self._names]

    def copy(self) -> None:
        writer = self._cluster.writer()
        for reader in self._rows():
            self._cluster.installation.server(reader).abort()
        rows = self._rows()
        side_by_side(
            replication.copy_from_writer,
            [(self._cluster, reader, writer) for reader in rows],
            workers_max=_COPIES_AT_ONCE,
        )

    def start(self) -> None:
        writer = self._cluster.writer()
        side_by_side(replication.start_reader, [(self._cluster, reader, writer) for reader in self._rows()])

    def wait(self) -> None:
        writer = self._cluster.writer()
        for reader in self._rows():
            replication.wait_following(self._cluster, reader, writer, _FOLLOW_TIMEOUT_S)

    def available(self) -> None:
        rows = self._rows()
        side_by_side(self._cluster.observer.refresh, [(reader,) for reader in rows])
        for reader in rows:
            self._cluster.repository.update_instance(reader.identifier, phase=Phase.NONE)
        self._cluster.publish_routes()
        for reader in rows:
            events.record(self._cluster, events.INSTANCE_CREATED, reader.identifier, "DB instance created")

    def drain(self) -> None:
        for reader in self._rows():
            self._cluster.repository.update_instance(reader.identifier, phase=Phase.DELETING, wanted=Wanted.RUNNING)
        self._cluster.route(RoutingOverride(draining=self._names))

    def wait_idle(self) -> None:
        wait_idle(self._cluster, self._rows())

    def remove(self) -> None:
        rows = self._rows()
        if rows:
            self._require_other_copy(rows)
        self._cluster.route(RoutingOverride(without=self._names))
        side_by_side(self._remove_one, [(reader,) for reader in rows])
        self._cluster.route(None)

    def _require_other_copy(self, rows: Sequence[Instance]) -> None:
        """Refuse to remove a reader that may have the only copy of the data."""
        writer = self._cluster.writer()
        server = self._cluster.installation.server
        has_data = any(server(row).has_data() for row in rows)
        if writer.identifier in self._names or (has_data and not server(writer).has_data()):
            raise EngineError(
                f"The data of the writer {writer.identifier} may be the cluster's only copy, or is gone: nothing is removed.",
                f"Make sure of another copy first: auroractl failover {self._cluster.name}",
            )

    def _remove_one(self, reader: Instance) -> None:
        """Kill a reader and remove it; its data needs no clean shutdown."""
        self._cluster.installation.server(reader).abort()
        replication.remove_stopped(self._cluster, reader)

    def removed(self) -> None:
        self._cluster.publish_routes()
        for name in self._names:
            events.record(self._cluster, events.INSTANCE_DELETED, name, "DB instance deleted")
