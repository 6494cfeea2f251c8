"""How the slots of a reader follow those of the writer."""

from __future__ import annotations

from auroractl.core.engine.logical_slots import ANCHOR, LogicalSlot, changes


def slot(name: str, lsn: int, *, plugin: str = "pgoutput", valid: bool = True) -> LogicalSlot:
    return LogicalSlot(name, plugin, 5, lsn, valid)


def names(slots: tuple[LogicalSlot, ...]) -> list[str]:
    return [each.name for each in slots]


def test_a_missing_slot_is_copied_from_an_anchor_that_is_not_ahead() -> None:
    todo = changes([slot("new", 100), slot("old", 40)], [slot(ANCHOR, 50)], lsn=120)
    assert (names(todo.copy), names(todo.late), todo.drop) == (["new"], ["old"], ())
    assert todo.anchor_lsn == 100


def test_without_a_valid_anchor_nothing_is_copied() -> None:
    for anchor in ([], [slot(ANCHOR, 50, valid=False)]):
        todo = changes([slot("new", 100)], anchor, lsn=120)
        assert (names(todo.copy), names(todo.late)) == ([], ["new"])


def test_slots_follow_and_never_go_back() -> None:
    present = [slot(ANCHOR, 50), slot("behind", 60), slot("equal", 70), slot("ahead", 90)]
    todo = changes([slot("behind", 80), slot("equal", 70), slot("ahead", 80)], present, lsn=120)
    assert (names(todo.advance), todo.copy, todo.drop, todo.anchor_lsn) == (["behind"], (), (), 120)


def test_slots_that_the_writer_does_not_have_are_dropped() -> None:
    present = [
        slot(ANCHOR, 50),
        slot("gone", 60),
        slot("other", 60, plugin="test_decoding"),
        slot("broken", 60, valid=False),
    ]
    todo = changes([slot("other", 60), slot("broken", 70)], present, lsn=120)
    assert set(todo.drop) == {"gone", "other", "broken"}
    assert names(todo.copy) == ["other", "broken"]


def test_the_anchor_waits_for_a_slot_that_is_being_created() -> None:
    """Its position is not known yet, and may be before the end of the WAL."""
    assert changes([slot("new", 0)], [slot(ANCHOR, 50)], lsn=120).anchor_lsn == 0


def test_invalid_slots_of_the_writer_are_not_kept_up() -> None:
    todo = changes([slot("invalid", 100, valid=False)], [slot(ANCHOR, 50)], lsn=120)
    assert (todo.copy, todo.late, todo.advance) == ((), (), ())
