"""create-endpoint, modify-endpoint and delete-endpoint: custom endpoints, five per cluster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from auroractl.core import identifiers
from auroractl.core.addresses import AddressPlan
from auroractl.core.endpoint_types import CustomEndpointType
from auroractl.core.errors import (
    EndpointAlreadyExists,
    EndpointNotFound,
    EndpointQuotaExceeded,
    InstanceNotFound,
    InvalidParameterCombination,
)
from auroractl.core.guessing import did_you_mean
from auroractl.core.model import Endpoint, EndpointType, RunningOperation
from auroractl.runtime import events
from auroractl.runtime.managed_cluster import ManagedCluster
from auroractl.runtime.runtime import Runtime


def create_endpoint(
    cluster: ManagedCluster,
    identifier: str,
    custom_type: CustomEndpointType,
    static_members: Sequence[str],
    excluded_members: Sequence[str],
) -> Endpoint:
    """Create a custom endpoint with its own address. It accepts connections when this returns.

    Raises InvalidParameterValue, InvalidParameterCombination for both lists at once, EndpointAlreadyExists,
    EndpointQuotaExceeded, InstanceNotFound, InvalidClusterState; nothing is created then.
    """
    cluster.require_running()
    name = identifiers.identifier("DBClusterEndpointIdentifier", identifier)
    with cluster.locks.operation(cluster.name, RunningOperation("", "create-endpoint", cluster.now())):
        members, excluded = _members(cluster, static_members, excluded_members)
        if any(each.identifier == name for each in _all(cluster.runtime)):
            raise EndpointAlreadyExists(f"DB cluster endpoint {name} already exists.", "Choose another name")
        row = cluster.row()
        taken = [each.address for each in cluster.endpoints()]
        address = next(AddressPlan(row.address_block, row.port).custom_endpoints(taken), None)
        if address is None:
            raise EndpointQuotaExceeded(
                f"DBCluster {cluster.name} already has five custom endpoints, the maximum.",
                "Delete one: auroractl delete-endpoint ENDPOINT",
            )
        endpoint = Endpoint(name, cluster.name, EndpointType.CUSTOM, address, custom_type, members, excluded)
        cluster.repository.add_endpoint(endpoint)
        try:
            cluster.publish_routes()
        except BaseException:
            cluster.repository.delete_endpoint(endpoint)
            raise
    events.record(cluster, events.ENDPOINT, name, f"Custom endpoint created at {address}")
    return endpoint


def modify_endpoint(
    runtime: Runtime,
    identifier: str,
    custom_type: CustomEndpointType | None,
    static_members: Sequence[str] | None,
    excluded_members: Sequence[str] | None,
) -> Endpoint:
    """Change the type or the members of a custom endpoint; None leaves them unchanged. Open connections are unaffected.

    A given list replaces both lists, because static members and excluded members exclude each other.
    """
    endpoint = find_endpoint(runtime, identifier)
    cluster = ManagedCluster(runtime, endpoint.cluster)
    cluster.require_running()
    with cluster.locks.operation(cluster.name, RunningOperation("", "modify-endpoint", cluster.now())):
        changed = replace(endpoint, custom_type=custom_type or endpoint.custom_type)
        if static_members is not None or excluded_members is not None:
            members, excluded = _members(cluster, static_members or (), excluded_members or ())
            changed = replace(changed, static_members=members, excluded_members=excluded)
        cluster.repository.change_endpoint(changed)
        cluster.publish_routes()
    events.record(cluster, events.ENDPOINT, endpoint.identifier, "Custom endpoint modified")
    return changed


def delete_endpoint(runtime: Runtime, identifier: str) -> Endpoint:
    """Delete a custom endpoint. Raises EndpointNotFound, InvalidParameterCombination for a built-in one."""
    endpoint = find_endpoint(runtime, identifier)
    cluster = ManagedCluster(runtime, endpoint.cluster)
    cluster.require_running()
    with cluster.locks.operation(cluster.name, RunningOperation("", "delete-endpoint", cluster.now())):
        cluster.repository.delete_endpoint(endpoint)
        cluster.publish_routes()
    events.record(cluster, events.ENDPOINT, endpoint.identifier, "Custom endpoint deleted")
    return endpoint


def find_endpoint(runtime: Runtime, identifier: str) -> Endpoint:
    """Return a custom endpoint. Raises EndpointNotFound, InvalidParameterCombination for a built-in one."""
    known = _all(runtime)
    for endpoint in known:
        if endpoint.identifier == identifier.lower():
            if endpoint.type is not EndpointType.CUSTOM:
                raise InvalidParameterCombination(
                    f"{endpoint.identifier} is a built-in endpoint and cannot be changed.",
                    "Create a custom one: auroractl create-endpoint NAME",
                )
            return endpoint
    custom = [each.identifier for each in known if each.type is EndpointType.CUSTOM]
    raise EndpointNotFound(
        f"DB cluster endpoint {identifier} not found.",
        did_you_mean(identifier, custom, f"Custom endpoints: {', '.join(custom) or 'none'}"),
    )


def _all(runtime: Runtime) -> list[Endpoint]:
    clusters = runtime.repository.clusters()
    return [each for cluster in clusters for each in runtime.repository.endpoints(cluster.identifier)]


def _members(
    cluster: ManagedCluster, static: Sequence[str], excluded: Sequence[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if static and excluded:
        raise InvalidParameterCombination(
            "An endpoint has either static members or excluded members, not both.", "Omit one of them"
        )
    known = [instance.identifier for instance in cluster.instances()]
    for name in (*static, *excluded):
        if name.lower() not in known:
            raise InstanceNotFound(name, known)
    return tuple(name.lower() for name in static), tuple(name.lower() for name in excluded)
