"""The endpoint process of a cluster: start, stop, and updates of its routing table."""

from __future__ import annotations

import signal
import sys
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from auroractl.config.paths import ClusterPaths
from auroractl.core.address import Address
from auroractl.core.errors import AuroraError, EngineError
from auroractl.core.iam import IamRules
from auroractl.core.model import EndpointProcessObservation
from auroractl.core.routing_table import RoutingTable
from auroractl.endpoints.client import EndpointProcessClient
from auroractl.system.account import Account
from auroractl.system.file_credentials import as_self
from auroractl.system.files import make_folder, tail, write_json
from auroractl.system.liveness import alive, kill_all, send, wait_for_exit, works_in
from auroractl.system.locks import lock_holder
from auroractl.system.occupants import occupant
from auroractl.system.programs import spawn
from auroractl.system.waiting import wait_until

_START_TIMEOUT_S = 15.0
_STOP_TIMEOUT_S = 5.0
_POLL_S = 0.005


@dataclass(frozen=True, slots=True)
class EndpointProcess:
    """A cluster's endpoint process and its folder. It holds no state."""

    paths: ClusterPaths
    account: Account | None
    """The account to which it switches before it serves; its folder remains this process's own."""

    @property
    def _log(self) -> Path:
        return self.paths.endpoint / "endpoint.log"

    @as_self()
    def pid(self) -> int | None:
        """Return its process id; None if it is not alive."""
        pid = lock_holder(self.paths.endpoint / "pid")
        # The process holds that file open under the databases' account, which could write any other id into it.
        return pid if pid is not None and works_in(pid, self.paths.endpoint) else None

    @as_self()
    def begin_start(self) -> int:
        """Start it without waiting; a running one is left as it is."""
        running = self.pid()
        if running is not None:
            return running
        make_folder(self.paths.endpoint, mode=0o711)
        account = [f"--account={self.account.name}"] if self.account else []
        return spawn(
            [
                sys.executable,
                "-P",
                "-m",
                "auroractl.endpoints",
                "--folder",
                str(self.paths.endpoint),
                "--control",
                str(self.paths.endpoint_socket),
                "--cluster-folder",
                str(self.paths.folder),
                *account,
            ],
            cwd=self.paths.endpoint,
            log=self._log,
        )

    @as_self()
    def wait_ready(self, pid: int) -> None:
        """Wait until it answers. Raises EngineError if it exits, TimedOut, with the end of its log."""

        def silent() -> str:
            return "" if self.observe().responding else "it does not answer"

        def lives() -> None:
            if not (alive(pid) or self.pid()):
                raise EngineError(f"The endpoint process ended: {tail(self._log, 3)}", f"Its log is {self._log}")

        wait_until(
            "the endpoint process did not start",
            silent,
            _START_TIMEOUT_S,
            _POLL_S,
            lives,
            explain=lambda: tail(self._log, 3),
            hint=f"Its log is {self._log}",
        )

    @as_self()
    def apply(self, table: RoutingTable, certificate: str, iam: IamRules | None) -> None:
        """Store a routing table and rules for later starts of the process; apply them with a certificate now."""
        write_json(self.paths.endpoint / "routes.json", table.to_json())
        if iam is not None:
            write_json(self.paths.endpoint / "iam.json", iam.to_json())
        else:
            (self.paths.endpoint / "iam.json").unlink(missing_ok=True)
        EndpointProcessClient(self.paths.endpoint_socket).apply(table, certificate, iam)

    @as_self()
    def observe(self) -> EndpointProcessObservation:
        """Observe it now."""
        now = datetime.now(UTC)
        pid = self.pid()
        if pid is None:
            return EndpointProcessObservation(at=now)
        try:
            report = EndpointProcessClient(self.paths.endpoint_socket).report()
        except AuroraError:
            return EndpointProcessObservation(at=now, pid=pid)
        reasons = {name: _taken(pid, address, reason) for name, (address, reason) in report.unbound.items()}
        unbound = {name: reason for name, reason in reasons.items() if reason}
        return EndpointProcessObservation(
            at=now, pid=pid, responding=True, connections=report.connections, unbound=unbound
        )

    @as_self()
    def stop(self) -> None:
        """Stop it; open client connections are closed."""
        pid = self.pid()
        if pid is None:
            return
        send(pid, signal.SIGTERM)
        if not wait_for_exit(pid, _STOP_TIMEOUT_S):
            kill_all([pid])
        self.paths.endpoint_socket.unlink(missing_ok=True)


def _taken(pid: int, address: Address, reason: str) -> str:
    """Say why the endpoint process cannot listen; nothing if it has begun to since it reported."""
    found = occupant(address.host, address.port)
    if found is not None and found.pid == pid:
        return ""
    return f"its address {address} is in use by {found}" if found else f"it cannot listen at {address}: {reason}"


@dataclass(frozen=True, slots=True)
class RoutingOverride:
    """Routing changes that an operation needs while it runs."""

    without: Collection[str] = ()
    """Fenced instances: their open connections are cut, and they get no new ones."""
    draining: Collection[str] = ()
    """Draining instances: they keep their open connections and get no new ones."""
    farewell: str = ""
    """The message to clients whose connections are cut."""
    writer_closed: bool = False
    """Whether the writer endpoint refuses connections, and DNS does not change the answer for its name."""
