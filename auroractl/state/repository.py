"""Everything that is read from and written to the state, one transaction per method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Select, delete, select
from sqlalchemy.orm import Session

from auroractl.core.backtrack import BacktrackStatus
from auroractl.core.errors import (
    ClusterAlreadyExists,
    ClusterNotFound,
    InstanceAlreadyExists,
    InstanceNotFound,
    StateError,
)
from auroractl.core.model import Address, Cluster, Endpoint, Event, Instance, Phase, Wanted
from auroractl.core.operations import OperationKind, OperationRecord, OperationStatus, StepStatus
from auroractl.state.backtrack_models import BacktrackRow
from auroractl.state.backtracks import BacktrackRepository
from auroractl.state.models import ClusterRow, EndpointRow, EventRow, InstanceRow, OperationRow, OperationStepRow
from auroractl.state.sessions import remembered
from auroractl.state.volume_models import FaultRow
from auroractl.state.volumes import VolumeRepository


class Repository(VolumeRepository, BacktrackRepository):
    """The state in core types. Threads may share it: each call has a session of its own. Errors as in Sessions."""

    # Clusters, instances and endpoints

    @remembered
    def clusters(self) -> list[Cluster]:
        """All clusters by name."""
        with self._read() as session:
            return [row.to_core() for row in session.scalars(select(ClusterRow).order_by(ClusterRow.identifier))]

    @remembered
    def cluster(self, identifier: str) -> Cluster | None:
        """One cluster."""
        with self._read() as session:
            row = session.get(ClusterRow, identifier)
            return row.to_core() if row else None

    @remembered
    def instances(self, cluster: str | None = None) -> list[Instance]:
        """The instances of a cluster, or of all, in the order in which they were made."""
        query = select(InstanceRow).order_by(InstanceRow.id)
        if cluster is not None:
            query = query.where(InstanceRow.cluster == cluster)
        with self._read() as session:
            return [row.to_core() for row in session.scalars(query)]

    @remembered
    def instance(self, identifier: str) -> Instance | None:
        """One instance; identifiers are unique over all clusters of a home."""
        with self._read() as session:
            row = session.scalar(select(InstanceRow).where(InstanceRow.identifier == identifier))
            return row.to_core() if row else None

    @remembered
    def endpoints(self, cluster: str) -> list[Endpoint]:
        """The endpoints of a cluster in the order in which they were made."""
        query = select(EndpointRow).where(EndpointRow.cluster == cluster).order_by(EndpointRow.id)
        with self._read() as session:
            return [row.to_core() for row in session.scalars(query)]

    def add_endpoint(self, endpoint: Endpoint) -> None:
        """Record one more endpoint. Raises ClusterNotFound, StateError for an address that is taken."""
        with self._write() as session:
            _cluster(session, endpoint.cluster)
            _require_free_addresses(session, [endpoint.address])
            session.add(EndpointRow.from_core(endpoint))

    def change_endpoint(self, endpoint: Endpoint) -> None:
        """Record what an endpoint goes to from now on; nothing where it is gone."""
        with self._write() as session:
            row = session.scalar(_endpoint(endpoint.cluster, endpoint.identifier))
            if row is not None:
                row.custom_type = endpoint.custom_type
                row.static_members, row.excluded_members = (
                    list(endpoint.static_members),
                    list(endpoint.excluded_members),
                )

    def delete_endpoint(self, endpoint: Endpoint) -> None:
        """Forget an endpoint."""
        with self._write() as session:
            row = session.scalar(_endpoint(endpoint.cluster, endpoint.identifier))
            if row is not None:
                session.delete(row)
                session.execute(delete(FaultRow).where(FaultRow.target == endpoint.identifier))

    def create_cluster(
        self, cluster: Cluster, instances: Sequence[Instance], endpoints: Sequence[Endpoint], operation: OperationRecord
    ) -> None:
        """Record a cluster with all that belongs to it and the operation that makes it.

        Raises ClusterAlreadyExists or InstanceAlreadyExists for a name that is taken, StateError for an address.
        """
        with self._write() as session:
            if session.get(ClusterRow, cluster.identifier):
                raise ClusterAlreadyExists(cluster.identifier)
            _require_free_names(session, instances)
            addresses = [instance.address for instance in instances] + [endpoint.address for endpoint in endpoints]
            _require_free_addresses(session, addresses)
            session.add(ClusterRow.from_core(cluster))
            session.flush()
            session.add_all(InstanceRow.from_core(instance) for instance in instances)
            session.add_all(EndpointRow.from_core(endpoint) for endpoint in endpoints)
            _add_operation(session, operation)

    def update_cluster(
        self,
        identifier: str,
        *,
        wanted: Wanted | None = None,
        phase: Phase | None = None,
        deletion_protection: bool | None = None,
        tags: Mapping[str, str] | None = None,
        backtrack_window_s: int | None = None,
        automation_paused: bool | None = None,
    ) -> None:
        """Change what is given. Raises ClusterNotFound."""
        with self._write() as session:
            _change(
                _cluster(session, identifier),
                wanted=wanted,
                phase=phase,
                deletion_protection=deletion_protection,
                tags=None if tags is None else dict(tags),
                backtrack_window_s=backtrack_window_s,
                automation_paused=automation_paused,
            )

    def delete_cluster(self, identifier: str) -> None:
        """Forget a cluster, its instances and its endpoints; operations and events stay. Nothing if it is gone."""
        with self._write() as session:
            session.execute(delete(ClusterRow).where(ClusterRow.identifier == identifier))

    def add_instances(self, instances: Sequence[Instance]) -> None:
        """Record more instances.

        Raises ClusterNotFound, InstanceAlreadyExists for a name that is taken, StateError for an address.
        """
        with self._write() as session:
            for cluster in {instance.cluster for instance in instances}:
                _cluster(session, cluster)
            _require_free_names(session, instances)
            _require_free_addresses(session, [instance.address for instance in instances])
            session.add_all(InstanceRow.from_core(instance) for instance in instances)

    def update_instance(
        self,
        identifier: str,
        *,
        wanted: Wanted | None = None,
        phase: Phase | None = None,
        promotion_tier: int | None = None,
    ) -> None:
        """Change what is given. Raises InstanceNotFound."""
        with self._write() as session:
            row = session.scalar(select(InstanceRow).where(InstanceRow.identifier == identifier))
            if row is None:
                raise InstanceNotFound(identifier, _names(session, None))
            _change(row, wanted=wanted, phase=phase, promotion_tier=promotion_tier)

    def delete_instance(self, identifier: str) -> None:
        """Forget an instance. Nothing if it is gone."""
        with self._write() as session:
            session.execute(delete(InstanceRow).where(InstanceRow.identifier == identifier))
            session.execute(delete(FaultRow).where(FaultRow.target == identifier))

    def set_writer(self, cluster: str, instance: str) -> None:
        """Give the writer role to an instance and take it from the one that has it. Raises InstanceNotFound."""
        with self._write() as session:
            rows = list(session.scalars(select(InstanceRow).where(InstanceRow.cluster == cluster)))
            chosen = next((row for row in rows if row.identifier == instance), None)
            if chosen is None:
                raise InstanceNotFound(instance, _names(session, cluster))
            for row in rows:
                row.is_writer = False
            # The index that allows one writer is checked by statement, so the role is taken before it is given.
            session.flush()
            chosen.is_writer = True

    # The journal

    def begin_operation(self, record: OperationRecord) -> None:
        """Record an operation before it does anything."""
        with self._write() as session:
            _add_operation(session, record)

    def operation(self, identifier: str) -> OperationRecord | None:
        """One operation with its steps."""
        with self._read() as session:
            return next(iter(_records(session, OperationRow.identifier == identifier)), None)

    def running_operations(self) -> list[OperationRecord]:
        """Operations that have not ended, with their steps, oldest first."""
        with self._read() as session:
            return _records(session, OperationRow.status == OperationStatus.RUNNING)

    def last_operations(self, kind: OperationKind, cluster: str | None, limit: int) -> list[OperationRecord]:
        """The last `limit` operations of a kind, of one cluster or of all, with their steps; newest first."""
        query = select(OperationRow.id).where(OperationRow.kind == kind).order_by(OperationRow.id.desc()).limit(limit)
        if cluster is not None:
            query = query.where(OperationRow.cluster == cluster)
        with self._read() as session:
            return _records(session, OperationRow.id.in_(session.scalars(query).all()))[::-1]

    def update_operation_arguments(self, operation: str, arguments: Mapping[str, Any]) -> None:
        """Add to an operation's arguments, or replace those of the same names: a decision, before it is acted on."""
        with self._write() as session:
            row = _operation(session, operation)
            row.arguments = {**row.arguments, **arguments}

    def finish_operation(self, operation: str, status: OperationStatus, error: str | None, at: datetime) -> None:
        """Record how an operation ended, and why if it failed."""
        with self._write() as session:
            row = _operation(session, operation)
            row.status, row.error, row.finished_at = status, error, at

    def begin_step(self, operation: str, position: int, name: str) -> None:
        """Record that a step is about to act; a step that was cut off may begin again."""
        with self._write() as session:
            row = OperationStepRow(operation=operation, position=position, name=name, status=StepStatus.STARTED)
            row.started_at, row.finished_at = datetime.now(UTC), None
            session.merge(row)

    def finish_step(self, operation: str, position: int) -> None:
        """Record that a step has acted."""
        self._end_step(operation, position, StepStatus.DONE)

    def undo_step(self, operation: str, position: int) -> None:
        """Record that what a step did has been taken back."""
        self._end_step(operation, position, StepStatus.UNDONE)

    def _end_step(self, operation: str, position: int, status: StepStatus) -> None:
        with self._write() as session:
            row = session.get(OperationStepRow, (operation, position))
            if row is None:
                raise StateError(f"The journal has no step {position} of the operation {operation}.")
            row.status, row.finished_at = status, datetime.now(UTC)

    # Events

    def add_event(
        self,
        cluster: str,
        source: str,
        source_type: str,
        event_id: str,
        message: str,
        categories: Sequence[str],
        at: datetime,
    ) -> None:
        """Record something that happened to a cluster or to a part of it."""
        row = EventRow(cluster=cluster, source=source, source_type=source_type, event_id=event_id, message=message)
        row.categories, row.at = list(categories), at
        with self._write() as session:
            session.add(row)

    def forget_history(self, before: datetime) -> None:
        """Forget events, finished operations and backtracks from before a moment."""
        with self._write() as session:
            session.execute(delete(EventRow).where(EventRow.at < before))
            session.execute(delete(OperationRow).where(OperationRow.finished_at < before))
            ended = BacktrackRow.status.in_((BacktrackStatus.COMPLETED, BacktrackStatus.FAILED))
            session.execute(delete(BacktrackRow).where(BacktrackRow.requested_at < before, ended))

    def events(self, cluster: str | None, since: datetime | None, limit: int) -> list[Event]:
        """The last `limit` events of a cluster, or of all, not older than `since`; newest last."""
        query = select(EventRow).order_by(EventRow.at.desc(), EventRow.id.desc()).limit(limit)
        if cluster is not None:
            query = query.where(EventRow.cluster == cluster)
        if since is not None:
            query = query.where(EventRow.at >= since)
        with self._read() as session:
            return [row.to_core() for row in reversed(session.scalars(query).all())]


