"""Routing, health, status, placement and promotion: every decision, in plain values."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from auroractl.core import routing, status, topology
from auroractl.core.addresses import AddressPlan, block_candidates
from auroractl.core.endpoint_types import CustomEndpointType
from auroractl.core.model import (
    Endpoint,
    EndpointProcessObservation,
    EndpointType,
    Instance,
    InstanceObservation,
    Phase,
    Wanted,
)
from auroractl.core.operations import Recovery, recovery
from auroractl.core.routing_table import RoutingTable
from tests.unit.core.clusters import NOW, cluster, gone, instance, silent, snapshot, well


def _members(seen: list[InstanceObservation], **override: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:
    table = routing.routing_table(snapshot(*seen), connections_max=10, hold_timeout_s=1.0, **override)
    writer, reader = table.routes
    return writer.members, reader.members


@pytest.mark.parametrize("states", list(itertools.product("wgs", repeat=4)))
def test_routes_for_every_combination_of_states(states: tuple[str, ...]) -> None:
    seen = [{"w": well(n), "g": gone(), "s": silent(n)}[state] for n, state in enumerate(states, 1)]
    writer, reader = _members(seen)
    assert writer == (("i1",) if states[0] == "w" else ())
    healthy = tuple(f"i{n}" for n, state in enumerate(states, 1) if n > 1 and state == "w")
    assert reader == (healthy or writer)


def test_a_draining_instance_keeps_its_connections_and_gets_no_new_ones() -> None:
    table = routing.routing_table(
        snapshot(well(1), well(2), well(3)), connections_max=10, hold_timeout_s=1.0, draining=["i2"]
    )
    assert table.routes[1].members == ("i3",)
    assert "i2" in table.instances


def test_an_instance_that_is_cut_off_is_nowhere() -> None:
    table = routing.routing_table(
        snapshot(well(1), well(2), well(3)), connections_max=10, hold_timeout_s=1.0, without=["i1"]
    )
    assert table.routes[0].members == ()
    assert "i1" not in table.instances


@pytest.mark.parametrize("refusal", ["", "the volume is full"])
def test_a_routing_table_survives_json(refusal: str) -> None:
    seen = snapshot(well(1), well(2))
    table = routing.routing_table(seen, connections_max=10, hold_timeout_s=1.5)
    table = replace(table, refusal=refusal, refusal_hint=refusal and "Make room.")
    assert RoutingTable.from_json(json.loads(json.dumps(table.to_json()))) == table


def test_a_routing_table_of_an_earlier_version_refuses_no_writes() -> None:
    table = routing.routing_table(snapshot(well(1)), connections_max=10, hold_timeout_s=1.5)
    document = table.to_json()
    del document["refusal"], document["refusal_hint"]
    for route in document["routes"]:
        del route["writes"]
    read = RoutingTable.from_json(document)
    assert (read.refusal, read.refusal_hint) == ("", "")
    assert not any(route.writes for route in read.routes)


def test_only_the_writers_route_is_for_writes() -> None:
    table = routing.routing_table(snapshot(well(1)), connections_max=10, hold_timeout_s=1.0)
    assert [(route.members, route.writes) for route in table.routes] == [(("i1",), True), (("i1",), False)]


def test_status_words() -> None:
    assert status.cluster_status(snapshot(well(1))) == "available"
    assert status.cluster_status(snapshot(gone(), well(2))) == "unavailable"
    assert status.cluster_status(snapshot(gone(), row=cluster(wanted=Wanted.STOPPED))) == "stopped"
    assert status.cluster_status(snapshot(well(1), row=cluster(wanted=Wanted.STOPPED))) == "stopping"
    assert status.cluster_status(snapshot(well(1), row=cluster(phase=Phase.FAILING_OVER))) == "failing-over"
    base = snapshot(well(1), gone(), silent(3))
    assert [status.instance_status(base, each) for each in base.instances] == ["available", "failed", "starting"]


def test_health_is_ok_degraded_or_down() -> None:
    assert status.health(snapshot(well(1), well(2))) == "ok"
    assert status.health(snapshot(well(1), gone())) == "degraded"
    assert status.health(snapshot(well(1), replace(well(2), following=False))) == "degraded"
    assert status.health(snapshot(gone(), well(2))) == "down"
    assert status.health(snapshot(well(1), endpoint_process=EndpointProcessObservation(at=NOW))) == "down"
    assert status.health(snapshot(gone(), row=cluster(wanted=Wanted.STOPPED))) == "down"


def test_a_reason_for_giving_up_is_told() -> None:
    told = status.problems(snapshot(well(1), gone(), failed={"i2": "it keeps ending"}))
    assert told == ["The reader i2 is failed: it keeps ending"]


def test_promotion_goes_by_tier_then_position_then_name() -> None:
    readers = [instance(2, tier=1), instance(3, tier=0), instance(4, tier=1)]
    order = topology.promotion_order(readers, {"i2": 5, "i3": 1, "i4": 9})
    assert [each.identifier for each in order] == ["i3", "i4", "i2"]


def test_removal_takes_the_highest_tier_and_then_the_newest() -> None:
    readers = [instance(2, age_s=30), instance(3, age_s=10), instance(4, tier=9, age_s=99)]
    assert [each.identifier for each in topology.removal_order(readers)] == ["i4", "i3", "i2"]


def test_instances_are_spread_evenly_over_the_zones() -> None:
    placed: list[Instance] = []
    for number in range(1, 17):
        zone = topology.availability_zone(cluster().availability_zones, placed)
        placed.append(replace(instance(number), availability_zone=zone))
        counts = Counter(each.availability_zone for each in placed)
        assert max(counts.values()) - min(counts.get(each, 0) for each in cluster().availability_zones) <= 1


def test_names_are_free_and_short_enough() -> None:
    names = topology.instance_names("demo", {"demo-instance-1", "demo-instance-3"})
    assert list(itertools.islice(names, 2)) == ["demo-instance-2", "demo-instance-4"]
    long = next(topology.instance_names("a" * 63, set()))
    assert len(long) <= 63


@pytest.mark.parametrize("plan", [AddressPlan("127.20.30", 5432), AddressPlan("", 20_000)])
def test_addresses_never_meet(plan: AddressPlan) -> None:
    endpoints = [plan.endpoint(EndpointType.WRITER), plan.endpoint(EndpointType.READER)]
    instances = list(itertools.islice(plan.instances(()), 16))
    assert len({*endpoints, *instances}) == 18
    assert {*endpoints, *instances} <= set(plan.all())
    assert plan.endpoint(EndpointType.WRITER).port == plan.port
    assert next(plan.instances(instances)) not in instances


def test_every_block_is_tried_once_whatever_the_seed() -> None:
    blocks = list(block_candidates(12_345_678))
    assert len(set(blocks)) == len(blocks)
    assert set(blocks) == set(block_candidates(0))


def test_the_way_back_ends_with_the_point_of_no_return() -> None:
    names = ["a", "b", "c", "d"]
    for started in range(len(names) + 1):
        expected = Recovery.FINISH if started >= 3 else Recovery.UNDO
        assert recovery(names[:started], "c") is expected


@pytest.mark.parametrize("states", list(itertools.product("wg", repeat=3)))
@pytest.mark.parametrize("custom_type", list(CustomEndpointType))
@pytest.mark.parametrize(("static", "excluded"), [((), ()), (("i1", "i2"), ()), ((), ("i2",))])
def test_custom_endpoints_go_to_their_members_that_answer_and_to_nobody_else(
    states: tuple[str, ...], custom_type: CustomEndpointType, static: tuple[str, ...], excluded: tuple[str, ...]
) -> None:
    base = snapshot(*({"w": well(n), "g": gone()}[state] for n, state in enumerate(states, 1)))
    address = next(AddressPlan("127.20.30", 5432).custom_endpoints(()))
    custom = Endpoint("reports", "demo", EndpointType.CUSTOM, address, custom_type, static, excluded)
    table = routing.routing_table(
        replace(base, endpoints=(*base.endpoints, custom)), connections_max=10, hold_timeout_s=1.0
    )
    eligible = {"i1", "i2", "i3"} if custom_type is CustomEndpointType.ANY else {"i2", "i3"}
    wanted = eligible & set(static) if static else eligible - set(excluded)
    answering = {f"i{n}" for n, state in enumerate(states, 1) if state == "w"}
    assert set(table.routes[2].members) == wanted & answering
    assert not table.routes[2].writes


def test_five_custom_endpoints_have_addresses_of_their_own() -> None:
    for plan in (AddressPlan("127.20.30", 5432), AddressPlan("", 20_000)):
        found = list(plan.custom_endpoints(()))
        assert len(set(found)) == 5
        assert not set(found) & {plan.endpoint(EndpointType.WRITER), plan.endpoint(EndpointType.READER)}
        assert not set(found) & set(itertools.islice(plan.instances(()), 16))
        assert next(plan.custom_endpoints(found[:2])) == found[2]
