"""create-cluster with every other PostgreSQL build on this machine: the first one and later ones, against the default."""

from __future__ import annotations

import statistics

from bench.setting import Setting
from bench.verdict import Figure

ROUNDS = 5
_FIRST_S_MAX = 6.0
_RATIO_MAX = 1.05


def run(setting: Setting) -> list[Figure]:
    """Take versions in turn, so that what else the machine does hits all alike."""
    found = setting.json("describe-db-engine-versions")["DBEngineVersions"]
    default = next(each["EngineVersion"] for each in found if each["IsDefault"])
    others = sorted({each["EngineVersion"] for each in found} - {default})
    first = {version: _create_s(setting, version) for version in (default, *others)}
    later: dict[str, list[float]] = {version: [] for version in first}
    for _ in range(ROUNDS):
        for version, samples in later.items():
            samples.append(_create_s(setting, version))
    usual_s = statistics.median(later[default])
    return [
        figure
        for version in others
        for figure in (
            Figure(f"first create-cluster with {version}", first[version], "s", value_max=_FIRST_S_MAX),
            Figure(
                f"later create-cluster with {version}", statistics.median(later[version]), "s",
                f"the default, {default}", usual_s, ratio_max=_RATIO_MAX,
            ),
        )
    ]  # fmt: skip


def _create_s(setting: Setting, version: str) -> float:
    elapsed_s = setting.elapsed_s("create-cluster", "demo", "--engine-version", version)
    setting.run("delete-cluster", "demo", "--yes")
    return elapsed_s
