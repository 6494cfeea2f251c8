"""Rewording the error of a read-only transaction: what leaves for what arrives, in whatever pieces."""

from __future__ import annotations

import itertools
import struct
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auroractl.endpoints.refusal import ERROR_BYTES_MAX, Refusal, Reworder
from auroractl.endpoints.startup import fatal, message

REFUSAL = Refusal("the storage volume of cluster demo is full (8.0 MiB of 8.0 MiB allocated)", "Make room.")
READY = message("Z", b"I")
IN_FULL = {
    "S": "FEHLER", "V": "ERROR", "C": "25006", "M": "cannot execute INSERT in a read-only transaction",
    "W": "SQL statement", "F": "utility.c", "L": "404", "R": "PreventCommandIfReadOnly",
}  # fmt: skip


def _error(**fields: str) -> bytes:
    return message("E", b"".join(kind.encode() + text.encode() + b"\0" for kind, text in fields.items()) + b"\0")


REFUSED = _error(**IN_FULL)
TOLD = _error(**{**IN_FULL, "C": "53100", "M": f"cannot execute INSERT: {REFUSAL.reason}", "H": REFUSAL.hint})


@dataclass(frozen=True)
class Sent:
    """A message of a server and what the client gets for it."""

    arrives: bytes
    leaves: bytes


def _same(content: bytes) -> Sent:
    return Sent(content, content)


_text = st.text(st.characters(min_codepoint=1, max_codepoint=0x2FF), max_size=20)
# Data that looks like the protocol: what would be taken for it by anything that does not follow the framing.
_lookalikes = st.lists(st.sampled_from([REFUSED, TOLD, READY, b"E", b"\0\0\0\5", b"C25006\0"]) | st.binary(max_size=9))
_data = st.builds(
    lambda kind, parts: _same(message(kind, b"".join(parts))),
    st.sampled_from("DdTNASRKCGVt123HcnsIWv"),
    _lookalikes,
)
_other_errors = st.builds(
    lambda code, text: _same(_error(S="ERROR", V="ERROR", C=code, M=text)),
    st.sampled_from(["42601", "53100", "57014", "25001"]),
    _text | st.just("cannot execute INSERT in a read-only transaction, C25006"),
)
_elsewhere = st.sampled_from([_same(_error(**{**IN_FULL, "R": "pgfdw_report_error"}))])
_malformed = st.sampled_from(
    [_same(message("E", body)) for body in (b"", b"\0", b"\0\0", b"C25006", b"C25006\0", b"C25006\0\0Mx\0\0")]
)
_refused = st.builds(
    lambda what: Sent(
        _error(**{**IN_FULL, "M": f"{what} in a read-only transaction"}),
        _error(**{**IN_FULL, "C": "53100", "M": f"{what}: {REFUSAL.reason}", "H": REFUSAL.hint}),
    ),
    _text,
)
_messages = st.lists(
    st.one_of(_data, _other_errors, _elsewhere, _malformed, _refused, st.just(_same(READY))), max_size=12
)


def _cut(stream: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(stream) + 1) for place in places), len(stream)]
    return [stream[start:end] for start, end in itertools.pairwise(edges)]


def _may_be_held(arrived: bytes) -> int:
    """How much of the end of what arrived is the beginning of an error."""
    position = 0
    while position + 5 <= len(arrived):
        (length,) = struct.unpack_from("!I", arrived, position + 1)
        if position + 1 + length > len(arrived):
            break
        position += 1 + length
    return len(arrived) - position if arrived[position : position + 1] == b"E" else 0


@given(messages=_messages, places=st.lists(st.integers(0, 5000)))
def test_only_the_refusal_is_reworded_whatever_the_pieces(messages: list[Sent], places: list[int]) -> None:
    reworder = Reworder(REFUSAL, from_start=True)
    stream = b"".join(each.arrives for each in messages)
    left = b"".join(reworder.feed(piece) for piece in _cut(stream, places))
    assert left == b"".join(each.leaves for each in messages)
    assert reworder.release() == b""


@given(
    messages=st.lists(st.one_of(_data, _other_errors, _malformed), max_size=8), places=st.lists(st.integers(0, 5000))
)
def test_nothing_but_the_beginning_of_an_error_is_held_back(messages: list[Sent], places: list[int]) -> None:
    reworder = Reworder(REFUSAL, from_start=True)
    arrived = left = b""
    for piece in _cut(b"".join(each.arrives for each in messages), places):
        arrived += piece
        left += reworder.feed(piece)
        assert left == arrived[: len(arrived) - _may_be_held(arrived)]


