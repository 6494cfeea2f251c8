"""All reads and writes of the state, one transaction per method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Select, delete, select
from sqlalchemy.orm import Session

from auroractl.core.address import Address
from auroractl.core.errors import (
    ClusterAlreadyExists,
    ClusterNotFound,
    InstanceAlreadyExists,
    InstanceNotFound,
    StateError,
)
from auroractl.core.model import Cluster, Endpoint, Event, Instance, Phase, Wanted
from auroractl.core.operation_kinds import OperationKind
from auroractl.core.operations import OperationRecord, OperationStatus, StepStatus
from auroractl.core.restore.retention import BacktrackStatus
from auroractl.state.backtrack_models import BacktrackRow
from auroractl.state.backtracks import BacktrackRepository
from auroractl.state.mirroring import change
from auroractl.state.models import ClusterRow, EndpointRow, EventRow, InstanceRow, OperationRow, OperationStepRow
from auroractl.state.parameter_groups import ParameterGroupRepository
from auroractl.state.sessions import remembered
from auroractl.state.volume_models import FaultRow
from auroractl.state.volumes import VolumeRepository


class Repository(VolumeRepository, BacktrackRepository, ParameterGroupRepository):
    """The state in core types. Safe for use by several threads, with one session per call. Errors as in Sessions."""

    # Clusters, instances and endpoints

    @remembered
    def clusters(self) -> list[Cluster]:
        """List all clusters by name."""
        with self._read() as session:
            return [row.to_core() for row in session.scalars(select(ClusterRow).order_by(ClusterRow.identifier))]

    @remembered
    def cluster(self, identifier: str) -> Cluster | None:
        """Return one cluster."""
        with self._read() as session:
            row = session.get(ClusterRow, identifier)
            return row.to_core() if row else None

    @remembered
    def instances(self, cluster: str | None = None) -> list[Instance]:
        """List the instances of a cluster, or of all clusters, in order of creation."""
        query = select(InstanceRow).order_by(InstanceRow.id)
        if cluster is not None:
            query = query.where(InstanceRow.cluster == cluster)
        with self._read() as session:
            return [row.to_core() for row in session.scalars(query)]

    @remembered
    def instance(self, identifier: str) -> Instance | None:
        """Return one instance; identifiers are unique over all clusters of a home."""
        with self._read() as session:
            row = session.scalar(select(InstanceRow).where(InstanceRow.identifier == identifier))
            return row.to_core() if row else None

    @remembered
    def endpoints(self, cluster: str) -> list[Endpoint]:
        """List the endpoints of a cluster in order of creation."""
        query = select(EndpointRow).where(EndpointRow.cluster == cluster).order_by(EndpointRow.id)
        with self._read() as session:
            return [row.to_core() for row in session.scalars(query)]

    def add_endpoint(self, endpoint: Endpoint) -> None:
        """Record a new endpoint. Raises ClusterNotFound, StateError for an address that is taken."""
        with self._write() as session:
            _cluster(session, endpoint.cluster)
            _require_free_addresses(session, [endpoint.address])
            session.add(EndpointRow.from_core(endpoint))

    def change_endpoint(self, endpoint: Endpoint) -> None:
        """Change the members of an endpoint; do nothing if it is gone."""
        with self._write() as session:
            row = session.scalar(_endpoint(endpoint.cluster, endpoint.identifier))
            if row is not None:
                row.custom_type = endpoint.custom_type
                row.static_members, row.excluded_members = (
                    list(endpoint.static_members),
                    list(endpoint.excluded_members),
                )

    def delete_endpoint(self, endpoint: Endpoint) -> None:
        """Delete an endpoint."""
        with self._write() as session:
            row = session.scalar(_endpoint(endpoint.cluster, endpoint.identifier))
            if row is not None:
                session.delete(row)
                session.execute(delete(FaultRow).where(FaultRow.target == endpoint.identifier))

    def create_cluster(
        self, cluster: Cluster, instances: Sequence[Instance], endpoints: Sequence[Endpoint], operation: OperationRecord
    ) -> None:
        """Record a cluster with its instances and endpoints, and the operation that creates it.

        Raises ClusterAlreadyExists or InstanceAlreadyExists for a name that is taken, StateError for an address.
        """
        with self._write() as session:
            if session.get(ClusterRow, cluster.identifier):
                raise ClusterAlreadyExists(cluster.identifier)
            _require_free_names(session, instances)
            addresses = [instance.address for instance in instances] + [endpoint.address for endpoint in endpoints]
            _require_free_addresses(session, addresses)
            _supersede(session, operation)
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
        engine_version: str | None = None,
        engine_build: str | None = None,
        iam_authentication: bool | None = None,
    ) -> None:
        """Change the given fields. Raises ClusterNotFound."""
        with self._write() as session:
            change(
                _cluster(session, identifier),
                wanted=wanted,
                phase=phase,
                deletion_protection=deletion_protection,
                tags=None if tags is None else dict(tags),
                backtrack_window_s=backtrack_window_s,
                automation_paused=automation_paused,
                engine_version=engine_version,
                engine_build=engine_build,
                iam_authentication=iam_authentication,
            )

    def delete_cluster(self, identifier: str) -> None:
        """Delete a cluster, its instances and its endpoints; keep operations and events. Do nothing if it is gone."""
        with self._write() as session:
            session.execute(delete(ClusterRow).where(ClusterRow.identifier == identifier))

    def add_instances(self, instances: Sequence[Instance]) -> None:
        """Record new instances.

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
        """Change the given fields. Raises InstanceNotFound."""
        with self._write() as session:
            row = session.scalar(select(InstanceRow).where(InstanceRow.identifier == identifier))
            if row is None:
                raise InstanceNotFound(identifier, _names(session, None))
            change(row, wanted=wanted, phase=phase, promotion_tier=promotion_tier)

    def clear_phases(self, cluster: str) -> None:
        """Clear the phases of a cluster and its instances; do nothing if it is gone.

        A cluster that was only partly created or deleted keeps its phase: it is not to be maintained.
        """
        with self._write() as session:
            row = session.get(ClusterRow, cluster)
            if row is not None and row.phase not in {Phase.CREATING, Phase.DELETING}:
                row.phase = Phase.NONE
            _clear_instance_phases(session, cluster)

    def delete_instance(self, identifier: str) -> None:
        """Delete an instance. Do nothing if it is gone."""
        with self._write() as session:
            session.execute(delete(InstanceRow).where(InstanceRow.identifier == identifier))
            session.execute(delete(FaultRow).where(FaultRow.target == identifier))

    def set_writer(self, cluster: str, instance: str) -> None:
        """Give the writer role to an instance and take it from the current holder. Raises InstanceNotFound."""
        with self._write() as session:
            rows = list(session.scalars(select(InstanceRow).where(InstanceRow.cluster == cluster)))
            chosen = next((row for row in rows if row.identifier == instance), None)
            if chosen is None:
                raise InstanceNotFound(instance, _names(session, cluster))
            for row in rows:
                row.is_writer = False
            # The unique index is checked per statement, so the role is taken before it is given.
            session.flush()
            chosen.is_writer = True

    # The journal

    def begin_operation(self, record: OperationRecord) -> None:
        """Record an operation before it acts; the cluster's others that are recorded as running have failed.

        The caller holds the cluster, so they have ended, and only their end could not be recorded. To resume them later
        would repeat steps on a cluster that has changed.
        """
        with self._write() as session:
            _supersede(session, record)
            _add_operation(session, record)

    def operation(self, identifier: str) -> OperationRecord | None:
        """Return one operation with its steps."""
        with self._read() as session:
            return next(iter(_records(session, OperationRow.identifier == identifier)), None)

    def running_operations(self) -> list[OperationRecord]:
        """List the operations that have not ended, with their steps, oldest first."""
        with self._read() as session:
            return _records(session, OperationRow.status == OperationStatus.RUNNING)

    def last_operations(self, kind: OperationKind, cluster: str | None, limit: int) -> list[OperationRecord]:
        """List the last `limit` operations of a kind, of one cluster or of all, with their steps; newest first."""
        query = select(OperationRow.id).where(OperationRow.kind == kind).order_by(OperationRow.id.desc()).limit(limit)
        if cluster is not None:
            query = query.where(OperationRow.cluster == cluster)
        with self._read() as session:
            return _records(session, OperationRow.id.in_(session.scalars(query).all()))[::-1]

    def update_operation_arguments(self, operation: str, arguments: Mapping[str, Any]) -> None:
        """Add or replace arguments of an operation: a decision, recorded before it is acted on."""
        with self._write() as session:
            row = _operation(session, operation)
            row.arguments = {**row.arguments, **arguments}

    def finish_operation(self, operation: str, status: OperationStatus, error: str | None, at: datetime) -> None:
        """Record the result of an operation, and the reason if it failed."""
        with self._write() as session:
            row = _operation(session, operation)
            row.status, row.error, row.finished_at = status, error, at

    def begin_step(self, operation: str, position: int, name: str) -> None:
        """Record that a step is about to act; an interrupted step may begin again."""
        with self._write() as session:
            row = OperationStepRow(operation=operation, position=position, name=name, status=StepStatus.STARTED)
            row.started_at, row.finished_at = datetime.now(UTC), None
            session.merge(row)

    def finish_step(self, operation: str, position: int) -> None:
        """Record that a step has acted."""
        self._end_step(operation, position, StepStatus.DONE)

    def undo_step(self, operation: str, position: int) -> None:
        """Record that a step has been undone."""
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
        """Record an event of a cluster or a part of it."""
        row = EventRow(cluster=cluster, source=source, source_type=source_type, event_id=event_id, message=message)
        row.categories, row.at = list(categories), at
        with self._write() as session:
            session.add(row)

    def forget_history(self, before: datetime) -> None:
        """Delete events, finished operations and backtracks older than a given time."""
        with self._write() as session:
            session.execute(delete(EventRow).where(EventRow.at < before))
            session.execute(delete(OperationRow).where(OperationRow.finished_at < before))
            ended = BacktrackRow.status.in_((BacktrackStatus.COMPLETED, BacktrackStatus.FAILED))
            session.execute(delete(BacktrackRow).where(BacktrackRow.requested_at < before, ended))

    def events(self, cluster: str | None, since: datetime | None, limit: int) -> list[Event]:
        """List the last `limit` events of a cluster, or of all, not older than `since`; newest last."""
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


