"""Rewording of refusals in arbitrary streams, cut at arbitrary places."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auroractl.endpoints.refusal import Rewording, at_boundary

READY = b"Z\x00\x00\x00\x05I"


def message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!i", 4 + len(body)) + body


def error(code: bytes, text: bytes) -> bytes:
    fields = b"SERROR\0VERROR\0C" + code + b"\0M" + text + b"\0Futility.c\0L404\0RPreventCommandIfReadOnly\0\0"
    return message(b"E", fields)


REFUSAL = error(b"25006", b"cannot execute INSERT in a read-only transaction")
REWORDED_FIELDS = [b"C53100", b"Mcannot execute INSERT: it is full", b"Hmake room"]


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    ends = sorted({place % (len(stream) + 1) for place in places} | {len(stream)})
    return [stream[begin:end] for begin, end in zip([0, *ends], ends, strict=False) if begin < end]


OTHER = st.one_of(
    st.binary(max_size=60).map(lambda body: message(b"D", body)),
    st.just(READY),
    st.just(message(b"D", REFUSAL)),
    st.just(error(b"23505", b"duplicate key")),
    st.just(message(b"C", b"SELECT 1\0")),
)


@given(st.lists(OTHER, max_size=8), st.lists(st.integers(0, 5000), max_size=8))
def test_everything_else_passes_unchanged(messages: list[bytes], places: list[int]) -> None:
    stream = b"".join(messages)
    rewording = Rewording("it is full", "make room", aligned=True)
    assert b"".join(rewording.feed(chunk) for chunk in cut(stream, places)) + rewording.rest() == stream


@given(st.lists(OTHER, max_size=4), st.lists(OTHER, max_size=4), st.lists(st.integers(0, 5000), max_size=8))
def test_a_refusal_is_reworded_wherever_it_is_cut(before: list[bytes], after: list[bytes], places: list[int]) -> None:
    first, last = b"".join(before), b"".join(after)
    rewording = Rewording("it is full", "make room", aligned=True)
    out = b"".join(rewording.feed(chunk) for chunk in cut(first + REFUSAL + last, places)) + rewording.rest()
    assert out.startswith(first)
    assert out.endswith(last)
    reworded = out[len(first) : len(out) - len(last)]
    assert reworded[:1] == b"E"
    assert int.from_bytes(reworded[1:5], "big") == len(reworded) - 1
    assert set(REWORDED_FIELDS) <= set(reworded[5:].split(b"\0"))
    assert reworded.endswith(b"\0\0")


@given(st.lists(OTHER, max_size=6), st.lists(st.integers(0, 5000), max_size=8))
def test_at_most_one_unfinished_error_is_held_back(messages: list[bytes], places: list[int]) -> None:
    rewording = Rewording("it is full", "make room", aligned=True)
    passed = given_bytes = 0
    for chunk in cut(b"".join(messages), places):
        given_bytes += len(chunk)
        passed += len(rewording.feed(chunk))
        assert given_bytes - passed < len(error(b"23505", b"duplicate key"))


def test_a_stream_entered_in_the_middle_waits_for_a_boundary() -> None:
    rewording = Rewording("it is full", "make room", aligned=False)
    assert rewording.feed(b"rest of a row" + REFUSAL) == b"rest of a row" + REFUSAL
    assert rewording.feed(message(b"D", b"row") + READY) == message(b"D", b"row") + READY
    assert b"53100" in rewording.feed(REFUSAL)


@pytest.mark.parametrize(
    ("last", "is_one"), [(READY, True), (b"", False), (b"12345I", False), (READY[:-1] + b"x", False)]
)
def test_boundaries(last: bytes, is_one: bool) -> None:
    assert at_boundary(last) is is_one
