"""Parameter groups in the state, one transaction per method."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Select, select

from auroractl.core.errors import ParameterGroupAlreadyExists, ParameterGroupNotFound
from auroractl.core.parameters.model import GroupKind, ParameterGroup
from auroractl.core.parameters.standby import Values, highest
from auroractl.state.models import ClusterRow, InstanceRow
from auroractl.state.parameter_models import ParameterGroupRow
from auroractl.state.sessions import Sessions, remembered


class ParameterGroupRepository(Sessions):
    """Parameter groups in core types. Raises the same errors as Repository."""

    @remembered
    def parameter_groups(self, kind: GroupKind) -> list[ParameterGroup]:
        """List the groups of a kind by name."""
        query = select(ParameterGroupRow).where(ParameterGroupRow.kind == kind).order_by(ParameterGroupRow.name)
        with self._read() as session:
            return [row.to_core() for row in session.scalars(query)]

    @remembered
    def parameter_group(self, kind: GroupKind, name: str) -> ParameterGroup | None:
        """Return one group."""
        with self._read() as session:
            row = session.scalar(_group(kind, name))
            return row.to_core() if row else None

    def add_parameter_group(self, group: ParameterGroup) -> None:
        """Record a new group. Raises ParameterGroupAlreadyExists."""
        with self._write() as session:
            if session.scalar(_group(group.kind, group.name)) is not None:
                raise ParameterGroupAlreadyExists(
                    f"Parameter group {group.name} already exists.", "Choose another name"
                )
            session.add(ParameterGroupRow.from_core(group))

    def change_parameter_group(self, group: ParameterGroup, settings: Mapping[str, str]) -> None:
        """Replace the settings of a group. Raises ParameterGroupNotFound."""
        with self._write() as session:
            row = session.scalar(_group(group.kind, group.name))
            if row is None:
                raise ParameterGroupNotFound(f"{group.kind.words} not found: {group.name}.", "")
            row.settings = dict(settings)

    def delete_parameter_group(self, group: ParameterGroup) -> None:
        """Delete a group; do nothing if it is gone."""
        with self._write() as session:
            row = session.scalar(_group(group.kind, group.name))
            if row is not None:
                session.delete(row)

    @remembered
    def parameter_group_users(self, kind: GroupKind, name: str) -> list[str]:
        """List the clusters or instances that use a group, by name."""
        table = ClusterRow if kind is GroupKind.CLUSTER else InstanceRow
        query = select(table.identifier).where(table.parameter_group == name).order_by(table.identifier)
        with self._read() as session:
            return list(session.scalars(query))

    def set_parameter_group(self, kind: GroupKind, user: str, name: str) -> None:
        """Let a cluster or an instance use a group; an empty name is the default one. Do nothing if it is gone."""
        with self._write() as session:
            row: ClusterRow | InstanceRow | None
            if kind is GroupKind.CLUSTER:
                row = session.get(ClusterRow, user)
            else:
                row = session.scalar(select(InstanceRow).where(InstanceRow.identifier == user))
            if row is not None:
                row.parameter_group = name

    def raise_standby_floor(self, cluster: str, values: Values) -> None:
        """Remember the highest values of a cluster; write nothing if there is no higher one."""
        with self._read() as session:
            row = session.get(ClusterRow, cluster)
            if row is None or highest(row.standby_floor, values) == row.standby_floor:
                return
        with self._write() as session:
            row = session.get(ClusterRow, cluster)
            if row is not None:
                row.standby_floor = highest(row.standby_floor, values)


def _group(kind: GroupKind, name: str) -> Select[ParameterGroupRow]:
    return select(ParameterGroupRow).where(ParameterGroupRow.kind == kind, ParameterGroupRow.name == name)
