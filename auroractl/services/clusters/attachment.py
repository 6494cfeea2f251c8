"""Attachment of data: the last instance leaves its data with the volume, and the next first instance takes it over.

CLUSTER/
  instances/ID/data     the data directory of an instance
  storage/base          the same folder while the cluster has no instance
  storage/base.json     its position, so that another copy in its place is refused

The data is renamed and never copied, so there is one of the two at any time, and no step removes either. Storage nodes
and their WAL are not moved: the next writer continues where the last one ended.
"""

from __future__ import annotations

import logging

from auroractl.core.errors import AuroraError, EngineError, MachineError, TimedOut
from auroractl.core.model import Instance, Phase, Wanted
from auroractl.engine import sql
from auroractl.runtime import events
from auroractl.runtime.endpoint_process import RoutingOverride
from auroractl.runtime.managed_cluster import ManagedCluster
from auroractl.services.clusters import kept_data, power_cut
from auroractl.services.instances import replication
from auroractl.services.instances.draining import wait_idle
from auroractl.services.operations.runner import Plan, Step
from auroractl.services.volume import storage_nodes
from auroractl.system.files import exists, flush_folder, has_name

log = logging.getLogger(__name__)

_RECOVERY_TIMEOUT_S = 3600.0
"""For a first writer whose data is that of a killed server: an end of its start would begin the recovery again."""


def require_one_filesystem(cluster: ManagedCluster, data: Instance | None = None) -> None:
    """Make sure that data can be renamed between an instance and the volume.

    `data` is the instance whose data would be kept; without one, the volume's data would be taken over. Raises
    MachineError if the folders are on different filesystems.
    """
    paths = cluster.paths
    source = cluster.installation.server(data).data if data else paths.base
    devices = {folder.stat().st_dev for folder in (paths.instances, paths.storage)}
    if exists(source):
        devices.add(source.lstat().st_dev)
    if len(devices) > 1:
        raise MachineError(
            f"{paths.instances} and {paths.storage} are on different filesystems, so the data of the last instance "
            "cannot move between them.",
            "Put both on one filesystem",
        )


def has_base(cluster: ManagedCluster) -> bool:
    """Return whether the volume holds a data directory."""
    return exists(cluster.paths.base / "PG_VERSION")


def require_base(cluster: ManagedCluster) -> None:
    """Raise EngineError unless the volume holds the data that the last instance left, with which the first can begin."""
    if not has_base(cluster):
        base = cluster.paths.base
        raise EngineError(
            f"The volume of DBCluster {cluster.name} has no data directory: {base}",
            f"Put it back, or remove the cluster: auroractl delete-cluster {cluster.name}",
        )
    kept_data.require_position(cluster)


def require_no_base(cluster: ManagedCluster) -> None:
    """Raise EngineError if the volume holds a data directory although the cluster has instances."""
    base = cluster.paths.base
    if exists(base):
        raise EngineError(f"The volume of DBCluster {cluster.name} holds data already: {base}", "Move it away")


def require_no_data(cluster: ManagedCluster, instance: Instance) -> None:
    """Raise EngineError if there is data where an instance is to take over the volume's: it would be started instead."""
    data = cluster.installation.server(instance).data
    if has_name(data):
        raise EngineError(
            f"There is data of an earlier DBInstance {instance.identifier}: {data}",
            "Move it away, or choose another name",
        )


def keep_data(cluster: ManagedCluster, instance: Instance) -> None:
    """Rename the data of a stopped instance to the volume's base. May be repeated.

    Raises EngineError, and changes nothing, if neither or both exist.
    """
    data, base = cluster.installation.server(instance).data, cluster.paths.base
    if exists(data) and exists(base):
        raise EngineError(f"There is data of an instance and of the volume: {data} and {base}", "Move one of them away")
    if exists(data):
        data.rename(base)
        flush_folder(base.parent)
        flush_folder(data.parent)
    elif not exists(base):
        raise EngineError(f"The data directory of {instance.identifier} is gone: {data}", "")


def take_over(cluster: ManagedCluster, instance: Instance) -> None:
    """Rename the volume's base to the data of an instance. May be repeated. Raises EngineError as `keep_data`."""
    data, base = cluster.installation.server(instance).data, cluster.paths.base
    cluster.installation.make_instance_folder(instance)
    if exists(data) and exists(base):
        raise EngineError(f"There is data of an instance and of the volume: {data} and {base}", "Move one of them away")
    if not exists(data):
        require_base(cluster)
        base.rename(data)
        flush_folder(data.parent)
        flush_folder(base.parent)
    kept_data.forget_position(cluster)


def stop_and_keep(cluster: ManagedCluster, instance: Instance) -> None:
    """Stop the only instance and its storage nodes, and keep its data with the volume. May be repeated.

    A server that does not stop in time is killed: what it had flushed is in its data, and the next start recovers it.
    """
    storage_nodes.kill_unresponsive(cluster)
    server = cluster.installation.server(instance)
    _checkpoint(cluster, instance)
    try:
        server.stop(cluster.settings.stop_timeout_s)
    except TimedOut as error:
        log.warning("%s is killed: %s", instance.identifier, error)
    server.kill()
    storage_nodes.fence_nodes(cluster)
    power_cut.flush_all(cluster)
    if exists(server.data) and not exists(cluster.paths.base):
        kept_data.record_position(cluster, server.data)
    keep_data(cluster, instance)


