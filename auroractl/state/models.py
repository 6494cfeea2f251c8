"""The tables of state.db, and how their rows become core types and back.

    cluster 1-n instance          what is wanted; deleted together
            1-n endpoint
    operation 1-n operation_step  the journal
    event                         what happened

Journal and events name their cluster without a foreign key: history outlives what it is about.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, ClassVar

from sqlalchemy import JSON, DateTime, Dialect, Enum, ForeignKey, Index, MetaData, UniqueConstraint, false, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

from auroractl.core.backtrack import BacktrackStatus
from auroractl.core.faults import FaultKind
from auroractl.core.model import (
    Address,
    Cluster,
    CustomEndpointType,
    Endpoint,
    EndpointType,
    Event,
    Instance,
    Phase,
    Wanted,
)
from auroractl.core.operations import OperationKind, OperationRecord, OperationStatus, StepRecord, StepStatus
from auroractl.core.quorum import Membership
from auroractl.core.storage import NodeKind


class UtcDateTime(TypeDecorator[datetime]):
    """Aware moments in UTC; SQLite keeps no time zone, so a naive one would be a guess and is refused."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """The moment in UTC. Raises ValueError for a naive one."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone")
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """The stored moment, aware."""
        return None if value is None else value.replace(tzinfo=UTC)


def _values(enum: type[StrEnum]) -> list[str]:
    return [member.value for member in enum]


class Base(DeclarativeBase):
    """Constraint names are fixed by a convention, because SQLite can only be altered by naming what to rebuild."""

    metadata = MetaData(
        naming_convention={
            "pk": "pk_%(table_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
        }
    )
    # The length is fixed, so that a longer member added to an enum is not a change of the schema.
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: UtcDateTime(),
        dict[str, str]: JSON(),
        dict[str, Any]: JSON(),
        list[str]: JSON(),
        **{
            enum: Enum(enum, native_enum=False, length=32, values_callable=_values)
            for enum in (
                Wanted,
                Phase,
                EndpointType,
                CustomEndpointType,
                OperationKind,
                OperationStatus,
                StepStatus,
                NodeKind,
                Membership,
                FaultKind,
                BacktrackStatus,
            )
        },
    }


class ClusterRow(Base):
    """A cluster."""

    __tablename__ = "cluster"
    __table_args__ = (
        Index("uq_cluster_address_block", "address_block", unique=True, sqlite_where=text("address_block <> ''")),
    )

    identifier: Mapped[str] = mapped_column(primary_key=True)
    resource_id: Mapped[str] = mapped_column(unique=True)
    engine_version: Mapped[str]
    region: Mapped[str]
    port: Mapped[int]
    address_block: Mapped[str]
    database_name: Mapped[str]
    master_username: Mapped[str]
    backtrack_window_s: Mapped[int]
    deletion_protection: Mapped[bool]
    tags: Mapped[dict[str, str]]
    created_at: Mapped[datetime]
    wanted: Mapped[Wanted]
    phase: Mapped[Phase]
    automation_paused: Mapped[bool] = mapped_column(server_default=false())

    @classmethod
    def from_core(cls, cluster: Cluster) -> ClusterRow:
        """A new row."""
        return cls(
            identifier=cluster.identifier,
            resource_id=cluster.resource_id,
            engine_version=cluster.engine_version,
            region=cluster.region,
            port=cluster.port,
            address_block=cluster.address_block,
            database_name=cluster.database_name,
            master_username=cluster.master_username,
            backtrack_window_s=cluster.backtrack_window_s,
            deletion_protection=cluster.deletion_protection,
            tags=dict(cluster.tags),
            created_at=cluster.created_at,
            wanted=cluster.wanted,
            phase=cluster.phase,
            automation_paused=cluster.automation_paused,
        )

    def to_core(self) -> Cluster:
        """The cluster that the row says."""
        return Cluster(
            identifier=self.identifier,
            resource_id=self.resource_id,
            engine_version=self.engine_version,
            region=self.region,
            port=self.port,
            address_block=self.address_block,
            database_name=self.database_name,
            master_username=self.master_username,
            backtrack_window_s=self.backtrack_window_s,
            deletion_protection=self.deletion_protection,
            tags=self.tags,
            created_at=self.created_at,
            wanted=self.wanted,
            phase=self.phase,
            automation_paused=self.automation_paused,
        )


