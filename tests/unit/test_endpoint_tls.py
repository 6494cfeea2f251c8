"""TLS of the endpoint process: a damaged certificate, and a client that is gone before it is refused."""

from __future__ import annotations

import asyncio
import shutil
import struct
import tempfile
from pathlib import Path

import pytest

from auroractl.core.routing_table import RoutingTable
from auroractl.endpoints.connection import ClientSide
from auroractl.endpoints.router import Router
from auroractl.endpoints.server import EndpointServer

STARTUP = struct.pack("!II", 8 + 11, 0x00030000) + b"user\0demo\0\0"


@pytest.mark.parametrize("damaged", ["", "{", "[]", "{}", "3", '{"pem": 3}', '{"pem": "\\ud800"}', '{"pem": "x"}'])
def test_a_damaged_certificate_keeps_no_process_from_serving(damaged: str) -> None:
    # The path of a socket must be short.
    folder = Path(tempfile.mkdtemp(prefix="auroractl-test-"))
    (folder / "certificate.json").write_text(damaged)
    try:
        asyncio.run(asyncio.wait_for(EndpointServer(folder, folder / "socket", 1.0, 1).run(lambda: True), 10))
        assert (folder / "socket").exists()
    finally:
        shutil.rmtree(folder)


class _Gone(asyncio.Transport):
    """The transport of a client that has reset its connection: its address is no longer known."""

    aborted = False

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def abort(self) -> None:
        self.aborted = True


async def _refuse_one_that_is_gone() -> bool:
    router = Router(60.0, 10)
    router.replace(RoutingTable((), {}, 10, 0.0, tls_required=True))
    gone, client = _Gone(), ClientSide(router, "writer")
    client.transport = gone
    client.data_received(STARTUP)
    return gone.aborted


def test_a_client_that_is_gone_before_it_is_refused_is_dropped() -> None:
    assert asyncio.run(_refuse_one_that_is_gone())
