"""No image is taken away from under a reader, and no last copy at all."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from auroractl.services.image_use import ImageUse

FIRST, SECOND, THIRD = (("demo-storage-1", "image"), ("demo-storage-3", "image"), ("demo-storage-5", "image"))


def test_the_last_copy_is_never_taken() -> None:
    use = ImageUse()
    assert use.begin_take([FIRST]) is None
    assert use.begin_take([]) is None
    assert use.begin_take([FIRST, SECOND]) == FIRST
    assert use.begin_take([FIRST, SECOND]) is None


def test_what_is_read_is_not_taken_and_what_is_taken_is_not_read() -> None:
    use = ImageUse()
    assert use.begin_read([FIRST, SECOND]) == FIRST
    assert use.begin_take([FIRST, SECOND]) == SECOND
    assert use.begin_read([FIRST, SECOND]) == FIRST
    assert use.begin_read([SECOND]) is None
    use.end_read(FIRST)
    use.end_take(SECOND)
    assert use.begin_take([FIRST, SECOND]) == SECOND, "the first is still read by one"
    use.end_take(SECOND)
    use.end_read(FIRST)
    assert use.begin_take([FIRST, SECOND]) == FIRST


@given(st.lists(st.sampled_from(["read", "take", "end"]), max_size=30))
def test_whatever_happens_one_copy_stays(steps: list[str]) -> None:
    use, copies = ImageUse(), [FIRST, SECOND, THIRD]
    reading: list[tuple[str, str]] = []
    taking: list[tuple[str, str]] = []
    for step in steps:
        if step == "read":
            key = use.begin_read(copies)
            assert key is not None
            reading.append(key)
        elif step == "take" and (key := use.begin_take(copies)):
            taking.append(key)
        elif step == "end" and taking:
            use.end_take(taking.pop())
        elif step == "end" and reading:
            use.end_read(reading.pop())
        assert len(set(taking)) == len(taking) < len(copies)
        assert not set(reading) & set(taking)