def _require_free_names(session: Session, instances: Sequence[Instance]) -> None:
    taken = set(_names(session, None))
    for instance in instances:
        if instance.identifier in taken:
            raise InstanceAlreadyExists(instance.identifier)
        taken.add(instance.identifier)


def _require_free_addresses(session: Session, addresses: Sequence[Address]) -> None:
    """Check both tables, because no constraint spans them. The write lock is held, so the check is safe."""
    taken = {
        Address(host, port)
        for table in (InstanceRow, EndpointRow)
        for host, port in session.execute(select(table.host, table.port))
    }
    for address in addresses:
        if address in taken:
            raise StateError(f"The address {address} already belongs to an instance or an endpoint.")
        taken.add(address)


def _clear_instance_phases(session: Session, cluster: str) -> None:
    for instance in session.scalars(select(InstanceRow).where(InstanceRow.cluster == cluster)):
        instance.phase = Phase.NONE


def _supersede(session: Session, by: OperationRecord) -> None:
    query = select(OperationRow).where(
        OperationRow.cluster == by.cluster, OperationRow.status == OperationStatus.RUNNING
    )
    for row in session.scalars(query):
        row.status, row.finished_at = OperationStatus.FAILED, by.started_at
        row.error = f"its end was not recorded before {by.kind} began"
        _clear_instance_phases(session, by.cluster)


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
    return [
        replace(row.to_core(), steps=tuple(step.to_core() for step in steps if step.operation == row.identifier))
        for row in operations
    ]
