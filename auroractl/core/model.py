"""The objects of a cluster as immutable values, and their observations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from auroractl.core.address import Address
from auroractl.core.endpoint_types import CustomEndpointType
from auroractl.core.engine.locales import BY_CODE_POINT, Locale
from auroractl.core.operation_kinds import OperationKind
from auroractl.core.restore.retention import BacktrackReach
from auroractl.core.synchronous_commit.setting import CommitSettings
from auroractl.core.volume.durability import Durability
from auroractl.core.volume.faults import Fault, FaultKind
from auroractl.core.volume.model import VolumeSnapshot


class EndpointType(StrEnum):
    """AWS's endpoint types."""

    WRITER = "WRITER"
    READER = "READER"
    CUSTOM = "CUSTOM"


class Wanted(StrEnum):
    """The state that a user requested. The actual state is observed, never read from a row."""

    RUNNING = "running"
    STOPPED = "stopped"
    DELETED = "deleted"


class Phase(StrEnum):
    """The transition of a cluster or an instance by an operation; `none` outside of one."""

    NONE = ""
    BACKTRACKING = "backtracking"
    CREATING = "creating"
    DELETING = "deleting"
    FAILING_OVER = "failing-over"
    MODIFYING = "modifying"
    REBOOTING = "rebooting"
    STARTING = "starting"
    STOPPING = "stopping"


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster's row: its configuration and constants."""

    identifier: str
    resource_id: str
    engine_version: str
    region: str
    port: int
    address_block: str
    """Three octets such as `127.23.45`, or empty if everything listens on one host with distinct ports."""
    database_name: str
    master_username: str
    backtrack_window_s: int
    deletion_protection: bool
    tags: Mapping[str, str]
    created_at: datetime
    wanted: Wanted = Wanted.RUNNING
    phase: Phase = Phase.NONE
    automation_paused: bool = False
    """True if nothing is promoted or restarted automatically."""
    engine_build: str = ""
    """The identifier of its PostgreSQL build; empty for a cluster from before builds were pinned, until it is used."""
    locale: Locale = BY_CODE_POINT
    """The locale of its databases, except those that clients create with another one."""
    parameter_group: str = ""
    """Its DB cluster parameter group; empty for the default one of its engine version."""
    iam_authentication: bool = False
    """True if members of rds_iam log in with tokens, and with nothing else."""
    standby_floor: Mapping[str, int] = field(default_factory=dict)
    """The highest values of parameters of which a standby needs at least the writer's, once a group has set one."""
    durability: Durability = Durability.EVERYWHERE
    unflushed_boot: str = ""
    """The boot of the machine in which copies were last written without being flushed; empty if all are flushed."""
    durable_instance: str = ""
    """The instance whose data is known to be on disk as a whole: the writer, or the one before it until it is."""

    @property
    def availability_zones(self) -> tuple[str, str, str]:
        """Return the three AZs over which instances and storage are spread."""
        return f"{self.region}a", f"{self.region}b", f"{self.region}c"


@dataclass(frozen=True, slots=True)
class Instance:
    """An instance's row."""

    identifier: str
    cluster: str
    availability_zone: str
    is_writer: bool
    promotion_tier: int
    address: Address
    created_at: datetime
    wanted: Wanted = Wanted.RUNNING
    phase: Phase = Phase.NONE
    parameter_group: str = ""
    """Its DB parameter group; empty for the default one of its engine version."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint served by the cluster's endpoint process."""

    identifier: str
    cluster: str
    type: EndpointType
    address: Address
    custom_type: CustomEndpointType | None = None
    """Only for a custom endpoint."""
    static_members: tuple[str, ...] = ()
    """If not empty, the only members of a custom endpoint."""
    excluded_members: tuple[str, ...] = ()
    """Otherwise all eligible instances are members except these, including later instances."""

    def may_go_to(self, instance: Instance) -> bool:
        """Return whether an instance of its cluster belongs to a custom endpoint, by its current role.

        AWS: a reader that is promoted leaves a READER endpoint, and a writer that becomes a reader may join it
        (Aurora User Guide, "Membership rules for custom endpoints").
        """
        if self.custom_type is CustomEndpointType.READER and instance.is_writer:
            return False
        if self.static_members:
            return instance.identifier in self.static_members
        return instance.identifier not in self.excluded_members