@given(messages=_messages, end=st.integers(0, 5000), places=st.lists(st.integers(0, 5000)))
def test_what_was_held_back_is_released_as_it_is(messages: list[Sent], end: int, places: list[int]) -> None:
    reworder = Reworder(REFUSAL, from_start=True)
    stream = b"".join(each.arrives for each in messages)
    arrived = stream[: end % (len(stream) + 1)]
    left = b"".join(reworder.feed(piece) for piece in _cut(arrived, places))
    held = reworder.release()
    assert len(held) == _may_be_held(arrived)
    assert arrived.endswith(held)
    assert b"".join(each.leaves for each in messages).startswith(left)


@given(pieces=st.lists(st.binary(max_size=40) | st.sampled_from([READY, REFUSED, REFUSED[:20]]), max_size=12))
def test_nothing_is_lost_of_what_makes_no_sense(pieces: list[bytes]) -> None:
    reworder = Reworder(REFUSAL, from_start=False)
    left = b""
    for piece in pieces:
        reworder.client_sent()
        left += reworder.feed(piece)
    left += reworder.release()
    assert left.replace(TOLD, REFUSED) == b"".join(pieces).replace(TOLD, REFUSED)


def test_the_error_says_why_and_what_to_do() -> None:
    assert Reworder(REFUSAL, from_start=True).feed(REFUSED) == TOLD


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("cannot execute nextval() in a read-only transaction", "cannot execute nextval(): no room"),
        ("INSERT kann nicht ausgeführt werden", "INSERT kann nicht ausgeführt werden: no room"),
    ],
)
def test_what_postgresql_could_not_do_is_kept(said: str, told: str) -> None:
    left = Reworder(Refusal("no room", ""), from_start=True).feed(_error(C="25006", M=said))
    assert left == _error(C="53100", M=told), "and without a hint there is none"


def test_the_words_are_in_an_encoding_that_every_client_understands() -> None:
    left = Reworder(Refusal("größer\0", "→"), from_start=True).feed(_error(C="25006", M="x"))
    assert left == _error(C="53100", M="x: gr??er ", H="?")


def test_an_error_too_long_to_wait_for_passes() -> None:
    long = _error(**{**IN_FULL, "W": "x" * ERROR_BYTES_MAX})
    reworder = Reworder(REFUSAL, from_start=True)
    assert reworder.feed(long[:1000]) == long[:1000]
    assert reworder.feed(long[1000:] + REFUSED) == long[1000:] + TOLD


def test_words_without_form_pass() -> None:
    # What a postmaster that cannot fork sends.
    words = b"Ecould not fork new process for connection: Cannot allocate memory\n"
    assert Reworder(REFUSAL, from_start=True).feed(words) == words


def test_a_new_reason_holds_at_once() -> None:
    reworder = Reworder(REFUSAL, from_start=True)
    reworder.feed(REFUSED[:10])
    reworder.refusal = Refusal("no room", "Make some.")
    assert b"INSERT: no room\0" in reworder.feed(REFUSED[10:])


class TestAConnectionThatWasOpenBefore:
    """The place in its stream is not known."""

    def test_an_idle_one_is_followed_from_its_next_statement(self) -> None:
        reworder = Reworder(REFUSAL, from_start=False)
        reworder.client_sent()
        assert reworder.feed(REFUSED + READY) == TOLD + READY

    def test_a_busy_one_is_followed_once_the_server_was_ready_and_the_client_went_on(self) -> None:
        reworder = Reworder(REFUSAL, from_start=False)
        middle = b"the rest of a row" + REFUSED
        assert reworder.feed(middle) == middle
        reworder.client_sent()
        assert reworder.feed(REFUSED) == REFUSED, "the client has sent ahead"
        for byte in READY:
            assert reworder.feed(bytes([byte])) == bytes([byte])
        reworder.client_sent()
        assert reworder.feed(REFUSED) == TOLD

    def test_data_that_looks_ready_is_no_beginning_while_the_server_goes_on(self) -> None:
        reworder = Reworder(REFUSAL, from_start=False)
        for piece in (b"data" + READY, REFUSED, READY, REFUSED):
            assert reworder.feed(piece) == piece

    @pytest.mark.parametrize("rest", [b"\x01 no type", b"D\0\0\0\3 too short", b"Z\0\1\0\0 too long", b"E\x7f\0\0\0"])
    def test_a_wrong_beginning_is_noticed(self, rest: bytes) -> None:
        reworder = Reworder(REFUSAL, from_start=False)
        reworder.client_sent()
        assert reworder.feed(rest) == rest
        reworder.client_sent()
        assert reworder.feed(REFUSED + READY) == REFUSED + READY
        reworder.client_sent()
        assert reworder.feed(REFUSED) == TOLD


def test_the_endpoints_own_errors_pass() -> None:
    own = fatal("57P03", "no instance")
    assert Reworder(REFUSAL, from_start=True).feed(own) == own
