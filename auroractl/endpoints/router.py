"""Which client goes where: the routing table in force, whose turn it is, who is connected, who waits."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, defaultdict
from collections.abc import Awaitable

from auroractl.core.model import Address
from auroractl.core.routing import Route, RoutingTable
from auroractl.endpoints import startup
from auroractl.endpoints.connection import ClientSide, ServerSide
from auroractl.endpoints.refusal import Refusal

log = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 1.0
_RETRY_FIRST_S, _RETRY_MAX_S = 0.02, 0.25
_CANCEL_TIMEOUT_S = 5.0
_EMPTY = RoutingTable(routes=(), instances={}, connections_max=0, hold_timeout_s=0.0)


class Router:
    """Follows a routing table; everything happens on the event loop's thread."""

    def __init__(self, startup_timeout_s: float) -> None:
        self.startup_timeout_s = startup_timeout_s
        self.table = _EMPTY
        self.delay_s: dict[str, float] = {}
        """By how much later what clients send is passed on, for the endpoints that are slowed."""
        self.clients: dict[str, set[ClientSide]] = defaultdict(set)
        """Admitted clients by endpoint, connected and waiting ones."""
        self.accepted: Counter[tuple[str, str]] = Counter()
        """Connections handed over since the start, by endpoint and instance."""
        self.refused: Counter[str] = Counter()
        self._turn: Counter[str] = Counter()
        self._changed = asyncio.Event()

    def replace(self, table: RoutingTable) -> int:
        """Bring a table into force: cut what it no longer lists, wake who waits, reword. Returns how many were cut."""
        self.table = table
        self.delay_s = {route.endpoint: route.delay_ms / 1000 for route in table.routes if route.delay_ms}
        self._changed.set()
        self._changed = asyncio.Event()
        doomed = [
            client
            for clients in self.clients.values()
            for client in clients
            if client.instance is not None and table.instances.get(client.instance) != client.address
        ]
        for client in doomed:
            client.cut(table.farewell)
        for endpoint, clients in self.clients.items():
            refusal = self._refusal(endpoint)
            for client in clients:
                client.follow(refusal)
        return len(doomed)

    def admit(self, client: ClientSide) -> bool:
        """Count a client in, unless its endpoint is full."""
        if len(self.clients[client.endpoint]) >= self.table.connections_max:
            self.refused[client.endpoint] += 1
            return False
        self.clients[client.endpoint].add(client)
        return True

    def forget(self, client: ClientSide) -> None:
        """Count a client out."""
        self.clients[client.endpoint].discard(client)

    def _route(self, endpoint: str) -> Route | None:
        return next((route for route in self.table.routes if route.endpoint == endpoint), None)

    def _refusal(self, endpoint: str) -> Refusal | None:
        """What clients of an endpoint are told of writes; only the writer's can expect to write."""
        route = self._route(endpoint)
        if route is None or not route.writes or not self.table.refusal:
            return None
        return Refusal(self.table.refusal, self.table.refusal_hint)

    def in_turn(self, endpoint: str) -> list[str]:
        """The members of an endpoint, beginning with the one whose turn it is; each call moves on by one."""
        route = self._route(endpoint)
        if route is None or not route.members:
            return []
        first = self._turn[endpoint] % len(route.members)
        self._turn[endpoint] += 1
        return [*route.members[first:], *route.members[:first]]

    async def connect(self, client: ClientSide, packet: bytes) -> None:
        """Hand a client to a member, or hold it until there is one or the time is up."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.table.hold_timeout_s
        pause_s = _RETRY_FIRST_S
        while not client.lost:
            for instance in self.in_turn(client.endpoint):
                if await self._try(client, packet, instance, deadline):
                    return
            left_s = deadline - loop.time()
            if left_s <= 0:
                self.refused[client.endpoint] += 1
                message = f"no instance of endpoint {client.endpoint} accepted the connection in time"
                client.refuse(startup.CANNOT_CONNECT_NOW, message)
                return
            await _wait(self._changed.wait(), min(pause_s, left_s))
            pause_s = min(pause_s * 2, _RETRY_MAX_S)

    async def _try(self, client: ClientSide, packet: bytes, instance: str, deadline: float) -> bool:
        address = self.table.instances.get(instance)
        if address is None:
            return False
        server = await _open(address)
        if server is None:
            return False
        joined = False
        try:
            server.transport.write(packet)
            answer = await self._first_answer(server, client.endpoint, instance, deadline)
            if answer and not startup.cannot_connect_now(answer) and self.table.instances.get(instance) == address:
                client.join(server, instance, address, answer, self._refusal(client.endpoint))
                self.accepted[client.endpoint, instance] += 1
                joined = True
        finally:
            if not joined:
                server.transport.abort()
        return joined

    async def _first_answer(self, server: ServerSide, endpoint: str, instance: str, deadline: float) -> bytes:
        """What the server says; empty where it says nothing while it is a member, or until the time is up."""
        loop = asyncio.get_running_loop()
        while not server.first_answer.done():
            route = self._route(endpoint)
            if loop.time() > deadline or route is None or instance not in route.members:
                return b""
            await asyncio.wait({server.first_answer}, timeout=_RETRY_MAX_S)
        return server.first_answer.result()

    async def cancel(self, client: ClientSide, packet: bytes) -> None:
        """Pass a cancel request on to every instance with connections from this endpoint.

        An instance ignores a key that is not of its own, so nothing needs to be remembered of who has which key.
        """
        addresses = {each.address for each in self.clients[client.endpoint] if each.address is not None}
        await asyncio.gather(*(_deliver(address, packet) for address in addresses))
        client.transport.close()


async def _open(address: Address) -> ServerSide | None:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            _, server = await loop.create_connection(ServerSide, address.host, address.port)
    except OSError:
        return None
    return server


async def _deliver(address: Address, packet: bytes) -> None:
    server = await _open(address)
    if server is not None:
        server.transport.write(packet)
        await asyncio.wait({server.first_answer}, timeout=_CANCEL_TIMEOUT_S)
        server.transport.abort()


async def _wait(awaitable: Awaitable[object], timeout_s: float) -> None:
    try:
        async with asyncio.timeout(timeout_s):
            await awaitable
    except TimeoutError:
        return
