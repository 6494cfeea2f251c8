"""One cluster in the hands of the supervisor: what services that work on it are given."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from auroractl.config.paths import ClusterPaths
from auroractl.config.settings import Settings
from auroractl.core import dns_names
from auroractl.core.errors import InvalidClusterState
from auroractl.core.iam import IamRules
from auroractl.core.model import Cluster, ClusterSnapshot, Endpoint, Instance, Phase, Wanted
from auroractl.core.parameters import standby
from auroractl.core.parameters.model import GroupKind
from auroractl.core.parameters.values import is_on
from auroractl.core.restore.retention import Era
from auroractl.core.routing import routing_table
from auroractl.core.routing_table import RoutingTable
from auroractl.core.synchronous_commit.setting import CommitSettings
from auroractl.core.text.sizes import parse_size_bytes
from auroractl.core.volume.faults import Fault, FaultKind
from auroractl.core.volume.model import StorageNode, VolumeSnapshot
from auroractl.core.volume.quorum import Quorum, write_quorum
from auroractl.endpoints.client import AddressInUse
from auroractl.engine import aurora_topology
from auroractl.engine.binaries import Binaries
from auroractl.engine.configuration import Impairment, VolumeSettings
from auroractl.engine.iam_users import IamAccess
from auroractl.engine.server import Server
from auroractl.runtime import certificates, flushing, iam
from auroractl.runtime.admitted_senders import quorum_values
from auroractl.runtime.cluster_memory import ClusterMemory
from auroractl.runtime.endpoint_process import EndpointProcess, RoutingOverride
from auroractl.runtime.installation import Installation
from auroractl.runtime.locks import ClusterLocks
from auroractl.runtime.observer import Observer
from auroractl.runtime.parameters import chosen_settings, clients_max, prepared_transactions_fit, values_of_running
from auroractl.runtime.runtime import Runtime
from auroractl.runtime.topology import topology
from auroractl.runtime.volume_memory import observe_nodes
from auroractl.state.repository import Repository


def find_cluster(runtime: Runtime, identifier: str | None) -> ManagedCluster:
    """Return the named cluster, or the only one if no name is given. Raises as `Runtime.cluster`."""
    return ManagedCluster(runtime, runtime.cluster(identifier).identifier)


@dataclass(frozen=True, slots=True)
class ManagedCluster:
    """A cluster by its name, which may not exist yet or any more.

    It holds no state: rows are read each time, and what is only in memory belongs to the runtime (`memory`). So it can
    be made anywhere and passed to other threads.
    """

    runtime: Runtime
    name: str

    # What it is made of

    @property
    def repository(self) -> Repository:
        """Return the state of all clusters."""
        return self.runtime.repository

    @property
    def installation(self) -> Installation:
        """Return the programs and folders."""
        return self.runtime.installation

    @property
    def binaries(self) -> Binaries:
        """Return the PostgreSQL programs of the cluster. Raises MachineError if they are gone."""
        return self.installation.binaries(self.name)

    @property
    def observer(self) -> Observer:
        """Return the observations of all instances."""
        return self.runtime.observer

    @property
    def settings(self) -> Settings:
        """Return the settings of the home."""
        return self.runtime.settings

    @property
    def locks(self) -> ClusterLocks:
        """Return the locks of all clusters."""
        return self.runtime.locks

    @property
    def paths(self) -> ClusterPaths:
        """Return the cluster's folders."""
        return self.runtime.home.cluster(self.name)

    @property
    def memory(self) -> ClusterMemory:
        """Return the cluster's in-memory state."""
        return self.runtime.memory(self.name)

    def forget(self) -> None:
        """Drop its in-memory state, because it is being restarted or was deleted."""
        self.runtime.forget(self.name)

    def now(self) -> datetime:
        """Return the current time in UTC."""
        return self.runtime.now()

    def wake(self) -> None:
        """Make the watch loop run a round at once."""
        self.runtime.wake()

    # Its rows

    def row(self) -> Cluster:
        """Return the cluster's row. Raises ClusterNotFound."""
        return self.runtime.cluster(self.name)

    def dns_domain(self, row: Cluster) -> str:
        """Return the domain of its DNS names."""
        return dns_names.domain(str(self.runtime.home.root), row.region, self.settings.dns_suffix)

    def instances(self) -> list[Instance]:
        """Return its instances, in order of creation."""
        return self.repository.instances(self.name)

    def endpoints(self) -> list[Endpoint]:
        """Return its endpoints."""
        return self.repository.endpoints(self.name)

    def storage_nodes(self) -> list[StorageNode]:
        """Return the storage nodes of its volume."""
        return self.repository.storage_nodes(self.name)

    def faults(self) -> list[Fault]:
        """Return the injected faults that are in force."""
        return self.repository.faults(self.name)

    def eras(self) -> list[Era]:
        """Return the eras of its timelines, oldest first."""
        return self.repository.eras(self.name)

    def instance(self, identifier: str) -> Instance:
        """Return the named instance. Raises as `Runtime.instance`."""
        return self.runtime.instance(identifier)

    def writer(self) -> Instance:
        """Return the instance with the writer role. Raises InvalidClusterState for a cluster without instances."""
        for instance in self.instances():
            if instance.is_writer:
                return instance
        raise InvalidClusterState(
            f"DBCluster {self.name} has no instance.", f"Create one: auroractl create-instance {self.name}"
        )

    def require_running(self) -> None:
        """Raise InvalidClusterState if the cluster is stopped (AWS: no changes are allowed then) or incomplete."""
        self.require_whole()
        if self.row().wanted is not Wanted.RUNNING:
            raise InvalidClusterState(
                f"DBCluster {self.name} is stopped.", f"Start it first: auroractl start-cluster {self.name}"
            )

    def require_whole(self) -> None:
        """Raise InvalidClusterState for a cluster whose creation or deletion failed and was not undone."""
        row = self.row()
        if row.phase in {Phase.CREATING, Phase.DELETING} and self.locks.current(self.name) is None:
            raise InvalidClusterState(
                f"DBCluster {self.name} was only partly {'created' if row.phase is Phase.CREATING else 'deleted'}.",
                f"Remove what is left: auroractl delete-cluster {self.name}",
            )

    # Its servers

    def configure(self, instance: Instance, follow: Instance | None, *, only_as_writer: bool = False) -> None:
        """Write the configuration of an instance: a reader that follows `follow`, or the writer.

        With `only_as_writer`, do nothing if it has lost that role meanwhile: it would be made a second writer.
        """
        with self.runtime.configuration_lock:
            if only_as_writer and self.writer().identifier != instance.identifier:
                return
            full = self.memory.volume.full_since is not None
            flushes = flushing.record_start(self.repository, self.name, copy=follow is not None)
            values = self.parameters(instance, self._volume_settings(full=full, flushes=flushes), follow)
            values.update(self._standby_values(instance, values, follow=follow is not None))
            values.update(quorum_values(self.installation.server(instance), values, self.write_quorum()))
            self.installation.configure(instance, values, self.iam_access(), standby=follow is not None)
        self.write_topology(instance, follow or instance)

    def iam_access(self) -> IamAccess | None:
        """Return what servers need for IAM authentication; None if the cluster has none."""
        row, users = self.repository.cluster(self.name), self.memory.iam.users
        if row is None or not row.iam_authentication:
            return None
        return iam.access(row, self.endpoints(), self.instances(), self.installation, users)

    def write_topology(self, instance: Instance, writer: Instance) -> None:
        """Write what Aurora's functions show on an instance that has data. Raises MachineError."""
        if self.settings.aurora_sql:
            instances, volume = self.instances(), self.repository.volume_rows(self.name)
            observed = self.observer.observed(instances)
            shown = topology(writer.identifier, instances, observed, volume, self.memory.aurora)
            aurora_topology.write_topology(self.paths.instance(instance.identifier).data, shown)

    def parameters(
        self, instance: Instance, volume: VolumeSettings, follow: Instance | None = None
    ) -> dict[str, str | int]:
        """Return the parameters that an instance's server is to have."""
        chosen = self.chosen_parameters(instance)
        return self.installation.parameters(instance, follow, volume, self._impairment(instance), chosen)

    def chosen_parameters(self, instance: Instance | None = None) -> dict[str, str]:
        """Return the settings of the cluster's parameter group, and those of an instance's over them."""
        row = self.repository.cluster(self.name)
        found = {**chosen_settings(self.repository, GroupKind.CLUSTER, row.parameter_group if row else "")}
        if instance is not None:
            found |= chosen_settings(self.repository, GroupKind.INSTANCE, instance.parameter_group)
        return found

    def standby_least(self, *servers: Server) -> dict[str, int]:
        """Return the least that a standby needs which replays WAL of this cluster on the data of these servers."""
        row = self.repository.cluster(self.name)
        written = [standby.values_in(server.control_data()) for server in servers if server.has_data()]
        return standby.highest(row.standby_floor if row else {}, *written)

    def _values_of_writer(self) -> dict[str, int]:
        """Return what readers need because the writer has it, which their own data may not show yet."""
        row = self.repository.cluster(self.name)
        if not (row and row.standby_floor):
            return {}
        writers = [self.installation.server(each) for each in self.instances() if each.is_writer]
        return standby.highest(*(standby.values_in(each.control_data()) for each in writers if each.has_data()))

    def _standby_values(self, instance: Instance, values: Mapping[str, str | int], *, follow: bool) -> dict[str, int]:
        """Return the parameters of which standbys need at least the writer's value, as this server may have them now."""
        wanted = standby.values_of(values)
        server = self.installation.server(instance)
        if follow:
            # PostgreSQL refuses to start a standby with less than its WAL was written with
            # (https://www.postgresql.org/docs/18/hot-standby.html#HOT-STANDBY-ADMIN).
            return standby.highest(wanted, standby.values_in(server.control_data()), self._values_of_writer())
        row = self.repository.cluster(self.name)
        if not (row and row.standby_floor and server.has_data()):
            # No group has ever set one of them.
            return wanted
        control = server.control_data()
        written = standby.values_in(control)
        raised = standby.below(written, wanted)
        readers = (
            [values_of_running(self.installation, each) for each in self.instances() if not each.is_writer]
            if raised
            else []
        )
        allowed = standby.writer_values(wanted, written, [each for each in readers if each is not None])
        if not prepared_transactions_fit(server.data, control, allowed["max_prepared_transactions"]):
            allowed["max_prepared_transactions"] = max(
                allowed["max_prepared_transactions"], written["max_prepared_transactions"]
            )
        return allowed

    def _volume_settings(self, *, full: bool, flushes: bool) -> VolumeSettings:
        row = self.repository.cluster(self.name)
        bound = parse_size_bytes(self.settings.backtrack_replay_max)
        return VolumeSettings(
            self.write_quorum(), full, bound // 3 if row and row.backtrack_window_s else None, flushes
        )

    def write_quorum(self) -> Quorum:
        """Return the recorded write quorum."""
        return write_quorum((node.identifier, node.membership) for node in self.storage_nodes())

    def _impairment(self, instance: Instance) -> Impairment:
        found = (each for each in self.faults() if each.target == instance.identifier)
        made = (Impairment(each.delay_ms or 0, each.kind is FaultKind.PARTITION_INSTANCE) for each in found)
        return next(made, Impairment())

    # Snapshots

    def snapshot(self, row: Cluster | None = None) -> ClusterSnapshot:
        """Take a snapshot: rows and observations. `row` saves a query if it has just been read.

        Raises ClusterNotFound.
        """
        row = row or self.row()
        instances, memory = self.locks.shown(self.name, self.instances()), self.memory
        return ClusterSnapshot(
            at=self.now(),
            cluster=row,
            instances=instances,
            endpoints=tuple(self.endpoints()),
            observed=self.observer.observed(instances),
            endpoint_process=self.endpoint_process().observe(),
            operation=self.locks.current(self.name),
            failed=dict(memory.failed),
            used_bytes=self.observer.used_bytes(self.name),
            volume=self.volume_snapshot(),
            backtrack=memory.volume.backtrack.reach(),
            commits=CommitSettings(self.observer.commit_settings(self.name), memory.commits.told(time.monotonic())),
            pending_parameters={name: each.names for name, each in memory.parameters.items()},
            dns_domain=self.dns_domain(row),
            tls=self.settings.tls,
        )

    def volume_snapshot(self) -> VolumeSnapshot | None:
        """Take a snapshot of the volume: rows and observations; None if the cluster has none."""
        rows = self.repository.volume_rows(self.name)
        if rows is None:
            return None
        memory = self.memory.volume
        answer = self.observer.writer_answer(self.name)
        return VolumeSnapshot(
            volume=rows.volume,
            nodes=rows.nodes,
            observed=observe_nodes(self.installation, self.observer, memory, rows.nodes),
            groups=rows.groups,
            faults=rows.faults,
            quorum_lost_since=memory.quorum_lost_since,
            full_since=memory.full_since,
            waiting_commits=answer.waiting_commits if answer else 0,
            used_bytes=self.observer.used_bytes(self.name),
            node_timeout_s=self.settings.node_timeout_s,
        )

    # Its endpoint process

    def endpoint_process(self) -> EndpointProcess:
        """Return the endpoint process."""
        return EndpointProcess(self.paths, self.installation.account)

    def route(self, override: RoutingOverride | None = None) -> None:
        """Set an operation's routing override (None removes it) and apply it."""
        with self.runtime.routing_lock:
            self.memory.override = override or RoutingOverride()
        self.publish_routes()

    def _clients_max(self, settings: Mapping[str, str]) -> int:
        """Return how many clients an endpoint accepts; what auroractl needs itself is not theirs."""
        chosen = settings.get("max_connections")
        return self.settings.connections_max if chosen is None else clients_max(int(chosen))

    def tls_required(self) -> bool:
        """Return whether endpoints refuse clients without TLS."""
        return is_on(self.chosen_parameters(), "rds.force_ssl")

    def certificate(self, found: ClusterSnapshot) -> str:
        """Return the key and certificate of the endpoints, renewed if it is due; empty if there is no TLS."""
        if not self.settings.tls:
            return ""
        names = dns_names.names(found.dns_domain, found.endpoints, found.instances, tls=True)
        wanted = certificates.hosts(found.endpoints, found.instances, names)
        return certificates.current_pem(self.runtime.home, self.paths, self.memory, wanted, self.now())

    def publish_routes(self, just_seen: ClusterSnapshot | None = None) -> None:
        """Bring the endpoint process's routing table up to date; send nothing if it already is.

        A snapshot from just before saves another one where nothing has changed.
        """
        with self.runtime.routing_lock:
            if just_seen is not None and self.memory.published == self._published(just_seen):
                return
            if (row := self.repository.cluster(self.name)) is None:
                return
            snapshot = self.snapshot(row)
            wanted = self._published(snapshot)
            self.memory.dns.learn(snapshot, wanted[1], follow_roles=self.settings.endpoint_mode == "dns")
            if snapshot.endpoint_process.responding and self.memory.published != wanted:
                # The process retries by itself; status and an event name the process at the address.
                with contextlib.suppress(AddressInUse):
                    self.endpoint_process().apply(*wanted[1:])
                self.memory.published = wanted

    def _published(self, snapshot: ClusterSnapshot) -> tuple[int | None, RoutingTable, str, IamRules | None]:
        """Return what the endpoint process should have been sent, after its process id."""
        override, chosen = self.memory.override, self.chosen_parameters()
        table = routing_table(
            snapshot,
            connections_max=self._clients_max(chosen),
            hold_timeout_s=self.settings.hold_timeout_s,
            server_uid=self.installation.server_uid,
            without=override.without,
            draining=override.draining,
            farewell=override.farewell,
            writer_closed=override.writer_closed,
            synchronous_commit_enforced=self.settings.enforce_synchronous_commit,
            promoted_are_closed=self.settings.close_promoted_readers,
            tls_required=is_on(chosen, "rds.force_ssl"),
            instance_endpoints=certificates.instance_endpoints(snapshot.instances) if self.settings.tls else {},
        )
        process = snapshot.endpoint_process
        certificate = self.certificate(snapshot) if process.responding else ""
        return process.pid, table, certificate, iam.rules(snapshot, self.installation, self.settings)
