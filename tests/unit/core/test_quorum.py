"""Every subset of six nodes, and every stage of a replacement beside its neighbours."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import combinations

import pytest

from auroractl.core.volume.model import NodeKind, NodeObservation, NodeState, node_state, place_nodes
from auroractl.core.volume.quorum import Membership, Quorum, read_quorum, write_quorum

ZONES = ("us-east-1a", "us-east-1b", "us-east-1c")
SIX = [node.identifier for node in place_nodes("demo", ZONES, datetime.now(UTC))]


def subsets(names: list[str]) -> Iterator[frozenset[str]]:
    for size in range(len(names) + 1):
        yield from map(frozenset, combinations(names, size))


@pytest.mark.parametrize(
    "present", list(subsets(SIX)), ids=lambda names: "".join(name[-1] for name in sorted(names)) or "0"
)
def test_all_subsets_of_six(present: frozenset[str]) -> None:
    members = [(name, Membership.VOTER) for name in SIX]
    write, read = write_quorum(members), read_quorum(members)
    assert write.met_by(present) == (len(present) >= 4)
    assert read.met_by(present) == (len(present) >= 3)
    assert write.margin(present) == len(present) - 4
    assert read.margin(present) == len(present) - 3
    others = frozenset(SIX) - present
    for kept in subsets(sorted(present)):
        if write.met_by(present) and read.met_by(kept | others):
            assert kept, "what a write quorum holds is on every set of survivors that can be read"


def test_any_write_quorum_meets_any_read_quorum() -> None:
    for written in combinations(SIX, 4):
        for read in combinations(SIX, 3):
            assert set(written) & set(read)


def test_an_availability_zone_stops_no_write_and_one_more_node_loses_nothing() -> None:
    nodes = place_nodes("demo", ZONES, datetime.now(UTC))
    members = [(node.identifier, node.membership) for node in nodes]
    for zone in ZONES:
        left = {node.identifier for node in nodes if node.availability_zone != zone}
        assert write_quorum(members).met_by(left)
        for one_more in left:
            assert read_quorum(members).met_by(left - {one_more})
    kinds = {(node.availability_zone, node.kind) for node in nodes}
    assert kinds == {(zone, kind) for zone in ZONES for kind in NodeKind}


NEW = "demo-storage-7"
OLD = SIX[2]


def stages() -> list[dict[str, Membership]]:
    """The stages of a replacement in their order."""
    voters = dict.fromkeys(SIX, Membership.VOTER)
    return [
        voters,
        {**voters, NEW: Membership.LEARNER},
        {**voters, NEW: Membership.JOINING},
        {**voters, OLD: Membership.LEAVING, NEW: Membership.VOTER},
        {name: Membership.VOTER for name in (*SIX, NEW) if name != OLD},
    ]


def acknowledging_sets(quorum: Quorum) -> list[frozenset[str]]:
    """Every set of nodes that is just enough for an acknowledgement."""
    return [frozenset(names) for names in combinations(sorted(quorum.nodes), quorum.required)]


@pytest.mark.parametrize("stage", range(5))
def test_an_interrupted_replacement_keeps_write_and_read_quorums_meeting(stage: int) -> None:
    """The rows say a stage before every process goes by it, so commits may still be acknowledged by the one before.

    What was acknowledged before the new node was complete counts as held by it as well: that is what complete means.
    """
    now = read_quorum(stages()[stage].items())
    in_force = [write_quorum(stages()[each].items()) for each in {max(stage - 1, 0), stage}]
    for quorum in in_force:
        for written in acknowledging_sets(quorum):
            for read in combinations(sorted(now.nodes), now.required):
                assert written & set(read), (stage, sorted(written), read)


def test_what_was_written_before_a_replacement_is_read_after_it() -> None:
    before, after = write_quorum(stages()[0].items()), read_quorum(stages()[4].items())
    for written in acknowledging_sets(before):
        held_by = set(written) | {NEW}
        for read in combinations(sorted(after.nodes), after.required):
            assert held_by & set(read)


def test_going_back_is_as_safe_as_going_on() -> None:
    """Until the new one votes, the replacement may be undone."""
    for stage in (1, 2):
        back = read_quorum(stages()[stage - 1].items())
        for written in acknowledging_sets(write_quorum(stages()[stage].items())):
            for read in combinations(sorted(back.nodes), back.required):
                assert written & set(read)


@pytest.mark.parametrize(
    ("seen", "state"),
    [
        ({"pid": None}, NodeState.DOWN),
        ({"pid": None, "repairing": "1 of 2"}, NodeState.REPAIRING),
        ({"pid": 1, "suspended": True, "streaming": True}, NodeState.UNREACHABLE),
        ({"pid": 1, "streaming": True}, NodeState.AVAILABLE),
        ({"pid": 1, "streaming": True, "lag_s": 3.0}, NodeState.UNREACHABLE),
        ({"pid": 1, "streaming": True, "missing_segments": 2}, NodeState.REPAIRING),
        ({"pid": 1, "catching_up": True}, NodeState.CATCHING_UP),
        ({"pid": 1}, NodeState.UNREACHABLE),
    ],
)
def test_states_of_a_node(seen: dict[str, object], state: NodeState) -> None:
    observation = NodeObservation(at=datetime.now(UTC), **seen)  # type: ignore[arg-type]
    assert node_state(observation, timeout_s=2.0) is state
