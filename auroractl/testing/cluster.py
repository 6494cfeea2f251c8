"""A cluster as tests use it."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote

from auroractl.backends.local import LocalBackend
from auroractl.config.paths import Home
from auroractl.core.declarations.model import Declaration
from auroractl.core.declarations.requests import create_cluster
from auroractl.core.errors import AuroraError, TimedOut
from auroractl.process.programs import Completed, complete
from auroractl.testing.sessions import account, private_home
from auroractl.testing.silence import Silent
from auroractl.testing.warmth import Warmth

NAME = "test"
READERS_DEFAULT = 1
AVAILABLE_TIMEOUT_S = 60.0
_POLL_S = 0.02

Document = dict[str, Any]


class AuroraCluster:
    """A running cluster in a home of its own. Everything here may be called while tests use its URIs."""

    def __init__(self, home: Home, name: str = NAME) -> None:
        self.home = home.root
        self.name = name
        self._backend = LocalBackend(home)

    @cached_property
    def uri(self) -> str:
        """The URI of the writer endpoint; it stays when the writer changes."""
        return self.connection_uri()

    @cached_property
    def reader_uri(self) -> str:
        """The URI of the reader endpoint."""
        return self.connection_uri(reader=True)

    def connection_uri(self, *, reader: bool = False, database: str | None = None) -> str:
        """The URI of an endpoint as the master user, for a database."""
        body = {
            "DBClusterIdentifier": self.name,
            "Role": "reader" if reader else "writer",
            "DBInstanceIdentifier": None,
        }
        there = self._request("connection", body)
        user, password = quote(there["User"], safe=""), quote(there["Password"], safe="")
        name = quote(database or there["Database"], safe="")
        return f"postgresql://{user}:{password}@{there['Host']}:{there['Port']}/{name}"

    @property
    def instances(self) -> list[Document]:
        """The instances as `describe-instances` has them, the writer first."""
        body = {"DBClusterIdentifier": self.name, "DBInstanceIdentifier": None}
        found: list[Document] = self._request("describe-instances", body)["DBInstances"]
        return sorted(found, key=lambda view: not view["IsClusterWriter"])

    @property
    def writer(self) -> str:
        """The identifier of the instance that is the writer now."""
        return str(self.instances[0]["DBInstanceIdentifier"])

    @property
    def health(self) -> str:
        """ok, degraded or down."""
        return str(self._request("describe-clusters", {"DBClusterIdentifier": self.name})["DBClusters"][0]["Health"])

    def failover(self, target: str | None = None) -> Document:
        """Make a reader the writer, the one named or the first by tier; returns when it is done.

        The result says `From`, `To` and `DurationMilliseconds`.
        """
        body = {"DBClusterIdentifier": self.name, "TargetDBInstanceIdentifier": target, "AllowDataLoss": False}
        return self._request("failover", body)

    def crash_writer(self) -> str:
        """Kill the writer as a crash would and return its identifier at once.

        What follows happens by itself: a reader is promoted, the old writer comes back. `wait_available` waits for it.
        """
        writer = self.writer
        body = {"DBClusterIdentifier": self.name, "Kind": "crash-instance", "Target": writer, "DurationSeconds": None}
        self._request("inject-fault", body)
        return writer

    def wait_available(self, timeout_s: float = AVAILABLE_TIMEOUT_S) -> None:
        """Wait until the whole cluster is well: every instance, endpoint and storage node. Raises TimedOut."""
        deadline = time.monotonic() + timeout_s
        while (health := self.health) != "ok":
            if time.monotonic() > deadline:
                raise TimedOut(f"The cluster is still {health} after {timeout_s:g} s.", self.cli("status").stdout)
            time.sleep(_POLL_S)

    def cli(self, *arguments: str, check: bool = True, timeout_s: float = 120.0) -> Completed:
        """Run `auroractl ARGUMENTS` on this cluster's home, with this cluster as the one that is meant.

        Returns what it printed and its exit code. Raises MachineError for another one than 0, unless `check` is False.
        """
        argv = [sys.executable, "-P", "-m", "auroractl", "--home", str(self.home), *arguments]
        return complete(argv, {"AURORACTL_CLUSTER": self.name}, check=check, timeout_s=timeout_s)

    def _request(self, verb: str, body: Document) -> Document:
        return self._backend.request(verb, body, Silent())


@contextlib.contextmanager
def running_cluster(
    readers: int = READERS_DEFAULT, base: Path | None = None, cache: Path | None = None
) -> Iterator[AuroraCluster]:
    """A cluster in a home of its own below `base`, ended and removed afterwards; `cache` is what sessions share.

    Raises AuroraError where it cannot be made.
    """
    with private_home(base) as home:
        try:
            _make(home, readers, Warmth(account(), cache))
        except AuroraError as error:
            error.add_note(f"Try: {error.hint}")
            raise
        yield AuroraCluster(home)


def _make(home: Home, readers: int, warmth: Warmth) -> None:
    backend = LocalBackend(home)
    with ThreadPoolExecutor(1) as beside:
        # The supervisor takes most of a second to start and needs none of this before it has something to do.
        brought = beside.submit(warmth.bring, home)
        backend.request("supervisor-status", {}, Silent())
        brought.result()
    backend.request("create-cluster", create_cluster(Declaration(NAME), readers), Silent())
    warmth.keep(home)
