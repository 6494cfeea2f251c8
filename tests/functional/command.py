"""The command line on a home, as tests use it, and the processes and files of that home."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import psycopg
import pytest

from auroractl.api.progress import Silent
from auroractl.api.request import Request
from auroractl.api.requests.clusters import DescribeClusters
from auroractl.api.requests.instances import Connection, DescribeInstances
from auroractl.api.requests.volumes import DescribeVolumes
from auroractl.config.paths import Home
from auroractl.control_planes.local import LocalControlPlane
from auroractl.core.address import Address
from auroractl.core.errors import RemoteError, SupervisorUnavailable
from auroractl.engine.binaries import Binaries
from auroractl.engine.connections import Access
from auroractl.engine.pinning import pinned
from auroractl.engine.shared_memory_cleanup import release_shared_memory
from auroractl.system.liveness import kill_all, processes_below, send
from tests.functional.command_server import CommandServer

DEADLINE_S = 60.0


def below(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Give what is below a folder in which a running cluster makes and removes files, without what just went."""
    for place, folders, names in os.walk(folder):
        for name in (*folders, *names):
            with contextlib.suppress(FileNotFoundError):
                yield Path(place, name), Path(place, name).lstat()


def wait_until(what: str, condition: Callable[[], Any], timeout_s: float = DEADLINE_S, interval_s: float = 0.1) -> Any:
    """Wait until a condition holds and return what it returned; fails naming what was waited for."""
    deadline = time.monotonic() + timeout_s
    last: object = None
    while time.monotonic() < deadline:
        try:
            last = condition()
        except (psycopg.Error, OSError, AssertionError) as error:
            last = error
        else:
            if last:
                return last
        time.sleep(interval_s)
    pytest.fail(f"waited {timeout_s} s for {what}; last seen: {last!r}")


def lose_data(instance: dict[str, Any]) -> None:
    """Remove the data directory of a killed server; what it holds outside could not be found any more afterwards."""
    data = Path(instance["DataDirectory"])
    release_shared_memory(data)
    shutil.rmtree(data)


@cache
def _command_server() -> CommandServer:
    server = CommandServer(os.environ)
    atexit.register(server.close)
    return server


@dataclass(frozen=True)
class Done:
    """What a command left behind."""

    returncode: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        """Its stdout as JSON."""
        return json.loads(self.stdout)


