"""pgbench through the writer endpoint, against HAProxy in TCP mode and against the instance itself."""

from __future__ import annotations

import statistics

from bench.haproxy import haproxy
from bench.load import PASSWORD, pgbench
from bench.setting import Setting
from bench.verdict import Figure

ROUNDS = 5
SECONDS = 5
CLIENTS = 8
SCALE = 10
MODES = {"pgbench -S": ["-S"], "pgbench TPC-B": []}


def run(setting: Setting) -> list[Figure]:
    """Interleaved, in turning order, the median of each."""
    setting.run("create-cluster", "bench", "--readers", "0", "--master-user-password", PASSWORD)
    cluster = setting.json("describe-clusters", "bench")["DBClusters"][0]
    instance = setting.json("describe-instances", "bench")["DBInstances"][0]["Endpoint"]
    direct, ours = (instance["Address"], instance["Port"]), (cluster["Endpoint"], cluster["Port"])
    pgbench(setting, direct, ["-i", "-q", "-s", str(SCALE)])
    with haproxy(setting, direct) as through_haproxy:
        ways = {"direct": direct, "auroractl": ours} | ({"haproxy": through_haproxy} if through_haproxy else {})
        tps: dict[str, dict[str, list[float]]] = {mode: {way: [] for way in ways} for mode in MODES}
        for number in range(ROUNDS):
            for mode, options in MODES.items():
                order = list(ways)[number % len(ways) :] + list(ways)[: number % len(ways)]
                for way in order:
                    tps[mode][way].append(pgbench(setting, ways[way], [*options, f"-c{CLIENTS}", f"-T{SECONDS}"]).tps)
    setting.run("delete-cluster", "bench", "--yes")
    return [figure for mode in MODES for figure in _figures(mode, tps[mode])]


def _figures(mode: str, tps: dict[str, list[float]]) -> list[Figure]:
    median = {way: statistics.median(values) for way, values in tps.items()}
    figures = [Figure(mode, median["auroractl"], "tps", "direct", median["direct"])]
    if "haproxy" in median:
        figures.append(Figure(mode, median["auroractl"], "tps", "HAProxy", median["haproxy"], ratio_min=0.9))
    else:
        figures.append(Figure(mode, median["auroractl"], "tps", note="haproxy is not installed: not compared"))
    return figures
