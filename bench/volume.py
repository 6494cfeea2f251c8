"""What the six copies cost: writes beside other ways of keeping them, refilling a node, recovering from the quorum."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import sqlite3
import statistics
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil
import psycopg

from bench.load import PASSWORD, Load, pgbench
from bench.setting import Setting
from bench.verdict import Figure

ROUNDS = 5
LOSS_ROUNDS = 9
SECONDS = 5
SCALE = 10
REFILL_BYTES = 1024**3
RECOVERIES = 7
SETTLE_TIMEOUT_S = 120.0
CLIENTS = (1, 8)


def run(setting: Setting) -> list[Figure]:
    """Writes with the quorum, without any standby, and with one ordinary synchronous standby; then with nodes lost."""
    setting.run("create-cluster", "bench", "--readers", "1", "--master-user-password", PASSWORD)
    pgbench(setting, _writer(setting), ["-i", "-q", "-s", str(SCALE)])
    ways = {"quorum": _with_quorum, "no standby": _without, "one synchronous standby": _with_one_standby}
    loads: dict[tuple[str, int], list[Load]] = {(way, clients): [] for way in ways for clients in CLIENTS}
    for number in range(ROUNDS):
        order = list(ways)[number % len(ways) :] + list(ways)[: number % len(ways)]
        for way in order:
            with ways[way](setting):
                for clients in CLIENTS:
                    loads[way, clients].append(_writes(setting, clients))
    figures = [figure for clients in CLIENTS for figure in _beside(loads, clients)]
    figures += _with_losses(setting)
    setting.run("delete-cluster", "bench", "--yes")
    return figures


def _beside(loads: dict[tuple[str, int], list[Load]], clients: int) -> list[Figure]:
    tps = {
        way: statistics.median(load.tps for load in found) for (way, count), found in loads.items() if count == clients
    }
    bound = {"no standby": 0.80, "one synchronous standby": 0.95} if clients == max(CLIENTS) else {}
    return [
        Figure(f"pgbench -N -c {clients}, 4 of 6", tps["quorum"], "tps", way, tps[way], ratio_min=bound.get(way))
        for way in ("no standby", "one synchronous standby")
    ]


def _with_losses(setting: Setting) -> list[Figure]:
    zone = _zone_without_instance(setting)
    losses: dict[str, tuple[str, ...]] = {
        "healthy": (),
        "one node frozen": ("hang-storage-node", "bench-storage-6"),
        "an AZ down": ("az-outage", zone),
    }
    latencies: dict[str, list[float]] = {what: [] for what in losses}
    for number in range(LOSS_ROUNDS):
        for what in list(losses)[number % 3 :] + list(losses)[: number % 3]:
            if losses[what]:
                setting.run("inject-fault", *losses[what], "--cluster", "bench")
            # From a checkpoint on whole pages are logged; without one each load would meet another share of them.
            with psycopg.connect(setting.run("uri", "bench").strip(), autocommit=True) as connection:
                connection.execute("checkpoint")
            latencies[what].append(_writes(setting, 1).latency_ms)
            if losses[what]:
                setting.run("inject-fault", "restore", losses[what][1], "--cluster", "bench")
                _wait_complete(setting)
    healthy_ms = statistics.median(latencies["healthy"])
    return [
        Figure(
            f"commit latency, {what}", statistics.median(latencies[what]), "ms", "healthy", healthy_ms, ratio_max=1.1
        )
        for what in ("one node frozen", "an AZ down")
    ]


def _writes(setting: Setting, clients: int) -> Load:
    return pgbench(setting, _writer(setting), ["-N", f"-c{clients}", f"-T{SECONDS}"])


def _instances(setting: Setting, name: str = "bench") -> list[Any]:
    found = setting.json("describe-instances", name)["DBInstances"]
    return sorted(found, key=lambda each: not each["IsClusterWriter"])


def _writer(setting: Setting) -> tuple[str, int]:
    endpoint = _instances(setting)[0]["Endpoint"]
    return endpoint["Address"], endpoint["Port"]


def _volume(setting: Setting, name: str = "bench") -> Any:
    return setting.json("describe-volumes", name)["StorageVolumes"][0]


def _zone_without_instance(setting: Setting) -> str:
    taken = {each["AvailabilityZone"] for each in _instances(setting)}
    return min({str(each["AvailabilityZone"]) for each in _volume(setting)["StorageNodes"]} - taken)


def _wait_complete(setting: Setting, name: str = "bench") -> None:
    _wait(lambda: all(each["Status"] == "available" for each in _volume(setting, name)["StorageNodes"]))


def _wait(condition: Any) -> None:
    deadline = time.monotonic() + SETTLE_TIMEOUT_S
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {SETTLE_TIMEOUT_S} s")
        time.sleep(0.05)


@contextmanager
def _with_quorum(setting: Setting) -> Iterator[None]:
    """As the product runs, but for the reader: the baselines have none either."""
    reader = _instances(setting)[1]
    setting.run("supervisor", "stop")
    os.kill(reader["ProcessId"], signal.SIGINT)
    psutil.wait_procs([psutil.Process(reader["ProcessId"])] if psutil.pid_exists(reader["ProcessId"]) else [], 10)
    try:
        yield
    finally:
        setting.run("supervisor", "start")
        _wait_healthy(setting)


@contextmanager
def _without(setting: Setting) -> Iterator[None]:
    with _standbys(setting, "", keep_reader=False):
        yield


@contextmanager
def _with_one_standby(setting: Setting) -> Iterator[None]:
    name = _instances(setting)[1]["DBInstanceIdentifier"]
    with _standbys(setting, f'ANY 1 ("{name}")', keep_reader=True):
        yield


@contextmanager
def _standbys(setting: Setting, names: str, *, keep_reader: bool) -> Iterator[None]:
    """The same server without its storage nodes, waiting for `names`; the supervisor puts all right again."""
    writer, reader = _instances(setting)
    nodes = [each["ProcessId"] for each in _volume(setting)["StorageNodes"]]
    setting.run("supervisor", "stop")
    for pid in nodes if keep_reader else [*nodes, reader["ProcessId"]]:
        os.kill(pid, signal.SIGINT)
    configuration = Path(writer["DataDirectory"]) / "postgresql.conf"
    before = configuration.read_text()
    configuration.write_text(before + f"synchronous_standby_names = '{names}'\n")
    os.kill(writer["ProcessId"], signal.SIGHUP)
    time.sleep(0.5)
    try:
        yield
    finally:
        configuration.write_text(before)
        os.kill(writer["ProcessId"], signal.SIGHUP)
        setting.run("supervisor", "start")
        _wait_healthy(setting)


def _wait_healthy(setting: Setting, name: str = "bench") -> None:
    _wait(lambda: setting.json("describe-clusters", name)["DBClusters"][0]["Health"] == "ok")


def run_refill(setting: Setting) -> list[Figure]:
    """A wiped node that held a gibibyte of log, beside copying and checksumming the same bytes."""
    os.environ["AURORACTL_LOG_KEEP_SIZE"] = "2GiB"
    os.environ["AURORACTL_REPAIR_RATE_MB_PER_S"] = "100000"
    setting.run("supervisor", "stop")
    setting.run("create-cluster", "refill", "--readers", "0")
    uri = setting.run("uri", "refill").strip()
    with psycopg.connect(uri, autocommit=True) as connection:
        while (_volume(setting, "refill")["StorageNodes"][0]["HeldBytes"] or 0) < REFILL_BYTES:
            connection.execute("select pg_logical_emit_message(true, 'bench', repeat('x', 16000000))")
            time.sleep(0.2)
    _wait_complete(setting, "refill")
    node = _volume(setting, "refill")["StorageNodes"][3]
    folder = Path(node["Path"])
    held = sum(path.stat().st_size for path in folder.iterdir() if len(path.name) == 24)
    baseline_s = _copy_and_checksum_s(folder)
    began_s = time.perf_counter()
    setting.run("inject-fault", "wipe-storage-node", node["StorageNodeIdentifier"], "--cluster", "refill")
    _wait(lambda: sum(p.stat().st_size for p in folder.iterdir() if len(p.name) == 24) >= held)
    ours_s = time.perf_counter() - began_s
    setting.run("delete-cluster", "refill", "--yes")
    mib = held / 1024**2
    return [
        Figure(
            "refill of a wiped node, 1 GiB of log", mib / ours_s, "MiB/s", "cp and sha256", mib / baseline_s,
            ratio_min=0.5,
        )
    ]  # fmt: skip


def _copy_and_checksum_s(folder: Path) -> float:
    target = folder.with_name("copy")
    began_s = time.perf_counter()
    subprocess.run(["cp", "-R", str(folder), str(target)], check=True)
    for path in target.iterdir():
        hashlib.sha256(path.read_bytes()).hexdigest()
    took_s = time.perf_counter() - began_s
    shutil.rmtree(target)
    return took_s


def run_recovery(setting: Setting) -> list[Figure]:
    """What reading the log back adds to a promotion with less than a segment to fetch."""
    setting.run("create-cluster", "lost", "--readers", "1")
    uri = setting.run("uri", "lost").strip()
    with psycopg.connect(uri, autocommit=True) as connection:
        connection.execute("create table filler (text text)")
    promotions, additions = [], []
    for _ in range(RECOVERIES):
        writer, reader = _instances(setting, "lost")
        for child in psutil.Process(reader["ProcessId"]).children():
            if "walreceiver" in " ".join(child.cmdline()):
                child.suspend()
        with psycopg.connect(uri, autocommit=True) as connection:
            connection.execute("insert into filler select repeat('x', 100) from generate_series(1, 2000)")
        os.kill(writer["ProcessId"], signal.SIGSTOP)
        _wait(lambda: setting.json("describe-clusters", "lost")["DBClusters"][0]["Status"] == "unavailable")
        setting.run("failover", "lost")
        steps = _steps(setting)
        additions.append(sum(took for name, took in steps.items() if name.startswith(("Take", "Read"))))
        promotions.append(next(took for name, took in steps.items() if name.startswith("Promote")))
        _wait_healthy(setting, "lost")
    setting.run("delete-cluster", "lost", "--yes")
    note = f"the promotion itself: {statistics.median(promotions):.3f} s"
    return [
        Figure(
            f"recovery from the quorum adds, median of {RECOVERIES}", statistics.median(additions), "s", value_max=0.3,
            note=note,
        ),
        Figure("promotion after it, storage nodes started included", statistics.median(promotions), "s"),
    ]  # fmt: skip


def _steps(setting: Setting) -> dict[str, float]:
    """Durations of the steps of the last failover, in seconds, from the journal."""
    query = (
        "select name, started_at, finished_at from operation_step where operation ="
        " (select identifier from operation where kind = 'failover' order by id desc limit 1)"
    )
    with closing(sqlite3.connect(f"file:{setting.home}/state.db?mode=ro", uri=True)) as connection:
        rows = connection.execute(query).fetchall()
    return {
        name: (datetime.fromisoformat(end) - datetime.fromisoformat(begin)).total_seconds() for name, begin, end in rows
    }
