"""What applications on common drivers see of failovers: gap and errors by driver and fault, with a ledger."""

from __future__ import annotations

import statistics
import tempfile
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

from bench.setting import Setting
from bench.verdict import Figure
from tests.drivers import harness
from tests.drivers.faults import FAULTS, Faults, Seen

ROUNDS = 3
CLUSTER = "bench"


def run(setting: Setting) -> list[Figure]:
    """All drivers at once through rounds of all faults; each fault hits all of them."""
    if not harness.names_can_be_mounted():
        return [Figure("drivers", 0, "s", note="programs cannot have a hosts file of their own here: not measured")]
    setting.run("create-cluster", CLUSTER)
    with tempfile.TemporaryDirectory() as folder:
        figures = _measure(setting, Path(folder))
    setting.run("delete-cluster", CLUSTER, "--yes")
    return figures


def _measure(setting: Setting, folder: Path) -> list[Figure]:
    recorder, seen = harness.Recorder(), []
    target = harness.Target.of(setting.run, CLUSTER)
    files = {"/etc/hosts": harness.hosts_file(setting.run, folder)}
    harness.make_ledger(target)
    with harness.pgbouncer(target, folder) as reached:
        programs, drivers = harness.installed(reached)
        target = replace(reached, drivers=drivers)
        with harness.running(programs, target, files, recorder):
            faults = Faults(setting.run, CLUSTER, recorder, drivers, rest_s=11.0)
            faults.begin()
            for _ in range(ROUNDS):
                seen += [each for fault in FAULTS for each in faults.inject(fault)]
    lost = recorder.lost(target)
    return [*_by_driver(drivers, seen), *_ledger(drivers, recorder, lost)]


def _by_driver(drivers: tuple[str, ...], seen: list[Seen]) -> list[Figure]:
    found = defaultdict(list)
    for each in seen:
        found[each.driver, each.fault].append(each)
    figures = []
    for driver in drivers:
        for fault in FAULTS:
            rounds = found[driver, fault]
            gaps_s = [each.gap_s for each in rounds]
            errors = [len(each.errors) for each in rounds]
            kinds = sorted({error.partition(":")[0] for each in rounds for error in each.errors})
            note = f"worst {max(gaps_s):.2f} s; errors {min(errors)} to {max(errors)} {', '.join(kinds)}"
            figures.append(Figure(f"{driver}, {fault}, longest gap", statistics.median(gaps_s), "s", note=note))
    return figures


def _ledger(drivers: tuple[str, ...], recorder: harness.Recorder, lost: dict[str, set[int]]) -> list[Figure]:
    rows = sum(len(recorder.acknowledged[driver]) for driver in drivers)
    missing = sum(map(len, lost.values()))
    return [Figure("acknowledged rows lost", missing, "rows", note=f"of {rows}")]
