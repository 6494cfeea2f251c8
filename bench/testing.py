"""What a pytest session waits for its cluster, once earlier sessions have left their template."""

from __future__ import annotations

import statistics
import subprocess
import sys
from pathlib import Path

from bench.setting import Setting
from bench.verdict import Figure

ROUNDS = 5
READY_MAX_S = 2.0
PROGRAM = """\
import sys, time
from pathlib import Path
began_s = time.perf_counter()
from auroractl.testing.cluster import running_cluster
with running_cluster(1, None, Path(sys.argv[1])):
    print(time.perf_counter() - began_s)
"""


def run(setting: Setting) -> list[Figure]:
    """The first makes the template; the median of the others."""
    cache = setting.home / "pytest-cache"
    first_s, *others_s = [_ready_s(cache) for _ in range(ROUNDS + 1)]
    return [
        Figure("cluster of a test session, the first", first_s, "s"),
        Figure("cluster of a test session, later", statistics.median(others_s), "s", value_max=READY_MAX_S),
    ]


def _ready_s(cache: Path) -> float:
    argv = [sys.executable, "-P", "-c", PROGRAM, str(cache)]
    return float(subprocess.run(argv, check=True, capture_output=True, text=True).stdout)
