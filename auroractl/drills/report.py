"""The result document of a drill."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from auroractl.drills.drill import BUCKET_S, Changes, Round
from auroractl.drills.kinds import Kind

_MEASURES = {
    "DetectionMilliseconds": "detection_ms",
    "FenceMilliseconds": "fence_ms",
    "PromotionMilliseconds": "promotion_ms",
    "FirstCommitMilliseconds": "first_commit_ms",
    "LongestGapMilliseconds": "longest_gap_ms",
    "HealthyMilliseconds": "healthy_ms",
}
_COUNTS = {
    "CommitsAcknowledged": "commits",
    "AcknowledgedRowsLost": "rows_lost",
    "RowsInDoubt": "rows_in_doubt",
    "RowsInDoubtThere": "rows_in_doubt_there",
    "Reads": "reads",
    "ReadsFailed": "reads_failed",
}


_CHANGES = {
    "Received": "received",
    "Lost": "lost",
    "Repeated": "repeated",
    "RepeatedBelowConfirmed": "repeated_below",
    "NotStored": "not_stored",
    "Connections": "connections",
}


def drill_view(cluster: str, kind: Kind, rounds: Sequence[Round], max_gap_ms: float | None) -> dict[str, Any]:
    """Build the document: each round, sums and percentiles, and whether the drill passed."""
    known = {*_MEASURES.values(), *_COUNTS.values(), "target", "commits_by_bucket", "changes"}
    assert known == {each.name for each in fields(Round)}
    lost = sum(each.rows_lost for each in rounds)
    worst_ms = max(each.longest_gap_ms for each in rounds)
    return {
        "DBClusterIdentifier": cluster,
        "Kind": kind.value,
        "Rounds": [_round(each) for each in rounds],
        "Summary": {
            **{name: _spread([getattr(each, attribute) for each in rounds]) for name, attribute in _MEASURES.items()},
            **{name: sum(getattr(each, attribute) for each in rounds) for name, attribute in _COUNTS.items()},
            "Changes": _changes([each.changes for each in rounds if each.changes is not None]),
        },
        "MaxGapMilliseconds": max_gap_ms,
        "Passed": lost == 0
        and (max_gap_ms is None or worst_ms <= max_gap_ms)
        and all(each.changes is None or each.changes.passed for each in rounds),
    }


def _round(found: Round) -> dict[str, Any]:
    measures = {name: getattr(found, attribute) for name, attribute in _MEASURES.items()}
    return {
        "Target": found.target,
        **{name: None if value is None else round(value, 1) for name, value in measures.items()},
        **{name: getattr(found, attribute) for name, attribute in _COUNTS.items()},
        "BucketMilliseconds": round(BUCKET_S * 1000),
        "CommitsByBucket": list(found.commits_by_bucket),
        "Changes": _changes([found.changes] if found.changes else []),
    }


def _changes(found: Sequence[Changes]) -> dict[str, Any] | None:
    """Return the sums of what consumers of changes received; None if there were none."""
    if not found:
        return None
    return {
        **{name: sum(getattr(each, attribute) for each in found) for name, attribute in _CHANGES.items()},
        "SlotKept": all(each.slot_kept for each in found),
        "SlotsSurviveFailovers": all(each.slots_survive for each in found),
        "EngineMajorVersion": found[0].major,
    }


def _spread(values: Sequence[float | None]) -> dict[str, float] | None:
    """Return the median, the 95th percentile and the worst; None if no round had a value."""
    known = sorted(value for value in values if value is not None)
    if not known:
        return None
    return {
        "Median": round(statistics.median(known), 1),
        "P95": round(known[min(len(known) - 1, int(len(known) * 0.95))], 1),
        "Worst": round(known[-1], 1),
    }
