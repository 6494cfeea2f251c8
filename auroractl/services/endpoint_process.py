"""The endpoint process of a cluster: starting it, ending it, telling it where connections go."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from auroractl.config.paths import ClusterPaths
from auroractl.core.errors import AuroraError, TimedOut
from auroractl.core.model import EndpointProcessObservation
from auroractl.core.routing import RoutingTable
from auroractl.endpoints.client import EndpointProcessClient
from auroractl.process.files import make_folder, tail, write_json
from auroractl.process.liveness import alive, kill_all, send, wait_for_exit
from auroractl.process.locks import lock_holder
from auroractl.process.programs import spawn

_START_TIMEOUT_S = 15.0
_STOP_TIMEOUT_S = 5.0
_POLL_S = 0.005


@dataclass(frozen=True, slots=True)
class EndpointProcess:
    """A cluster's endpoint process and where it lies; holds no state."""

    paths: ClusterPaths

    @property
    def _log(self) -> Path:
        return self.paths.endpoint / "endpoint.log"

    def pid(self) -> int | None:
        """Its process id; None where none lives."""
        pid = lock_holder(self.paths.endpoint / "pid")
        return pid if pid is not None and alive(pid) else None

    def begin_start(self) -> int:
        """Start it without waiting; a running one is left as it is."""
        running = self.pid()
        if running is not None:
            return running
        make_folder(self.paths.endpoint)
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
            ],
            cwd=self.paths.endpoint,
            log=self._log,
        )

    def wait_ready(self, pid: int) -> None:
        """Wait until it answers. Raises TimedOut with the end of its log."""
        deadline = time.monotonic() + _START_TIMEOUT_S
        while not self.observe().responding:
            if time.monotonic() > deadline or not (alive(pid) or self.pid()):
                raise TimedOut(f"The endpoint process did not start: {tail(self._log, 3)}", f"Its log is {self._log}")
            time.sleep(_POLL_S)

    def apply(self, table: RoutingTable) -> None:
        """Keep a routing table for a later start of the process, and bring it into force in the running one."""
        write_json(self.paths.endpoint / "routes.json", table.to_json())
        EndpointProcessClient(self.paths.endpoint_socket).apply(table)

    def observe(self) -> EndpointProcessObservation:
        """Look at it now."""
        now = datetime.now(UTC)
        pid = self.pid()
        if pid is None:
            return EndpointProcessObservation(at=now)
        try:
            report = EndpointProcessClient(self.paths.endpoint_socket).report()
        except AuroraError:
            return EndpointProcessObservation(at=now, pid=pid)
        return EndpointProcessObservation(at=now, pid=pid, responding=True, connections=report.connections)

    def stop(self) -> None:
        """End it; open client connections are closed."""
        pid = self.pid()
        if pid is None:
            return
        send(pid, signal.SIGTERM)
        if not wait_for_exit(pid, _STOP_TIMEOUT_S):
            kill_all([pid])
        self.paths.endpoint_socket.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class RoutingOverride:
    """What an operation wants routed differently while it runs."""

    without: Collection[str] = ()
    """Instances that are cut off: open connections end, new ones do not reach them."""
    draining: Collection[str] = ()
    """Instances that keep their open connections and get no new ones."""
    farewell: str = ""
    """What clients are told whose connections are cut."""
