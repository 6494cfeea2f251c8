"""Patroni with its built-in raft on the same binaries, load and faults, beside our own drills in the same run.

It is taken from PATH (`pip install 'patroni[raft]' psycopg[binary]`) and left out with a message where it is not there.
Its clients connect with libpq's list of hosts and target_session_attrs, so that no proxy's checks add to its times.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import psycopg

from auroractl.api.progress import Silent
from auroractl.api.requests.instances import Connection
from auroractl.config.paths import Home
from auroractl.control_planes.local import LocalControlPlane
from auroractl.drills.drill import Drill, longest_gap
from auroractl.drills.kinds import Kind
from auroractl.drills.workload import Target, Workload
from auroractl.engine.sql import session
from auroractl.system.files import tail
from auroractl.system.liveness import kill_all
from bench.setting import Setting
from bench.verdict import Figure

CLIENTS = 8
LOAD_S = 1.0
CRASHES, LOSSES = 5, 2
_READY_TIMEOUT_S = 120.0
_POLL_S = 0.1
_SETTLE_S = 0.5
_STALL_S = 1.0
_PORT, _RAFT_PORT, _REST_PORT = 5432, 2222, 8008
VARIANTS: Mapping[str, Mapping[str, Any]] = {
    "defaults": {"ttl": 30, "loop_wait": 10, "retry_timeout": 10},
    # The least that its documentation allows (ttl 20, loop_wait 1, retry_timeout 3); synchronous mode, so that nothing
    # acknowledged is lost; and no attempt to restart a crashed leader in place.
    "fastest safe": {
        "ttl": 20,
        "loop_wait": 1,
        "retry_timeout": 3,
        "synchronous_mode": True,
        "primary_start_timeout": 0,
    },
}


@dataclass(frozen=True)
class Hosts(Target):
    """All nodes of a cluster, of which libpq chooses one that fits."""

    attributes: str = "read-write"

    def connect(self) -> psycopg.Connection:
        """A connection in autocommit. Raises psycopg.Error."""
        return psycopg.connect(
            host=self.host, port=self.port, user=self.user, password=self.password, dbname=self.database,
            target_session_attrs=self.attributes, autocommit=True, connect_timeout=2,
        )  # fmt: skip


@dataclass
class Loss:
    """What the rounds of one fault showed."""

    gaps_s: list[float] = field(default_factory=list)
    commits: int = 0
    rows_lost: int = 0


class Patroni:
    """Three nodes on loopback addresses of their own."""

    def __init__(self, setting: Setting, folder: Path, program: str, dcs: Mapping[str, Any]) -> None:
        self._folder, self._program, self._dcs = folder, program, dcs
        self._binaries = Path(setting.program("postgres")).parent
        self._account = setting.installation().account
        block = f"127.{10 + secrets.randbelow(200)}.{1 + secrets.randbelow(250)}"
        self.addresses = [f"{block}.{number}" for number in (1, 2, 3)]
        self._password = secrets.token_hex(16)
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        """Start the nodes, the first one first so that it is the leader, and wait until all are well."""
        if self._account is not None:
            os.chown(self._folder, self._account.uid, self._account.gid)
        for address in self.addresses:
            self.start_node(address)
        self.wait_well()

    def start_node(self, address: str) -> None:
        """Start one node's Patroni, which starts its server."""
        configuration = self._folder / f"{address}.json"
        configuration.write_text(json.dumps(self._configuration(address)))
        configuration.chmod(0o644)
        with (self._folder / f"{address}.log").open("ab") as log:
            self._processes[address] = subprocess.Popen(
                [*self._identity(), self._program, str(configuration)],
                stdout=log, stderr=log, cwd=self._folder, start_new_session=True,
            )  # fmt: skip

    def _identity(self) -> list[str]:
        """PostgreSQL refuses root; the account may then still read a Python that lies in root's home."""
        if self._account is None:
            return []
        numbers = [f"--reuid={self._account.uid}", f"--regid={self._account.gid}", "--clear-groups"]
        return ["setpriv", *numbers, "--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search", "--"]

    def _configuration(self, address: str) -> dict[str, Any]:
        others = [other for other in self.addresses if other != address]
        return {
            "scope": "bench",
            "name": address,
            "restapi": {"listen": f"{address}:{_REST_PORT}", "connect_address": f"{address}:{_REST_PORT}"},
            "raft": {
                "data_dir": str(self._folder / f"raft-{address}"),
                "self_addr": f"{address}:{_RAFT_PORT}",
                "bind_addr": f"{address}:{_RAFT_PORT}",
                "partner_addrs": [f"{other}:{_RAFT_PORT}" for other in others],
            },
            "bootstrap": {
                "dcs": {**self._dcs, "postgresql": {"use_pg_rewind": True, "parameters": {"wal_log_hints": "on"}}},
                "initdb": [{"encoding": "UTF8"}, "data-checksums"],
            },
            "postgresql": {
                "listen": f"{address}:{_PORT}",
                "connect_address": f"{address}:{_PORT}",
                "data_dir": str(self._folder / f"data-{address}"),
                "bin_dir": str(self._binaries),
                "pgpass": str(self._folder / f"pgpass-{address}"),
                "authentication": {
                    "superuser": {"username": "postgres", "password": self._password},
                    "replication": {"username": "replicator", "password": self._password},
                    "rewind": {"username": "rewinder", "password": self._password},
                },
                "parameters": {"unix_socket_directories": "", "shared_buffers": "128MB", "max_connections": 200},
                "pg_hba": [
                    "host replication replicator 127.0.0.0/8 scram-sha-256",
                    "host all all 127.0.0.0/8 scram-sha-256",
                ],
            },
        }

    def stop(self) -> None:
        """End everything."""
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            with suppress(subprocess.TimeoutExpired):
                process.wait(20)
        for address in self.addresses:
            self._kill_server(address)
        kill_all([process.pid for process in self._processes.values() if process.poll() is None])

    def hosts(self, attributes: str) -> Hosts:
        """Where clients connect."""
        return Hosts(",".join(self.addresses), _PORT, "postgres", self._password, "postgres", attributes)

    def _members(self) -> dict[str, Any]:
        for address in self.addresses:
            with (
                suppress(OSError, ValueError),
                urllib.request.urlopen(f"http://{address}:{_REST_PORT}/cluster", timeout=2) as answer,
            ):
                return {member["name"]: member for member in json.load(answer)["members"]}
        return {}

    def leader(self) -> str | None:
        """The address of the node that leads, as Patroni says."""
        members = self._members().values()
        return next((str(each["name"]) for each in members if each["role"] == "leader"), None)

    def _well(self) -> bool:
        ended = [address for address, process in self._processes.items() if process.poll() is not None]
        if ended:
            raise RuntimeError(f"Patroni ended on {ended}: {tail(self._folder / f'{ended[0]}.log', 5)}")
        members = self._members()
        states = sorted(each["state"] for each in members.values())
        wanted_roles = {"sync_standby", "replica"} if self._dcs.get("synchronous_mode") else {"replica"}
        roles = {each["role"] for each in members.values()} - {"leader"}
        return states == ["running", "streaming", "streaming"] and roles == wanted_roles

    def wait_well(self) -> None:
        """Wait until one node leads and two stream."""
        _wait(self._well, "Patroni's nodes to be well")

    def _kill_server(self, address: str) -> None:
        with suppress(OSError, ValueError, psutil.Error):
            pid = int((self._folder / f"data-{address}" / "postmaster.pid").read_text().split()[0])
            members = [child.pid for child in psutil.Process(pid).children(recursive=True)]
            kill_all([pid, *members])

    def crash_server(self, address: str) -> None:
        """SIGKILL every process of a node's server; its Patroni lives."""
        self._kill_server(address)

    def lose_node(self, address: str) -> None:
        """SIGKILL a node's Patroni and its server, as when its machine is lost."""
        self._processes[address].send_signal(signal.SIGKILL)
        self._processes[address].wait()
        self._kill_server(address)


