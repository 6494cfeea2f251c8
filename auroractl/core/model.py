"""The nouns of a cluster as immutable values, and what was observed of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from auroractl.core.backtrack import BacktrackReach
from auroractl.core.faults import Fault, FaultKind
from auroractl.core.storage import VolumeSnapshot


class EndpointType(StrEnum):
    """AWS's endpoint types."""

    WRITER = "WRITER"
    READER = "READER"
    CUSTOM = "CUSTOM"


class CustomEndpointType(StrEnum):
    """Which instances a custom endpoint may go to: readers only, or the writer too."""

    READER = "READER"
    ANY = "ANY"


class Wanted(StrEnum):
    """What a person asked for; what is there is observed, never read from a row."""

    RUNNING = "running"
    STOPPED = "stopped"
    DELETED = "deleted"


class Phase(StrEnum):
    """The transition that an operation is taking a cluster or an instance through; `none` outside of one."""

    NONE = ""
    BACKTRACKING = "backtracking"
    CREATING = "creating"
    DELETING = "deleting"
    FAILING_OVER = "failing-over"
    MODIFYING = "modifying"
    REBOOTING = "rebooting"
    STARTING = "starting"
    STOPPING = "stopping"


@dataclass(frozen=True, slots=True, order=True)
class Address:
    """Where something listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster as its row says: what is wanted, and what never changes."""

    identifier: str
    resource_id: str
    engine_version: str
    region: str
    port: int
    address_block: str
    """Three octets such as `127.23.45`, or empty where all listen on one host with distinct ports."""
    database_name: str
    master_username: str
    backtrack_window_s: int
    deletion_protection: bool
    tags: Mapping[str, str]
    created_at: datetime
    wanted: Wanted = Wanted.RUNNING
    phase: Phase = Phase.NONE
    automation_paused: bool = False
    """Nothing is promoted or restarted by itself."""

    @property
    def availability_zones(self) -> tuple[str, str, str]:
        """The three AZs over which instances and storage are spread."""
        return f"{self.region}a", f"{self.region}b", f"{self.region}c"


@dataclass(frozen=True, slots=True)
class Instance:
    """An instance as its row says."""

    identifier: str
    cluster: str
    availability_zone: str
    is_writer: bool
    promotion_tier: int
    address: Address
    created_at: datetime
    wanted: Wanted = Wanted.RUNNING
    phase: Phase = Phase.NONE


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint served by the cluster's endpoint process."""

    identifier: str
    cluster: str
    type: EndpointType
    address: Address
    custom_type: CustomEndpointType | None = None
    """Of a custom endpoint only."""
    static_members: tuple[str, ...] = ()
    """Where there are any, a custom endpoint goes to these and to no others."""
    excluded_members: tuple[str, ...] = ()
    """Else to all that are eligible but for these, also to instances that come later."""

    def may_go_to(self, instance: Instance) -> bool:
        """Whether an instance of its cluster belongs to a custom endpoint, by its role of the moment.

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
    """What was seen of an instance, and when."""

    at: datetime
    pid: int | None = None
    """The postmaster's process id; None when no such process lives."""
    accepting: bool = False
    """A query was answered."""
    in_recovery: bool | None = None
    lsn: int | None = None
    """A writer's write position or a reader's replay position, in bytes."""
    timeline: int | None = None
    following: bool = False
    """A reader whose WAL receiver is streaming from the writer's address."""
    lag_bytes: int | None = None
    lag_ms: float | None = None
    connections: int | None = None
    transactions: int | None = None
    """How many transactions that wrote something a writer has ended, since the cluster was made."""
    suspended: bool = False
    """Its server process is stopped by a signal and answers nobody."""
    disk_full: bool = False
    """Its disk has no room for more than a few segments of log, or takes no writes at all."""
    stalled_s: float = 0.0
    """For how long processes of a writer have waited for log to reach its disk and none has."""
    detail: str = ""
    """Why it is not accepting, in the server's or the system's words."""


@dataclass(frozen=True, slots=True)
class EndpointProcessObservation:
    """What was seen of a cluster's endpoint process."""

    at: datetime
    pid: int | None = None
    responding: bool = False
    connections: Mapping[str, int] = field(default_factory=dict)
    """Open client connections by endpoint identifier."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, as `describe-events` tells it."""

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
    """Rows and observations of one cluster at one moment: the input of every decision and every view."""

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
    """None for a cluster from before there were volumes, until it is started again."""
    backtrack: BacktrackReach = field(default_factory=BacktrackReach)

    @property
    def writer(self) -> Instance | None:
        """The instance whose row says writer; None only while a cluster is being made or taken apart."""
        return next((instance for instance in self.instances if instance.is_writer), None)

    @property
    def readers(self) -> tuple[Instance, ...]:
        """All other instances, in the order of their rows."""
        return tuple(instance for instance in self.instances if not instance.is_writer)

    @property
    def writing(self) -> bool:
        """Whether the writer answers."""
        return self.writer is not None and self.seen(self.writer.identifier).accepting

    def fault_on(self, target: str) -> Fault | None:
        """The injected fault that is in force on an Availability Zone, a reader, an endpoint or a storage node."""
        faults = self.volume.faults if self.volume is not None else ()
        return next((fault for fault in faults if fault.target == target), None)

    def in_outage(self, availability_zone: str) -> bool:
        """Whether an outage of an Availability Zone was injected and is in force."""
        return self.fault_on(availability_zone) is not None

    def cut_off(self, reader: str) -> bool:
        """Whether an injected partition keeps the writer's log from a reader."""
        fault = self.fault_on(reader)
        return fault is not None and fault.kind is FaultKind.PARTITION_INSTANCE

    def seen(self, instance: str) -> InstanceObservation:
        """The observation of an instance; an empty one where it has not been looked at yet."""
        return self.observed.get(instance) or InstanceObservation(at=self.at, detail="not observed yet")

    def endpoint(self, type_: EndpointType) -> Endpoint:
        """The built-in endpoint of a type. Raises StopIteration where the cluster has none."""
        return next(endpoint for endpoint in self.endpoints if endpoint.type is type_)
