"""The first packets of a connection, whole, in pieces and broken."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auroractl.endpoints.startup import Kind, MalformedStartup, parse_packet


def _packet(code: int, rest: bytes = b"") -> bytes:
    return struct.pack("!II", 8 + len(rest), code) + rest


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (80877102, Kind.CANCEL_REQUEST),
        (80877103, Kind.ENCRYPTION_REQUEST),
        (80877104, Kind.ENCRYPTION_REQUEST),
        (196608, Kind.STARTUP),
        (196610, Kind.STARTUP),
    ],
)
@given(rest=st.binary(max_size=300), after=st.binary(max_size=20))
def test_packets_are_recognised_once_they_are_whole(code: int, kind: Kind, rest: bytes, after: bytes) -> None:
    whole = _packet(code, rest)
    for length in range(len(whole)):
        assert parse_packet(whole[:length]) is None
    packet = parse_packet(whole + after)
    assert packet is not None
    assert (packet.kind, packet.content) == (kind, whole)


@pytest.mark.parametrize("length", [0, 7, 10_001, 2**32 - 1])
def test_impossible_lengths_are_refused(length: int) -> None:
    with pytest.raises(MalformedStartup):
        parse_packet(struct.pack("!I", length))
