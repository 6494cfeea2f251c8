"""The requests of a plan, which are the same as those of commands."""

from __future__ import annotations

from auroractl.api.requests.clusters import CreateCluster
from auroractl.api.requests.endpoints import CreateEndpoint, ModifyEndpoint
from auroractl.declarations.model import Declaration, DeclaredEndpoint


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
        deletion_protection=bool(wanted.deletion_protection),
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