class InstanceRow(Base):
    """An instance; `id` gives the order of creation."""

    __tablename__ = "instance"
    __table_args__ = (
        UniqueConstraint("host", "port"),
        Index("uq_instance_writer", "cluster", unique=True, sqlite_where=text("is_writer")),
        Index(None, "cluster"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    identifier: Mapped[str] = mapped_column(unique=True)
    cluster: Mapped[str] = mapped_column(ForeignKey("cluster.identifier", ondelete="CASCADE"))
    availability_zone: Mapped[str]
    is_writer: Mapped[bool]
    promotion_tier: Mapped[int]
    host: Mapped[str]
    port: Mapped[int]
    created_at: Mapped[datetime]
    wanted: Mapped[Wanted]
    phase: Mapped[Phase]

    @classmethod
    def from_core(cls, instance: Instance) -> InstanceRow:
        """A new row."""
        return cls(
            identifier=instance.identifier,
            cluster=instance.cluster,
            availability_zone=instance.availability_zone,
            is_writer=instance.is_writer,
            promotion_tier=instance.promotion_tier,
            host=instance.address.host,
            port=instance.address.port,
            created_at=instance.created_at,
            wanted=instance.wanted,
            phase=instance.phase,
        )

    def to_core(self) -> Instance:
        """The instance that the row says."""
        return Instance(
            identifier=self.identifier,
            cluster=self.cluster,
            availability_zone=self.availability_zone,
            is_writer=self.is_writer,
            promotion_tier=self.promotion_tier,
            address=Address(self.host, self.port),
            created_at=self.created_at,
            wanted=self.wanted,
            phase=self.phase,
        )


class EndpointRow(Base):
    """An endpoint."""

    __tablename__ = "endpoint"
    __table_args__ = (UniqueConstraint("cluster", "identifier"), UniqueConstraint("host", "port"))

    id: Mapped[int] = mapped_column(primary_key=True)
    identifier: Mapped[str]
    cluster: Mapped[str] = mapped_column(ForeignKey("cluster.identifier", ondelete="CASCADE"))
    type: Mapped[EndpointType]
    host: Mapped[str]
    port: Mapped[int]
    custom_type: Mapped[CustomEndpointType | None]
    static_members: Mapped[list[str]] = mapped_column(server_default="[]")
    excluded_members: Mapped[list[str]] = mapped_column(server_default="[]")

    @classmethod
    def from_core(cls, endpoint: Endpoint) -> EndpointRow:
        """A new row."""
        return cls(
            identifier=endpoint.identifier,
            cluster=endpoint.cluster,
            type=endpoint.type,
            host=endpoint.address.host,
            port=endpoint.address.port,
            custom_type=endpoint.custom_type,
            static_members=list(endpoint.static_members),
            excluded_members=list(endpoint.excluded_members),
        )

    def to_core(self) -> Endpoint:
        """The endpoint that the row says."""
        return Endpoint(
            self.identifier,
            self.cluster,
            self.type,
            Address(self.host, self.port),
            self.custom_type,
            tuple(self.static_members),
            tuple(self.excluded_members),
        )


class OperationRow(Base):
    """A piece of work."""

    __tablename__ = "operation"
    __table_args__ = (Index(None, "status"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    identifier: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[OperationKind]
    cluster: Mapped[str]
    arguments: Mapped[dict[str, Any]]
    status: Mapped[OperationStatus]
    error: Mapped[str | None]
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]

    @classmethod
    def from_core(cls, record: OperationRecord) -> OperationRow:
        """A new row; the record's steps have rows of their own."""
        return cls(
            identifier=record.identifier,
            kind=record.kind,
            cluster=record.cluster,
            arguments=dict(record.arguments),
            status=record.status,
            started_at=record.started_at,
        )

    def to_core(self, steps: Sequence[OperationStepRow]) -> OperationRecord:
        """The operation with its steps, which come in the order of their positions."""
        return OperationRecord(
            identifier=self.identifier,
            kind=self.kind,
            cluster=self.cluster,
            arguments=self.arguments,
            status=self.status,
            started_at=self.started_at,
            steps=tuple(step.to_core() for step in steps),
        )


class OperationStepRow(Base):
    """A step of an operation; written before it acts and again after."""

    __tablename__ = "operation_step"

    operation: Mapped[str] = mapped_column(ForeignKey("operation.identifier", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    status: Mapped[StepStatus]
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]

    def to_core(self) -> StepRecord:
        """The step that the row says."""
        return StepRecord(self.position, self.name, self.status, self.started_at, self.finished_at)


class EventRow(Base):
    """Something that happened."""

    __tablename__ = "event"
    __table_args__ = (Index(None, "cluster", "at"), Index(None, "at"))

    id: Mapped[int] = mapped_column(primary_key=True)
    cluster: Mapped[str]
    source: Mapped[str]
    source_type: Mapped[str]
    event_id: Mapped[str]
    message: Mapped[str]
    categories: Mapped[list[str]]
    at: Mapped[datetime]

    def to_core(self) -> Event:
        """The event that the row says."""
        return Event(self.source, self.source_type, self.event_id, self.message, tuple(self.categories), self.at)
