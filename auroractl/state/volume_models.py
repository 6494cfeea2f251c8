"""The tables of volumes, and how their rows become core types and back.

cluster 1-1 storage_volume 1-n storage_node
                           1-n protection_group   what is allocated now
                           1-n volume_growth      how that changed
        1-n fault                                 injected and in force
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from auroractl.core.faults import Fault, FaultKind
from auroractl.core.quorum import Membership
from auroractl.core.storage import Growth, NodeKind, StorageNode, StorageVolume
from auroractl.state.models import Base


class StorageVolumeRow(Base):
    """A volume."""

    __tablename__ = "storage_volume"

    cluster: Mapped[str] = mapped_column(ForeignKey("cluster.identifier", ondelete="CASCADE"), primary_key=True)
    auto_grow: Mapped[bool]
    max_capacity_bytes: Mapped[int] = mapped_column(BigInteger)
    increment_bytes: Mapped[int] = mapped_column(BigInteger)
    headroom_percent: Mapped[int]
    group_bytes: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime]

    @classmethod
    def from_core(cls, volume: StorageVolume) -> StorageVolumeRow:
        """A new row."""
        return cls(
            cluster=volume.cluster,
            auto_grow=volume.auto_grow,
            max_capacity_bytes=volume.max_capacity_bytes,
            increment_bytes=volume.increment_bytes,
            headroom_percent=volume.headroom_percent,
            group_bytes=volume.group_bytes,
            created_at=volume.created_at,
        )

    def to_core(self) -> StorageVolume:
        """The volume that the row says."""
        return StorageVolume(
            cluster=self.cluster,
            auto_grow=self.auto_grow,
            max_capacity_bytes=self.max_capacity_bytes,
            increment_bytes=self.increment_bytes,
            headroom_percent=self.headroom_percent,
            group_bytes=self.group_bytes,
            created_at=self.created_at,
        )


class ProtectionGroupRow(Base):
    """A protection group that is allocated."""

    __tablename__ = "protection_group"

    cluster: Mapped[str] = mapped_column(ForeignKey("storage_volume.cluster", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    allocated_at: Mapped[datetime]


class VolumeGrowthRow(Base):
    """A change of what is allocated."""

    __tablename__ = "volume_growth"
    __table_args__ = (Index(None, "cluster"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    cluster: Mapped[str] = mapped_column(ForeignKey("storage_volume.cluster", ondelete="CASCADE"))
    at: Mapped[datetime]
    groups_before: Mapped[int]
    groups_after: Mapped[int]
    used_bytes: Mapped[int] = mapped_column(BigInteger)

    def to_core(self) -> Growth:
        """The change that the row says."""
        return Growth(self.at, self.groups_before, self.groups_after, self.used_bytes)


class StorageNodeRow(Base):
    """A storage node; `id` gives the order of creation."""

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

    @classmethod
    def from_core(cls, node: StorageNode) -> StorageNodeRow:
        """A new row."""
        return cls(
            identifier=node.identifier,
            cluster=node.cluster,
            availability_zone=node.availability_zone,
            kind=node.kind,
            membership=node.membership,
            created_at=node.created_at,
            damage_found=node.damage_found,
            damage_repaired=node.damage_repaired,
        )

    def to_core(self) -> StorageNode:
        """The node that the row says."""
        return StorageNode(
            identifier=self.identifier,
            cluster=self.cluster,
            availability_zone=self.availability_zone,
            kind=self.kind,
            membership=self.membership,
            created_at=self.created_at,
            damage_found=self.damage_found,
            damage_repaired=self.damage_repaired,
        )


class FaultRow(Base):
    """An injected fault that is in force; one per target."""

    __tablename__ = "fault"

    cluster: Mapped[str] = mapped_column(ForeignKey("cluster.identifier", ondelete="CASCADE"), primary_key=True)
    target: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[FaultKind]
    since: Mapped[datetime]
    until: Mapped[datetime | None]
    delay_ms: Mapped[int | None]

    def to_core(self) -> Fault:
        """The fault that the row says."""
        return Fault(self.cluster, self.kind, self.target, self.since, self.until, self.delay_ms)
