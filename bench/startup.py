"""A command that only reads, against importing Typer."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

from bench.setting import Setting
from bench.verdict import Figure

ROUNDS = 15


def run(setting: Setting) -> list[Figure]:
    """Interleaved, the median of each."""
    setting.run("supervisor", "start")
    setting.run("create-cluster", "startup")
    ours, baseline = [], []
    for _ in range(ROUNDS):
        ours.append(setting.elapsed_s("describe-clusters", "--output", "json"))
        began_s = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import typer"], check=True)
        baseline.append(time.perf_counter() - began_s)
    setting.run("delete-cluster", "startup", "--yes")
    return [
        Figure(
            "describe-clusters --output json",
            statistics.median(ours) * 1000,
            "ms",
            'python -c "import typer"',
            statistics.median(baseline) * 1000,
            ratio_max=2.0,
        )
    ]
