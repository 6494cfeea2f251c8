"""What the supervisor keeps in memory of one cluster."""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import RLock

from auroractl.certificates.files import ServerCertificate
from auroractl.core.iam import IamRules
from auroractl.core.routing_table import RoutingTable
from auroractl.engine.iam_users import IamAccess
from auroractl.runtime.dns_memory import DnsMemory
from auroractl.runtime.endpoint_process import RoutingOverride
from auroractl.runtime.status_cache import LiveDocument
from auroractl.runtime.synchronous_commit_usage import SynchronousCommitUsage
from auroractl.runtime.topology import AuroraMemory
from auroractl.runtime.volume_memory import VolumeMemory


@dataclass(slots=True)
class Told:
    """The last report on the process that occupies the address of an instance or endpoint; empty if there is none."""

    why: str = ""
    at_s: list[float] = field(default_factory=list)
    """When a user was last told, on the monotonic clock."""


@dataclass(frozen=True, slots=True)
class PendingParameters:
    """The parameters of a running server whose values differ from the ones it is to have."""

    pid: int
    """The server's process: a restarted one is asked again."""
    names: tuple[str, ...]


@dataclass(slots=True)
class SlotPositions:
    """How far the logical slots of readers were, and when they are read next."""

    due_s: float = 0.0
    """On the monotonic clock. After a restart: due at once."""
    lowest_lsn: int = 0
    """The lowest position of an anchor on a reader. After a restart: unknown until the second round."""


@dataclass(slots=True)
class IamMemory:
    """The members of rds_iam, and which servers have been told of them."""

    users: tuple[str, ...] | None = None
    """As the writer last had them. After a restart: those that servers were told of, until the writer is asked."""
    failures: int = 0
    """How often in a row the writer could not be asked. After a restart: counted again."""
    problem: str = ""
    """Why it could last not be asked. After a restart: told again."""
    nameless: frozenset[str] = frozenset()
    """Members whom pg_hba.conf cannot name, as far as an event has. After a restart: told again."""
    told: dict[str, tuple[int | None, IamAccess | None]] = field(default_factory=dict)
    """The process of an instance, and what it was told. After a restart: told again."""


@dataclass(slots=True)
class ClusterMemory:
    """The in-memory state of one cluster.

    None of it survives a restart of the supervisor. Each field says what takes its place then.
    """

    volume: VolumeMemory = field(default_factory=VolumeMemory)
    """After a restart: observed again, except for the leases, whose holders have ended with the supervisor."""
    commits: SynchronousCommitUsage = field(default_factory=SynchronousCommitUsage)
    """After a restart: read again from the writer's statistics."""
    aurora: AuroraMemory = field(default_factory=AuroraMemory)
    """After a restart: observed and checked again."""
    dns: DnsMemory = field(default_factory=DnsMemory)
    """After a restart: the answers that are right then."""
    override: RoutingOverride = field(default_factory=RoutingOverride)
    """The routing changes of the running operation. After a restart: none, until one of its steps sets them again."""
    password_settled: bool = False
    """Whether no change of the master user's password is left to finish. After a restart: its file is read."""
    published: tuple[int | None, RoutingTable, str, IamRules | None] | None = None
    """The process id of the endpoint process, its table, certificate and rules. After a restart: sent again."""
    iam: IamMemory = field(default_factory=IamMemory)
    """After a restart: asked and told again."""
    certificate: ServerCertificate | None = None
    """The certificate of the endpoints. After a restart: read from its file."""
    certificate_due_s: float = 0.0
    """When a certificate that could not be issued is tried again, on the monotonic clock. After a restart: at once."""
    failed: dict[str, str] = field(default_factory=dict)
    """Why something is no longer restarted, by name. After a restart: tried again."""
    uncounted: set[str] = field(default_factory=set)
    """Instances whose earlier restarts no longer count towards the limit. After a restart: none counts.

    The instance was the target of a fault, or is a new one under the name of a deleted one.
    """
    displaced: dict[str, Told] = field(default_factory=dict)
    """By name of an instance or endpoint. After a restart: told once more."""
    parameters: dict[str, PendingParameters] = field(default_factory=dict)
    """What waits for a reboot, by instance. After a restart: read again from the servers."""
    durability_lock: RLock = field(default_factory=RLock)
    """Held while the writer is made durable. After a restart: free."""
    slots: SlotPositions = field(default_factory=SlotPositions)
    """After a restart: read again from the servers."""
    live: LiveDocument | None = None
    """The latest status document, while the cluster is being watched. After a restart: made again."""
