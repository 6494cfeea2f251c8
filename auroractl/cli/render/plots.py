"""Character plots."""

from __future__ import annotations

from typing import Any

_BLOCKS = " ▁▂▃▄▅▆▇█"
_WIDTH = 78


def bars(values: list[int]) -> str:
    """Draw one bar per value, relative to the greatest.

    >>> bars([0, 4, 8])
    ' ▄█'
    """
    greatest = max(values, default=0) or 1
    return "".join(_BLOCKS[-(-value * (len(_BLOCKS) - 1) // greatest)] for value in values)


def commits(document: dict[str, Any]) -> str:
    """Plot commits over time for each round of a drill, beginning one second before the fault."""
    lines = []
    for number, view in enumerate(document["Drill"]["Rounds"], 1):
        values = view["CommitsByBucket"][:_WIDTH]
        before = 1000 // view["BucketMilliseconds"]
        lines.append(f"Round {number}: commits per {view['BucketMilliseconds']} ms; ^ marks the fault")
        lines += [bars(values), " " * before + "^"]
    return "\n".join(lines)
