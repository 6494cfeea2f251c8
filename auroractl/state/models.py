"""The tables of state.db, and the conversion of their rows to and from core types.

    cluster 1-n instance          the configuration; deleted together
            1-n endpoint
    operation 1-n operation_step  the journal
    event                         the history

Journal and events name their cluster without a foreign key, because history outlives the cluster.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, ClassVar

from sqlalchemy import JSON, DateTime, Dialect, Enum, ForeignKey, Index, MetaData, UniqueConstraint, false, text
from sqlalchemy.orm import DeclarativeBase, Mapped, composite, mapped_column
from sqlalchemy.types import TypeDecorator

from auroractl.core.address import Address
from auroractl.core.endpoint_types import CustomEndpointType
from auroractl.core.engine.locales import Locale, Provider
from auroractl.core.model import Cluster, Endpoint, EndpointType, Event, Instance, Phase, Wanted
from auroractl.core.operation_kinds import OperationKind
from auroractl.core.operations import OperationRecord, OperationStatus, StepRecord, StepStatus
from auroractl.core.parameters.model import GroupKind
from auroractl.core.restore.retention import BacktrackStatus
from auroractl.core.volume.durability import Durability
from auroractl.core.volume.faults import FaultKind
from auroractl.core.volume.model import NodeKind
from auroractl.core.volume.quorum import Membership
from auroractl.state.mirroring import Mirror


class UtcDateTime(TypeDecorator[datetime]):
    """Timezone-aware times in UTC. SQLite stores no time zone, so a naive time would be ambiguous and is refused."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Convert a time to UTC. Raises ValueError for a naive one."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone")
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Return the stored time, timezone-aware."""
        return None if value is None else value.replace(tzinfo=UTC)


def _values(enum: type[StrEnum]) -> list[str]:
    return [member.value for member in enum]


class Base(DeclarativeBase):
    """Base with a naming convention for constraints, which SQLite needs in order to alter a table by rebuilding it."""

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
                Provider,
                GroupKind,
                Durability,
            )
        },
    }


class ClusterRow(Mirror[Cluster], Base):
    """A cluster."""

    core = Cluster

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
    engine_build: Mapped[str] = mapped_column(server_default=text("''"))
    locale_provider: Mapped[Provider] = mapped_column(server_default=text("'builtin'"))
    locale_name: Mapped[str] = mapped_column(server_default=text("'C.UTF-8'"))
    locale: Mapped[Locale] = composite("locale_provider", "locale_name")
    parameter_group: Mapped[str] = mapped_column(server_default=text("''"))
    iam_authentication: Mapped[bool] = mapped_column(server_default=false())
    standby_floor: Mapped[dict[str, Any]] = mapped_column(server_default="{}")
    durability: Mapped[Durability] = mapped_column(server_default=text("'everywhere'"))
    unflushed_boot: Mapped[str] = mapped_column(server_default=text("''"))
    durable_instance: Mapped[str] = mapped_column(server_default=text("''"))


class InstanceRow(Mirror[Instance], Base):
    """An instance; `id` gives the order of creation."""

    core = Instance

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
    address: Mapped[Address] = composite("host", "port")
    created_at: Mapped[datetime]
    wanted: Mapped[Wanted]
    phase: Mapped[Phase]
    parameter_group: Mapped[str] = mapped_column(server_default=text("''"))


class EndpointRow(Mirror[Endpoint], Base):
    """An endpoint."""

    core = Endpoint

    __tablename__ = "endpoint"
    __table_args__ = (UniqueConstraint("cluster", "identifier"), UniqueConstraint("host", "port"))

    id: Mapped[int] = mapped_column(primary_key=True)
    identifier: Mapped[str]
    cluster: Mapped[str] = mapped_column(ForeignKey("cluster.identifier", ondelete="CASCADE"))
    type: Mapped[EndpointType]
    host: Mapped[str]
    port: Mapped[int]
    address: Mapped[Address] = composite("host", "port")
    custom_type: Mapped[CustomEndpointType | None]
    static_members: Mapped[list[str]] = mapped_column(server_default="[]")
    excluded_members: Mapped[list[str]] = mapped_column(server_default="[]")


class OperationRow(Mirror[OperationRecord], Base):
    """An operation."""

    core = OperationRecord
    apart = ("steps", "error")

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

    def to_core(self) -> OperationRecord:
        """Convert the row to an operation without its steps, which have rows of their own."""
        return replace(super().to_core(), error=self.error or "")


class OperationStepRow(Mirror[StepRecord], Base):
    """A step of an operation; written before and after the step acts."""

    core = StepRecord

    __tablename__ = "operation_step"

    operation: Mapped[str] = mapped_column(ForeignKey("operation.identifier", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    status: Mapped[StepStatus]
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class EventRow(Mirror[Event], Base):
    """An event."""

    core = Event

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
