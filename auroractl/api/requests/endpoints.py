"""Requests about endpoints."""

from __future__ import annotations

from dataclasses import dataclass, field

from auroractl.api.field_types import TEXT, TEXTS, member_of
from auroractl.api.request import Request
from auroractl.core.endpoint_types import CustomEndpointType

_TYPE = member_of(CustomEndpointType)


@dataclass(frozen=True, kw_only=True)
class CreateEndpoint(Request):
    """Create a custom endpoint. Without members it leads to all instances of its type."""

    cluster: str | None = field(default=None, metadata=TEXT.key("DBClusterIdentifier"))
    endpoint: str = field(metadata=TEXT.key("DBClusterEndpointIdentifier"))
    endpoint_type: CustomEndpointType = field(default=CustomEndpointType.READER, metadata=_TYPE.key("EndpointType"))
    static_members: tuple[str, ...] = field(default=(), metadata=TEXTS.key("StaticMembers"))
    excluded_members: tuple[str, ...] = field(default=(), metadata=TEXTS.key("ExcludedMembers"))


@dataclass(frozen=True, kw_only=True)
class ModifyEndpoint(Request):
    """Change a custom endpoint. A list replaces the existing ones."""

    endpoint: str = field(metadata=TEXT.key("DBClusterEndpointIdentifier"))
    endpoint_type: CustomEndpointType | None = field(default=None, metadata=_TYPE.key("EndpointType"))
    static_members: tuple[str, ...] | None = field(default=None, metadata=TEXTS.key("StaticMembers"))
    excluded_members: tuple[str, ...] | None = field(default=None, metadata=TEXTS.key("ExcludedMembers"))


@dataclass(frozen=True, kw_only=True)
class DeleteEndpoint(Request):
    """Delete a custom endpoint."""

    endpoint: str = field(metadata=TEXT.key("DBClusterEndpointIdentifier"))


class DescribeNames(Request):
    """List the DNS names of all clusters."""


@dataclass(frozen=True, kw_only=True)
class DescribeEndpoints(Request):
    """Describe endpoints: all, those of a cluster, or one."""

    cluster: str | None = field(default=None, metadata=TEXT.key("DBClusterIdentifier"))
    endpoint: str | None = field(default=None, metadata=TEXT.key("DBClusterEndpointIdentifier"))
