"""The requests of a plan, which are the same as those of commands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from auroractl.api.request import Request
from auroractl.api.requests import parameter_groups
from auroractl.api.requests.clusters import CreateCluster
from auroractl.api.requests.endpoints import CreateEndpoint, ModifyEndpoint
from auroractl.core.parameters.changes import CHANGES_MAX
from auroractl.core.parameters.model import GroupKind, ParameterChange
from auroractl.declarations.model import Declaration, DeclaredEndpoint, GroupKey


def create_cluster(wanted: Declaration, readers: int) -> CreateCluster:
    """create-cluster."""
    return CreateCluster(
        cluster=wanted.name,
        readers=readers,
        engine_version=wanted.engine_version,
        locale=wanted.locale,
        locale_provider=wanted.locale_provider,
        database_name=wanted.database_name,
        master_username=wanted.master_username,
        port=wanted.port,
        region=wanted.region,
        backtrack_window_s=wanted.backtrack_window_s,
        durability=wanted.durability,
        deletion_protection=bool(wanted.deletion_protection),
        iam_authentication=bool(wanted.iam_database_authentication),
        parameter_group=wanted.parameter_group,
        tags=wanted.tags or {},
    )


def create_endpoint(cluster: str, name: str, endpoint: DeclaredEndpoint) -> CreateEndpoint:
    """create-endpoint."""
    return CreateEndpoint(
        cluster=cluster,
        endpoint=name,
        endpoint_type=endpoint.type,
        static_members=endpoint.static_members,
        excluded_members=endpoint.excluded_members,
    )


def modify_endpoint(name: str, endpoint: DeclaredEndpoint) -> ModifyEndpoint:
    """Build a modify-endpoint request with both lists, so that both are replaced."""
    return ModifyEndpoint(
        endpoint=name,
        endpoint_type=endpoint.type,
        static_members=endpoint.static_members,
        excluded_members=endpoint.excluded_members,
    )


def create_group(key: GroupKey, family: str, description: str) -> Request:
    """create-cluster-parameter-group or create-parameter-group."""
    verb = {
        GroupKind.CLUSTER: parameter_groups.CreateClusterParameterGroup,
        GroupKind.INSTANCE: parameter_groups.CreateParameterGroup,
    }[key.kind]
    return verb(group=key.name, family=family, description=description)


def modify_group(key: GroupKey, changes: Sequence[ParameterChange]) -> Iterator[Request]:
    """Build requests to modify a group, each with as many changes as one may have."""
    verb = {
        GroupKind.CLUSTER: parameter_groups.ModifyClusterParameterGroup,
        GroupKind.INSTANCE: parameter_groups.ModifyParameterGroup,
    }[key.kind]
    for part in _parts(changes):
        yield verb(group=key.name, parameters=part)


def reset_group(key: GroupKey, changes: Sequence[ParameterChange]) -> Iterator[Request]:
    """Build requests to reset parameters of a group, each with as many as one may have."""
    verb = {
        GroupKind.CLUSTER: parameter_groups.ResetClusterParameterGroup,
        GroupKind.INSTANCE: parameter_groups.ResetParameterGroup,
    }[key.kind]
    for part in _parts(changes):
        yield verb(group=key.name, parameters=part)


def _parts(changes: Sequence[ParameterChange]) -> Iterator[tuple[ParameterChange, ...]]:
    for start in range(0, len(changes), CHANGES_MAX):
        yield tuple(changes[start : start + CHANGES_MAX])
