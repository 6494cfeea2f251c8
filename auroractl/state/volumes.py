"""Volumes in the state, one transaction per method."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from auroractl.core.errors import ClusterNotFound
from auroractl.core.volume.durability import Durability
from auroractl.core.volume.faults import Fault
from auroractl.core.volume.model import Growth, StorageNode, StorageVolume
from auroractl.core.volume.quorum import Membership
from auroractl.state.mirroring import change
from auroractl.state.models import ClusterRow, InstanceRow
from auroractl.state.sessions import Sessions, remembered
from auroractl.state.volume_models import (
    FaultRow,
    ProtectionGroupRow,
    StorageNodeRow,
    StorageVolumeRow,
    VolumeGrowthRow,
)


@dataclass(frozen=True, slots=True)
class VolumeRows:
    """A volume with its nodes, allocation and faults."""

    volume: StorageVolume
    nodes: tuple[StorageNode, ...]
    groups: int
    faults: tuple[Fault, ...]


def _writer_of(session: Session, cluster: str) -> str:
    query = select(InstanceRow.identifier).where(InstanceRow.cluster == cluster, InstanceRow.is_writer)
    return session.scalar(query) or ""


class VolumeRepository(Sessions):
    """Volumes, storage nodes, protection groups and faults in core types. Raises the same errors as Repository."""

    @remembered
    def volume(self, cluster: str) -> StorageVolume | None:
        """Return the volume of a cluster; None for a cluster that predates volumes."""
        with self._read() as session:
            row = session.get(StorageVolumeRow, cluster)
            return row.to_core() if row else None

    @remembered
    def volume_rows(self, cluster: str) -> VolumeRows | None:
        """Return all rows needed for a view of a volume, in one transaction; None if the cluster has none."""
        nodes = select(StorageNodeRow).where(StorageNodeRow.cluster == cluster).order_by(StorageNodeRow.id)
        groups = select(func.count()).select_from(ProtectionGroupRow).where(ProtectionGroupRow.cluster == cluster)
        faults = select(FaultRow).where(FaultRow.cluster == cluster)
        with self._read() as session:
            row = session.get(StorageVolumeRow, cluster)
            if row is None:
                return None
            return VolumeRows(
                row.to_core(),
                tuple(each.to_core() for each in session.scalars(nodes)),
                session.scalar(groups) or 0,
                tuple(each.to_core() for each in session.scalars(faults)),
            )

    def create_volume(self, volume: StorageVolume, nodes: Sequence[StorageNode], groups: int) -> None:
        """Record a volume with its nodes and its first protection groups; do nothing if it exists."""
        with self._write() as session:
            if session.get(StorageVolumeRow, volume.cluster) or session.get(ClusterRow, volume.cluster) is None:
                return
            session.add(StorageVolumeRow.from_core(volume))
            session.flush()
            session.add_all(StorageNodeRow.from_core(node) for node in nodes)
            _allocate(session, volume.cluster, 0, groups, volume.created_at)

    def update_durability(
        self,
        cluster: str,
        *,
        durability: Durability | None = None,
        unflushed_boot: str | None = None,
        durable_instance: str | None = None,
    ) -> None:
        """Change the given fields of a cluster; the next step may rely on them after a power cut. Raises ClusterNotFound."""
        with self._write() as session:
            row = session.get(ClusterRow, cluster)
            if row is None:
                raise ClusterNotFound(cluster, [])
            change(row, durability=durability, unflushed_boot=unflushed_boot, durable_instance=durable_instance)

    def record_unflushed(self, cluster: str, boot: str) -> None:
        """Record that something runs without flushing in this boot of the machine. Do nothing if the cluster is gone.

        If all was flushed until now, the writer's data is the copy on disk that stays so, as long as the writer flushes.
        """
        with self._write() as session:
            row = session.get(ClusterRow, cluster)
            if row is None:
                return
            if not row.unflushed_boot:
                row.durable_instance = _writer_of(session, cluster) if row.durability.writer_flushes else ""
            row.unflushed_boot = boot

    def record_durable(self, cluster: str, instance: str) -> bool:
        """Record that an instance's data is on disk, if it is still the writer and flushes; return that."""
        with self._write() as session:
            row = session.get(ClusterRow, cluster)
            if row is None or not row.durability.writer_flushes or _writer_of(session, cluster) != instance:
                return False
            row.durable_instance = instance
            return True

    def update_volume(
        self,
        cluster: str,
        *,
        auto_grow: bool | None = None,
        max_capacity_bytes: int | None = None,
        increment_bytes: int | None = None,
        headroom_percent: int | None = None,
    ) -> None:
        """Change the given fields; do nothing if the cluster has no volume."""
        with self._write() as session:
            row = session.get(StorageVolumeRow, cluster)
            if row is not None:
                change(
                    row,
                    auto_grow=auto_grow,
                    max_capacity_bytes=max_capacity_bytes,
                    increment_bytes=increment_bytes,
                    headroom_percent=headroom_percent,
                )

    @remembered
    def protection_groups(self, cluster: str) -> int:
        """Count the allocated protection groups."""
        query = select(func.count()).select_from(ProtectionGroupRow).where(ProtectionGroupRow.cluster == cluster)
        with self._read() as session:
            return session.scalar(query) or 0

    def growth_history(self, cluster: str, limit: int) -> list[Growth]:
        """List the last changes of the allocation, oldest first."""
        query = select(VolumeGrowthRow).where(VolumeGrowthRow.cluster == cluster)
        with self._read() as session:
            rows = session.scalars(query.order_by(VolumeGrowthRow.id.desc()).limit(limit)).all()
            return [row.to_core() for row in reversed(rows)]

    def set_protection_groups(self, cluster: str, before: int, after: int, used_bytes: int, at: datetime) -> None:
        """Allocate or release protection groups, and record the change."""
        with self._write() as session:
            session.execute(
                delete(ProtectionGroupRow).where(
                    ProtectionGroupRow.cluster == cluster, ProtectionGroupRow.number > after
                )
            )
            _allocate(session, cluster, before, after, at)
            session.add(
                VolumeGrowthRow(cluster=cluster, at=at, groups_before=before, groups_after=after, used_bytes=used_bytes)
            )

    @remembered
    def storage_nodes(self, cluster: str | None = None) -> list[StorageNode]:
        """List the storage nodes of a cluster, or of all clusters, in order of creation."""
        query = select(StorageNodeRow).order_by(StorageNodeRow.id)
        if cluster is not None:
            query = query.where(StorageNodeRow.cluster == cluster)
        with self._read() as session:
            return [row.to_core() for row in session.scalars(query)]

    def add_storage_node(self, node: StorageNode) -> None:
        """Record a new storage node; do nothing if it exists."""
        with self._write() as session:
            if _node(session, node.cluster, node.identifier) is None:
                session.add(StorageNodeRow.from_core(node))

    def set_membership(self, cluster: str, memberships: dict[str, Membership]) -> None:
        """Change the membership of several nodes at once."""
        with self._write() as session:
            for identifier, membership in memberships.items():
                row = _node(session, cluster, identifier)
                if row is not None:
                    row.membership = membership

    def delete_storage_node(self, cluster: str, identifier: str) -> None:
        """Delete a storage node. Do nothing if it is gone."""
        with self._write() as session:
            session.execute(
                delete(StorageNodeRow).where(StorageNodeRow.cluster == cluster, StorageNodeRow.identifier == identifier)
            )

    def count_damage(self, cluster: str, identifier: str, found: int, repaired: int) -> None:
        """Add to the counts of damaged and repaired segments of a node."""
        with self._write() as session:
            row = _node(session, cluster, identifier)
            if row is not None:
                row.damage_found += found
                row.damage_repaired += repaired

    @remembered
    def faults(self, cluster: str | None = None) -> list[Fault]:
        """List the active faults of a cluster, or of all clusters."""
        query = select(FaultRow).order_by(FaultRow.since)
        if cluster is not None:
            query = query.where(FaultRow.cluster == cluster)
        with self._read() as session:
            return [row.to_core() for row in session.scalars(query)]

    def add_fault(self, fault: Fault) -> None:
        """Record a fault; it replaces an active one on the same target."""
        with self._write() as session:
            session.merge(FaultRow.from_core(fault))

    def delete_fault(self, cluster: str, target: str) -> None:
        """Delete a fault. Do nothing if it is gone."""
        with self._write() as session:
            session.execute(delete(FaultRow).where(FaultRow.cluster == cluster, FaultRow.target == target))


def _node(session: Session, cluster: str, identifier: str) -> StorageNodeRow | None:
    query = select(StorageNodeRow).where(StorageNodeRow.cluster == cluster, StorageNodeRow.identifier == identifier)
    return session.scalar(query)


def _allocate(session: Session, cluster: str, before: int, after: int, at: datetime) -> None:
    session.add_all(
        ProtectionGroupRow(cluster=cluster, number=number, allocated_at=at) for number in range(before + 1, after + 1)
    )
