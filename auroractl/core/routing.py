"""Which instance a new connection goes to: the routing table that the endpoint process follows."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from auroractl.core.faults import FaultKind
from auroractl.core.model import Address, ClusterSnapshot, Endpoint, EndpointType, Phase, Wanted


@dataclass(frozen=True, slots=True)
class Route:
    """One listening address and the instances that take its new connections in turn.

    Without members a new connection is held until there are some or `hold_timeout_s` has passed.
    """

    endpoint: str
    address: Address
    members: tuple[str, ...]
    writes: bool = False
    """Whether it is the writer's; only there a refusal to write is explained."""
    listens: bool = True
    """False where new connections are to be refused by nobody being there."""
    delay_ms: int = 0
    """By how much later what a client sends is passed on."""


@dataclass(frozen=True, slots=True)
class RoutingTable:
    """All that the endpoint process needs to know; it is replaced as a whole, never edited.

    Open connections to an instance that `instances` no longer lists are cut. An instance that is listed but in no
    route keeps its open connections and gets no new ones.
    """

    routes: tuple[Route, ...]
    instances: Mapping[str, Address]
    connections_max: int
    """Open client connections that one endpoint accepts; beyond it PostgreSQL's own error 53300 is sent."""
    hold_timeout_s: float
    refusal: str = ""
    """Why writes are refused at the moment; empty where they are not."""
    refusal_hint: str = ""
    """What a person may do about it."""
    farewell: str = ""
    """What clients are told whose connections are cut; empty where there is nothing to tell."""

    def to_json(self) -> dict[str, Any]:
        """The table as the endpoint process reads it."""
        return {
            "routes": [
                {
                    "endpoint": route.endpoint,
                    "host": route.address.host,
                    "port": route.address.port,
                    "members": list(route.members),
                    "writes": route.writes,
                    "listens": route.listens,
                    "delay_ms": route.delay_ms,
                }
                for route in self.routes
            ],
            "instances": {
                name: {"host": address.host, "port": address.port} for name, address in self.instances.items()
            },
            "connections_max": self.connections_max,
            "hold_timeout_s": self.hold_timeout_s,
            "refusal": self.refusal,
            "refusal_hint": self.refusal_hint,
            "farewell": self.farewell,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> RoutingTable:
        """The inverse of `to_json`, also of one by an earlier version. Raises KeyError or TypeError for anything else."""
        return cls(
            routes=tuple(
                Route(
                    route["endpoint"],
                    Address(route["host"], route["port"]),
                    tuple(route["members"]),
                    route.get("writes", False),
                    route.get("listens", True),
                    route.get("delay_ms", 0),
                )
                for route in document["routes"]
            ),
            instances={
                name: Address(address["host"], address["port"]) for name, address in document["instances"].items()
            },
            connections_max=document["connections_max"],
            hold_timeout_s=document["hold_timeout_s"],
            refusal=document.get("refusal", ""),
            refusal_hint=document.get("refusal_hint", ""),
            farewell=document.get("farewell", ""),
        )


def routing_table(
    snapshot: ClusterSnapshot,
    *,
    connections_max: int,
    hold_timeout_s: float,
    without: Collection[str] = (),
    draining: Collection[str] = (),
    refusal: str = "",
    refusal_hint: str = "",
    farewell: str = "",
) -> RoutingTable:
    """The table for a cluster as it is now.

    Writer connections go to the writer while it answers and are held otherwise. Reader connections go in turn to the
    readers that answer, and to the writer where there is none (AWS: "if the cluster contains only a primary
    instance, the reader endpoint connects to it"). A custom endpoint goes to its members and to nobody else. Instances in `without` are cut off; those in `draining` keep their
    open connections only.
    """
    closed = set(without)
    quiet = closed | set(draining)
    writer = snapshot.writer
    writer_members = (
        (writer.identifier,)
        if writer and writer.identifier not in quiet and snapshot.seen(writer.identifier).accepting
        else ()
    )
    serving_readers = [
        reader
        for reader in snapshot.readers
        if reader.identifier not in quiet
        and reader.wanted is Wanted.RUNNING
        and reader.phase is not Phase.DELETING
        and snapshot.seen(reader.identifier).accepting
    ]
    reader_members = tuple(reader.identifier for reader in serving_readers)
    serving = [*([writer] if writer and writer_members else []), *serving_readers]

    def members(endpoint: Endpoint) -> tuple[str, ...]:
        match endpoint.type:
            case EndpointType.WRITER:
                return writer_members
            case EndpointType.READER:
                return reader_members or writer_members
            case EndpointType.CUSTOM:
                return tuple(each.identifier for each in serving if endpoint.may_go_to(each))

    def route(endpoint: Endpoint) -> Route:
        fault = snapshot.fault_on(endpoint.identifier)
        return Route(
            endpoint.identifier,
            endpoint.address,
            members(endpoint),
            writes=endpoint.type is EndpointType.WRITER,
            listens=fault is None or fault.kind is not FaultKind.REFUSE_ENDPOINT,
            delay_ms=(fault and fault.delay_ms) or 0,
        )

    return RoutingTable(
        routes=tuple(route(endpoint) for endpoint in snapshot.endpoints),
        instances={
            instance.identifier: instance.address
            for instance in snapshot.instances
            if instance.identifier not in closed and instance.wanted is Wanted.RUNNING
        },
        connections_max=connections_max,
        hold_timeout_s=hold_timeout_s,
        refusal=refusal,
        refusal_hint=refusal_hint,
        farewell=farewell,
    )
