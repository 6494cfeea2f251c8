"""Planned failovers under write load: the longest gap without a successful commit that the clients see."""

from __future__ import annotations

import statistics
import time

from bench.setting import Setting
from bench.verdict import Figure
from tests.functional.ledger import Ledger

ROUNDS = 20
SETTLE_TIMEOUT_S = 30.0


def run(setting: Setting) -> list[Figure]:
    """Twenty switches, each with four clients that write through one URI and reconnect at once."""
    setting.run("create-cluster", "switch")
    uri = setting.run("uri", "switch").strip()
    gaps_s = []
    with Ledger(uri, clients=4) as ledger:
        for _ in range(ROUNDS):
            _wait_for_commits(ledger, 50)
            began_s = time.monotonic()
            setting.run("failover", "switch")
            _wait_for_commits(ledger, 50)
            gaps_s.append(ledger.longest_gap_s(began_s, time.monotonic()))
    missing = len(ledger.missing())
    unchanged = setting.run("uri", "switch").strip() == uri
    setting.run("delete-cluster", "switch", "--yes")
    facts = f"{ledger.count()} acknowledged, {missing} missing, URI {'unchanged' if unchanged else 'CHANGED'}"
    return [
        Figure(f"planned failover, longest gap, median of {ROUNDS}", statistics.median(gaps_s), "s", value_max=0.5),
        Figure(f"planned failover, longest gap, worst of {ROUNDS}", max(gaps_s), "s", value_max=1.0),
        Figure("planned failover, acknowledged rows missing", missing, "rows", note=facts),
    ]


def _wait_for_commits(ledger: Ledger, more: int) -> None:
    target, deadline = ledger.count() + more, time.monotonic() + SETTLE_TIMEOUT_S
    while ledger.count() < target:
        if time.monotonic() > deadline:
            raise TimeoutError(f"no {more} commits within {SETTLE_TIMEOUT_S} s")
        time.sleep(0.01)
