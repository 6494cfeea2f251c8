"""pgbench through the writer endpoint with TLS, against the same without; what a TLS connection costs."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import ssl
import statistics
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import quote

import psutil
import psycopg

from auroractl.config.paths import Home
from auroractl.system.locks import lock_holder
from bench.haproxy import haproxy
from bench.load import PASSWORD, pgbench
from bench.setting import Setting
from bench.verdict import Figure

ROUNDS = 5
SECONDS = 5
CLIENTS = 8
SCALE = 10
CONNECTIONS = 200
CREATIONS = 5
MODES = ("disable", "require")
LOADS = {"pgbench -S": ["-S"], "pgbench -S -C (a connection each)": ["-S", "-C"]}
BESIDE_HAPROXY = dict(zip(LOADS, (0.9, 0.5), strict=True))
"""The least that is to be reached of HAProxy's figures."""


def run(setting: Setting) -> list[Figure]:
    """Interleaved, in turning order, the median of each."""
    created = _creations(setting)
    setting.run("create-cluster", "bench", "--readers", "0", "--master-user-password", PASSWORD)
    endpoint = setting.json("describe-clusters", "bench")["DBClusters"][0]
    where = endpoint["Endpoint"], endpoint["Port"]
    pgbench(setting, where, ["-i", "-q", "-s", str(SCALE)])
    uri = f"postgresql://postgres:{quote(PASSWORD)}@{where[0]}:{where[1]}/postgres?sslmode="
    program = _pgbench_with_tls(setting, f"{uri}require")
    figures = [created, *_memory(setting, uri)]
    if program is None:
        figures.append(Figure("pgbench", 0, "tps", note="no pgbench with TLS is installed: not measured"))
    else:
        tps: dict[str, dict[str, list[float]]] = {load: {mode: [] for mode in MODES} for load in LOADS}
        for number in range(ROUNDS):
            for load, options in LOADS.items():
                for mode in MODES if number % 2 else reversed(MODES):
                    tps[load][mode].append(_tps(program, uri + mode, options))
        figures += [_figure(load, tps[load]) for load in LOADS]
    figures += _beside_haproxy(setting, where)
    setting.run("delete-cluster", "bench", "--yes")
    return figures


def _figure(load: str, tps: dict[str, list[float]]) -> Figure:
    plain, encrypted = (statistics.median(tps[mode]) for mode in MODES)
    return Figure(f"{load} with TLS", encrypted, "tps", "without TLS", plain, ratio_min=0.7)


def _tps(program: str, uri: str, options: list[str]) -> float:
    command = [program, "-n", *options, f"-c{CLIENTS}", f"-T{SECONDS}", uri]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found = re.search(r"tps = ([0-9.]+)", done.stdout)
    # It prints none if no transaction was completed in time.
    return float(found[1]) if found else 0.0


def _pgbench_with_tls(setting: Setting, uri: str) -> str | None:
    """Find a pgbench that can connect to a URI with TLS; that of the default build cannot."""
    builds, _ = setting.installation().builds.all()
    folders = [*sorted(Path("/usr/lib/postgresql").glob("*")), *(Path(each.folder) for each in builds)]
    for program in (str(folder / "bin" / "pgbench") for folder in folders):
        done = shutil.which(program) and subprocess.run([program, "-n", "-t1", uri], check=False, capture_output=True)
        if done and done.returncode == 0:
            return program
    return None


def _beside_haproxy(setting: Setting, where: tuple[str, int]) -> list[Figure]:
    """Measure the same loads through HAProxy, which ends TLS with the same certificate; in turns."""
    instance = setting.json("describe-instances", "bench")["DBInstances"][0]["Endpoint"]
    pem = json.loads(Home(setting.home).cluster("bench").certificate.read_text())["pem"]
    with haproxy(setting, (instance["Address"], instance["Port"]), pem) as theirs:
        if theirs is None:
            return [Figure("pgbench with TLS", 0, "tps", note="haproxy is not installed: not compared")]
        ways = {"ours": where, "haproxy": theirs}
        handshakes: dict[str, list[float]] = {name: [] for name in ways}
        for number in range(ROUNDS):
            for name in ways if number % 2 else reversed(ways):
                handshakes[name].append(_handshakes_per_s(ways[name]))
        return [_beside("TLS handshakes", "per s", handshakes, 0.5), *_loads_beside(setting, ways)]


