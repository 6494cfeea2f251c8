"""The DNS server for the names of clusters, on a loopback address, over UDP and TCP.

Every account of this machine can send to it, so everything is bounded: the messages that are answered in a second, the
connections, their messages, and how long each may take. What is beyond a limit is dropped, and a resolver asks again.
What comes when the messages of a second are answered waits in the system's buffer or is dropped there, at no cost here.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import time
from threading import Thread

from auroractl.core import dns_names
from auroractl.core.errors import AuroraError
from auroractl.core.model import Cluster, ClusterSnapshot, EndpointProcessObservation, Wanted
from auroractl.core.routing import routing_table
from auroractl.runtime.managed_cluster import ManagedCluster
from auroractl.runtime.runtime import Runtime
from auroractl.supervisor.dns_messages import SIZE_MAX_BYTES, Answering

log = logging.getLogger(__name__)

_MESSAGES_PER_S = 500
_REPORT_EVERY_S = 60.0
_CONNECTIONS_MAX = 32
_CONNECTION_S = 10.0
_CONNECTION_MESSAGES_MAX = 50
_DATAGRAMS_AT_ONCE = 32
_REFRESH_S = 2.0
_STOP_S = 5.0
_MESSAGE_LENGTH_MIN = 12


class ClusterNames:
    """The names of all clusters of a home."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        settings = runtime.settings
        domain = dns_names.domain(str(runtime.home.root), settings.region, settings.dns_suffix)
        self._zones = frozenset(dns_names.zones(domain))

    def hosts(self, name: str) -> tuple[str, ...] | None:
        """Return the IPv4 addresses of a name; None if there is no such name."""
        now_s = time.monotonic()
        found = (memory.dns.hosts(name, now_s) for memory in self._runtime.memories())
        return next((hosts for hosts in found if hosts is not None), None)

    def zone(self, name: str) -> str | None:
        """Return the zone that a name is, or that it is in; None for a foreign name."""
        known = (self._zones, *(memory.dns.zones() for memory in self._runtime.memories()))
        return next((zone for zones in known for zone in zones if name == zone or name.endswith(f".{zone}")), None)

    def refresh(self) -> None:
        """Learn the names of clusters that are stopped; those of others are learned with their routes."""
        for row in self._runtime.repository.clusters():
            if row.wanted is not Wanted.RUNNING:
                with contextlib.suppress(AuroraError):
                    self._learn(ManagedCluster(self._runtime, row.identifier), row)

    def _learn(self, cluster: ManagedCluster, row: Cluster) -> None:
        with self._runtime.routing_lock:
            at, endpoints = self._runtime.now(), tuple(cluster.endpoints())
            process, domain = EndpointProcessObservation(at), cluster.dns_domain(row)
            rows = ClusterSnapshot(at, row, tuple(cluster.instances()), endpoints, {}, process, dns_domain=domain)
            table = routing_table(rows, connections_max=0, hold_timeout_s=0)
            cluster.memory.dns.learn(rows, table, follow_roles=self._runtime.settings.endpoint_mode == "dns")


