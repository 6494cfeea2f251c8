"""Pictures made of characters."""

from __future__ import annotations

from typing import Any

_BLOCKS = " ▁▂▃▄▅▆▇█"
_WIDTH = 78


def bars(values: list[int]) -> str:
    """One character for each value, as high as it is beside the greatest.

    >>> bars([0, 4, 8])
    ' ▄█'
    """
    greatest = max(values, default=0) or 1
    return "".join(_BLOCKS[-(-value * (len(_BLOCKS) - 1) // greatest)] for value in values)


def commits(document: dict[str, Any]) -> str:
    """Commits over time for each round of a drill, from one second before the fault on."""
    lines = []
    for number, view in enumerate(document["Drill"]["Rounds"], 1):
        values = view["CommitsByBucket"][:_WIDTH]
        before = 1000 // view["BucketMilliseconds"]
        lines.append(f"Round {number}: commits in {view['BucketMilliseconds']} ms each; the fault is at the mark")
        lines += [bars(values), " " * before + "^"]
    return "\n".join(lines)