def _checkpoint(cluster: ManagedCluster, instance: Instance) -> None:
    """Write a checkpoint if the server answers, so that it need not be killed during its shutdown checkpoint."""
    server = cluster.installation.server(instance)
    server.resume_suspended()
    if not server.is_ready():
        return
    try:
        sql.write_checkpoint(cluster.installation.access(instance))
    except AuroraError as error:
        log.warning("%s is stopped without a checkpoint before: %s", instance.identifier, error)


def forget_instance(cluster: ManagedCluster, instance: Instance) -> None:
    """Remove the rest of an instance whose data is kept. May be repeated. Raises EngineError if it has data."""
    server = cluster.installation.server(instance)
    if exists(server.data):
        raise EngineError(f"{instance.identifier} still has data: {server.data}", "")
    replication.remove_stopped(cluster, instance)


def end_writing(cluster: ManagedCluster) -> None:
    """End what belongs to the writer of a cluster that has no instance any more. May be repeated."""
    # A node that the watch loop was just starting would keep trying to connect to a server that is gone.
    storage_nodes.fence_nodes(cluster)
    cluster.observer.forget_writer(cluster.name)
    # Otherwise each round of the watch loop would try to repair them in a server that is gone.
    cluster.observer.forget_internals(cluster.name)


class OnlyInstance:
    """The steps in which the only instance of a cluster comes or goes."""

    def __init__(self, cluster: ManagedCluster, name: str) -> None:
        self._cluster = cluster
        self._name = name

    def coming(self) -> Plan:
        """Return the steps in which a first instance takes the volume's data over and becomes the writer."""
        last = "Open the endpoints"
        steps = [
            Step(f"Give the volume's data to {self._name}", self._take, undo=self._put_back),
            Step("Start the writer", self._start),
            Step("Start the storage nodes and commit", self._commit),
            Step(last, self._open),
        ]
        return Plan(steps, point_of_no_return=last)

    def going(self) -> Plan:
        """Return the steps in which the last instance leaves its data with the volume."""
        steps = [
            Step(f"Take {self._name} from the endpoints", self._drain),
            Step("Let running statements end", lambda: wait_idle(self._cluster, self._rows())),
            Step("Stop the writer and keep its data with the volume", self._keep),
            Step(f"Remove {self._name}", self._remove),
        ]
        return Plan(steps, point_of_no_return=steps[0].name)

    def _rows(self) -> list[Instance]:
        """Return the instance; none if a resumed operation has removed it already."""
        rows = self._cluster.instances()
        return [each for each in rows if each.identifier == self._name]

    def _require_alone(self) -> None:
        """Refuse to end the writing of a cluster that has got other instances, whatever the journal says."""
        others = [each.identifier for each in self._cluster.instances() if each.identifier != self._name]
        if others:
            raise EngineError(
                f"{self._name} is not the only instance of DBCluster {self._cluster.name}: there is {', '.join(others)}.",
                "",
            )

    def _withhold(self) -> None:
        self._cluster.route(RoutingOverride(without=[self._name]))

    def _take(self) -> None:
        self._withhold()
        for instance in self._rows():
            take_over(self._cluster, instance)

    def _start(self) -> None:
        self._withhold()
        self._cluster.memory.failed.pop(self._name, None)
        for instance in self._rows():
            replication.start_writer(self._cluster, instance, _RECOVERY_TIMEOUT_S)
            self._cluster.observer.refresh(instance)

    def _commit(self) -> None:
        storage_nodes.start_nodes(self._cluster)
        storage_nodes.wait_write_quorum(self._cluster, self._cluster.settings.start_timeout_s)
        with storage_nodes.committing_session(self._cluster) as connection:
            connection.execute("SELECT pg_catalog.pg_current_xact_id()")

    def _open(self) -> None:
        for instance in self._rows():
            self._cluster.observer.refresh(instance)
        self._cluster.repository.update_instance(self._name, phase=Phase.NONE, wanted=Wanted.RUNNING)
        self._cluster.route(None)
        events.record(self._cluster, events.INSTANCE_CREATED, self._name, "DB instance created")

    def _put_back(self) -> None:
        """Remove only the instance, because its data may have a commit."""
        self._require_alone()
        self._withhold()
        for instance in self._rows():
            stop_and_keep(self._cluster, instance)
            forget_instance(self._cluster, instance)
        end_writing(self._cluster)
        self._cluster.route(None)

    def _drain(self) -> None:
        self._cluster.repository.update_instance(self._name, phase=Phase.DELETING)
        self._cluster.route(RoutingOverride(draining=[self._name]))

    def _keep(self) -> None:
        self._require_alone()
        self._withhold()
        for instance in self._rows():
            stop_and_keep(self._cluster, instance)

    def _remove(self) -> None:
        self._require_alone()
        for instance in self._rows():
            forget_instance(self._cluster, instance)
        end_writing(self._cluster)
        self._cluster.route(None)
        message = "DB instance deleted; its data stays with the volume"
        events.record(self._cluster, events.INSTANCE_DELETED, self._name, message)
