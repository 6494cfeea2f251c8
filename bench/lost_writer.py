"""Lost writers under write load from eight clients: how long nobody could commit, by the drills that users have."""

from __future__ import annotations

import statistics

from auroractl.api.progress import Silent
from auroractl.config.paths import Home
from auroractl.control_planes.local import LocalControlPlane
from auroractl.drills.drill import Drill, Round
from auroractl.drills.kinds import Kind
from bench.setting import Setting
from bench.verdict import Figure

CLIENTS = 8
LOAD_S = 1.0
ROUNDS = {Kind.WRITER_CRASH: 30, Kind.WRITER_HANG: 8, Kind.PLANNED: 20, Kind.AZ_OUTAGE: 8}
LIMITS_S = {
    Kind.WRITER_CRASH: (0.6, 1.5),
    Kind.WRITER_HANG: (2.5, None),
    Kind.PLANNED: (0.35, None),
    Kind.AZ_OUTAGE: (1.0, None),
}
"""Of the median and of the worst."""


def run(setting: Setting) -> list[Figure]:
    """Every drill that moves the writer, round after round."""
    setting.run("create-cluster", "lost")
    drill = Drill(lambda: LocalControlPlane(Home(setting.home)), "lost", Silent())
    figures = []
    for kind, rounds in ROUNDS.items():
        found = drill.run(kind, clients=CLIENTS, rounds=rounds, duration_s=LOAD_S)
        figures += _figures(kind, found)
    setting.run("delete-cluster", "lost", "--yes")
    return figures


def _figures(kind: Kind, rounds: list[Round]) -> list[Figure]:
    gaps_s = [each.longest_gap_ms / 1000 for each in rounds]
    median_max_s, worst_max_s = LIMITS_S[kind]
    commits, lost = sum(each.commits for each in rounds), sum(each.rows_lost for each in rounds)
    failed = sum(each.reads_failed for each in rounds)
    facts = f"{commits} acknowledged, {lost} lost, {failed} reads failed"
    first_s = statistics.median(each.first_commit_ms for each in rounds) / 1000
    return [
        Figure(f"{kind}, longest gap, median of {len(rounds)}", statistics.median(gaps_s), "s", value_max=median_max_s),
        Figure(f"{kind}, longest gap, worst", max(gaps_s), "s", value_max=worst_max_s, note=facts),
        Figure(f"{kind}, from the request to the first commit after it, median", first_s, "s"),
    ]