@dataclass
class Auroractl:
    """The command line, as a person would use it, on a home of its own."""

    home: Home
    variables: dict[str, str] = field(default_factory=dict)

    def admin_access(self, instance: dict[str, Any]) -> Access:
        """The way in of the internal superuser, for an instance as describe-instances has it."""
        paths = self.home.cluster(instance["DBClusterIdentifier"]).instance(instance["DBInstanceIdentifier"])
        sockets = self.home.server_sockets(paths.folder)
        address = Address(instance["Endpoint"]["Address"], instance["Endpoint"]["Port"])
        password = str(json.loads(self.home.internal_secrets.read_text())["admin"])
        major = int(self.cluster(instance["DBClusterIdentifier"])["EngineVersion"].partition(".")[0])
        return Access(address, password, major, sockets, sockets.owner(), by_account=os.geteuid() == 0)

    def binaries(self, cluster: str = "demo") -> Binaries:
        """The PostgreSQL programs of a cluster."""
        ((build,),) = self.rows(f"select engine_build from cluster where identifier = '{cluster}'")
        found = pinned(self.home.binaries(build))
        assert found is not None
        return found

    @property
    def environment(self) -> dict[str, str]:
        """The environment of its commands."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AURORACTL_", "PG"))}
        return {
            **kept,
            "AURORACTL_HOME": str(self.home.root),
            "AURORACTL_CONFIG": str(self.home.root / "no-such-file.toml"),
            **self.variables,
        }

    def start(self, *arguments: str, **more: str) -> subprocess.Popen[str]:
        """Start a command without waiting."""
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "auroractl", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**self.environment, **more},
        )

    def run(self, *arguments: str, stdin: str = "", timeout_s: float = 120.0, **more: str) -> Done:
        """Run a command to its end, whatever its exit code."""
        environment = {**self.environment, **more}
        server = _command_server()
        if server.fits(arguments, environment):
            return Done(*server.run(arguments, environment, stdin, timeout_s))
        with self.start(*arguments, **more) as process:
            try:
                stdout, stderr = process.communicate(stdin, timeout=timeout_s)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
        return Done(process.returncode, stdout, stderr)

    def __call__(self, *arguments: str, **more: Any) -> Done:
        """Run a command that must succeed."""
        done = self.run(*arguments, **more)
        assert done.returncode == 0, (
            f"{arguments} ended with {done.returncode}: {done.stderr}{done.stdout}\n{self.supervisor_log()}"
        )
        return done

    def supervisor_log(self) -> str:
        """The end of what the supervisor says of its work."""
        log = self.home.root / "supervisor.log"
        return "\n".join(log.read_text().splitlines()[-60:]) if log.exists() else ""

    def server_logs(self) -> str:
        """The end of what every server of an instance says."""
        logs = sorted(self.home.clusters.glob("*/instances/*/postgresql.log"))
        return "\n".join(f"{log.parent.name}: {line}" for log in logs for line in log.read_text().splitlines()[-25:])

    def json(self, *arguments: str, **more: Any) -> Any:
        """Run a command that must succeed with JSON output and return the document."""
        return self(*arguments, "--output", "json", **more).json

    def ask(self, verb: str, **body: Any) -> Any:
        """The answer of the supervisor itself, as every command asks it; for looking often and at once."""
        try:
            return LocalControlPlane(self.home, start=False).request(verb, body, Silent())
        except SupervisorUnavailable:
            self("supervisor", "start")
            return LocalControlPlane(self.home, start=False).request(verb, body, Silent())
        except RemoteError as error:
            raise AssertionError(str(error)) from error

    def send(self, request: Request) -> Any:
        """The answer of the supervisor itself to a request."""
        return self.ask(request.verb, **request.to_json())

    def cluster(self, name: str) -> Any:
        """The view of a cluster."""
        return self.send(DescribeClusters(cluster=name))["DBClusters"][0]

    def volume(self, name: str) -> Any:
        """The view of a cluster's volume."""
        return self.send(DescribeVolumes(cluster=name))["StorageVolumes"][0]

    def instances(self, name: str) -> list[Any]:
        """The views of a cluster's instances, the writer first."""
        found = self.send(DescribeInstances(cluster=name))["DBInstances"]
        return sorted(found, key=lambda each: not each["IsClusterWriter"])

    def writer(self, name: str) -> Any:
        """The view of the writer."""
        return self.instances(name)[0]

    def readers(self, name: str) -> list[Any]:
        """The views of the readers."""
        return self.instances(name)[1:]

    def uri(self, name: str, *, role: str = "writer", instance: str | None = None) -> str:
        """How to connect to an endpoint, or to an instance."""
        there = self.send(Connection(cluster=name, role=role, instance=instance))
        password = quote(there["Password"], safe="")
        return f"postgresql://{there['User']}:{password}@{there['Host']}:{there['Port']}/{there['Database']}?sslmode=disable"

    def connect(self, name: str, *, role: str = "writer", instance: str | None = None) -> psycopg.Connection:
        """An autocommit connection with nothing but the URI."""
        return psycopg.connect(self.uri(name, role=role, instance=instance), autocommit=True, connect_timeout=30)

    def wait_healthy(self, name: str, timeout_s: float = DEADLINE_S) -> None:
        """Wait until `status` would exit with 0."""
        wait_until(f"{name} to be healthy", lambda: self.cluster(name)["Health"] == "ok", timeout_s)

    def supervisor_pid(self) -> int:
        """The process id of the supervisor."""
        return int(LocalControlPlane(self.home, start=False).request("supervisor-status", {}, Silent())["ProcessId"])

    def kill_supervisor(self) -> None:
        """SIGKILL the supervisor and wait for its end: until then a command could still reach it."""
        process = psutil.Process(self.supervisor_pid())
        process.kill()
        process.wait(DEADLINE_S)

    def rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Rows of the state database, read from outside."""
        with closing(sqlite3.connect(f"file:{self.home.state}?mode=ro", uri=True)) as connection:
            return connection.execute(statement, values).fetchall()

    def pids(self) -> list[int]:
        """The ids of every process that works in this home."""
        return processes_below(self.home.root)

    def processes(self) -> list[str]:
        """Every process that works in this home."""
        found = []
        for pid in self.pids():
            try:
                found.append(f"{pid} {' '.join(psutil.Process(pid).cmdline())}")
            except psutil.NoSuchProcess:
                continue
        return found

    def postmasters(self) -> list[int]:
        """The process ids of the servers; a process that one has just forked still bears its command line."""
        found = {}
        for pid in self.pids():
            with contextlib.suppress(psutil.NoSuchProcess):
                process = psutil.Process(pid)
                if "bin/postgres -D" in " ".join(process.cmdline()):
                    found[pid] = process.ppid()
        return [pid for pid, parent in found.items() if parent not in found]

    def end(self) -> None:
        """Kill everything that works in this home: an orderly end takes longer than many a test, and has its own tests."""
        deadline = time.monotonic() + DEADLINE_S
        # More than one round: until it is stopped itself, a supervisor starts again what was stopped before it.
        while left := processes_below(self.home.root):
            assert time.monotonic() < deadline, self.processes()
            for pid in left:
                send(pid, signal.SIGSTOP)
            # What a supervisor has others do for it, such as a copy, works elsewhere and would go on without it.
            kill_all(_with_descendants(left))
        for data in self._killed_servers():
            release_shared_memory(data)

    def _killed_servers(self) -> list[Path]:
        """The data directories of servers that did not shut down, wherever in a cluster they are."""
        found = []
        for folder, folders, names in os.walk(self.home.clusters):
            if "PG_VERSION" in names:
                folders.clear()
            if "postmaster.pid" in names:
                found.append(Path(folder))
        return found


def _with_descendants(pids: Collection[int]) -> set[int]:
    parents = {each.pid: each.info["ppid"] for each in psutil.process_iter(["ppid"])}
    found: set[int] = set()
    more = set(pids)
    while more:
        found |= more
        more = {pid for pid, parent in parents.items() if parent in more} - found
    return found
