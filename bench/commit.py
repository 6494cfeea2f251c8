"""Commits through the writer endpoint of a default cluster, all parts running, against a plain server on the same disk."""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from urllib.parse import urlsplit

import psutil
import psycopg

from bench.load import PASSWORD, pgbench
from bench.plain import plain_server
from bench.setting import Setting
from bench.verdict import Figure

ROUNDS = 3
SECONDS = 5
SCALE = 10
INSERTS = 1000
_RATIO_MIN = {"INSERTs": 0.6, "pgbench TPC-B -c 1": 0.6, "pgbench TPC-B -c 8": 0.7}
_RATIO_MIN_UNFLUSHED = dict.fromkeys(_RATIO_MIN, 0.7)


def run(setting: Setting) -> list[Figure]:
    """In each durability, beside a plain server that flushes as the cluster's writer does."""
    return [figure for durability in ("machine", "everywhere", "none") for figure in _figures(setting, durability)]


def _figures(setting: Setting, durability: str) -> list[Figure]:
    """In turn, the median of each; then how much processor time a commit takes, and in which processes."""
    setting.run("create-cluster", "bench", "--master-user-password", PASSWORD, "--durability", durability)
    cluster = setting.json("describe-clusters", "bench")["DBClusters"][0]
    with plain_server(setting, fsync="off" if durability == "none" else "on") as uri:
        plain = urlsplit(uri)
        servers = {"ours": (cluster["Endpoint"], cluster["Port"]), "plain": (str(plain.hostname), plain.port or 0)}
        for where in servers.values():
            pgbench(setting, where, ["-i", "-q", "-s", str(SCALE)])
        tps, spent_us = _measure(setting, servers)
    setting.run("delete-cluster", "bench", "--yes")
    figures = [
        Figure(
            f"{durability}: {what}", tps[what, "ours"], "tps", "a plain server", tps[what, "plain"], ratio_min=ratio_min
        )
        for what, ratio_min in (_RATIO_MIN_UNFLUSHED if durability == "none" else _RATIO_MIN).items()
    ]
    whole_us = sum(spent_us.values())
    note = f"of {whole_us:.0f} us per INSERT in all processes of the cluster"
    parts = sorted(spent_us.items())
    return figures + [Figure(f"{durability}: processor time, {part}", us, "us", note=note) for part, us in parts]


def _measure(
    setting: Setting, servers: dict[str, tuple[str, int]]
) -> tuple[dict[tuple[str, str], float], dict[str, float]]:
    tps: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    spent_us: defaultdict[str, float] = defaultdict(float)
    sessions = {name: _session(where) for name, where in servers.items()}
    for number in range(ROUNDS):
        for name in list(servers)[:: 1 if number % 2 else -1]:
            before = _processor_s(setting)
            tps["INSERTs", name].append(_inserts_per_s(sessions[name]))
            if name == "ours":
                for pid, (part, spent_s) in _processor_s(setting).items():
                    began_s = before[pid][1] if pid in before else 0.0
                    spent_us[part] += (spent_s - began_s) * 1e6 / INSERTS / ROUNDS
            for clients in (1, 8):
                load = pgbench(setting, servers[name], [f"-c{clients}", f"-T{SECONDS}"])
                tps[f"pgbench TPC-B -c {clients}", name].append(load.tps)
    for session in sessions.values():
        session.close()
    return {key: statistics.median(values) for key, values in tps.items()}, spent_us


def _session(where: tuple[str, int]) -> psycopg.Connection:
    session = psycopg.connect(
        host=where[0], port=where[1], user="postgres", password=PASSWORD, dbname="postgres", autocommit=True
    )
    session.execute("create table commits (text text)")
    return session


def _inserts_per_s(session: psycopg.Connection) -> float:
    began_s = time.perf_counter()
    for _ in range(INSERTS):
        session.execute("insert into commits values (repeat('x', 60))")
    return INSERTS / (time.perf_counter() - began_s)


def _processor_s(setting: Setting) -> dict[int, tuple[str, float]]:
    """Processor time of each process of the cluster, with the part of the cluster that it belongs to."""
    spent = {}
    for process in psutil.process_iter():
        try:
            part, times = _part(setting, process), process.cpu_times()
        except psutil.Error:
            continue
        if part is not None:
            spent[process.pid] = part, times.user + times.system
    return spent


def _part(setting: Setting, process: psutil.Process) -> str | None:
    # The plain server is elsewhere in the home, and pgbench and this program do not run meanwhile.
    title, folder = " ".join(process.cmdline()), process.cwd()
    parts = {
        "auroractl.supervisor": "supervisor",
        "auroractl.endpoints": "endpoint process",
        "pg_receivewal": "six storage nodes",
        "walsender": "eight senders of the writer",
        "walreceiver": "receivers of two readers",
        "startup recovering": "replay of two readers",
    }
    of_a_cluster = f"{setting.home}/clusters/" in f"{folder} {title}"
    if not of_a_cluster and not (str(setting.home) in title and "auroractl.supervisor" in title):
        return None
    return next((part for word, part in parts.items() if word in title), "sessions and the rest of three servers")
