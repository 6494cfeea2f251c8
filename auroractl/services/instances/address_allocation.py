"""Placement of new instances: free loopback addresses and Availability Zones."""

from __future__ import annotations

import socket
import zlib
from collections.abc import Collection, Sequence

from auroractl.core import topology
from auroractl.core.address import Address
from auroractl.core.addresses import AddressPlan, block_candidates
from auroractl.core.errors import InvalidParameterValue, MachineError
from auroractl.core.identifiers import PORT_DEFAULT, PROMOTION_TIER_DEFAULT
from auroractl.core.model import Cluster, Instance, Phase
from auroractl.runtime.managed_cluster import ManagedCluster
from auroractl.runtime.runtime import Runtime

_PORTS_TRIED = 200
_BLOCKS_TRIED = 64
_SINGLE_HOST_PORT_STEP = 64


def find_addresses(runtime: Runtime, port: int | None) -> AddressPlan:
    """Find a block of free loopback addresses, and a port that is free on all of them.

    The port is the given one, or 5432, or the next free one. Raises InvalidParameterValue if the given port is in use,
    MachineError if nothing is free.
    """
    mode = runtime.settings.addresses
    if mode == "block" or (mode == "auto" and _bindable(Address("127.16.0.1", 0))):
        return _find_block(runtime, port)
    return _find_ports(runtime, port)


def _find_block(runtime: Runtime, port: int | None) -> AddressPlan:
    taken = {cluster.address_block for cluster in runtime.repository.clusters()}
    ports = [port] if port else range(PORT_DEFAULT, PORT_DEFAULT + _PORTS_TRIED)
    for candidate in ports:
        blocks = block_candidates(zlib.crc32(str(runtime.home.root).encode()))
        for _, block in zip(range(_BLOCKS_TRIED), blocks, strict=False):
            plan = AddressPlan(block, candidate)
            if block not in taken and all(map(_bindable, plan.all())):
                return plan
    raise _nothing_free(port)


def _find_ports(runtime: Runtime, port: int | None) -> AddressPlan:
    taken = {cluster.port for cluster in runtime.repository.clusters()}
    ports = (
        [port]
        if port
        else range(PORT_DEFAULT, PORT_DEFAULT + _PORTS_TRIED * _SINGLE_HOST_PORT_STEP, _SINGLE_HOST_PORT_STEP)
    )
    for candidate in ports:
        plan = AddressPlan("", candidate)
        clear = all(abs(candidate - other) >= _SINGLE_HOST_PORT_STEP for other in taken)
        if clear and all(map(_bindable, plan.all())):
            return plan
    raise _nothing_free(port)


def _nothing_free(port: int | None) -> Exception:
    if port:
        return InvalidParameterValue(
            f"Port {port} is in use.", "Choose another one, or omit --port to use the next free one"
        )
    return MachineError("No free loopback addresses were found.", "List the listeners: ss -ltn")


def _bindable(address: Address) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address.host, address.port))
        except OSError:
            return False
    return True


def new_instances(
    cluster: ManagedCluster,
    row: Cluster,
    existing: Sequence[Instance],
    count: int,
    *,
    plan: AddressPlan,
    with_writer: bool,
    taken_names: Collection[str],
) -> list[Instance]:
    """Build the rows of `count` new instances, spread over the AZs; with `with_writer` the first is the writer."""
    taken = {instance.address for instance in existing}
    names = topology.instance_names(row.identifier, taken_names)
    addresses = plan.instances(taken)
    made: list[Instance] = []
    for position in range(count):
        zone = topology.availability_zone(row.availability_zones, [*existing, *made])
        made.append(
            Instance(
                identifier=next(names),
                cluster=row.identifier,
                availability_zone=zone,
                is_writer=with_writer and position == 0,
                promotion_tier=PROMOTION_TIER_DEFAULT,
                address=next(addresses),
                created_at=cluster.now(),
                phase=Phase.CREATING,
            )
        )
    return made
