"""Which connections wait for an instance, and which are refused at once."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from auroractl.core.address import Address
from auroractl.core.routing_table import Route, RoutingTable
from auroractl.endpoints import startup
from auroractl.endpoints.router import Router

HOLD_TIMEOUT_S = 60.0
NOBODY = Address("127.0.0.1", 1)


@dataclass(eq=False)
class _Client:
    endpoint: str = "one"
    lost: bool = False
    refusals: list[str] = field(default_factory=list)

    def refuse(self, sqlstate: str, message: str, hint: str) -> None:
        self.refusals.append(sqlstate)


@pytest.mark.parametrize("members", [(), ("a",)])
def test_an_instance_that_is_down_refuses_at_once(members: tuple[str, ...]) -> None:
    """A driver that knows all instances tries the next one."""
    client, router = _Client(), Router(HOLD_TIMEOUT_S, 10)
    router.replace(RoutingTable((Route("one", NOBODY, members, holds=False),), {"a": NOBODY}, 10, HOLD_TIMEOUT_S))
    asyncio.run(asyncio.wait_for(router.connect(client, b""), HOLD_TIMEOUT_S / 2))  # type: ignore[arg-type]
    assert client.refusals == [startup.CANNOT_CONNECT_NOW]


def test_an_endpoint_without_members_holds() -> None:
    client, router = _Client(), Router(HOLD_TIMEOUT_S, 10)
    router.replace(RoutingTable((Route("one", NOBODY, ()),), {}, 10, HOLD_TIMEOUT_S))
    with pytest.raises(TimeoutError):
        asyncio.run(asyncio.wait_for(router.connect(client, b""), 0.3))  # type: ignore[arg-type]
    assert client.refusals == []
