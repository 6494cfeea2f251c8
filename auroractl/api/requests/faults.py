"""Requests that inject faults, and the one that ends them."""

from __future__ import annotations

from dataclasses import dataclass, field

from auroractl.api.field_types import DURATION, TEXT, WHOLE, member_of
from auroractl.api.request import Request
from auroractl.core.volume.faults import Damage

_DAMAGE = member_of(Damage)


@dataclass(frozen=True, kw_only=True)
class FaultRequest(Request):
    """A fault on a part of a cluster: an instance, an endpoint, a storage node or an Availability Zone."""

    cluster: str | None = field(default=None, metadata=TEXT.key("DBClusterIdentifier"))
    target: str = field(metadata=TEXT.key("Target"))


@dataclass(frozen=True, kw_only=True)
class LastingFault(FaultRequest):
    """A fault that lasts for a duration, or until it is ended."""

    duration_s: float | None = field(default=None, metadata=DURATION.key("DurationSeconds"))


@dataclass(frozen=True, kw_only=True)
class DelayingFault(LastingFault):
    """A lasting fault that delays something."""

    delay_ms: int = field(metadata=WHOLE.key("DelayMilliseconds"))


class CrashStorageNode(LastingFault):
    """Kill a storage node; without a duration it is restarted at once."""


class HangStorageNode(LastingFault):
    """Freeze a storage node."""


class WipeStorageNode(FaultRequest):
    """Kill a storage node and remove all its data."""


@dataclass(frozen=True, kw_only=True)
class CorruptSegment(FaultRequest):
    """Damage finished segments of a storage node, chosen at random."""

    how: Damage = field(default=Damage.FLIP, metadata=_DAMAGE.key("How"))
    count: int = field(default=1, metadata=WHOLE.key("Count"))
    seed: int | None = field(default=None, metadata=WHOLE.key("Seed"))


class CrashInstance(FaultRequest):
    """Kill every process of an instance."""


class HangInstance(FaultRequest):
    """Freeze every process of an instance."""


class ReplicaLag(DelayingFault):
    """Delay a reader's replay of every change."""


class PartitionInstance(LastingFault):
    """Cut a reader off from the writer."""


class SlowEndpoint(DelayingFault):
    """Delay every request through an endpoint."""


class RefuseEndpoint(LastingFault):
    """Refuse new connections to an endpoint."""


@dataclass(frozen=True, kw_only=True)
class DnsLag(Request):
    """Delay what DNS answers after a change of roles."""

    cluster: str | None = field(default=None, metadata=TEXT.key("DBClusterIdentifier"))
    delay_ms: int = field(metadata=WHOLE.key("DelayMilliseconds"))
    duration_s: float | None = field(default=None, metadata=DURATION.key("DurationSeconds"))


class AzOutage(LastingFault):
    """Kill every process in an Availability Zone and keep them down."""


class EndFault(FaultRequest):
    """End an injected fault before its time."""