def _cluster(session: Session, identifier: str) -> ClusterRow:
    row = session.get(ClusterRow, identifier)
    if row is None:
        raise ClusterNotFound(identifier, list(session.scalars(select(ClusterRow.identifier).order_by("identifier"))))
    return row


def _endpoint(cluster: str, identifier: str) -> Select[EndpointRow]:
    return select(EndpointRow).where(EndpointRow.cluster == cluster, EndpointRow.identifier == identifier)


def _names(session: Session, cluster: str | None) -> list[str]:
    query = select(InstanceRow.identifier).order_by(InstanceRow.id)
    return list(session.scalars(query if cluster is None else query.where(InstanceRow.cluster == cluster)))


def _change(row: ClusterRow | InstanceRow, **values: object) -> None:
    for name, value in values.items():
        if value is not None:
            setattr(row, name, value)


def _require_free_names(session: Session, instances: Sequence[Instance]) -> None:
    taken = set(_names(session, None))
    for instance in instances:
        if instance.identifier in taken:
            raise InstanceAlreadyExists(instance.identifier)
        taken.add(instance.identifier)


def _require_free_addresses(session: Session, addresses: Sequence[Address]) -> None:
    """No constraint reaches over two tables; the write lock is held, so looking first is enough."""
    taken = {
        Address(host, port)
        for table in (InstanceRow, EndpointRow)
        for host, port in session.execute(select(table.host, table.port))
    }
    for address in addresses:
        if address in taken:
            raise StateError(f"The address {address} already belongs to an instance or an endpoint.")
        taken.add(address)


def _add_operation(session: Session, record: OperationRecord) -> None:
    session.add(OperationRow.from_core(record))
    session.flush()
    now = datetime.now(UTC)
    session.add_all(
        OperationStepRow(
            operation=record.identifier, position=step.position, name=step.name, status=step.status, started_at=now
        )
        for step in record.steps
    )


def _operation(session: Session, identifier: str) -> OperationRow:
    row = session.scalar(select(OperationRow).where(OperationRow.identifier == identifier))
    if row is None:
        raise StateError(f"The journal has no operation {identifier}.")
    return row


def _records(session: Session, condition: Any) -> list[OperationRecord]:
    operations = session.scalars(select(OperationRow).where(condition).order_by(OperationRow.id)).all()
    names = [row.identifier for row in operations]
    query = select(OperationStepRow).where(OperationStepRow.operation.in_(names)).order_by(OperationStepRow.position)
    steps = session.scalars(query).all()
    return [row.to_core([step for step in steps if step.operation == row.identifier]) for row in operations]
