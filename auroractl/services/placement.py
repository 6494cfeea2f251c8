"""Finding free loopback addresses and building the rows of new instances."""

from __future__ import annotations

import socket
import zlib
from collections.abc import Collection, Sequence

from auroractl.core import topology
from auroractl.core.addresses import AddressPlan, block_candidates
from auroractl.core.errors import InvalidParameterValue, MachineError
from auroractl.core.identifiers import PORT_DEFAULT, PROMOTION_TIER_DEFAULT
from auroractl.core.model import Address, Cluster, Instance, Phase
from auroractl.services.context import Context

_PORTS_TRIED = 200
_BLOCKS_TRIED = 64
_SINGLE_HOST_PORT_STEP = 64


def find_addresses(context: Context, port: int | None) -> AddressPlan:
    """A block of free loopback addresses and a port that is free on all of them.

    The port is the one asked for, else 5432, else the next free one. Raises InvalidParameterValue where the port that
    was asked for is taken, MachineError where nothing is free.
    """
    mode = context.settings.addresses
    if mode == "block" or (mode == "auto" and _bindable(Address("127.16.0.1", 0))):
        return _find_block(context, port)
    return _find_ports(context, port)


def _find_block(context: Context, port: int | None) -> AddressPlan:
    taken = {cluster.address_block for cluster in context.repository.clusters()}
    ports = [port] if port else range(PORT_DEFAULT, PORT_DEFAULT + _PORTS_TRIED)
    for candidate in ports:
        blocks = block_candidates(zlib.crc32(str(context.home.root).encode()))
        for _, block in zip(range(_BLOCKS_TRIED), blocks, strict=False):
            plan = AddressPlan(block, candidate)
            if block not in taken and all(map(_bindable, plan.all())):
                return plan
    raise _nothing_free(port)


def _find_ports(context: Context, port: int | None) -> AddressPlan:
    taken = {cluster.port for cluster in context.repository.clusters()}
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
        return InvalidParameterValue(f"Port {port} is taken.", "Choose another, or leave --port out to have one found")
    return MachineError("No free loopback addresses were found.", "See what listens on them: ss -ltn")


def _bindable(address: Address) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address.host, address.port))
        except OSError:
            return False
    return True


def new_instances(
    context: Context,
    cluster: Cluster,
    existing: Sequence[Instance],
    count: int,
    *,
    plan: AddressPlan,
    with_writer: bool,
    taken_names: Collection[str],
) -> list[Instance]:
    """The rows of `count` new instances, spread over the AZs; with `with_writer` the first is the writer."""
    taken = {instance.address for instance in existing}
    names = topology.instance_names(cluster.identifier, taken_names)
    addresses = plan.instances(taken)
    made: list[Instance] = []
    for position in range(count):
        zone = topology.availability_zone(cluster.availability_zones, [*existing, *made])
        made.append(
            Instance(
                identifier=next(names),
                cluster=cluster.identifier,
                availability_zone=zone,
                is_writer=with_writer and position == 0,
                promotion_tier=PROMOTION_TIER_DEFAULT,
                address=next(addresses),
                created_at=context.now(),
                phase=Phase.CREATING,
            )
        )
    return made
