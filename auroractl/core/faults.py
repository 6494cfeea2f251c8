"""Faults that a person injects and that last: what they are, and how they are told."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class FaultKind(StrEnum):
    """Faults that last until they are restored or their time is over."""

    CRASH_STORAGE_NODE = "crash-storage-node"
    HANG_STORAGE_NODE = "hang-storage-node"
    AZ_OUTAGE = "az-outage"
    REPLICA_LAG = "replica-lag"
    """A reader applies every commit late."""
    PARTITION_INSTANCE = "partition-instance"
    """A reader that the writer's log does not reach; its clients still reach it."""
    SLOW_ENDPOINT = "slow-endpoint"
    """What clients send through an endpoint arrives late."""
    REFUSE_ENDPOINT = "refuse-endpoint"
    """Nothing listens where an endpoint was."""


@dataclass(frozen=True, slots=True)
class Fault:
    """An injected fault that is in force. `target` is a storage node, an Availability Zone, a reader or an endpoint."""

    cluster: str
    kind: FaultKind
    target: str
    since: datetime
    until: datetime | None
    """None: until it is restored."""
    delay_ms: int | None = None
    """Of replica-lag and slow-endpoint."""

    def __str__(self) -> str:
        """What is told as the reason of what it causes.

        >>> from datetime import UTC
        >>> at = datetime(2026, 1, 1, 12, 30, tzinfo=UTC)
        >>> str(Fault("demo", FaultKind.AZ_OUTAGE, "us-east-1b", at, at))
        'injected az-outage on us-east-1b until 12:30:00 UTC'
        """
        until = f" until {self.until:%H:%M:%S} UTC" if self.until else ""
        return f"injected {self.kind} on {self.target}{until}"
