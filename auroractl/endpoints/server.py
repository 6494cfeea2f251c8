"""The endpoint process: listening sockets, the control socket, start and stop."""

from __future__ import annotations

import asyncio
import encodings.idna  # noqa: F401  (listening asks for it late, and the account may be unable to read this Python)
import json
import logging
import os
import signal
import socket
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from auroractl.core.address import Address
from auroractl.core.errors import AuroraError
from auroractl.core.iam import IamRules
from auroractl.core.routing_table import RoutingTable
from auroractl.core.text.bounded_json import bounded_object
from auroractl.endpoints.connection import ClientSide
from auroractl.endpoints.router import Router
from auroractl.endpoints.tls_layer import server_context
from auroractl.system.account import Account
from auroractl.system.file_credentials import drop_to

log = logging.getLogger(__name__)

CERTIFICATE_FILE = "certificate.json"
"""The file, written by the supervisor, with the key and certificate for TLS."""
RULES_FILE = "iam.json"
"""The file, written by the supervisor, with the rules for tokens of IAM authentication."""
_BACKLOG = 1024
_CONTROL_LINE_BYTES_MAX = 1024 * 1024
_CONTROL_TIMEOUT_S = 5.0
_CONTROL_CONNECTIONS_MAX = 256
_REMOVED_POLL_S = 1.0
_BIND_INTERVAL_S = 0.25


