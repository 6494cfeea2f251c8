"""Routing of clients: the table in force, turns, connected and waiting clients."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial

from auroractl.core.address import Address
from auroractl.core.iam import IamRules, why_refused
from auroractl.core.routing_table import Route, RoutingTable
from auroractl.endpoints import startup
from auroractl.endpoints.connection import ClientSide, ServerSide
from auroractl.endpoints.iam_login import (
    TokenNeeded,
    ask_token,
    asks_password,
    is_unproven,
    needs_token,
    notice,
    password_message,
)
from auroractl.endpoints.refusal import Refusal
from auroractl.endpoints.tickets import Tickets
from auroractl.system.limits import open_files_max
from auroractl.system.socket_owner import accepted_by, is_told, listener_at

log = logging.getLogger(__name__)

NEWCOMERS_MAX = 4096
"""Maximum number of connections that have sent no startup packet, or want to cancel.

Beyond it, or beyond a quarter of the available descriptors, the oldest is dropped. A real client sends its packet at
once, so it is not among the oldest.
"""
CONNECT_TIMEOUT_S = 1.0
_RETRY_FIRST_S, _RETRY_MAX_S = 0.02, 0.25
_CANCEL_TIMEOUT_S = 5.0
_FAILURES_PER_ENTRY = 1000
_LOGGED_APART_S = 0.1
_TRIES_WITH_TICKETS = 3
_CANCELS_MAX = 32
"""Cancel requests forwarded at the same time; each takes a connection to every instance."""
_PROMOTED = "terminating connection: the reader was promoted"
_EMPTY = RoutingTable(routes=(), instances={}, connections_max=0, hold_timeout_s=0.0)


class Router:
    """Follows a routing table. Everything runs on the event loop's thread."""

    def __init__(self, startup_timeout_s: float, newcomers_max: int) -> None:
        self.startup_timeout_s = startup_timeout_s
        self._owners_are_known = is_told()
        if not self._owners_are_known:
            log.warning(
                "this system does not report which process answers a connection; clients are handed to any process that does"
            )
        self._newcomers: dict[ClientSide, None] = {}
        """Oldest first."""
        self._newcomers_max = min(newcomers_max, (open_files_max() or newcomers_max * 4) // 4)
        self._cancels = asyncio.Semaphore(_CANCELS_MAX)
        self.table = _EMPTY
        self.tls: ssl.SSLContext | None = None
        """How new connections end TLS; open ones keep the context with which they began."""
        self.handshakes: Counter[bool] = Counter()
        """TLS handshakes since the start: complete (True), and failed or given up (False)."""
        self.iam: IamRules | None = None
        """What tokens have to be like; None if there is no IAM authentication."""
        self.tickets = Tickets()
        self._logged_s = -_LOGGED_APART_S
        self.delay_s: dict[str, float] = {}
        """Delay of the clients' bytes, for endpoints that are slowed."""
        self.clients: dict[str, set[ClientSide]] = defaultdict(set)
        """Admitted clients by endpoint, connected and waiting."""
        self.accepted: Counter[tuple[str, str]] = Counter()
        """Connections handed to an instance since the start, by endpoint and instance."""
        self.refused: Counter[str] = Counter()
        self._writer = ""
        """The last instance of the writer endpoint."""
        self._turn: Counter[str] = Counter()
        self._changed = asyncio.Event()

    def replace(self, table: RoutingTable) -> int:
        """Apply a table and return how many connections were cut.

        Connections to removed members are cut, waiting clients are served, and the rewording of errors is updated.
        """
        promoted = self._promoted_by(table)
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
        for client in promoted:
            client.cut(_PROMOTED)
        for endpoint, clients in self.clients.items():
            refusal = self._refusal(endpoint)
            for client in clients:
                client.follow(refusal)
        return len({*doomed, *promoted})

    def _promoted_by(self, table: RoutingTable) -> list[ClientSide]:
        """List the clients of readers that are not to stay, because a table makes their reader the writer."""
        before, self._writer = self._writer, table.writer or self._writer
        if not table.promoted_are_closed or before in {"", self._writer}:
            return []
        clients = [client for clients in self.clients.values() for client in clients]
        on_writer = [client for client in clients if client.instance == self._writer]
        return [client for client in on_writer if not table.goes_to(client.endpoint, self._writer)]

    def note_handshake(self, failure: str = "") -> None:
        """Count a TLS handshake: complete, or failed for a reason. The log has the first failure and every thousandth."""
        self.handshakes[not failure] += 1
        failures = self.handshakes[False]
        if failure and failures % _FAILURES_PER_ENTRY == 1:
            log.warning("a TLS handshake failed, the %dth since the start: %s", failures, failure)

    def meet(self, client: ClientSide) -> None:
        """Count a connection that has sent nothing yet."""
        self._newcomers[client] = None
        if len(self._newcomers) > self._newcomers_max:
            oldest = next(iter(self._newcomers))
            del self._newcomers[oldest]
            oldest.transport.abort()

    def admit(self, client: ClientSide) -> bool:
        """Count a client in, unless its endpoint is full."""
        self._newcomers.pop(client, None)
        if len(self.clients[client.endpoint]) >= self.table.connections_max:
            self.refused[client.endpoint] += 1
            return False
        self.clients[client.endpoint].add(client)
        return True

    def forget(self, client: ClientSide) -> None:
        """Count a client out."""
        self._newcomers.pop(client, None)
        self.clients[client.endpoint].discard(client)

    def _route(self, endpoint: str) -> Route | None:
        return next((route for route in self.table.routes if route.endpoint == endpoint), None)

    def _refusal(self, endpoint: str) -> Refusal | None:
        """Return the refusal of writes for an endpoint; only clients of the writer endpoint expect to write."""
        route = self._route(endpoint)
        if route is None or not route.writes or not self.table.refusal:
            return None
        return Refusal(self.table.refusal, self.table.refusal_hint)

    def in_turn(self, endpoint: str) -> list[str]:
        """Return the members of an endpoint in round-robin order; each call advances by one."""
        route = self._route(endpoint)
        if route is None or not route.members:
            return []
        first = self._turn[endpoint] % len(route.members)
        self._turn[endpoint] += 1
        return [*route.members[first:], *route.members[:first]]

    async def connect(self, client: ClientSide, packet: bytes) -> None:
        """Hand a client to a member; where the route holds, wait until there is one or the timeout expires."""
        try:
            await self._hold(client, partial(self._try, client, packet))
        except TokenNeeded as needed:
            try:
                await self._log_in(client, packet, needed)
            except Exception:
                log.exception("a login with a token failed; please report it as a bug")
                client.transport.abort()

    async def _hold(self, client: ClientSide, attempt: Callable[[str, float], Awaitable[bool]]) -> None:
        """Try members in turn until an attempt succeeds or the timeout, which each attempt gets as deadline, expires."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.table.hold_timeout_s
        pause_s = _RETRY_FIRST_S
        while not client.lost:
            for instance in self.in_turn(client.endpoint):
                if await attempt(instance, deadline):
                    return
            route = self._route(client.endpoint)
            holds = route is None or route.holds
            left_s = deadline - loop.time() if holds else 0.0
            if left_s <= 0:
                self.refused[client.endpoint] += 1
                what = "accepted the connection in time" if holds else "accepts connections now"
                message = f"no instance of endpoint {client.endpoint} {what}"
                client.refuse(startup.CANNOT_CONNECT_NOW, self.table.unserved or message, self.table.unserved_hint)
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
            usable = answer and not startup.cannot_connect_now(answer) and self._is_ours(server, answer, instance)
            if usable and self.iam is not None and client.tls is not None and needs_token(packet, answer):
                raise TokenNeeded(instance, notice(answer))
            if usable and self.table.instances.get(instance) == address:
                joined = self._join(client, server, instance, address, answer)
        finally:
            if not joined:
                server.transport.abort()
        return joined

    def _join(self, client: ClientSide, server: ServerSide, instance: str, address: Address, answer: bytes) -> bool:
        """Connect a client with the server that answered it; return True."""
        client.join(server, instance, address, answer, self._refusal(client.endpoint))
        self.accepted[client.endpoint, instance] += 1
        return True

    async def _log_in(self, client: ClientSide, packet: bytes, needed: TokenNeeded) -> None:
        """Log a client in by a token. The instance that asked for it is tried first, so that turns stay even."""
        user = startup.parameters(packet).get(b"user", b"")
        token = await ask_token(client, needed.notice, self.startup_timeout_s)
        if client.lost or self.iam is None:
            client.transport.abort()
            return
        why = "It is too long, or came too late." if token is None else self._why_refused(token, user, self.iam)
        if why:
            self._refuse_login(client, user, why)
            return
        enter = partial(self._enter, client, packet, user)
        loop = asyncio.get_running_loop()
        if not await enter(needed.instance, loop.time() + self.table.hold_timeout_s):
            await self._hold(client, enter)

    @staticmethod
    def _why_refused(token: bytes, user: bytes, rules: IamRules) -> str:
        shown = token.decode("ascii", "replace")
        return why_refused(shown, user.decode(errors="surrogateescape"), rules, datetime.now(UTC))

    def _refuse_login(self, client: ClientSide, user: bytes, why: str) -> None:
        """Refuse a client in Aurora's words. The log has the reason, of one refusal in a tenth of a second."""
        name = user.decode(errors="replace")
        self.refused[client.endpoint] += 1
        now_s = asyncio.get_running_loop().time()
        if now_s - self._logged_s >= _LOGGED_APART_S:
            self._logged_s = now_s
            log.warning("PAM authentication failed for user %s: %s", ascii(name), why)
        client.refuse(startup.INVALID_AUTHORIZATION, f'PAM authentication failed for user "{name}"', why)

    async def _enter(
        self,
        client: ClientSide,
        packet: bytes,
        user: bytes,
        instance: str,
        deadline: float,
        tries: int = _TRIES_WITH_TICKETS,
    ) -> bool:
        """Log a client in whose token is good; return whether it was served or refused. Each try has a ticket of its own."""
        address, path = self.table.instances.get(instance), self.iam and self.iam.sockets.get(instance)
        server = await _open_socket(path) if address is not None and path else None
        if server is None or address is None:
            return False
        joined = False
        try:
            server.transport.write(packet)
            answer = await self._first_answer(server, client.endpoint, instance, deadline)
            if not answer or startup.cannot_connect_now(answer):
                return False
            if not asks_password(answer):
                self._refuse_login(client, user, f"{instance} has just learnt that it is no member of rds_iam.")
                return True
            answer = await self._prove(server, client.endpoint, user, instance, deadline)
            if not answer or self.table.instances.get(instance) != address:
                return False
            if is_unproven(answer):
                # The server's question can be lost where others flood the port.
                again = tries > 1 and not client.lost
                if not again:
                    self._refuse_login(client, user, f"{instance} could not ask this process if the token is good.")
                return not again or await self._enter(client, packet, user, instance, deadline, tries - 1)
            joined = self._join(client, server, instance, address, answer)
        finally:
            if not joined:
                server.transport.abort()
        return joined

    async def _prove(self, server: ServerSide, endpoint: str, user: bytes, instance: str, deadline: float) -> bytes:
        """Give a server a ticket, and return its answer; empty as for `_first_answer`."""
        with self.tickets.issued(user) as ticket:
            server.first_answer = asyncio.get_running_loop().create_future()
            server.transport.write(password_message(ticket))
            server.transport.resume_reading()
            return await self._first_answer(server, endpoint, instance, deadline)

    def _is_ours(self, server: ServerSide, answer: bytes, instance: str) -> bool:
        """Return whether the process that answered runs under the instances' account.

        While an instance is down any local account may listen at its address. It would receive the client's password,
        or could show a user an error of its own.
        """
        wanted, transport = self.table.server_uid, server.transport
        if wanted is None or not self._owners_are_known:
            return True
        there = transport.get_extra_info("peername")
        try:
            uid = accepted_by(there, transport.get_extra_info("sockname"))
            if uid is None and startup.is_error(answer):
                # A server that refuses closes the connection at once, and keeps listening.
                uid = listener_at(there)
        except OSError as error:
            log.warning(
                "the owner of the process at the address of %s is unknown, so it is not used: %s", instance, error
            )
            return False
        if uid not in {wanted, None}:
            log.warning("uid %s, which is not that of the instances, answers at the address of %s", uid, instance)
        return uid == wanted

    async def _first_answer(self, server: ServerSide, endpoint: str, instance: str, deadline: float) -> bytes:
        """Return the server's first message; empty if none comes while it is a member, or until the timeout."""
        loop = asyncio.get_running_loop()
        while not server.first_answer.done():
            route = self._route(endpoint)
            if loop.time() > deadline or route is None or instance not in route.members:
                return b""
            await asyncio.wait({server.first_answer}, timeout=_RETRY_MAX_S)
        return server.first_answer.result()

    async def cancel(self, client: ClientSide, packet: bytes) -> None:
        """Forward a cancel request to every instance with connections from this endpoint.

        An instance ignores a key that is not its own, so no mapping of keys to instances is needed.
        """
        async with self._cancels:
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


async def _open_socket(path: str) -> ServerSide | None:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            _, server = await loop.create_unix_connection(ServerSide, path)
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
