"""What lives as long as the supervisor process, and is shared by all clusters."""

from __future__ import annotations

import logging
from collections.abc import Callable, Set
from datetime import UTC, datetime
from threading import Lock
from typing import NoReturn

from auroractl.config.paths import Home
from auroractl.config.settings import Settings
from auroractl.core.errors import AuroraError, ClusterNotFound, InstanceNotFound, UsageError
from auroractl.core.model import Cluster, Instance, Wanted
from auroractl.core.parameters.model import Catalog
from auroractl.runtime.background import PerCluster, WalWorker, Worker
from auroractl.runtime.cluster_memory import ClusterMemory
from auroractl.runtime.installation import Engine, Installation
from auroractl.runtime.locks import ClusterLocks
from auroractl.runtime.observer import Observer
from auroractl.runtime.parallel import side_by_side
from auroractl.runtime.tickets import still_creating
from auroractl.state.repository import Repository

log = logging.getLogger(__name__)


def _not_assembled(cluster: str) -> NoReturn:
    raise AssertionError(f"no background worker has been set up for {cluster}")


class Runtime:
    """The parts of a supervisor process, one per home. Safe for use by several threads.

    A service that works on one cluster gets a ManagedCluster, which leads here. Only the repository survives a restart
    of the supervisor. What does not says so in its own class or here.
    """

    def __init__(self, home: Home, settings: Settings, repository: Repository, on_change: Callable[[], None]) -> None:
        self.home = home
        self.settings = settings
        self.repository = repository
        self.installation = Installation(home, settings, self._engine_of, self._used_builds)
        self.observer = Observer(self.installation, settings, on_change)
        self.locks = ClusterLocks()
        self.wal_keepers: PerCluster[WalWorker] = PerCluster(_not_assembled)
        self.image_keepers: PerCluster[Worker] = PerCluster(_not_assembled)
        self.images_lock = Lock()
        """Allows one recovery image to be made at a time, over all clusters. After a restart: free."""
        self.addresses_lock = Lock()
        """Held from the search for free addresses until the rows that take them are written. After a restart: free."""
        self.routing_lock = Lock()
        """Held while a routing table is computed and sent: the newest one must arrive last. After a restart: free."""
        self.configuration_lock = Lock()
        """Held while a configuration is written, whose last writer must have been the last reader of the settings.

        After a restart: free.
        """
        self.trial_lock = Lock()
        """Held while parameters are tried on a server of their own, whose folder there is once. After a restart: free."""
        self.catalogs: dict[str, Catalog] = {}
        """The parameters of engine versions. After a restart: asked of a server again."""
        self.started_at = self.now()
        self.repairs_paused = False
        """Set while everything is being stopped on purpose. After a restart: False."""
        self.dns_problem = ""
        """Why the DNS server does not listen; empty if it does or is off. After a restart: tried again."""
        self._on_change = on_change
        self._memories: dict[str, ClusterMemory] = {}
        """By cluster. After a restart: empty; each field says what takes its place."""

    def now(self) -> datetime:
        """Return the current time in UTC."""
        return datetime.now(UTC)

    def wake(self) -> None:
        """Make the watch loop run a round at once."""
        self._on_change()

    def take_stock(self) -> None:
        """Probe every instance once, so that the first answer already shows what is running."""
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
        """Return the row of the named cluster, or of the only one if no name is given.

        Raises ClusterNotFound, or UsageError if no name is given and there is not exactly one cluster.
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

    def instance(self, identifier: str) -> Instance:
        """Return the named instance of whatever cluster.

        Raises InstanceNotFound, or InvalidInstanceState for one that a request is still to create.
        """
        found = self.repository.instance(identifier.lower())
        if found is None and self.locks.coming(identifier.lower()) is not None:
            raise still_creating(identifier.lower())
        if found is None:
            raise InstanceNotFound(identifier, [instance.identifier for instance in self.repository.instances()])
        return found

    def _engine_of(self, cluster: str) -> Engine:
        """Return the engine of a cluster. One from before builds were pinned gets a build of its major version.

        Raises ClusterNotFound, and for such a cluster as `EngineBuilds.of_old_cluster` does.
        """
        row = self.repository.cluster(cluster)
        if row is None:
            raise ClusterNotFound(cluster, [each.identifier for each in self.repository.clusters()])
        if row.engine_build:
            return Engine(row.engine_build, row.locale)
        build = self.installation.builds.of_old_cluster(int(row.engine_version.partition(".")[0]))
        self.repository.update_cluster(cluster, engine_build=build.identifier)
        log.info("%s uses the build %s of PostgreSQL from now on", cluster, build.identifier)
        return Engine(build.identifier, row.locale)

    def _used_builds(self) -> Set[str]:
        return {cluster.engine_build for cluster in self.repository.clusters()}

    def memory(self, cluster: str) -> ClusterMemory:
        """Return the in-memory state of a cluster."""
        return self._memories.get(cluster) or self._memories.setdefault(cluster, ClusterMemory())

    def memories(self) -> list[ClusterMemory]:
        """Return the in-memory state of all clusters that have some."""
        return list(self._memories.values())

    def remembers(self, cluster: str) -> bool:
        """Return whether there is in-memory state of a cluster."""
        return cluster in self._memories

    def forget(self, cluster: str) -> None:
        """Drop the in-memory state of a cluster that is being restarted or was deleted."""
        with self.routing_lock:
            self._memories.pop(cluster, None)