class EndpointServer:
    """Listens at the addresses of the routing table and answers on the control socket."""

    def __init__(
        self,
        folder: Path,
        control: Path,
        startup_timeout_s: float,
        newcomers_max: int,
        account: Account | None = None,
    ) -> None:
        """Prepare the server; started by root, it switches to `account` before it listens for clients."""
        self._account = account
        self._folder = folder
        self._control = control
        self._router = Router(startup_timeout_s, newcomers_max)
        self._asking = 0
        self._pem = ""
        """The key and certificate in use."""
        self._listeners: dict[tuple[str, Address], asyncio.Server] = {}
        self._unbound: dict[tuple[str, Address], str] = {}
        """Addresses that cannot be bound because another process uses them, in the system's words."""
        self._applying = asyncio.Lock()

    async def run(self, is_removed: Callable[[], bool]) -> None:
        """Serve until SIGTERM or until the folder is removed, beginning with the last table in force."""
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, stop.set)
        kept = self._folder / "routes.json"
        table = RoutingTable.from_json(json.loads(kept.read_text())) if kept.exists() else None
        pem = _kept_pem(self._folder / CERTIFICATE_FILE)
        iam = _kept_rules(self._folder / RULES_FILE)
        control_socket = self._bind_control()
        drop_to(self._account, secretive=True)
        self._certify(pem)
        await self._use_rules(iam)
        if table is not None:
            await self.apply(table)
        control = await asyncio.start_unix_server(self._answer, sock=control_socket, limit=_CONTROL_LINE_BYTES_MAX)
        log.info("endpoint process %d serves", os.getpid())
        binding = asyncio.create_task(self._bind_later())
        await _wait_for_end(stop, is_removed)
        binding.cancel()
        control.close()
        for listener in self._listeners.values():
            listener.close()
        log.info("endpoint process %d stops", os.getpid())

    def _bind_control(self) -> socket.socket:
        self._control.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        mask = os.umask(0o177)
        try:
            listener.bind(str(self._control))
        finally:
            os.umask(mask)
        return listener

    def _certify(self, pem: str) -> None:
        """Use another key and certificate for TLS from now on, or offer none; open connections stay as they are."""
        if pem == self._pem:
            return
        try:
            self._router.tls = server_context(pem) if pem else None
        except (OSError, ValueError) as error:
            # The one in use may be close to its end, but is better than none.
            log.warning("the new certificate cannot be used: %s", error)
        else:
            self._pem = pem
            log.info("TLS: %s", "a new certificate is in use" if pem else "not offered")

    async def _use_rules(self, rules: IamRules | None) -> None:
        """Check tokens by other rules from now on, or accept none. A port that is taken is tried again later."""
        router = self._router
        before, router.iam = router.iam, rules
        judge = rules and (rules.judge, rules.secret)
        if judge != (before and (before.judge, before.secret)) or (judge and not router.tickets.is_open):
            router.tickets.close()
            if rules is not None:
                await router.tickets.open(rules)

    async def apply(self, table: RoutingTable) -> None:
        """Apply a table: bind and close listeners, cut connections.

        Listeners that cannot be bound are retried until they can.
        """
        async with self._applying:
            wanted = {(route.endpoint, route.address) for route in table.routes if route.listens}
            for key in self._listeners.keys() - wanted:
                self._listeners.pop(key).close()
            cut = self._router.replace(table)
            self._unbound = dict.fromkeys(wanted - self._listeners.keys(), "")
            await self._bind()
            members = {route.endpoint: list(route.members) for route in table.routes}
            refusal = f"; writes are refused: {table.refusal}" if table.refusal else ""
            refusing = [route.endpoint for route in table.routes if not route.listens]
            slow_ms = {route.endpoint: route.delay_ms for route in table.routes if route.delay_ms}
            faults = f"; injected: refused {refusing}, late by ms {slow_ms}" if refusing or slow_ms else ""
            log.info("routes %s; %d connections cut%s%s", members, cut, refusal, faults)

    async def _bind(self) -> None:
        for endpoint, address in list(self._unbound):
            try:
                self._listeners[endpoint, address] = await self._listen(endpoint, address)
            except OSError as error:
                reason = error.strerror or str(error)
                if reason != self._unbound[endpoint, address]:
                    log.warning("the endpoint %s cannot listen at %s: %s", endpoint, address, reason)
                self._unbound[endpoint, address] = reason
            else:
                del self._unbound[endpoint, address]

    async def _bind_later(self) -> None:
        while True:
            await asyncio.sleep(_BIND_INTERVAL_S)
            if self._unbound:
                async with self._applying:
                    await self._bind()
            await self._use_rules(self._router.iam)

    async def _listen(self, endpoint: str, address: Address) -> asyncio.Server:
        loop = asyncio.get_running_loop()
        return await loop.create_server(
            lambda: ClientSide(self._router, endpoint), address.host, address.port, backlog=_BACKLOG, reuse_address=True
        )

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request line with one line, within a few seconds."""
        self._asking += 1
        try:
            if self._asking <= _CONTROL_CONNECTIONS_MAX:
                async with asyncio.timeout(_CONTROL_TIMEOUT_S):
                    answer = await self._outcome(reader)
                    writer.write(json.dumps(answer).encode() + b"\n")
                    await writer.drain()
        except (OSError, TimeoutError) as error:
            log.warning("a control request was cut off: %s", error or "it came too slowly")
        finally:
            self._asking -= 1
            writer.close()

    async def _outcome(self, reader: asyncio.StreamReader) -> dict[str, Any]:
        try:
            return await self._carry_out(bounded_object(await reader.readline()))
        except (AuroraError, ValueError, KeyError, TypeError, AttributeError, OSError) as error:
            log.warning("a control request failed: %s", error)
            return {"error": str(error)}

    async def _carry_out(self, request: dict[str, Any]) -> dict[str, Any]:
        if request["verb"] == "apply":
            self._certify(str(request.get("certificate", "")))
            await self._use_rules(IamRules.from_json(request["iam"]) if request.get("iam") else None)
            await self.apply(RoutingTable.from_json(request["table"]))
        return self._report()

    def _report(self) -> dict[str, Any]:
        clients = self._router.clients
        by_instance = Counter(each.instance for group in clients.values() for each in group if each.instance)
        return {
            "pid": os.getpid(),
            "connections": {name: sum(each.instance is not None for each in group) for name, group in clients.items()},
            "held": {name: sum(each.instance is None for each in group) for name, group in clients.items()},
            "connections_by_instance": dict(by_instance),
            "accepted": [[*key, count] for key, count in self._router.accepted.items()],
            "refused": dict(self._router.refused),
            "handshakes": [self._router.handshakes[True], self._router.handshakes[False]],
            "unbound": [
                [endpoint, address.host, address.port, reason]
                for (endpoint, address), reason in self._unbound.items()
                # Without a reason it has not been tried yet.
                if reason
            ],
        }


def _kept_pem(path: Path) -> str:
    """Read the kept key and certificate; empty if there is no readable one: the supervisor sends another."""
    try:
        return str(json.loads(path.read_text())["pem"])
    except FileNotFoundError:
        return ""
    except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
        # Clients without TLS must not suffer from it.
        log.warning("%s cannot be read, TLS is not offered yet: %r", path, error)
        return ""


def _kept_rules(path: Path) -> IamRules | None:
    """Read the kept rules for tokens; None if there are none that can be read: the supervisor sends them again."""
    try:
        return IamRules.from_json(json.loads(path.read_text()))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        log.warning("%s cannot be read, tokens are not accepted yet: %r", path, error)
        return None


async def _wait_for_end(stop: asyncio.Event, is_removed: Callable[[], bool]) -> None:
    while not is_removed():
        try:
            async with asyncio.timeout(_REMOVED_POLL_S):
                await stop.wait()
        except TimeoutError:
            continue
        return
