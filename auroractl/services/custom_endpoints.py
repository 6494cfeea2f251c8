"""create-endpoint, modify-endpoint and delete-endpoint: custom endpoints, five per cluster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from auroractl.core import identifiers
from auroractl.core.addresses import AddressPlan
from auroractl.core.errors import (
    EndpointAlreadyExists,
    EndpointNotFound,
    EndpointQuotaExceeded,
    InstanceNotFound,
    InvalidParameterCombination,
)
from auroractl.core.guessing import did_you_mean
from auroractl.core.model import CustomEndpointType, Endpoint, EndpointType, RunningOperation
from auroractl.services import events
from auroractl.services.context import Context


def create_endpoint(
    context: Context,
    cluster: str,
    identifier: str,
    custom_type: CustomEndpointType,
    static_members: Sequence[str],
    excluded_members: Sequence[str],
) -> Endpoint:
    """Make a custom endpoint at an address of its own; it serves when this returns.

    Raises InvalidParameterValue, InvalidParameterCombination for both lists at once, EndpointAlreadyExists,
    EndpointQuotaExceeded, InstanceNotFound, InvalidClusterState; nothing is made then.
    """
    context.require_running(cluster)
    name = identifiers.identifier("DBClusterEndpointIdentifier", identifier)
    with context.locks.operation(cluster, RunningOperation("", "create-endpoint", context.now())):
        members, excluded = _members(context, cluster, static_members, excluded_members)
        if any(each.identifier == name for each in _all(context)):
            raise EndpointAlreadyExists(f"DB cluster endpoint {name} already exists.", "Choose another name")
        row = context.cluster(cluster)
        taken = [each.address for each in context.repository.endpoints(cluster)]
        address = next(AddressPlan(row.address_block, row.port).custom_endpoints(taken), None)
        if address is None:
            raise EndpointQuotaExceeded(
                f"DBCluster {cluster} has five custom endpoints, which is the most.",
                "Delete one: auroractl delete-endpoint ENDPOINT",
            )
        endpoint = Endpoint(name, cluster, EndpointType.CUSTOM, address, custom_type, members, excluded)
        context.repository.add_endpoint(endpoint)
        try:
            context.publish_routes(cluster)
        except BaseException:
            context.repository.delete_endpoint(endpoint)
            raise
    events.record(context, cluster, events.ENDPOINT, name, f"Custom endpoint created at {address}")
    return endpoint


def modify_endpoint(
    context: Context,
    identifier: str,
    custom_type: CustomEndpointType | None,
    static_members: Sequence[str] | None,
    excluded_members: Sequence[str] | None,
) -> Endpoint:
    """Change what a custom endpoint goes to; what is None stays. Open connections stay where they are.

    A list that is given replaces both lists: static members and excluded members exclude each other.
    """
    endpoint = find_endpoint(context, identifier)
    cluster = endpoint.cluster
    context.require_running(cluster)
    with context.locks.operation(cluster, RunningOperation("", "modify-endpoint", context.now())):
        changed = replace(endpoint, custom_type=custom_type or endpoint.custom_type)
        if static_members is not None or excluded_members is not None:
            members, excluded = _members(context, cluster, static_members or (), excluded_members or ())
            changed = replace(changed, static_members=members, excluded_members=excluded)
        context.repository.change_endpoint(changed)
        context.publish_routes(cluster)
    events.record(context, cluster, events.ENDPOINT, endpoint.identifier, "Custom endpoint modified")
    return changed


def delete_endpoint(context: Context, identifier: str) -> Endpoint:
    """Remove a custom endpoint. Raises EndpointNotFound, InvalidParameterCombination for a built-in one."""
    endpoint = find_endpoint(context, identifier)
    cluster = endpoint.cluster
    context.require_running(cluster)
    with context.locks.operation(cluster, RunningOperation("", "delete-endpoint", context.now())):
        context.repository.delete_endpoint(endpoint)
        context.publish_routes(cluster)
    events.record(context, cluster, events.ENDPOINT, endpoint.identifier, "Custom endpoint deleted")
    return endpoint


def find_endpoint(context: Context, identifier: str) -> Endpoint:
    """The custom endpoint of a name. Raises EndpointNotFound, InvalidParameterCombination for a built-in one."""
    known = _all(context)
    for endpoint in known:
        if endpoint.identifier == identifier.lower():
            if endpoint.type is not EndpointType.CUSTOM:
                raise InvalidParameterCombination(
                    f"{endpoint.identifier} is a built-in endpoint and stays as it is.",
                    "Make one of your own: auroractl create-endpoint NAME",
                )
            return endpoint
    custom = [each.identifier for each in known if each.type is EndpointType.CUSTOM]
    raise EndpointNotFound(
        f"DB cluster endpoint {identifier} not found.",
        did_you_mean(identifier, custom, f"There are: {', '.join(custom) or 'no custom endpoints'}"),
    )


def _all(context: Context) -> list[Endpoint]:
    clusters = context.repository.clusters()
    return [each for cluster in clusters for each in context.repository.endpoints(cluster.identifier)]


def _members(
    context: Context, cluster: str, static: Sequence[str], excluded: Sequence[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if static and excluded:
        raise InvalidParameterCombination(
            "An endpoint has either static members or excluded members, not both.", "Leave one of them out"
        )
    known = [instance.identifier for instance in context.repository.instances(cluster)]
    for name in (*static, *excluded):
        if name.lower() not in known:
            raise InstanceNotFound(name, known)
    return tuple(name.lower() for name in static), tuple(name.lower() for name in excluded)
