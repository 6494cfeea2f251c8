"""The process: listening sockets, the control socket, start and stop."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import resource
import signal
from collections import Counter
from pathlib import Path
from typing import Any

from auroractl.core.model import Address
from auroractl.core.routing import RoutingTable
from auroractl.endpoints.connection import ClientSide
from auroractl.endpoints.router import Router

log = logging.getLogger(__name__)

_BACKLOG = 1024
_FILES_WANTED = 65_536
_CONTROL_LINE_BYTES_MAX = 1024 * 1024


class EndpointServer:
    """Listens where the routing table says and answers on the control socket."""

    def __init__(self, folder: Path, control: Path, startup_timeout_s: float) -> None:
        self._folder = folder
        self._control = control
        self._router = Router(startup_timeout_s)
        self._listeners: dict[tuple[str, Address], asyncio.Server] = {}
        self._applying = asyncio.Lock()

    async def run(self) -> None:
        """Serve until SIGTERM. The routing table that was in force last is read from the folder."""
        _allow_many_files()
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, stop.set)
        kept = self._folder / "routes.json"
        if kept.exists():
            await self.apply(RoutingTable.from_json(json.loads(kept.read_text())))
        self._control.unlink(missing_ok=True)
        mask = os.umask(0o177)
        control = await asyncio.start_unix_server(self._answer, self._control, limit=_CONTROL_LINE_BYTES_MAX)
        os.umask(mask)
        log.info("endpoint process %d serves", os.getpid())
        await stop.wait()
        control.close()
        for listener in self._listeners.values():
            listener.close()
        log.info("endpoint process %d stops", os.getpid())

    async def apply(self, table: RoutingTable) -> None:
        """Bring a table into force: listeners are bound and closed, connections cut. Raises OSError from binding."""
        async with self._applying:
            wanted = {(route.endpoint, route.address) for route in table.routes if route.listens}
            for key in self._listeners.keys() - wanted:
                self._listeners.pop(key).close()
            cut = self._router.replace(table)
            for endpoint, address in wanted - self._listeners.keys():
                self._listeners[endpoint, address] = await self._listen(endpoint, address)
            members = {route.endpoint: list(route.members) for route in table.routes}
            refusal = f"; writes are refused: {table.refusal}" if table.refusal else ""
            refusing = [route.endpoint for route in table.routes if not route.listens]
            slow_ms = {route.endpoint: route.delay_ms for route in table.routes if route.delay_ms}
            faults = f"; injected: refused {refusing}, late by ms {slow_ms}" if refusing or slow_ms else ""
            log.info("routes %s; %d connections cut%s%s", members, cut, refusal, faults)

    async def _listen(self, endpoint: str, address: Address) -> asyncio.Server:
        loop = asyncio.get_running_loop()
        return await loop.create_server(
            lambda: ClientSide(self._router, endpoint), address.host, address.port, backlog=_BACKLOG, reuse_address=True
        )

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request line, one answer line."""
        try:
            request = json.loads(await reader.readline())
            answer = await self._carry_out(request)
        except (ValueError, KeyError, TypeError, OSError) as error:
            log.warning("a control request failed: %s", error)
            answer = {"error": str(error)}
        writer.write(json.dumps(answer).encode() + b"\n")
        await writer.drain()
        writer.close()

    async def _carry_out(self, request: dict[str, Any]) -> dict[str, Any]:
        if request["verb"] == "apply":
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
        }


def _allow_many_files() -> None:
    """Each client takes two descriptors, and the usual soft limit is 1024."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES_WANTED if hard == resource.RLIM_INFINITY else min(hard, _FILES_WANTED)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