class DnsServer:
    """Answers at the address of the setting `dns`. If that is taken, it tries again every few seconds."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        host, _, port = runtime.settings.dns.rpartition(":")
        self._address = (host, int(port))
        self._names = ClusterNames(runtime)
        self._answering = Answering(self._names)
        self._thread = Thread(target=lambda: asyncio.run(self._run()), name="dns", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = asyncio.Event()
        self._connections = 0
        self._second, self._answered = 0, 0
        self._reported_s = -_REPORT_EVERY_S

    def start(self) -> None:
        """Start its thread."""
        self._runtime.dns_problem = "it is starting"
        self._thread.start()

    def stop(self) -> None:
        """Stop it and wait for its thread."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(_STOP_S)

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        async with contextlib.AsyncExitStack() as listening:
            while not self._stopping.is_set():
                if self._runtime.dns_problem:
                    await self._listen(listening)
                try:
                    await asyncio.to_thread(self._names.refresh)
                except Exception:
                    log.exception("the names of clusters cannot be read; please report it as a bug")
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), _REFRESH_S)

    async def _listen(self, listening: contextlib.AsyncExitStack) -> None:
        host, port = self._address
        loop = asyncio.get_running_loop()
        try:
            async with contextlib.AsyncExitStack() as opened:
                datagrams = opened.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
                datagrams.setblocking(False)
                datagrams.bind(self._address)
                server = await asyncio.start_server(
                    self._serve, host, port, limit=SIZE_MAX_BYTES, backlog=_CONNECTIONS_MAX
                )
                opened.callback(server.close)
                loop.add_reader(datagrams, self._receive, datagrams)
                opened.callback(loop.remove_reader, datagrams)
                listening.push_async_exit(opened.pop_all())
        except OSError as error:
            self._say(error.strerror or str(error))
            return
        self._runtime.dns_problem = ""
        log.info("DNS for the names of clusters is served on %s:%d", host, port)

    def _receive(self, datagrams: socket.socket) -> None:
        """Answer the datagrams that have come; an answer that the system does not take at once is dropped."""
        with contextlib.suppress(OSError):
            for _ in range(_DATAGRAMS_AT_ONCE):
                if self._is_spent():
                    self._pause(datagrams)
                    return
                message, sender = datagrams.recvfrom(SIZE_MAX_BYTES + 1)
                answer = self.answer(message)
                if answer is not None:
                    datagrams.sendto(answer, sender)

    def _pause(self, datagrams: socket.socket) -> None:
        """Read no datagram until the next second."""
        loop = asyncio.get_running_loop()

        def resume() -> None:
            if datagrams.fileno() >= 0:
                loop.add_reader(datagrams, self._receive, datagrams)

        loop.remove_reader(datagrams)
        loop.call_later(1 - time.monotonic() % 1, resume)

    def _say(self, problem: str) -> None:
        if problem != self._runtime.dns_problem:
            log.warning("DNS cannot be served on %s:%d: %s", *self._address, problem)
        self._runtime.dns_problem = problem

    def answer(self, message: bytes) -> bytes | None:
        """Return the answer to a message; None if it gets none."""
        if self._is_spent():
            return None
        self._answered += 1
        if len(message) > SIZE_MAX_BYTES:
            return None
        try:
            return self._answering.answer(message)
        except Exception:
            if self._may_report():
                log.exception("a DNS message cannot be answered; please report it as a bug")
            return None

    def _is_spent(self) -> bool:
        """Return whether all messages of this second are answered."""
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._answered = second, 0
        return self._answered >= _MESSAGES_PER_S

    def _may_report(self) -> bool:
        """Return whether an error may be logged; not for each message of a flood."""
        now_s = time.monotonic()
        if now_s - self._reported_s < _REPORT_EVERY_S:
            return False
        self._reported_s = now_s
        return True

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a connection, for a bounded time and number of messages."""
        self._connections += 1
        try:
            if self._connections <= _CONNECTIONS_MAX:
                async with asyncio.timeout(_CONNECTION_S):
                    for _ in range(_CONNECTION_MESSAGES_MAX):
                        await self._serve_one(reader, writer)
        except (TimeoutError, asyncio.IncompleteReadError, OSError, ValueError):
            # It was slow or sent nonsense, or it is done.
            pass
        finally:
            self._connections -= 1
            if writer.transport.get_write_buffer_size():
                # A client that does not read its answers would keep it open.
                writer.transport.abort()
            writer.close()

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        length = int.from_bytes(await reader.readexactly(2))
        if not _MESSAGE_LENGTH_MIN <= length <= SIZE_MAX_BYTES:
            raise ValueError
        answer = self.answer(await reader.readexactly(length))
        if answer is None:
            raise ValueError
        writer.write(len(answer).to_bytes(2) + answer)
        await writer.drain()
