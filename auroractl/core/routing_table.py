"""The routing table of the endpoint process: which instance a new connection goes to.

The endpoint process imports nothing of `core.model`, which takes a fifth of its start.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import NoneType
from typing import Any

from auroractl.core.address import Address


@dataclass(frozen=True, slots=True)
class Route:
    """One listening address and the instances that receive its new connections in turn.

    Without members a new connection is held until there is one or `hold_timeout_s` has passed, if the route `holds`.
    """

    endpoint: str
    address: Address
    members: tuple[str, ...]
    writes: bool = False
    """True for the writer endpoint; only there is a refusal of writes explained."""
    listens: bool = True
    """False if nothing should listen there, so that new connections are refused."""
    delay_ms: int = 0
    """Delay of the bytes that clients send."""
    holds: bool = True
    """False if a new connection without a member is refused at once, as by a server that is down."""


@dataclass(frozen=True, slots=True)
class RoutingTable:
    """Everything that the endpoint process needs; always replaced as a whole, never edited.

    Open connections to an instance that is not in `instances` are cut. An instance that is in `instances` but in no
    route keeps its open connections and gets no new ones.
    """

    routes: tuple[Route, ...]
    instances: Mapping[str, Address]
    connections_max: int
    """Maximum open client connections of one endpoint; beyond it PostgreSQL's own error 53300 is sent."""
    hold_timeout_s: float
    server_uid: int | None = None
    """The uid of the instances; no client is handed to a server of another account. None: any account."""
    refusal: str = ""
    """Why writes are currently refused; empty if they are not."""
    refusal_hint: str = ""
    """What a user can do about it."""
    farewell: str = ""
    """The message to clients whose connections are cut; may be empty."""
    unserved: str = ""
    """Why no instance can take a client that was held until `hold_timeout_s` had passed; empty for no special reason."""
    unserved_hint: str = ""
    """What a user can do about it."""
    synchronous_commit_enforced: bool = False
    """True if new connections may not set synchronous_commit to anything but on."""
    promoted_are_closed: bool = False
    """True if connections of endpoints of readers are cut once their instance has become the writer."""
    tls_required: bool = False
    """True if clients without TLS are refused (`rds.force_ssl`)."""

    @property
    def writer(self) -> str:
        """Return the instance of the writer endpoint; empty while there is none."""
        return next((name for route in self.routes if route.writes for name in route.members), "")

    def goes_to(self, endpoint: str, instance: str) -> bool:
        """Return whether new connections of an endpoint go to an instance."""
        return any(route.endpoint == endpoint and instance in route.members for route in self.routes)

    def to_json(self) -> dict[str, Any]:
        """Convert the table for the endpoint process."""
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
                    "holds": route.holds,
                }
                for route in self.routes
            ],
            "instances": {
                name: {"host": address.host, "port": address.port} for name, address in self.instances.items()
            },
            "server_uid": self.server_uid,
            "connections_max": self.connections_max,
            "hold_timeout_s": self.hold_timeout_s,
            "refusal": self.refusal,
            "refusal_hint": self.refusal_hint,
            "farewell": self.farewell,
            "unserved": self.unserved,
            "unserved_hint": self.unserved_hint,
            "synchronous_commit_enforced": self.synchronous_commit_enforced,
            "promoted_are_closed": self.promoted_are_closed,
            "tls_required": self.tls_required,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> RoutingTable:
        """Invert `to_json`, also for an earlier version. Raises KeyError or TypeError for anything else."""
        return cls(
            routes=tuple(_route(_of(dict, each)) for each in _of(list, document["routes"])),
            instances={name: _address(_of(dict, each)) for name, each in _of(dict, document["instances"]).items()},
            server_uid=_of((int, NoneType), document.get("server_uid")),
            connections_max=_of(int, document["connections_max"]),
            hold_timeout_s=float(_of((int, float), document["hold_timeout_s"])),
            refusal=_of(str, document.get("refusal", "")),
            refusal_hint=_of(str, document.get("refusal_hint", "")),
            farewell=_of(str, document.get("farewell", "")),
            unserved=_of(str, document.get("unserved", "")),
            unserved_hint=_of(str, document.get("unserved_hint", "")),
            synchronous_commit_enforced=_of(bool, document.get("synchronous_commit_enforced", False)),
            promoted_are_closed=_of(bool, document.get("promoted_are_closed", False)),
            tls_required=_of(bool, document.get("tls_required", False)),
        )


def _route(document: Mapping[str, Any]) -> Route:
    return Route(
        _of(str, document["endpoint"]),
        _address(document),
        tuple(_of(str, member) for member in _of(list, document["members"])),
        _of(bool, document.get("writes", False)),
        _of(bool, document.get("listens", True)),
        _of(int, document.get("delay_ms", 0)),
        _of(bool, document.get("holds", True)),
    )


def _address(document: Mapping[str, Any]) -> Address:
    port = _of(int, document["port"])
    if not 0 < port < 65536:
        raise TypeError(f"{port} is not a port")
    return Address(_of(str, document["host"]), port)


def _of(kind: type | tuple[type, ...], value: Any) -> Any:
    if not isinstance(value, kind):
        raise TypeError(f"{value!r:.60} is of the wrong kind")
    return value
