"""Answers to DNS queries in wire format: names of clusters only, never larger than a plain UDP message may be."""

from __future__ import annotations

from itertools import count
from typing import Protocol

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset

TTL_S = 5
"""As of Aurora's names (Aurora User Guide, "Using the Amazon Aurora endpoints")."""
SIZE_MAX_BYTES = 512
"""A plain message over UDP (RFC 1035, 4.2.1). Nothing here needs more, so that no query is amplified."""
_HEADER_BYTES = 12
_RESPONSE = 0x80


class Names(Protocol):
    """What the server knows of names, which are in lower case and without a dot at the end."""

    def hosts(self, name: str) -> tuple[str, ...] | None:
        """Return the IPv4 addresses of a name; None if there is no such name."""

    def zone(self, name: str) -> str | None:
        """Return the zone that a name is, or that it is in; None for a foreign name."""


class Answering:
    """Answers messages. Names with several addresses are answered with each in turn."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._turn = count()

    def answer(self, message: bytes) -> bytes | None:
        """Return the answer to a message; None for one that gets none: no query, or shorter than a header."""
        if len(message) < _HEADER_BYTES or message[2] & _RESPONSE:
            return None
        try:
            query = dns.message.from_wire(message)
            return self._response(query).to_wire(max_size=SIZE_MAX_BYTES)
        except (dns.exception.DNSException, ValueError, IndexError, KeyError, UnicodeError, NotImplementedError):
            return _malformed(message)

    def _response(self, query: dns.message.Message) -> dns.message.Message:
        response = dns.message.make_response(query)
        if query.opcode() is not dns.opcode.QUERY:
            response.set_rcode(dns.rcode.NOTIMP)
        elif len(query.question) != 1:
            response.set_rcode(dns.rcode.FORMERR)
        else:
            self._fill(response, query.question[0])
        return response

    def _fill(self, response: dns.message.Message, question: dns.rrset.RRset) -> None:
        name = question.name.to_text(omit_final_dot=True).lower()
        zone = self._names.zone(name)
        if zone is None or question.rdclass != dns.rdataclass.IN:
            response.set_rcode(dns.rcode.REFUSED)
            return
        response.flags |= dns.flags.AA
        hosts = self._names.hosts(name)
        if hosts and question.rdtype in {dns.rdatatype.A, dns.rdatatype.ANY}:
            host = hosts[next(self._turn) % len(hosts)]
            response.answer.append(dns.rrset.from_text(question.name, TTL_S, "IN", "A", host))
            return
        if hosts is None and name != zone:
            response.set_rcode(dns.rcode.NXDOMAIN)
        # Resolvers remember for as long as this says that something does not exist (RFC 2308).
        soa = f"{zone}. {zone}. 1 {TTL_S} {TTL_S} {TTL_S} {TTL_S}"
        response.authority.append(dns.rrset.from_text(f"{zone}.", TTL_S, "IN", "SOA", soa))


def _malformed(message: bytes) -> bytes:
    """Return FORMERR with nothing but the identifier and the operation of the query."""
    kept = message[2] & 0x79
    return message[:2] + bytes([kept | _RESPONSE, dns.rcode.FORMERR]) + bytes(8)