def _wait(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _READY_TIMEOUT_S
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {_READY_TIMEOUT_S:g} s for {what}")
        time.sleep(_POLL_S)


@contextmanager
def _cluster(setting: Setting, program: str, dcs: Mapping[str, Any]) -> Iterator[Patroni]:
    folder = Path(tempfile.mkdtemp(prefix="auroractl-patroni-"))
    folder.chmod(0o755)
    patroni = Patroni(setting, folder, program, dcs)
    try:
        patroni.start()
        yield patroni
    finally:
        patroni.stop()
        shutil.rmtree(folder)


def _stall_senders(connection: psycopg.Connection, standbys: list[str]) -> None:
    """Freeze what sends log to these standbys for a while, as a network does that stalls before it fails."""
    rows = connection.execute("SELECT pid FROM pg_stat_replication WHERE application_name = ANY(%s)", (standbys,))
    for (pid,) in rows.fetchall():
        os.kill(pid, signal.SIGSTOP)
    time.sleep(_STALL_S)


def _round(patroni: Patroni, found: Loss, *, node_lost: bool, stalled: bool = False) -> None:
    load = Workload(patroni.hosts("read-write"), patroni.hosts("any"), "ledger", CLIENTS)
    load.start()
    try:
        time.sleep(LOAD_S)
        leader = patroni.leader()
        if leader is None:
            raise RuntimeError("Patroni names no leader under load")
        if stalled:
            with patroni.hosts("read-write").connect() as connection:
                _stall_senders(connection, patroni.addresses)
        before, began_s = load.commits(), time.monotonic()
        (patroni.lose_node if node_lost else patroni.crash_server)(leader)
        sent = load.commits() - before
        _wait(lambda: load.commits() > before + sent + CLIENTS, "commits after the fault")
        time.sleep(_SETTLE_S)
    finally:
        load.stop()
    if node_lost:
        patroni.start_node(leader)
    patroni.wait_well()
    gap_s, _ = longest_gap(load.ledger.commits_s, began_s)
    found.gaps_s.append(gap_s)
    found.commits += len(load.ledger.acknowledged)
    found.rows_lost += len(load.ledger.acknowledged - load.stored_rows())
    load.drop()


def _ours(setting: Setting) -> dict[str, Loss]:
    setting.run("create-cluster", "peer")
    drill = Drill(lambda: LocalControlPlane(Home(setting.home)), "peer", Silent())
    losses = {}
    for what, kind, rounds in (("crash", Kind.WRITER_CRASH, CRASHES), ("loss", Kind.AZ_OUTAGE, LOSSES)):
        found = drill.run(kind, clients=CLIENTS, rounds=rounds, duration_s=LOAD_S)
        losses[what] = Loss(
            [each.longest_gap_ms / 1000 for each in found],
            sum(each.commits for each in found),
            sum(each.rows_lost for each in found),
        )
    losses["stalled"] = _ours_stalled(setting)
    setting.run("delete-cluster", "peer", "--yes")
    return losses


def _at_rest(setting: Setting) -> bool:
    cluster = setting.json("describe-clusters", "peer")["DBClusters"][0]
    return cluster["Health"] == "ok" and cluster["Operation"] is None


def _ours_stalled(setting: Setting) -> Loss:
    """The readers receive nothing for a while before the writer is killed; the storage nodes do."""
    control_plane = LocalControlPlane(Home(setting.home))

    def target(role: str) -> Target:
        request = Connection(cluster="peer", role=role)
        there = control_plane.request(request.verb, request.to_json(), Silent())
        return Target(there["Host"], there["Port"], there["User"], there["Password"], there["Database"])

    instances = setting.json("describe-instances", "peer")["DBInstances"]
    writer = next(each for each in instances if each["IsClusterWriter"])
    readers = [each["DBInstanceIdentifier"] for each in instances if not each["IsClusterWriter"]]
    load = Workload(target("writer"), target("reader"), "ledger", CLIENTS)
    load.start()
    try:
        time.sleep(LOAD_S)
        with session(setting.access(writer)) as connection:
            _stall_senders(connection, readers)
        before, began_s = load.commits(), time.monotonic()
        setting.run("inject-fault", "crash-instance", "writer", "--cluster", "peer")
        _wait(lambda: load.commits() > before + 10 * CLIENTS, "commits after the fault")
        time.sleep(_SETTLE_S)
    finally:
        load.stop()
    gap_s, _ = longest_gap(load.ledger.commits_s, began_s)
    _wait(lambda: _at_rest(setting), "the old writer to be back")
    return Loss([gap_s], len(load.ledger.acknowledged), len(load.ledger.acknowledged - load.stored_rows()))


def run(setting: Setting) -> list[Figure]:
    """The writer's server killed, and the writer's machine (ours: its whole Availability Zone) lost."""
    program = shutil.which("patroni")
    if program is None:
        print("Patroni is not on PATH and is left out: pip install 'patroni[raft]' 'psycopg[binary]'", file=sys.stderr)
        return []
    ours = _ours(setting)
    figures = []
    for variant, dcs in VARIANTS.items():
        crash, loss, stalled = Loss(), Loss(), Loss()
        with _cluster(setting, program, dcs) as patroni:
            for _ in range(CRASHES):
                _round(patroni, crash, node_lost=False)
            for _ in range(LOSSES):
                _round(patroni, loss, node_lost=True)
            _round(patroni, stalled, node_lost=True, stalled=True)
        figures.append(
            Figure(
                f"acknowledged rows lost with the writer, its readers' log stalled for {_STALL_S:g} s before",
                ours["stalled"].rows_lost,
                "rows",
                baseline=f"Patroni, {variant}",
                baseline_value=stalled.rows_lost,
                note=f"of {ours['stalled'].commits} / {stalled.commits}",
            )
        )
        for what, words, theirs in (("crash", "writer SIGKILL", crash), ("loss", "writer's machine lost", loss)):
            mine = ours[what]
            figures.append(
                Figure(
                    f"{words}, longest gap, median of {len(mine.gaps_s)}",
                    statistics.median(mine.gaps_s),
                    "s",
                    baseline=f"Patroni, {variant}",
                    baseline_value=statistics.median(theirs.gaps_s),
                    note=(
                        f"worst {max(mine.gaps_s):.2f} s / {max(theirs.gaps_s):.2f} s; "
                        f"lost {mine.rows_lost} of {mine.commits} / {theirs.rows_lost} of {theirs.commits}"
                    ),
                )
            )
    return figures
