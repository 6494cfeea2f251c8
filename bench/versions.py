"""This version against another one, in turn in one run: what a change costs that was not made for speed.

AURORACTL_BENCH_OTHER names the Python of an environment in which the other version is installed.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import psutil

from bench.setting import Setting, in_a_home_of_its_own
from bench.verdict import Figure
from tests.functional.ledger import Ledger

CREATES, SWITCHES, CRASHES, STATUSES, PROBE_TURNS = 11, 15, 11, 41, 4
PROBE_S = 15.0
_RATIO_MAX = 1.05
_TIMEOUT_S = 60.0
_WARM_S = 10.0
"""The first recovery images are made when a cluster begins; they are not what is measured."""
FIGURES = {
    "create-cluster, median": "s",
    "status --output json, median": "ms",
    "planned failover, longest gap, median": "s",
    "planned failover, longest gap, worst": "s",
    "crash of the writer, longest gap, median": "s",
    "crash of the writer, longest gap, worst": "s",
    "processor time of supervisor and servers at rest, median": "ms/s",
}


@dataclass
class Version:
    """One version in a home of its own, and what was measured of it."""

    setting: Setting
    samples: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def figures(self) -> dict[str, float]:
        """The medians and worst ones, by name."""
        crash, planned = self.samples["crash"], self.samples["planned"]
        values = (
            statistics.median(self.samples["create"]),
            statistics.median(self.samples["status"]) * 1000,
            statistics.median(planned),
            max(planned),
            statistics.median(crash),
            max(crash),
            statistics.median(self.samples["probe"]) * 1000,
        )
        return dict(zip(FIGURES, values, strict=True))


def run(_setting: Setting) -> list[Figure]:
    """Each figure of this version beside the other's, taken in turn."""
    other = os.environ.get("AURORACTL_BENCH_OTHER")
    if not other:
        sys.exit("Set AURORACTL_BENCH_OTHER to the Python of an environment with the other version.")
    with ExitStack() as stack:
        pair = [Version(stack.enter_context(in_a_home_of_its_own(python))) for python in (sys.executable, other)]
        for measure in (_create, _probe, _status, _switch, _crash):
            measure(pair)
        ours, theirs = (version.figures() for version in pair)
    return [
        Figure(what, ours[what], unit, "the other version", theirs[what], ratio_max=_RATIO_MAX)
        for what, unit in FIGURES.items()
    ]


def _create(pair: list[Version]) -> None:
    for version in pair:
        version.setting.run("create-cluster", "warm", "--readers", "0")
    for turn in range(CREATES):
        for version in _in_turn(pair, turn):
            version.samples["create"].append(version.setting.elapsed_s("create-cluster", f"c{turn}"))
            version.setting.run("delete-cluster", f"c{turn}", "--yes")
    for version in pair:
        version.setting.run("delete-cluster", "warm", "--yes")


def _probe(pair: list[Version]) -> None:
    """One version at a time: what runs beside it takes processor time, and caches, from it."""
    for turn in range(PROBE_TURNS):
        for version in _in_turn(pair, turn):
            version.setting.run("create-cluster", "rest")
            time.sleep(_WARM_S)
            before_s = _processor_s(version)
            time.sleep(PROBE_S)
            version.samples["probe"].append((_processor_s(version) - before_s) / PROBE_S)
            version.setting.run("delete-cluster", "rest", "--yes")


def _processor_s(version: Version) -> float:
    used_s = 0.0
    for process in psutil.process_iter():
        try:
            if process.cwd().startswith(str(version.setting.home)):
                times = process.cpu_times()
                # Probes are sessions that are kept; children that ended count with their parent.
                used_s += times.user + times.system + times.children_user + times.children_system
        except psutil.Error:
            continue
    return used_s


def _status(pair: list[Version]) -> None:
    for version in pair:
        version.setting.run("create-cluster", "demo")
    for turn in range(STATUSES):
        for version in _in_turn(pair, turn):
            version.samples["status"].append(version.setting.elapsed_s("status", "demo", "--output", "json"))


def _switch(pair: list[Version]) -> None:
    for turn in range(SWITCHES):
        for version in _in_turn(pair, turn):
            with _gap(version, "planned"):
                version.setting.run("failover", "demo")


def _crash(pair: list[Version]) -> None:
    for turn in range(CRASHES):
        for version in _in_turn(pair, turn):
            with _gap(version, "crash"):
                version.setting.run("inject-fault", "crash-instance", "writer", "--cluster", "demo")


@contextmanager
def _gap(version: Version, kind: str) -> Iterator[None]:
    """Keep the longest gap between commits that clients see from the beginning of the block until writes go on."""
    _wait_healthy(version)
    version.setting.run("psql", "demo", "--", "-qXc", "drop table if exists ledger")
    with Ledger(version.setting.run("uri", "demo").strip(), clients=4) as ledger:
        _wait_for_commits(ledger)
        began_s = time.monotonic()
        yield
        _wait_for_commits(ledger)
        version.samples[kind].append(ledger.longest_gap_s(began_s, time.monotonic()))
    assert ledger.missing() == set()
    # What goes on after clients write again would refuse the next command.
    _wait_healthy(version)


def _wait_for_commits(ledger: Ledger) -> None:
    target, deadline_s = ledger.count() + 50, time.monotonic() + _TIMEOUT_S
    while ledger.count() < target:
        if time.monotonic() > deadline_s:
            raise TimeoutError(f"no 50 commits within {_TIMEOUT_S} s")
        time.sleep(0.01)


def _wait_healthy(version: Version) -> None:
    deadline_s = time.monotonic() + _TIMEOUT_S
    while version.setting.json("describe-clusters", "demo")["DBClusters"][0]["Health"] != "ok":
        if time.monotonic() > deadline_s:
            raise TimeoutError(f"the cluster was not well within {_TIMEOUT_S} s")
        time.sleep(0.2)


def _in_turn(pair: list[Version], turn: int) -> list[Version]:
    return pair if turn % 2 == 0 else pair[::-1]
