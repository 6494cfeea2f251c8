"""No image is taken away from under a reader, and no last copy at all."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from auroractl.runtime.image_leases import ImageUse, Key, Look

FIRST, SECOND, THIRD = (("demo-storage-1", "image"), ("demo-storage-3", "image"), ("demo-storage-5", "image"))


def _there(*keys: Key) -> Look:
    return lambda: keys


def test_the_last_copy_is_never_taken() -> None:
    use = ImageUse()
    assert use.begin_take(_there(FIRST)) is None
    assert use.begin_take(_there()) is None
    assert use.begin_take(_there(FIRST, SECOND)) == FIRST
    assert use.begin_take(_there(FIRST, SECOND)) is None


def test_what_is_read_is_not_taken_and_what_is_taken_is_not_read() -> None:
    use, both = ImageUse(), _there(FIRST, SECOND)
    assert use.begin_read(both) == FIRST
    assert use.begin_take(both) == SECOND
    assert use.begin_read(both) == FIRST
    assert use.begin_read(_there(SECOND)) is None
    use.end_read(FIRST)
    use.end_take(SECOND)
    assert use.begin_take(both) == SECOND, "the first is still read by one"
    use.end_take(SECOND)
    use.end_read(FIRST)
    assert use.begin_take(both) == FIRST


def test_a_second_copy_is_removed_only_while_there_is_another() -> None:
    use, both = ImageUse(), _there(FIRST, SECOND)
    assert use.begin_take(both) == FIRST
    assert not use.begin_remove(SECOND, both), "the other one is being taken away"
    assert not use.begin_remove(FIRST), "it is being taken away"
    use.end_take(FIRST)
    assert not use.begin_remove(SECOND, _there(SECOND)), "the other one is gone"
    assert use.begin_remove(SECOND, both)
    assert use.begin_take(both) is None
    use.end_take(SECOND)


def test_what_is_read_is_not_removed() -> None:
    use = ImageUse()
    assert use.begin_read(_there(FIRST)) == FIRST
    assert not use.begin_remove(FIRST)
    use.end_read(FIRST)
    assert use.begin_remove(FIRST), "nobody needs it any more, and it may be the last"


@given(st.lists(st.sampled_from(["read", "take", "remove", "give up taking", "end", "copy"]), max_size=40))
def test_whatever_happens_one_copy_stays(steps: list[str]) -> None:
    use, there = ImageUse(), [FIRST, SECOND, THIRD]
    reading: list[Key] = []
    taking: list[Key] = []

    def look() -> list[Key]:
        return list(there)

    for step in steps:
        if step == "read":
            key = use.begin_read(look)
            assert key is not None
            reading.append(key)
        elif step == "take" and (key := use.begin_take(look)):
            taking.append(key)
        elif step == "remove":
            taking.extend(key for key in there[-1:] if use.begin_remove(key, look))
        elif step == "give up taking" and taking:
            use.end_take(taking.pop())
        elif step == "end" and taking:
            there.remove(taking[0])
            use.end_take(taking.pop(0))
        elif step == "end" and reading:
            use.end_read(reading.pop())
        elif step == "copy":
            there.extend([key for key in (FIRST, SECOND, THIRD) if key not in there][:1])
        assert set(there) - set(taking)
        assert set(reading) <= set(there) - set(taking)
