"""pgbench, as all benchmarks run it."""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bench.setting import Setting

PASSWORD = "benchmark"


@dataclass(frozen=True)
class Load:
    """What pgbench measured."""

    tps: float
    latency_ms: float
    """The median of all transactions."""


def pgbench(setting: Setting, where: tuple[str, int], options: list[str]) -> Load:
    """Run pgbench as the master user, whose password is PASSWORD."""
    with tempfile.TemporaryDirectory() as folder:
        log = [] if "-i" in options else ["-l", f"--log-prefix={folder}/log"]
        done = subprocess.run(
            [
                setting.program("pgbench"), "-h", where[0], "-p", str(where[1]), "-U", "postgres",
                *options, *log, "postgres",
            ],
            env={**os.environ, "PGPASSWORD": PASSWORD}, check=True, capture_output=True, text=True,
        )  # fmt: skip
        took_us = [int(line.split()[2]) for path in Path(folder).iterdir() for line in path.read_text().splitlines()]
    tps = re.search(r"tps = ([0-9.]+)", done.stdout)
    return Load(float(tps[1]) if tps else 0.0, statistics.median(took_us) / 1000 if took_us else 0.0)
