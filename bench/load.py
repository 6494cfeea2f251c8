"""pgbench, as all benchmarks run it."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass

from bench.setting import Setting

PASSWORD = "benchmark"


@dataclass(frozen=True)
class Load:
    """What pgbench measured."""

    tps: float
    latency_ms: float


def pgbench(setting: Setting, where: tuple[str, int], options: list[str]) -> Load:
    """Run pgbench as the master user, whose password is PASSWORD."""
    done = subprocess.run(
        [setting.program("pgbench"), "-h", where[0], "-p", str(where[1]), "-U", "postgres", *options, "postgres"],
        env={**os.environ, "PGPASSWORD": PASSWORD}, check=True, capture_output=True, text=True,
    )  # fmt: skip
    tps, latency = (re.search(pattern, done.stdout) for pattern in (r"tps = ([0-9.]+)", r"average = ([0-9.]+) ms"))
    return Load(float(tps[1]) if tps else 0.0, float(latency[1]) if latency else 0.0)
