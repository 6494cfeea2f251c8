"""Quorums: when a commit is safe, when WAL can be read back, and how a storage node is replaced.

Six copies, two in each of three Availability Zones; a commit is acknowledged by four, recovery reads three. Any four
and any three of six share at least one (Verbitski et al., "Amazon Aurora: Design Considerations for High Throughput
Cloud-Native Relational Databases", SIGMOD 2017, section 2.1).

Membership changes in steps, each of which is safe beside the one before it ("Amazon Aurora: On Avoiding Distributed
Consensus for I/Os, Commits, and Membership Changes", SIGMOD 2018, section 4). PostgreSQL can wait for some of one set
of standbys but not for a majority of two sets. While both sets count it therefore waits for five of seven, which is at
least four of either.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum

COPIES = 6
WRITE_QUORUM = 4
READ_QUORUM = 3


class Membership(StrEnum):
    """The part of a storage node in the quorums."""

    VOTER = "voter"
    LEARNER = "learner"
    """Receives WAL and is filled from its peers; does not count yet."""
    JOINING = "joining"
    """Complete; writes must also reach it or one more node, reads do not rely on it."""
    LEAVING = "leaving"
    """Does not count any more; its replacement votes."""


@dataclass(frozen=True, slots=True)
class Quorum:
    """`required` of `nodes`."""

    required: int
    nodes: frozenset[str]

    def met_by(self, present: Collection[str]) -> bool:
        """Return whether the present nodes meet the quorum."""
        return self.count(present) >= self.required

    def count(self, present: Collection[str]) -> int:
        """Count the present nodes that belong to the quorum."""
        return len(self.nodes & set(present))

    def margin(self, present: Collection[str]) -> int:
        """Return how many more of the present nodes may fail; if negative, how many are missing."""
        return self.count(present) - self.required


def write_quorum(members: Iterable[tuple[str, Membership]]) -> Quorum:
    """Return the nodes that must have flushed a commit (fsync) before it is acknowledged.

    Four of the six voters; five of seven while a seventh is joining.
    """
    known = list(members)
    voters = {name for name, membership in known if membership is Membership.VOTER}
    joining = {name for name, membership in known if membership is Membership.JOINING}
    return Quorum(WRITE_QUORUM + len(joining), frozenset(voters | joining))


def read_quorum(members: Iterable[tuple[str, Membership]]) -> Quorum:
    """Return the nodes that recovery must be able to read: three of the six voters."""
    voters = frozenset(name for name, membership in members if membership is Membership.VOTER)
    return Quorum(READ_QUORUM, voters)
