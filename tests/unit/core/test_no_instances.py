"""A cluster whose instances come and go: what is said of it, who is routed where, and what is left alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from auroractl.core import status
from auroractl.core.model import Cluster, ClusterSnapshot, EndpointProcessObservation, Phase, RunningOperation, Wanted
from auroractl.core.repair_rules import Action, History, Limits, decide, nodes_are_due
from auroractl.core.routing import routing_table
from auroractl.core.routing_table import RoutingTable
from tests.unit.core.clusters import NOW, cluster, gone, snapshot, well


def _in_phases(before: ClusterSnapshot, *phases: Phase) -> ClusterSnapshot:
    changed = tuple(replace(each, phase=phase) for each, phase in zip(before.instances, phases, strict=True))
    return replace(before, instances=changed)


def test_without_an_instance_a_cluster_is_available_and_says_what_it_lacks() -> None:
    empty = snapshot()
    assert status.cluster_status(empty) == "available"
    assert status.health(empty) is status.Health.NO_INSTANCES
    assert status.problems(empty) == ["The cluster has no instance. Create one: auroractl create-instance demo"]


@pytest.mark.parametrize(
    ("row", "word", "health"),
    [
        (cluster(Wanted.STOPPED), "stopped", status.Health.DOWN),
        (cluster(phase=Phase.DELETING), "failed", status.Health.DOWN),
    ],
)
def test_other_states_of_a_cluster_come_first(row: Cluster, word: str, health: status.Health) -> None:
    empty = snapshot(row=row)
    assert (status.cluster_status(empty), status.health(empty)) == (word, health)


def test_while_its_first_instances_come_a_cluster_stays_available() -> None:
    coming = _in_phases(snapshot(gone(), gone()), Phase.CREATING, Phase.CREATING)
    assert status.cluster_status(coming) == "available"
    assert status.health(coming) is status.Health.NO_INSTANCES


def test_a_lost_writer_beside_a_reader_that_comes_is_unavailable() -> None:
    lost = _in_phases(snapshot(gone(), gone()), Phase.NONE, Phase.CREATING)
    assert status.cluster_status(lost) == "unavailable"
    assert status.health(lost) is status.Health.DOWN


def test_a_deletion_that_waits_does_not_excuse_a_lost_writer() -> None:
    waiting = _in_phases(snapshot(gone()), Phase.DELETING)
    deleted = replace(waiting, operation=RunningOperation("x", "delete-instance", NOW))
    assert (status.cluster_status(deleted), status.health(deleted)) == ("available", status.Health.NO_INSTANCES)
    others = RunningOperation("x", "modify-cluster", NOW)
    for lost in (waiting, replace(waiting, operation=others)):
        assert (status.cluster_status(lost), status.health(lost)) == ("unavailable", status.Health.DOWN)
        assert routing_table(lost, connections_max=10, hold_timeout_s=5.0).unserved == ""


def test_clients_are_told_why_nobody_serves_them_and_what_to_do() -> None:
    table = routing_table(snapshot(), connections_max=10, hold_timeout_s=5.0)
    assert {route.members for route in table.routes} == {()}
    assert table.unserved == "cluster demo has no instance"
    assert table.unserved_hint == "Create one: auroractl create-instance demo"
    assert RoutingTable.from_json(table.to_json()) == table
    assert routing_table(snapshot(gone()), connections_max=10, hold_timeout_s=5.0).unserved == ""


def _actions(seen: ClusterSnapshot) -> list[tuple[str, Action]]:
    found = decide(seen, limits=Limits(), history=History(), now_s=100.0)
    return [(each.name, each.rule.action) for each in found]


def test_the_endpoints_of_a_cluster_without_instances_are_kept_and_nothing_else_is_started() -> None:
    assert _actions(snapshot()) == []
    away = snapshot(endpoint_process=EndpointProcessObservation(at=NOW))
    assert _actions(away) == [("endpoint-process", Action.START_ENDPOINT_PROCESS)]


def test_the_nodes_of_a_writer_that_is_just_coming_are_left_to_its_creation() -> None:
    assert nodes_are_due(snapshot(well(1)))
    assert not nodes_are_due(_in_phases(snapshot(well(1)), Phase.CREATING))
    assert not nodes_are_due(snapshot())


def test_an_instance_that_is_only_announced_is_not_started() -> None:
    announced = _in_phases(snapshot(well(1), gone()), Phase.NONE, Phase.CREATING)
    assert _actions(announced) == []
    lost = _in_phases(snapshot(well(1), gone()), Phase.NONE, Phase.NONE)
    assert _actions(lost) == [("i2", Action.START_INSTANCE)]


def test_a_suspended_instance_that_is_being_created_is_still_ended() -> None:
    seen = replace(gone(), pid=102, suspended=True)
    creating = _in_phases(snapshot(well(1), seen), Phase.NONE, Phase.CREATING)
    busy = replace(creating, operation=RunningOperation("x", "create-instance", NOW))
    history = History()
    history.note(busy, 0.0)
    found = decide(busy, limits=Limits(), history=history, now_s=100.0)
    assert [(each.name, each.rule.action) for each in found] == [("i2", Action.END_INSTANCE)]
