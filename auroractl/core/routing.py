"""The decision on the routing table of a cluster."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType

from auroractl.core.address import Address
from auroractl.core.model import ClusterSnapshot, Endpoint, EndpointType, Instance, Phase, Wanted
from auroractl.core.routing_table import Route, RoutingTable
from auroractl.core.text.sizes import format_size
from auroractl.core.volume.faults import FaultKind


def routing_table(
    snapshot: ClusterSnapshot,
    *,
    connections_max: int,
    hold_timeout_s: float,
    server_uid: int | None = None,
    without: Collection[str] = (),
    draining: Collection[str] = (),
    farewell: str = "",
    writer_closed: bool = False,
    synchronous_commit_enforced: bool = False,
    promoted_are_closed: bool = False,
    tls_required: bool = False,
    instance_endpoints: Mapping[str, Address] = MappingProxyType({}),
) -> RoutingTable:
    """Build the current table of a cluster.

    Writer connections go to the writer while it answers and are held otherwise. Reader connections go in turn to the
    readers that answer, and to the writer if there is none (AWS: "if the cluster contains only a primary instance, the
    reader endpoint connects to it"). A custom endpoint goes only to its members. Instances in `without` are cut off;
    those in `draining` only keep their open connections. With `writer_closed` the writer endpoint refuses connections.
    `instance_endpoints` are the addresses that each lead to one instance.
    """
    closed = set(without)
    serving = _serving(snapshot, closed | set(draining))
    cluster = snapshot.cluster.identifier
    return RoutingTable(
        routes=(
            *(
                _route_of(snapshot, endpoint, serving, closed=writer_closed and endpoint.type is EndpointType.WRITER)
                for endpoint in snapshot.endpoints
            ),
            *(_route_to(name, address, serving) for name, address in instance_endpoints.items()),
        ),
        instances={
            instance.identifier: instance.address
            for instance in snapshot.instances
            if instance.identifier not in closed and instance.wanted is Wanted.RUNNING
        },
        server_uid=server_uid,
        connections_max=connections_max,
        hold_timeout_s=hold_timeout_s,
        farewell=farewell,
        unserved=f"cluster {cluster} has no instance" if snapshot.without_writer else "",
        unserved_hint=f"Create one: auroractl create-instance {cluster}" if snapshot.without_writer else "",
        synchronous_commit_enforced=synchronous_commit_enforced,
        promoted_are_closed=promoted_are_closed,
        tls_required=tls_required,
        **_refusal(snapshot),
    )


def _refusal(snapshot: ClusterSnapshot) -> dict[str, str]:
    """Return the error that the endpoint sends to clients whose writes are refused by a full volume."""
    volume = snapshot.volume
    if volume is None or volume.full_since is None:
        return {}
    # Sizes change with every measurement; a table that contained them would be sent each time.
    allocated = format_size(volume.allocated_bytes)
    name = snapshot.cluster.identifier
    return {
        "refusal": f"the storage volume of cluster {name} is full ({allocated} allocated)",
        "refusal_hint": f"Reads continue. Let it grow: auroractl storage-autogrow {name} --enable --max-capacity SIZE. "
        "Or make room: SET default_transaction_read_only = off, then DROP or TRUNCATE.",
    }


def _serving(snapshot: ClusterSnapshot, quiet: Collection[str]) -> list[Instance]:
    """List the instances that get new connections, the writer first; those in `quiet` get none."""
    readers = [
        reader for reader in snapshot.readers if reader.wanted is Wanted.RUNNING and reader.phase is not Phase.DELETING
    ]
    candidates = [snapshot.writer, *readers] if snapshot.writer else readers
    return [each for each in candidates if each.identifier not in quiet and snapshot.seen(each.identifier).accepting]


def _route_of(snapshot: ClusterSnapshot, endpoint: Endpoint, serving: Sequence[Instance], *, closed: bool) -> Route:
    fault = snapshot.fault_on(endpoint.identifier)
    return Route(
        endpoint.identifier,
        endpoint.address,
        () if closed else _members(endpoint, serving),
        writes=endpoint.type is EndpointType.WRITER,
        listens=not closed and (fault is None or fault.kind is not FaultKind.REFUSE_ENDPOINT),
        delay_ms=(fault and fault.delay_ms) or 0,
    )


def _route_to(instance: str, address: Address, serving: Sequence[Instance]) -> Route:
    """Return the route to one instance. It does not hold, so that drivers that know all instances try the next one."""
    members = tuple(each.identifier for each in serving if each.identifier == instance)
    return Route(f"{instance} (TLS)", address, members, holds=False)


def _members(endpoint: Endpoint, serving: Sequence[Instance]) -> tuple[str, ...]:
    writer = tuple(each.identifier for each in serving if each.is_writer)
    readers = tuple(each.identifier for each in serving if not each.is_writer)
    match endpoint.type:
        case EndpointType.WRITER:
            return writer
        case EndpointType.READER:
            return readers or writer
        case EndpointType.CUSTOM:
            return tuple(each.identifier for each in serving if endpoint.may_go_to(each))
