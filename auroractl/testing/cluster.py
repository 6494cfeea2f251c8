"""A cluster as tests use it."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any

from auroractl.api.connection_uri import connection_uri
from auroractl.api.progress import Silent
from auroractl.api.request import Request
from auroractl.api.requests.clusters import CreateCluster, DescribeClusters, Failover
from auroractl.api.requests.faults import CrashInstance
from auroractl.api.requests.instances import Connection, DescribeInstances
from auroractl.api.requests.supervisor import SupervisorStatus
from auroractl.config.paths import Home
from auroractl.control_planes.local import LocalControlPlane
from auroractl.core.errors import AuroraError, TimedOut
from auroractl.core.volume.durability import Durability
from auroractl.system.programs import Completed, complete
from auroractl.system.waiting import wait_until
from auroractl.testing.session_cache import SessionCache
from auroractl.testing.session_home import account, private_home

NAME = "test"
READERS_DEFAULT = 1
AVAILABLE_TIMEOUT_S = 60.0
_POLL_S = 0.02

Document = dict[str, Any]


class AuroraCluster:
    """A running cluster in a private home. All methods may be called while clients are connected."""

    def __init__(self, home: Home, name: str = NAME) -> None:
        self.home = home.root
        self.name = name
        self._control_plane = LocalControlPlane(home)

    @cached_property
    def uri(self) -> str:
        """The URI of the writer endpoint. A failover does not change it."""
        return self.connection_uri()

    @cached_property
    def reader_uri(self) -> str:
        """The URI of the reader endpoint."""
        return self.connection_uri(reader=True)

    def connection_uri(self, *, reader: bool = False, database: str | None = None) -> str:
        """Return the URI of an endpoint as the master user, for a database."""
        there = self._send(Connection(cluster=self.name, role="reader" if reader else "writer"))
        return connection_uri(there, database=database)

    @property
    def instances(self) -> list[Document]:
        """The documents of the instances as in `describe-instances`, the writer first."""
        found: list[Document] = self._send(DescribeInstances(cluster=self.name))["DBInstances"]
        return sorted(found, key=lambda view: not view["IsClusterWriter"])

    @property
    def writer(self) -> str:
        """The identifier of the current writer."""
        return str(self.instances[0]["DBInstanceIdentifier"])

    @property
    def health(self) -> str:
        """The health of the cluster: ok, degraded, no-instances or down."""
        return str(self._send(DescribeClusters(cluster=self.name))["DBClusters"][0]["Health"])

    def failover(self, target: str | None = None) -> Document:
        """Make a reader the writer, and return when the failover is complete.

        The default target is the first reader by promotion tier. The result has `From`, `To` and
        `DurationMilliseconds`.
        """
        return self._send(Failover(cluster=self.name, target=target))

    def crash_writer(self) -> str:
        """Kill the writer and return its identifier at once.

        The supervisor then promotes a reader and restarts the old writer. `wait_available` waits for that.
        """
        writer = self.writer
        self._send(CrashInstance(cluster=self.name, target=writer))
        return writer

    def wait_available(self, timeout_s: float = AVAILABLE_TIMEOUT_S) -> None:
        """Wait until every instance, endpoint and storage node is available. Raises TimedOut."""

        def unwell() -> str:
            return "" if (health := self.health) == "ok" else f"it is {health}"

        try:
            wait_until("the cluster was not available", unwell, timeout_s, _POLL_S)
        except TimedOut as error:
            raise TimedOut(error.message, self.cli("status").stdout) from error

    def cli(self, *arguments: str, check: bool = True, timeout_s: float = 120.0) -> Completed:
        """Run `auroractl ARGUMENTS` in this cluster's home, with this cluster as the default.

        Returns its output and its exit code. Raises MachineError if that is not 0, unless `check` is False.
        """
        argv = [sys.executable, "-P", "-m", "auroractl", "--home", str(self.home), *arguments]
        return complete(argv, {"AURORACTL_CLUSTER": self.name}, check=check, timeout_s=timeout_s)

    def _send(self, request: Request) -> Document:
        return send(self._control_plane, request)


def send(control_plane: LocalControlPlane, request: Request) -> Document:
    """Return the answer to a request and discard its progress."""
    return control_plane.request(request.verb, request.to_json(), Silent())


@contextlib.contextmanager
def running_cluster(
    readers: int = READERS_DEFAULT, base: Path | None = None, cache: Path | None = None
) -> Iterator[AuroraCluster]:
    """Create a cluster in a private home below `base`, and remove it afterwards.

    `cache` is the folder of files that sessions share. Raises AuroraError if the cluster cannot be created.
    """
    with private_home(base) as home:
        try:
            _make(home, readers, SessionCache(account(), cache))
        except AuroraError as error:
            error.add_note(f"Try: {error.hint}")
            raise
        yield AuroraCluster(home)


def _make(home: Home, readers: int, shared: SessionCache) -> None:
    control_plane = LocalControlPlane(home)
    with ThreadPoolExecutor(1) as beside:
        # The supervisor takes most of a second to start, and needs these files only with its first request.
        restored = beside.submit(shared.restore, home)
        send(control_plane, SupervisorStatus())
        restored.result()
    # It lives as long as the session, which a power cut ends too.
    send(control_plane, CreateCluster(cluster=NAME, readers=readers, durability=Durability.NONE.value))
    shared.store(home)
