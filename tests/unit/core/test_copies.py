"""Which copies are trusted, over arbitrary damage."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from auroractl.core.volume.copies import Copy, judge

NODES = ("a", "b", "c", "d", "e", "f")
GOOD = "good"
DAMAGE = st.sampled_from([None, "bad-1", "bad-2", "bad-3"])


@given(damaged=st.sets(st.sampled_from(NODES), max_size=5), what=st.lists(DAMAGE, min_size=6, max_size=6))
def test_damage_after_recording_is_found_on_up_to_five_nodes(damaged: set[str], what: list[str | None]) -> None:
    copies = [Copy(node, GOOD, what[position] if node in damaged else GOOD) for position, node in enumerate(NODES)]
    verdict = judge(copies)
    assert verdict.checksum == GOOD
    assert set(verdict.damaged) == damaged
    assert set(verdict.healthy) == set(NODES) - damaged


@given(damaged=st.sets(st.sampled_from(NODES), max_size=2), bad=st.sampled_from(["bad-1", None]))
def test_damage_before_recording_is_outvoted(damaged: set[str], bad: str | None) -> None:
    copies = [Copy(node, bad, bad) if node in damaged else Copy(node, GOOD, GOOD) for node in NODES]
    verdict = judge(copies)
    assert verdict.checksum == GOOD
    assert set(verdict.damaged) == damaged


def test_damage_everywhere_is_not_hidden() -> None:
    verdict = judge([Copy(node, GOOD, f"bad-{node}") for node in NODES])
    assert verdict.checksum is None
    assert verdict.healthy == ()
    assert verdict.damaged == NODES


def test_two_contents_with_as_many_votes_are_both_not_believed() -> None:
    verdict = judge([Copy("a", "x", "x"), Copy("b", "y", "y")])
    assert verdict.checksum is None
    assert set(verdict.damaged) == {"a", "b"}


def test_nothing_is_known_of_nothing() -> None:
    assert judge([]).checksum is None
    assert judge([Copy("a", None, None)]).damaged == ("a",)


@given(st.lists(st.tuples(DAMAGE | st.just(GOOD), DAMAGE | st.just(GOOD)), min_size=1, max_size=6))
def test_what_is_believed_is_held_by_all_healthy_ones_and_by_no_other(
    pairs: list[tuple[str | None, str | None]],
) -> None:
    copies = [Copy(NODES[position], recorded, actual) for position, (recorded, actual) in enumerate(pairs)]
    verdict = judge(copies)
    assert sorted((*verdict.healthy, *verdict.damaged)) == sorted(copy.node for copy in copies)
    assert all(copy.actual == verdict.checksum for copy in copies if copy.node in verdict.healthy)
    assert (verdict.checksum is None) == (not verdict.healthy)
