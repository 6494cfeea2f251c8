"""Following a client: only what weakens synchronous_commit is replaced, in whatever pieces it comes."""

from __future__ import annotations

import itertools
import struct
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auroractl.endpoints.startup import message
from auroractl.endpoints.synchronous_commit_filter import (
    REFUSED_NAMES_MAX,
    REFUSING,
    TEXT_BYTES_MAX,
    Enforcer,
    refused_startup,
)

WEAK = b"SET synchronous_commit = off"
NO_PARAMETERS = b"\0" * 6
QUERY, QUERY_INSTEAD = message("Q", WEAK + b"\0"), message("Q", REFUSING + b"\0")


@dataclass(frozen=True)
class Sent:
    """A message of a client and what the server gets for it."""

    arrives: bytes
    leaves: bytes


def _same(content: bytes) -> Sent:
    return Sent(content, content)


def _parse(name: bytes, text: bytes, oids: tuple[int, ...] = ()) -> bytes:
    return message("P", name + b"\0" + text + b"\0" + struct.pack(f"!h{len(oids)}i", len(oids), *oids))


_lookalikes = st.lists(st.sampled_from([QUERY, WEAK, b"Q", b"P", b"\0\0\0\5"]) | st.binary(max_size=9)).map(b"".join)
_data = st.builds(lambda kind, body: _same(message(kind, body)), st.sampled_from("DEHSXcdfpCB"), _lookalikes)
_harmless = st.sampled_from(
    [
        b"SELECT 1",
        b"SHOW synchronous_commit",
        b"SELECT current_setting('synchronous_commit')",
        b"INSERT INTO notes VALUES ('SET synchronous_commit = off')",
        b"SET synchronous_commit = on",
    ]
).flatmap(lambda text: st.sampled_from([_same(message("Q", text + b"\0")), _same(_parse(b"s", text, (23,)))]))
_large = st.just(_same(message("Q", WEAK + b" " * TEXT_BYTES_MAX + b"\0")))
_weak = st.just(Sent(QUERY, QUERY_INSTEAD))
_call = st.just(Sent(message("F", b"\0\0\0\1synchronous_commit"), QUERY_INSTEAD))
_messages = st.lists(st.one_of(_data, _harmless, _weak, _call, _large), max_size=12)


def _cut(stream: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(stream) + 1) for place in places), len(stream)]
    return [stream[start:end] for start, end in itertools.pairwise(edges)]


@given(messages=_messages, places=st.lists(st.integers(0, 5000)))
def test_only_what_weakens_commits_is_replaced_whatever_the_pieces(messages: list[Sent], places: list[int]) -> None:
    enforcer = Enforcer()
    stream = b"".join(each.arrives for each in messages)
    left = b"".join(enforcer.feed(piece) for piece in _cut(stream, places))
    assert left == b"".join(each.leaves for each in messages)
    assert enforcer.release() == b""


@given(messages=_messages, end=st.integers(0, 5000), places=st.lists(st.integers(0, 5000)))
def test_what_was_held_back_is_released_as_it_is(messages: list[Sent], end: int, places: list[int]) -> None:
    enforcer = Enforcer()
    stream = b"".join(each.arrives for each in messages)
    arrived = stream[: end % (len(stream) + 1)]
    left = b"".join(enforcer.feed(piece) for piece in _cut(arrived, places))
    held = enforcer.release()
    assert arrived.endswith(held)
    assert len(held) <= TEXT_BYTES_MAX
    assert b"".join(each.leaves for each in messages).startswith(left)
    assert enforcer.feed(QUERY) == QUERY


@given(pieces=st.lists(st.binary(max_size=40), max_size=12))
def test_nothing_is_lost_of_what_makes_no_sense(pieces: list[bytes]) -> None:
    enforcer = Enforcer()
    left = b"".join(map(enforcer.feed, pieces)) + enforcer.release()
    assert left == b"".join(pieces)


