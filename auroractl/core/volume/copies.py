"""Trustworthy copies of a segment, determined by recorded checksums and by majority."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Copy:
    """One node's copy of a finished segment."""

    node: str
    recorded: str | None
    """The checksum from when the segment was finished; None if none was recorded."""
    actual: str | None
    """The checksum of the file's current contents; None if it is missing, truncated or unreadable."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result: `checksum` is that of the true content, None if no copy can be trusted."""

    checksum: str | None
    healthy: tuple[str, ...]
    damaged: tuple[str, ...]


def judge(copies: Sequence[Copy]) -> Verdict:
    """Tell healthy copies from damaged ones.

    Recorded and actual checksums have one vote each. The content with the most votes is the true one. It cannot be restored
    if no copy holds it, and in a tie no copy is trusted.

    >>> judge([Copy("a", "x", "x"), Copy("b", "x", "y"), Copy("c", None, None)])
    Verdict(checksum='x', healthy=('a',), damaged=('b', 'c'))
    """
    votes = Counter(vote for copy in copies for vote in (copy.recorded, copy.actual) if vote is not None)
    ranked = votes.most_common(2)
    clear = bool(ranked) and (len(ranked) == 1 or ranked[0][1] > ranked[1][1])
    checksum = ranked[0][0] if clear else None
    healthy = tuple(copy.node for copy in copies if checksum is not None and copy.actual == checksum)
    damaged = tuple(copy.node for copy in copies if copy.node not in healthy)
    return Verdict(checksum if healthy else None, healthy, damaged)
