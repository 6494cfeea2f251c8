"""Lasting faults that a user injects, and their descriptions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class FaultKind(StrEnum):
    """Faults that last until they are restored or expire."""

    CRASH_STORAGE_NODE = "crash-storage-node"
    HANG_STORAGE_NODE = "hang-storage-node"
    AZ_OUTAGE = "az-outage"
    REPLICA_LAG = "replica-lag"
    """A reader applies every commit late."""
    PARTITION_INSTANCE = "partition-instance"
    """A reader does not receive the writer's WAL; its clients still reach it."""
    SLOW_ENDPOINT = "slow-endpoint"
    """Bytes that clients send through an endpoint arrive late."""
    REFUSE_ENDPOINT = "refuse-endpoint"
    """Nothing listens at an endpoint's address."""
    DNS_LAG = "dns-lag"
    """DNS answers a change of roles late."""
    DISK_CONGESTION = "disk-congestion"
    """Storage nodes write and acknowledge late."""


DNS_TARGET = "DNS"
"""The target of faults of DNS. No part of a cluster has an identifier in capitals."""


ALL_DISKS = "DISKS"
"""The target of a congestion of all storage nodes."""


def disk_of(node: str) -> str:
    """Return the target of a congestion of one storage node, which is not the node: it counts as present.

    >>> disk_of("demo-storage-1")
    'DISK demo-storage-1'
    """
    return f"DISK {node}"


class Damage(StrEnum):
    """Ways of damaging a segment."""

    FLIP = "flip"
    """One random bit."""
    TRUNCATE = "truncate"
    CONTENT = "content"
    """A page of random bytes."""
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Fault:
    """An active injected fault. `target` is a storage node, an Availability Zone, a reader, an endpoint, `DNS` or disks."""

    cluster: str
    kind: FaultKind
    target: str
    since: datetime
    until: datetime | None
    """None: until it is restored."""
    delay_ms: int | None = None
    """Only for replica-lag, slow-endpoint, dns-lag and disk-congestion, where it is the maximum."""
    delay_min_ms: float | None = None
    """Only for disk-congestion."""
    percentage: float | None = None
    """How much of the writes is late; only for disk-congestion."""

    def __str__(self) -> str:
        """Describe the fault as the reason for its effects.

        >>> from datetime import UTC
        >>> at = datetime(2026, 1, 1, 12, 30, tzinfo=UTC)
        >>> str(Fault("demo", FaultKind.AZ_OUTAGE, "us-east-1b", at, at))
        'injected az-outage on us-east-1b until 12:30:00 UTC'
        """
        until = f" until {self.until:%H:%M:%S} UTC" if self.until else ""
        return f"injected {self.kind} on {self.target}{until}"