def _loads_beside(setting: Setting, ways: dict[str, tuple[str, int]]) -> list[Figure]:
    uris = {
        name: f"postgresql://postgres:{quote(PASSWORD)}@{host}:{port}/postgres?sslmode=require&sslnegotiation=direct"
        for name, (host, port) in ways.items()
    }
    program = _pgbench_with_tls(setting, uris["haproxy"])
    if program is None:
        note = "no pgbench of PostgreSQL 17 or later with TLS is installed: not compared"
        return [Figure("pgbench with TLS", 0, "tps", note=note)]
    tps: dict[str, dict[str, list[float]]] = {load: {name: [] for name in uris} for load in LOADS}
    for number in range(ROUNDS):
        for load, options in LOADS.items():
            for name in uris if number % 2 else reversed(uris):
                tps[load][name].append(_tps(program, uris[name], options))
    return [_beside(f"{load} with TLS", "tps", tps[load], BESIDE_HAPROXY[load]) for load in LOADS]


def _beside(what: str, unit: str, found: dict[str, list[float]], least: float) -> Figure:
    ours, theirs = (statistics.median(found[name]) for name in ("ours", "haproxy"))
    return Figure(what, ours, unit, "HAProxy ending TLS", theirs, ratio_min=least)


def _handshakes_per_s(where: tuple[str, int]) -> float:
    """Count new TLS connections of several clients, without anything of PostgreSQL after the handshake."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["postgresql"])
    until_s = time.perf_counter() + SECONDS

    def connect(_: int) -> int:
        count = 0
        while time.perf_counter() < until_s:
            with socket.create_connection(where, 30) as raw, context.wrap_socket(raw):
                count += 1
        return count

    with ThreadPoolExecutor(CLIENTS) as clients:
        return sum(clients.map(connect, range(CLIENTS))) / SECONDS


def _memory(setting: Setting, uri: str) -> list[Figure]:
    """Measure the memory of the endpoint process per connection, and the time for a connection."""
    pid = lock_holder(Home(setting.home).cluster("bench").endpoint / "pid")
    process = psutil.Process(pid)
    used_kib: dict[str, float] = {}
    took_ms: dict[str, float] = {}
    for mode in MODES:
        before = process.memory_info().rss
        with ExitStack() as stack:
            times_s = []
            for _ in range(CONNECTIONS):
                began_s = time.perf_counter()
                stack.enter_context(psycopg.connect(uri + mode))
                times_s.append(time.perf_counter() - began_s)
            used_kib[mode] = max(process.memory_info().rss - before, 0) / 1024 / CONNECTIONS
            took_ms[mode] = statistics.median(times_s) * 1000
    return [
        Figure("endpoint process per TLS connection", used_kib["require"], "KiB", "without TLS", used_kib["disable"]),
        Figure("a new connection with TLS", took_ms["require"], "ms", "without TLS", took_ms["disable"]),
    ]


def _creations(setting: Setting) -> Figure:
    """Measure create-cluster with TLS and without, in turns; each time with a supervisor that has issued none yet."""
    took_s: dict[str, list[float]] = {"true": [], "false": []}
    for number in range(CREATIONS * 2):
        tls = ("true", "false")[number % 2]
        setting.run("supervisor", "stop", "--all")
        os.environ["AURORACTL_TLS"] = tls
        took_s[tls].append(setting.elapsed_s("create-cluster", f"bench{number}", "--readers", "0"))
        setting.run("delete-cluster", f"bench{number}", "--yes")
    del os.environ["AURORACTL_TLS"]
    setting.run("supervisor", "stop", "--all")
    with_tls, without = (statistics.median(took_s[tls]) for tls in ("true", "false"))
    return Figure("create-cluster, the first of a supervisor", with_tls, "s", "tls = false", without, ratio_max=1.05)
