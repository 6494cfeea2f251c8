"""Handlers of requests about endpoints."""

from __future__ import annotations

from collections.abc import Mapping

from auroractl.api.requests import endpoints as requests
from auroractl.core.model import Endpoint
from auroractl.runtime.managed_cluster import ManagedCluster
from auroractl.runtime.runtime import Runtime
from auroractl.services.observation import describe, names
from auroractl.services.routing import custom_endpoints
from auroractl.supervisor.handlers.call import Call, Handler
from auroractl.supervisor.results import Document, EndpointChanged


def create_endpoint(call: Call, request: requests.CreateEndpoint) -> EndpointChanged:
    """create-endpoint."""
    endpoint = custom_endpoints.create_endpoint(
        call.cluster(request.cluster),
        request.endpoint,
        request.endpoint_type,
        request.static_members,
        request.excluded_members,
    )
    return _current(call.runtime, endpoint)


def modify_endpoint(call: Call, request: requests.ModifyEndpoint) -> EndpointChanged:
    """modify-endpoint."""
    endpoint = custom_endpoints.modify_endpoint(
        call.runtime, request.endpoint, request.endpoint_type, request.static_members, request.excluded_members
    )
    return _current(call.runtime, endpoint)


def delete_endpoint(call: Call, request: requests.DeleteEndpoint) -> EndpointChanged:
    """delete-endpoint."""
    endpoint = custom_endpoints.find_endpoint(call.runtime, request.endpoint)
    found = _current(call.runtime, endpoint, "deleting")
    custom_endpoints.delete_endpoint(call.runtime, endpoint.identifier)
    return found


def _current(runtime: Runtime, endpoint: Endpoint, status: str | None = None) -> EndpointChanged:
    snapshot = ManagedCluster(runtime, endpoint.cluster).snapshot()
    there = next(each for each in snapshot.endpoints if each.identifier == endpoint.identifier)
    return EndpointChanged(snapshot, there, status)


def describe_endpoints(call: Call, request: requests.DescribeEndpoints) -> Document:
    """describe-endpoints."""
    found = describe.describe_endpoints(call.runtime, request.cluster)
    return {
        "DBClusterEndpoints": [
            each for each in found if request.endpoint in {None, each["DBClusterEndpointIdentifier"]}
        ]
    }


def describe_names(call: Call, _request: requests.DescribeNames) -> Document:
    """describe-names."""
    return names.describe_names(call.runtime)


HANDLERS: Mapping[str, Handler] = {
    "create-endpoint": create_endpoint,
    "modify-endpoint": modify_endpoint,
    "delete-endpoint": delete_endpoint,
    "describe-endpoints": describe_endpoints,
    "describe-names": describe_names,
}