def test_data_of_a_copy_passes_as_it_comes_and_is_not_kept() -> None:
    enforcer = Enforcer()
    data = message("d", b"x" * 1_000_000)
    assert enforcer.feed(data[:5]) == data[:5]
    assert enforcer.feed(data[5:400_000]) == data[5:400_000]
    assert enforcer.feed(data[400_000:]) == data[400_000:]
    assert enforcer.feed(QUERY) == QUERY_INSTEAD


def test_a_refused_prepared_statement_is_bound_without_parameters() -> None:
    enforcer = Enforcer()
    text = b"SELECT set_config('synchronous_commit', $1, false)"
    assert enforcer.feed(_parse(b"s1", text, (25,))) == _parse(b"s1", REFUSING)
    bind = message("B", b"portal\0s1\0" + struct.pack("!hhi3sh", 0, 1, 3, b"off", 0))
    other = message("B", b"portal\0s2\0" + struct.pack("!hhi3sh", 0, 1, 3, b"off", 0))
    assert enforcer.feed(other + bind) == other + message("B", b"portal\0s1\0" + NO_PARAMETERS)
    assert enforcer.feed(_parse(b"s1", b"SELECT $1") + bind) == _parse(b"s1", b"SELECT $1") + bind


def test_a_closed_statement_is_forgotten() -> None:
    enforcer = Enforcer()
    enforcer.feed(_parse(b"s1", WEAK))
    close = message("C", b"Ss1\0")
    bind = message("B", b"\0s1\0" + struct.pack("!hhi3sh", 0, 1, 3, b"off", 0))
    assert enforcer.feed(close + bind) == close + bind


def test_no_more_than_so_many_names_are_remembered() -> None:
    enforcer = Enforcer()
    for number in range(REFUSED_NAMES_MAX + 1):
        assert enforcer.feed(_parse(b"%d" % number, WEAK)) == _parse(b"%d" % number, REFUSING)
    last = message("B", b"\0%d\0" % REFUSED_NAMES_MAX + b"\0\0\0\1\0\0\0\0")
    assert enforcer.feed(last) == last


def test_no_long_name_is_remembered() -> None:
    enforcer = Enforcer()
    name = b"n" * 1000
    assert enforcer.feed(_parse(name, WEAK)) == _parse(name, REFUSING)
    bind = message("B", b"\0" + name + b"\0\0\0\0\1\0\0\0\0\0\0")
    assert enforcer.feed(bind) == bind


@pytest.mark.parametrize(
    ("parameters", "refused"),
    [
        ({"synchronous_commit": "off"}, True),
        ({"Synchronous_Commit": "local"}, True),
        ({"synchronous_commit": "remote_apply"}, True),
        ({"synchronous_commit": "on"}, False),
        ({"options": "-c synchronous_commit=off"}, True),
        ({"options": "-csynchronous_commit=off"}, True),
        ({"options": "--synchronous-commit=0"}, True),
        ({"options": "-e -c SYNCHRONOUS_COMMIT=remote_write -c jit=off"}, True),
        ({"options": "-c synchronous\\_commit=\\off"}, True),
        ({"options": "-c synchronous_commit=on"}, False),
        ({"options": "-c application_name=synchronous_commit"}, False),
        ({"application_name": "synchronous_commit=off"}, False),
    ],
)
def test_a_startup_packet_may_not_weaken_commits(parameters: dict[str, str], refused: bool) -> None:
    fields = {"user": "postgres", **parameters}
    body = "".join(f"{name}\0{value}\0" for name, value in fields.items()).encode() + b"\0"
    assert refused_startup(struct.pack("!II", 8 + len(body), 196608) + body) is refused


@given(content=st.binary(max_size=200))
def test_any_startup_packet_can_be_looked_at(content: bytes) -> None:
    assert refused_startup(struct.pack("!II", 8 + len(content), 196608) + content) in {True, False}
