"""The endpoint hands a client only to servers of the databases' account, whatever else listens at their addresses."""

from __future__ import annotations

import asyncio
import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from auroractl.core.address import Address
from auroractl.core.routing_table import Route, RoutingTable
from auroractl.endpoints.connection import ClientSide
from auroractl.endpoints.router import Router
from auroractl.endpoints.startup import fatal, message

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells whose a connection is")
STARTUP = struct.pack("!II", 8 + 11, 0x00030000) + b"user\0demo\0\0"
ASKS_FOR_PASSWORD = message("R", struct.pack("!I", 3))
REFUSES = fatal("28000", "said by the listener")
HELD_S = 0.4
OURS = 65534 if os.geteuid() == 0 else os.geteuid()
THEIRS = OURS - 1
_LISTENER = """\
import os, socket, sys
os.setuid(int(sys.argv[1]))
answer, closes = bytes.fromhex(sys.argv[2]), sys.argv[3] == "closes"
listener = socket.socket()
listener.bind(("127.0.0.1", 0))
listener.listen()
print(listener.getsockname()[1], flush=True)
kept = []
while True:
    connection, _ = listener.accept()
    connection.recv(1000)
    connection.sendall(answer)
    if closes:
        connection.close()
    else:
        kept.append(connection)
"""


@contextmanager
def listening(answer: bytes, end: str) -> Iterator[int]:
    """A program of the account `OURS` that says the same to everybody, and closes the connection or keeps it; its port."""
    argv = [sys.executable, "-c", _LISTENER, str(OURS), answer.hex(), end]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()


async def _heard(port: int, server_uid: int) -> tuple[bytes, int]:
    """What a client of an endpoint is told first, and how many clients were handed over."""
    loop = asyncio.get_running_loop()
    router = Router(60.0, 10)
    route = Route("writer", Address("127.0.0.1", 1), ("w",))
    router.replace(RoutingTable((route,), {"w": Address("127.0.0.1", port)}, 10, HELD_S, server_uid))
    endpoint = await loop.create_server(lambda: ClientSide(router, "writer"), "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*endpoint.sockets[0].getsockname())
    writer.write(STARTUP)
    said = await asyncio.wait_for(reader.read(1000), 10)
    writer.close()
    await writer.wait_closed()
    endpoint.close()
    router.replace(RoutingTable((), {}, 0, 0.0))
    await asyncio.sleep(0.1)
    return said, router.accepted["writer", "w"]


@pytest.mark.parametrize("end", ["keeps", "closes"])
@pytest.mark.parametrize("answer", [ASKS_FOR_PASSWORD, REFUSES], ids=["password", "error"])
def test_nobody_is_handed_to_a_listener_of_another_account(answer: bytes, end: str) -> None:
    with listening(answer, end) as port:
        said, handed_over = asyncio.run(_heard(port, THEIRS))
    assert b"no instance of endpoint writer accepted the connection in time" in said
    assert handed_over == 0


@pytest.mark.parametrize(
    ("answer", "end"), [(ASKS_FOR_PASSWORD, "keeps"), (REFUSES, "keeps"), (REFUSES, "closes")], ids=str
)
def test_what_a_server_of_the_right_account_says_is_passed_on(answer: bytes, end: str) -> None:
    with listening(answer, end) as port:
        assert asyncio.run(_heard(port, OURS)) == (answer, 1)
