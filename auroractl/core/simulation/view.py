"""The result document of a simulation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from auroractl.core.simulation.durability import Assumptions, Loss, Scheme, losses_per_group_year
from auroractl.core.simulation.fleet import Estimate, Run, mean, probability

_NAMES = {Loss.WRITE_QUORUM: "WriteQuorumLoss", Loss.READ_QUORUM: "ReadQuorumLoss", Loss.DATA: "DataLoss"}


def simulation_view(
    assumptions: Assumptions, seed: int, results: Mapping[str, tuple[Scheme, Sequence[Run]]]
) -> dict[str, Any]:
    """Build the document: the assumptions, and for each scheme the runs' results beside the exact expectation."""
    runs = max(len(found) for _, found in results.values())
    return {
        "Assumptions": {
            "SizeBytes": assumptions.size_bytes,
            "InitialSizeBytes": assumptions.initial_bytes or assumptions.size_bytes,
            "ProtectionGroupBytes": assumptions.group_bytes,
            "Years": assumptions.years,
            "Runs": runs,
            "Seed": seed,
            "NodeMttfSeconds": assumptions.node_mttf_s,
            "AzOutagesPerYear": assumptions.az_outages_per_year,
            "AzOutageSeconds": assumptions.az_outage_s,
            "DetectionSeconds": assumptions.detection_s,
            "BandwidthBitsPerSecond": assumptions.bandwidth_bits_per_s,
            "RepairSeconds": assumptions.repair_s,
        },
        "Schemes": [_scheme(assumptions, scheme, found) for scheme, found in results.values()],
    }


def _scheme(assumptions: Assumptions, scheme: Scheme, runs: Sequence[Run]) -> dict[str, Any]:
    years = assumptions.years
    growing = assumptions.initial_bytes is not None
    view: dict[str, Any] = {
        "Scheme": scheme.name,
        "ProtectionGroups": runs[-1].groups,
        "Copies": runs[-1].groups * len(scheme.zone_of),
    }
    for loss, name in _NAMES.items():
        tallies = [run.losses[loss] for run in runs]
        view[name] = {
            # In one run of `Years`, and therefore per year if that is 1.
            "Probability": _estimate(probability(sum(tally.groups > 0 for tally in tallies), len(runs))),
            "GroupLossesPerYear": _estimate(mean([tally.groups for tally in tallies], years)),
            "GroupLossesPerYearExpected": None
            if growing
            else losses_per_group_year(scheme, assumptions, loss) * runs[-1].groups,
            "SecondsPerYear": _estimate(mean([tally.volume_s for tally in tallies], years)),
        }
    view["CopiesDestroyedPerYear"] = _estimate(mean([run.failures for run in runs], years))
    view["AzOutagesPerYear"] = _estimate(mean([run.outages for run in runs], years))
    view["RepairedBytesPerYear"] = _estimate(mean([run.repaired_bytes for run in runs], years))
    view["GrowthEventsPerYear"] = _estimate(mean([run.growths for run in runs], years))
    return view


def _estimate(estimate: Estimate) -> dict[str, float]:
    return {"Value": estimate.value, "Low": estimate.low, "High": estimate.high}
