"""Answers to DNS messages, and to what is none."""

from __future__ import annotations

import random

import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import pytest

from auroractl.supervisor.dns_messages import SIZE_MAX_BYTES, Answering

_ZONE = "cluster-abc.us-east-1.rds.amazonaws.com"
_NAME = f"demo.{_ZONE}"
_READERS = f"demo.cluster-ro-{_ZONE}"
_LONG = ".".join(["x" * 63] * 3 + ["y" * 61])


class _Names:
    """One writer, and a name with two addresses; all names are also taken as foreign that end in neither zone."""

    def hosts(self, name: str) -> tuple[str, ...] | None:
        return {_NAME: ("127.16.0.11",), _READERS: ("127.16.0.12", "127.16.0.13")}.get(name)

    def zone(self, name: str) -> str | None:
        zones = (_ZONE, f"cluster-ro-{_ZONE}")
        return next((zone for zone in zones if name == zone or name.endswith(f".{zone}")), None)


@pytest.fixture
def server() -> Answering:
    return Answering(_Names())


def _ask(server: Answering, name: str, kind: str = "A") -> dns.message.Message:
    query = dns.message.make_query(name, kind)
    answer = server.answer(query.to_wire())
    assert answer is not None
    found = dns.message.from_wire(answer)
    assert query.is_response(found)
    return found


def test_a_name_has_its_address_for_five_seconds(server: Answering) -> None:
    found = _ask(server, _NAME)
    assert [each.to_text() for each in found.answer] == [f"{_NAME}. 5 IN A 127.16.0.11"]
    assert found.flags & dns.flags.AA
    assert not found.flags & dns.flags.RA


def test_capitals_are_echoed_and_do_not_matter(server: Answering) -> None:
    found = _ask(server, _NAME.replace("demo", "dEMo"))
    assert found.answer[0].name.to_text().startswith("dEMo.")


def test_each_answer_has_the_next_of_several_addresses(server: Answering) -> None:
    assert {_ask(server, _READERS).answer[0][0].to_text() for _ in range(2)} == {"127.16.0.12", "127.16.0.13"}


@pytest.mark.parametrize("kind", ["AAAA", "TXT", "SOA", "HTTPS", "AXFR"])
def test_other_kinds_of_a_name_do_not_exist_but_the_name_does(server: Answering, kind: str) -> None:
    found = _ask(server, _NAME, kind)
    assert (found.rcode(), found.answer) == (dns.rcode.NOERROR, [])
    assert found.authority[0].ttl == 5


def test_an_unknown_name_of_a_zone_does_not_exist(server: Answering) -> None:
    found = _ask(server, f"nobody.{_ZONE}")
    assert (found.rcode(), found.authority[0].ttl) == (dns.rcode.NXDOMAIN, 5)


def test_a_zone_itself_exists_without_an_address(server: Answering) -> None:
    assert _ask(server, _ZONE).rcode() == dns.rcode.NOERROR


@pytest.mark.parametrize("name", ["example.com", ".", "com", "rds.amazonaws.com", f"demo.x{_ZONE}", "demo", _LONG])
def test_a_foreign_name_is_refused(server: Answering, name: str) -> None:
    found = _ask(server, name)
    assert (found.rcode(), found.answer, found.authority) == (dns.rcode.REFUSED, [], [])


def test_another_class_is_refused(server: Answering) -> None:
    query = dns.message.make_query(_NAME, "A", "CH")
    assert dns.message.from_wire(server.answer(query.to_wire()) or b"").rcode() == dns.rcode.REFUSED


@pytest.mark.parametrize("opcode", [dns.opcode.UPDATE, dns.opcode.NOTIFY, dns.opcode.STATUS])
def test_nothing_but_queries_is_implemented(server: Answering, opcode: dns.opcode.Opcode) -> None:
    query = dns.message.make_query(_NAME, "A")
    query.set_opcode(opcode)
    answer = server.answer(query.to_wire())
    assert answer is not None
    assert answer[3] & 15 in {dns.rcode.NOTIMP, dns.rcode.FORMERR}


@pytest.mark.parametrize("wire", [b"", b"\0" * 11, b"\x12\x34\x80\0" + b"\0" * 8])
def test_what_is_no_query_gets_no_answer(server: Answering, wire: bytes) -> None:
    assert server.answer(wire) is None


def test_a_malformed_query_is_told_so_with_its_identifier(server: Answering) -> None:
    wire = dns.message.make_query(_NAME, "A", id=0x1234).to_wire()
    answer = server.answer(wire[:-3])
    assert answer == b"\x12\x34\x81\x01" + b"\0" * 8


def test_two_questions_are_malformed(server: Answering) -> None:
    query = dns.message.make_query(_NAME, "A")
    query.question *= 2
    assert dns.message.from_wire(server.answer(query.to_wire()) or b"").rcode() == dns.rcode.FORMERR


def test_no_answer_to_anything_is_long_or_an_error_of_ours(server: Answering) -> None:
    rng = random.Random(19)
    valid = [dns.message.make_query(name, "A", use_edns=edns).to_wire() for name in (_NAME, _LONG) for edns in (-1, 0)]
    for _ in range(3000):
        wire = bytearray(rng.choice([*valid, rng.randbytes(rng.randrange(80))]))
        for _ in range(rng.randrange(4)):
            if wire:
                wire[rng.randrange(len(wire))] = rng.randrange(256)
        answer = server.answer(bytes(wire))
        assert answer is None or (answer[:2] == wire[:2] and answer[2] & 0x80)
        assert answer is None or len(answer) <= min(SIZE_MAX_BYTES, 2 * len(wire) + 80)
