"""What DNS answers for the names of a cluster."""

from __future__ import annotations

from collections.abc import Mapping

from auroractl.core.dns_names import endpoint_name, instance_address, names
from auroractl.core.model import ClusterSnapshot, Endpoint, EndpointType
from auroractl.core.routing_table import RoutingTable

Answers = Mapping[str, tuple[str, ...]]
"""The addresses of names, of which each answer has one in turn."""


def answers(snapshot: ClusterSnapshot, table: RoutingTable, before: Answers, *, follow_roles: bool) -> Answers:
    """Return the answers for all names of a cluster.

    With `follow_roles`, names of endpoints are those of their members' addresses, as on AWS. While an endpoint has no
    member, the answer is what is still right of the one `before`, or else the endpoint's own address. Without
    `follow_roles`, and where all addresses are one, each name has its own address.
    """
    own = names(snapshot.dns_domain, snapshot.endpoints, snapshot.instances, tls=snapshot.tls)
    found: dict[str, tuple[str, ...]] = {name: (address.host,) for name, address in own.items()}
    if not (follow_roles and snapshot.cluster.address_block and snapshot.instances):
        return found
    hosts = {each.identifier: instance_address(each, tls=snapshot.tls).host for each in snapshot.instances}
    members = {route.endpoint: tuple(hosts[each] for each in route.members if each in hosts) for route in table.routes}
    writer = (hosts[snapshot.writer.identifier],) if snapshot.writer else ()
    for endpoint in snapshot.endpoints:
        name = endpoint_name(snapshot.dns_domain, endpoint)
        first = writer if endpoint.type is EndpointType.WRITER else ()
        found[name] = (
            members.get(endpoint.identifier)
            or _still_right(before.get(name, ()), endpoint, snapshot)
            or first
            or found[name]
        )
    return found


def _still_right(before: tuple[str, ...], endpoint: Endpoint, snapshot: ClusterSnapshot) -> tuple[str, ...]:
    """Return the addresses of instances that exist and may belong to an endpoint.

    The writer endpoint keeps the old writer until the new one answers.
    """
    members = (each for each in snapshot.instances if endpoint.may_go_to(each))
    allowed = {instance_address(each, tls=snapshot.tls).host for each in members}
    return tuple(host for host in before if host in allowed)
