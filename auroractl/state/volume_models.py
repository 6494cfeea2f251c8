"""The tables of volumes, and the conversion of their rows to and from core types.

cluster 1-1 storage_volume 1-n storage_node
                           1-n protection_group   the current allocation
                           1-n volume_growth      its history
        1-n fault                                 injected and in force
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from auroractl.core.volume.faults import Fault, FaultKind
from auroractl.core.volume.model import Growth, NodeKind, StorageNode, StorageVolume
from auroractl.core.volume.quorum import Membership
from auroractl.state.mirroring import Mirror
from auroractl.state.models import Base


class StorageVolumeRow(Mirror[StorageVolume], Base):
    """A volume."""

    core = StorageVolume

    __tablename__ = "storage_volume"

    cluster: Mapped[str] = mapped_column(ForeignKey("cluster.identifier", ondelete="CASCADE"), primary_key=True)
    auto_grow: Mapped[bool]
    max_capacity_bytes: Mapped[int] = mapped_column(BigInteger)
    increment_bytes: Mapped[int] = mapped_column(BigInteger)
    headroom_percent: Mapped[int]
    group_bytes: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime]


class ProtectionGroupRow(Base):
    """An allocated protection group."""

    __tablename__ = "protection_group"

    cluster: Mapped[str] = mapped_column(ForeignKey("storage_volume.cluster", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    allocated_at: Mapped[datetime]


class VolumeGrowthRow(Mirror[Growth], Base):
    """A change of the allocation."""

    core = Growth

    __tablename__ = "volume_growth"
    __table_args__ = (Index(None, "cluster"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    cluster: Mapped[str] = mapped_column(ForeignKey("storage_volume.cluster", ondelete="CASCADE"))
    at: Mapped[datetime]
    groups_before: Mapped[int]
    groups_after: Mapped[int]
    used_bytes: Mapped[int] = mapped_column(BigInteger)


class StorageNodeRow(Mirror[StorageNode], Base):
    """A storage node; `id` gives the order of creation."""

    core = StorageNode

    __tablename__ = "storage_node"
    __table_args__ = (UniqueConstraint("cluster", "identifier"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    identifier: Mapped[str]
    cluster: Mapped[str] = mapped_column(ForeignKey("storage_volume.cluster", ondelete="CASCADE"))
    availability_zone: Mapped[str]
    kind: Mapped[NodeKind]
    membership: Mapped[Membership]
    created_at: Mapped[datetime]
    damage_found: Mapped[int]
    damage_repaired: Mapped[int]


class FaultRow(Mirror[Fault], Base):
    """An injected fault that is in force; one per target."""

    core = Fault

    __tablename__ = "fault"

    cluster: Mapped[str] = mapped_column(ForeignKey("cluster.identifier", ondelete="CASCADE"), primary_key=True)
    target: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[FaultKind]
    since: Mapped[datetime]
    until: Mapped[datetime | None]
    delay_ms: Mapped[int | None]
    delay_min_ms: Mapped[float | None]
    percentage: Mapped[float | None]