@dataclass(frozen=True, slots=True)
class InstanceObservation:
    """An observation of an instance, and its time."""

    at: datetime
    pid: int | None = None
    """The postmaster's process id; None if it is not alive."""
    accepting: bool = False
    """True if a query was answered."""
    in_recovery: bool | None = None
    lsn: int | None = None
    """A writer's write position or a reader's replay position, in bytes."""
    timeline: int | None = None
    following: bool = False
    """True for a reader whose WAL receiver is streaming from the writer's address."""
    lag_bytes: int | None = None
    lag_ms: float | None = None
    connections: int | None = None
    transactions: int | None = None
    """Number of writing transactions that a writer has ended since the cluster was made."""
    intruded: bool = False
    """True if a client replicates from it in another way than logically."""
    suspended: bool = False
    """True if a signal has stopped its server process, which then answers no query."""
    disk_full: bool = False
    """True if its disk has space for only a few WAL segments, or accepts no writes at all."""
    stalled_s: float = 0.0
    """How long a writer's processes have waited for WAL to reach its disk without progress."""
    occupant: str = ""
    """The process that uses its address while it has none of its own."""
    detail: str = ""
    """The reason why it is not accepting connections, in the server's or the system's words."""


@dataclass(frozen=True, slots=True)
class EndpointProcessObservation:
    """An observation of a cluster's endpoint process."""

    at: datetime
    pid: int | None = None
    responding: bool = False
    connections: Mapping[str, int] = field(default_factory=dict)
    """Open client connections by endpoint identifier."""
    unbound: Mapping[str, str] = field(default_factory=dict)
    """Why it cannot listen at an endpoint's address, by endpoint identifier."""


@dataclass(frozen=True, slots=True)
class Event:
    """An event, as shown by `describe-events`."""

    source: str
    source_type: str
    event_id: str
    message: str
    categories: tuple[str, ...]
    at: datetime


@dataclass(frozen=True, slots=True)
class RunningOperation:
    """The operation that holds a cluster's lock."""

    identifier: str
    kind: str
    started_at: datetime


@dataclass(frozen=True, slots=True)
class ClusterSnapshot:
    """Rows and observations of one cluster at one time: the input of every decision and every view."""

    at: datetime
    cluster: Cluster
    instances: tuple[Instance, ...]
    endpoints: tuple[Endpoint, ...]
    observed: Mapping[str, InstanceObservation]
    endpoint_process: EndpointProcessObservation
    operation: RunningOperation | None = None
    failed: Mapping[str, str] = field(default_factory=dict)
    """Why the supervisor has stopped restarting something, by instance identifier or `endpoint-process`."""
    used_bytes: int | None = None
    volume: VolumeSnapshot | None = None
    """None for a cluster that predates volumes, until it is started again."""
    backtrack: BacktrackReach = field(default_factory=BacktrackReach)
    commits: CommitSettings = field(default_factory=CommitSettings)
    pending_parameters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Parameters that wait for a reboot, by instance; an instance that was not asked yet is missing."""
    dns_domain: str = ""
    """The domain of its DNS names (core/dns_names.py)."""
    tls: bool = False
    """True if its endpoints speak TLS."""

    @property
    def writer(self) -> Instance | None:
        """Return the instance with the writer role; None for a cluster without instances."""
        return next((instance for instance in self.instances if instance.is_writer), None)

    @property
    def readers(self) -> tuple[Instance, ...]:
        """Return all other instances, in the order of their rows."""
        return tuple(instance for instance in self.instances if not instance.is_writer)

    @property
    def writing(self) -> bool:
        """Return whether the writer answers."""
        return self.writer is not None and self.seen(self.writer.identifier).accepting

    @property
    def without_writer(self) -> bool:
        """Return whether nothing is meant to write now: there is no instance but such as are being created or deleted.

        A deletion that waits for its turn has changed nothing: until then its instance is to be kept running.
        """
        deleting = self.operation is not None and self.operation.kind == OperationKind.DELETE_INSTANCE
        leaving = {Phase.CREATING, Phase.DELETING} if deleting else {Phase.CREATING}
        return not self.writing and all(each.phase in leaving for each in self.instances)

    def fault_on(self, target: str) -> Fault | None:
        """Return the active injected fault on an Availability Zone, a reader, an endpoint or a storage node."""
        faults = self.volume.faults if self.volume is not None else ()
        return next((fault for fault in faults if fault.target == target), None)

    def in_outage(self, availability_zone: str) -> bool:
        """Return whether an injected outage of an Availability Zone is active."""
        return self.fault_on(availability_zone) is not None

    def cut_off(self, reader: str) -> bool:
        """Return whether an injected partition keeps the writer's WAL from a reader."""
        fault = self.fault_on(reader)
        return fault is not None and fault.kind is FaultKind.PARTITION_INSTANCE

    def seen(self, instance: str) -> InstanceObservation:
        """Return the observation of an instance; an empty one before the first observation."""
        return self.observed.get(instance) or InstanceObservation(at=self.at, detail="not observed yet")

    def endpoint(self, type_: EndpointType) -> Endpoint:
        """Return the built-in endpoint of a type. Raises StopIteration if the cluster has none."""
        return next(endpoint for endpoint in self.endpoints if endpoint.type is type_)
