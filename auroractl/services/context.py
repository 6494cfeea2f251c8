"""Everything a service works with, and the snapshot of a cluster that every decision starts from."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from threading import Lock

from auroractl.config.paths import Home
from auroractl.config.settings import Settings
from auroractl.core.errors import AuroraError, ClusterNotFound, InstanceNotFound, InvalidClusterState, UsageError
from auroractl.core.faults import FaultKind
from auroractl.core.model import Address, Cluster, ClusterSnapshot, Instance, Wanted
from auroractl.core.operations import OperationRecord
from auroractl.core.quorum import write_quorum
from auroractl.core.routing import RoutingTable, routing_table
from auroractl.core.sizes import format_size, parse_size_bytes
from auroractl.core.storage import VolumeSnapshot
from auroractl.engine.configuration import Impairment, VolumeSettings
from auroractl.services.concurrency import side_by_side
from auroractl.services.endpoint_process import EndpointProcess, RoutingOverride
from auroractl.services.image_keeper import ImageKeeper
from auroractl.services.installation import Installation
from auroractl.services.keeper import Keeper
from auroractl.services.live_document import LiveDocument
from auroractl.services.locks import ClusterLocks
from auroractl.services.observer import Observer
from auroractl.services.per_cluster import PerCluster
from auroractl.services.volume_memory import VolumeMemory, observe_nodes
from auroractl.state.repository import Repository

log = logging.getLogger(__name__)


def _refusal(snapshot: ClusterSnapshot) -> dict[str, str]:
    """What the endpoint tells clients whose writes the full volume refuses."""
    volume = snapshot.volume
    if volume is None or volume.full_since is None:
        return {}
    # Sizes change with every look; a table that changed with them would be sent each time.
    allocated = format_size(volume.allocated_bytes)
    name = snapshot.cluster.identifier
    return {
        "refusal": f"the storage volume of cluster {name} is full ({allocated} allocated)",
        "refusal_hint": f"Reads go on. Let it grow: auroractl storage-autogrow {name} --enable --max-capacity SIZE. "
        "Or make room: SET default_transaction_read_only = off, then DROP or TRUNCATE.",
    }


class Context:
    """One per supervisor; safe for use by several threads."""

    def __init__(self, home: Home, settings: Settings, repository: Repository, on_change: Callable[[], None]) -> None:
        self.home = home
        self.settings = settings
        self.repository = repository
        self.installation = Installation(home, settings)
        self.observer = Observer(self.installation, settings, on_change)
        self.on_prepared: Callable[[OperationRecord], None] = lambda _record: None
        """Called once nothing can refuse an operation any more; a copy of the context is made for one request."""
        self.locks = ClusterLocks()
        self.keepers = PerCluster(lambda cluster: Keeper(self, cluster))
        self.image_keepers = PerCluster(lambda cluster: ImageKeeper(self, cluster))
        self.images_lock = Lock()
        """One page image is made at a time, whatever the cluster."""
        self.failed: dict[str, str] = {}
        """Why something is no longer restarted, by `CLUSTER/NAME`."""
        self.started_at = self.now()
        self.broken_on_purpose: set[tuple[str, str]] = set()
        """Cluster and instance that a person has just injected a fault into: that does not count as keeping to end."""
        self.live: dict[str, LiveDocument] = {}
        """The last status document of every cluster that is being watched."""
        self.repairs_paused = False
        """Set while everything is being ended on purpose."""
        self._on_change = on_change
        self._routing_lock = Lock()
        self._configure_lock = Lock()
        self._volumes: dict[str, VolumeMemory] = {}
        self._overrides: dict[str, RoutingOverride] = {}
        self._published: dict[str, tuple[int | None, RoutingTable]] = {}

    def now(self) -> datetime:
        """The time, in UTC."""
        return datetime.now(UTC)

    def wake(self) -> None:
        """Have the watch loop look at once."""
        self._on_change()

    def take_stock(self) -> None:
        """Look at every instance once, so that the first answer already tells what runs."""
        instances = [
            instance
            for cluster in self.repository.clusters()
            if cluster.wanted is Wanted.RUNNING
            for instance in self.repository.instances(cluster.identifier)
        ]
        try:
            side_by_side(self.observer.refresh, [(instance,) for instance in instances])
        except AuroraError as error:
            log.warning("instances cannot be observed: %s", error)

    def cluster(self, identifier: str | None) -> Cluster:
        """The cluster of a name, or the only one where none is given.

        Raises ClusterNotFound, or UsageError where none is given and there is not exactly one.
        """
        known = self.repository.clusters()
        if identifier is None:
            if len(known) == 1:
                return known[0]
            if not known:
                raise UsageError("There is no cluster yet.", "Create one: auroractl create-cluster NAME")
            names = ", ".join(cluster.identifier for cluster in known)
            raise UsageError(f"There are several clusters: {names}.", "Name one, or set AURORACTL_CLUSTER")
        for cluster in known:
            if cluster.identifier == identifier.lower():
                return cluster
        raise ClusterNotFound(identifier, [cluster.identifier for cluster in known])

    def require_running(self, cluster: str) -> None:
        """Raise InvalidClusterState where a cluster is stopped (AWS: nothing may be changed then)."""
        if self.cluster(cluster).wanted is not Wanted.RUNNING:
            raise InvalidClusterState(
                f"DBCluster {cluster} is stopped.", f"Start it first: auroractl start-cluster {cluster}"
            )

    def instance(self, identifier: str) -> Instance:
        """The instance of a name. Raises InstanceNotFound."""
        found = self.repository.instance(identifier.lower())
        if found is None:
            raise InstanceNotFound(identifier, [instance.identifier for instance in self.repository.instances()])
        return found

    def writer(self, cluster: str) -> Instance:
        """The instance whose row says writer. Raises InstanceNotFound where there is none."""
        for instance in self.repository.instances(cluster):
            if instance.is_writer:
                return instance
        raise InstanceNotFound(f"of the writer of {cluster}", [])

    def writer_address(self, cluster: str) -> Address:
        """Where the writer listens."""
        return self.writer(cluster).address

    def endpoint_process(self, cluster: str) -> EndpointProcess:
        """The endpoint process of a cluster."""
        return EndpointProcess(self.home.cluster(cluster))

    def volume_memory(self, cluster: str) -> VolumeMemory:
        """What is remembered of a cluster's volume."""
        return self._volumes.setdefault(cluster, VolumeMemory())

    def configure(self, instance: Instance, follow: Address | None) -> None:
        """Write the configuration of an instance: a reader that follows `follow`, or the writer."""
        # Whoever writes last must have read last.
        with self._configure_lock:
            full = self.volume_memory(instance.cluster).full_since is not None
            self.installation.configure(
                instance, follow, self._volume_settings(instance.cluster, full=full), self._impairment(instance)
            )

    def _volume_settings(self, cluster: str, *, full: bool) -> VolumeSettings:
        nodes = self.repository.storage_nodes(cluster)
        quorum = write_quorum((node.identifier, node.membership) for node in nodes)
        row = self.repository.cluster(cluster)
        bound = parse_size_bytes(self.settings.backtrack_replay_max)
        return VolumeSettings(quorum, full, bound // 3 if row and row.backtrack_window_s else None)

    def _impairment(self, instance: Instance) -> Impairment:
        for fault in self.repository.faults(instance.cluster):
            if fault.target == instance.identifier:
                return Impairment(fault.delay_ms or 0, fault.kind is FaultKind.PARTITION_INSTANCE)
        return Impairment()

    def snapshot(self, cluster: Cluster) -> ClusterSnapshot:
        """Rows and observations of a cluster now."""
        instances = tuple(self.repository.instances(cluster.identifier))
        prefix = f"{cluster.identifier}/"
        return ClusterSnapshot(
            at=self.now(),
            cluster=cluster,
            instances=instances,
            endpoints=tuple(self.repository.endpoints(cluster.identifier)),
            observed=self.observer.observed(instances),
            endpoint_process=self.endpoint_process(cluster.identifier).observe(),
            operation=self.locks.current(cluster.identifier),
            failed={
                name.removeprefix(prefix): reason for name, reason in self.failed.items() if name.startswith(prefix)
            },
            used_bytes=self.observer.used_bytes(cluster.identifier),
            volume=self.volume_snapshot(cluster.identifier),
            backtrack=self.volume_memory(cluster.identifier).backtrack.reach(),
        )

    def volume_snapshot(self, cluster: str) -> VolumeSnapshot | None:
        """Rows and observations of a cluster's volume now; None where it has none."""
        rows = self.repository.volume_rows(cluster)
        if rows is None:
            return None
        memory = self.volume_memory(cluster)
        answer = self.observer.writer_answer(cluster)
        return VolumeSnapshot(
            volume=rows.volume,
            nodes=rows.nodes,
            observed=observe_nodes(self.installation, self.observer, memory, rows.nodes),
            groups=rows.groups,
            faults=rows.faults,
            quorum_lost_since=memory.quorum_lost_since,
            full_since=memory.full_since,
            waiting_commits=answer.waiting_commits if answer else 0,
            used_bytes=self.observer.used_bytes(cluster),
            node_timeout_s=self.settings.node_timeout_s,
        )

    def route(self, cluster: str, override: RoutingOverride | None = None) -> None:
        """Set what an operation wants routed differently (None: nothing) and bring it into force."""
        with self._routing_lock:
            if override is None:
                self._overrides.pop(cluster, None)
            else:
                self._overrides[cluster] = override
        self.publish_routes(cluster)

    def publish_routes(self, cluster: str) -> None:
        """Bring the endpoint process's routing table in line with what is seen; nothing is sent if it already is."""
        row = self.repository.cluster(cluster)
        if row is None:
            return
        with self._routing_lock:
            snapshot = self.snapshot(row)
            override = self._overrides.get(cluster, RoutingOverride())
            table = routing_table(
                snapshot,
                connections_max=self.settings.connections_max,
                hold_timeout_s=self.settings.hold_timeout_s,
                without=override.without,
                draining=override.draining,
                farewell=override.farewell,
                **_refusal(snapshot),
            )
            state = (snapshot.endpoint_process.pid, table)
            if snapshot.endpoint_process.responding and self._published.get(cluster) != state:
                self.endpoint_process(cluster).apply(table)
                self._published[cluster] = state

    def forget(self, cluster: str) -> None:
        """Drop what is remembered of a cluster that is being started afresh or was deleted."""
        with self._routing_lock:
            self._overrides.pop(cluster, None)
            self._published.pop(cluster, None)
        self._volumes.pop(cluster, None)
        self.live.pop(cluster, None)
        for name in [name for name in self.failed if name.startswith(f"{cluster}/")]:
            del self.failed[name]
