"""Tickets of the endpoint process, asked for as PostgreSQL does it (RFC 2865)."""

from __future__ import annotations

import asyncio
import hashlib
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import replace
from unittest.mock import AsyncMock, Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auroractl.core.address import Address
from auroractl.core.iam import IamRules
from auroractl.endpoints.router import Router
from auroractl.endpoints.tickets import Tickets

SECRET = "a secret of 64 characters"
AUTHENTICATOR = bytes(range(16))
ACCEPT, REJECT = 2, 3
GUESS = b"x" * 43


def _rules(port: int) -> IamRules:
    return IamRules("us-east-1", frozenset(), {}, Address("127.0.0.1", port), SECRET)


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _attribute(kind: int, value: bytes) -> bytes:
    return bytes([kind, len(value) + 2]) + value


def _hidden(password: bytes, secret: str) -> bytes:
    padded, out, before = password + b"\0" * (-len(password) % 16), b"", AUTHENTICATOR
    for start in range(0, len(padded), 16):
        mask = hashlib.md5(secret.encode() + before).digest()
        before = bytes(a ^ b for a, b in zip(padded[start : start + 16], mask, strict=True))
        out += before
    return out


def _request(user: bytes, password: bytes, secret: str = SECRET) -> bytes:
    body = _attribute(6, b"\0\0\0\x08") + _attribute(1, user) + _attribute(2, _hidden(password, secret))
    return struct.pack("!BBH", 1, 7, 20 + len(body)) + AUTHENTICATOR + body


def _said(answer: bytes) -> int:
    """The code of an answer that has the right seal."""
    code, number, length = struct.unpack_from("!BBH", answer)
    assert (number, length) == (7, 20)
    assert answer[4:] == hashlib.md5(answer[:4] + AUTHENTICATOR + SECRET.encode()).digest()
    return int(code)


def _with_tickets(act: Callable[[Tickets], Awaitable[None]]) -> None:
    async def run() -> None:
        tickets = Tickets()
        await tickets.open(_rules(_free_port()))
        assert tickets.is_open
        try:
            await act(tickets)
        finally:
            tickets.close()
        assert not tickets.is_open
        with tickets.issued(b"app") as ticket:
            assert tickets.answer(_request(b"app", ticket)) == b""

    asyncio.run(run())


def test_a_ticket_is_good_once_for_its_user_while_its_login_lasts() -> None:
    async def act(tickets: Tickets) -> None:
        with tickets.issued(b"somebody"):
            with tickets.issued(b"app") as ticket:
                assert _said(tickets.answer(_request(b"app", GUESS))) == REJECT
                assert _said(tickets.answer(_request(b"app", ticket))) == ACCEPT
                assert _said(tickets.answer(_request(b"app", ticket))) == REJECT
            with tickets.issued(b"app") as ticket:
                assert _said(tickets.answer(_request(b"other", ticket))) == REJECT
                assert _said(tickets.answer(_request(b"app", ticket))) == REJECT
            with tickets.issued(b"app") as ticket:
                pass
            assert _said(tickets.answer(_request(b"app", ticket))) == REJECT

    _with_tickets(act)


def test_nothing_is_computed_for_what_comes_to_no_login(monkeypatch: pytest.MonkeyPatch) -> None:
    async def act(tickets: Tickets) -> None:
        monkeypatch.setattr("auroractl.endpoints.tickets._md5", lambda _: pytest.fail("computed"))
        assert tickets.answer(_request(b"app", GUESS)) == b""
        with tickets.issued(b"app") as ticket:
            assert tickets.answer(_request(b"app", ticket[:-12])) == b""
            assert tickets.answer(_request(b"app", ticket * 2)) == b""

    _with_tickets(act)


def test_who_does_not_know_the_secret_gets_no_ticket_accepted() -> None:
    async def act(tickets: Tickets) -> None:
        with tickets.issued(b"app") as ticket:
            assert _said(tickets.answer(_request(b"app", ticket, "another secret"))) == REJECT
            assert _said(tickets.answer(_request(b"app", ticket))) == ACCEPT

    _with_tickets(act)


def test_a_server_is_answered_over_udp() -> None:
    async def act(tickets: Tickets) -> None:
        assert tickets._transport is not None
        there = tickets._transport.get_extra_info("sockname")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server, tickets.issued(b"app") as ticket:
            server.setblocking(False)
            loop = asyncio.get_running_loop()
            for nonsense in (b"", b"x" * 5000, b"\1" * 30):
                await loop.sock_sendto(server, nonsense, there)
            await loop.sock_sendto(server, _request(b"app", ticket), there)
            assert _said(await asyncio.wait_for(loop.sock_recv(server, 100), 30)) == ACCEPT

    _with_tickets(act)


@given(st.binary(max_size=200))
def test_anything_else_gets_no_answer(data: bytes) -> None:
    tickets = Tickets()
    tickets._secret, tickets._users = SECRET.encode(), {b"ticket": b"app"}
    assert tickets.answer(data) == b""
    request = _request(b"app", GUESS)
    assert _said(tickets.answer(request)) == REJECT
    for damaged in (request[:-1], request + b"\0", data + request, request[:20] + data):
        assert tickets.answer(damaged) == b"" or damaged == request


def test_a_port_that_is_taken_is_told_and_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        tickets, port = Tickets(), _free_port()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.bind(("127.0.0.1", port))
            for _ in range(3):
                await tickets.open(_rules(port))
                assert not tickets.is_open
        await tickets.open(_rules(port))
        assert tickets.is_open
        tickets.close()

    asyncio.run(run())
    assert caplog.text.count("IAM authentication is not possible") == 1


@pytest.mark.parametrize(("lost", "enters"), [(0, True), (2, True), (3, False)])
def test_a_login_whose_question_is_lost_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, lost: int, enters: bool
) -> None:
    refused = b"SFATAL\0C28000\0MRADIUS authentication failed\0Rauth_failed\0\0"
    asked, failed, welcome = (
        b"R\0\0\0\x08\0\0\0\3",
        b"E" + struct.pack("!I", 4 + len(refused)) + refused,
        b"R\0\0\0\x08\0\0\0\0",
    )
    answers = AsyncMock(side_effect=[asked, failed] * lost + [asked, welcome])
    servers: list[Mock] = []

    async def opened(path: str) -> Mock:
        servers.append(Mock())
        return servers[-1]

    async def run() -> Mock:
        router, client = Router(60, 10), Mock(lost=False, endpoint="demo")
        router.iam = replace(_rules(5432), sockets={"one": "/socket"})
        router.table = replace(router.table, instances={"one": Address("127.0.0.1", 5432)})
        monkeypatch.setattr(router, "_first_answer", answers)
        assert await router._enter(client, b"", b"app", "one", 0.0)
        return client

    monkeypatch.setattr("auroractl.endpoints.router._open_socket", opened)
    client = asyncio.run(run())
    assert (client.join.call_count, client.refuse.call_count) == ((1, 0) if enters else (0, 1))
    tickets = {call.args[0] for server in servers for call in server.transport.write.call_args_list} - {b""}
    assert len(tickets) == len(servers) == min(lost + 1, 3)
    assert sum(server.transport.abort.called for server in servers) == len(servers) - enters
