"""Which connections end when the instance behind them becomes the writer."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from auroractl.core.address import Address
from auroractl.core.routing_table import Route, RoutingTable
from auroractl.endpoints.router import Router

ADDRESS = Address("127.0.0.1", 1)


@dataclass(eq=False)
class _Client:
    endpoint: str
    instance: str
    address: Address = ADDRESS
    farewells: list[str] = field(default_factory=list)

    def cut(self, farewell: str = "") -> None:
        self.farewells.append(farewell)

    def follow(self, _refusal: object) -> None:
        pass


def _table(writer: str, readers: tuple[str, ...], *, closed: bool = True) -> RoutingTable:
    routes = (
        Route("writer", ADDRESS, (writer,) if writer else (), writes=True),
        Route("reader", ADDRESS, readers),
        Route("any", ADDRESS, ("a", "b")),
    )
    return RoutingTable(routes, {"a": ADDRESS, "b": ADDRESS}, 10, 1.0, promoted_are_closed=closed)


def _cut_after(router: Router, *tables: RoutingTable) -> list[str]:
    clients = [_Client(endpoint, "b") for endpoint in ("reader", "any", "writer")]
    for client in clients:
        router.clients[client.endpoint].add(client)  # type: ignore[arg-type]
    for table in tables:
        router.replace(table)
    return [client.endpoint for client in clients if client.farewells]


@pytest.mark.parametrize("closed", [True, False])
def test_sessions_of_readers_end_with_a_promotion_if_a_setting_says_so(closed: bool) -> None:
    router = Router(60.0, 10)
    router.replace(_table("a", ("b",)))
    # While the writer is being replaced there is none.
    tables = _table("", ("b",), closed=closed), _table("b", ("a",), closed=closed)
    assert _cut_after(router, *tables) == (["reader"] if closed else [])


def test_they_stay_where_the_reader_endpoint_goes_to_the_writer_too() -> None:
    router = Router(60.0, 10)
    router.replace(_table("a", ("b",)))
    assert _cut_after(router, _table("b", ("b",)), _table("b", ("a",))) == []


def test_they_stay_where_the_writer_is_the_same() -> None:
    assert _cut_after(Router(60.0, 10), _table("b", ("a",)), _table("", ("a",)), _table("b", ("a",))) == []
    table = _table("b", ("a",))
    assert RoutingTable.from_json(table.to_json()) == table
