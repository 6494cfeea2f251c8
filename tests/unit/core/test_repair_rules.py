"""What the supervisor does about every state of a cluster, in plain values."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from auroractl.core.model import (
    ClusterSnapshot,
    EndpointProcessObservation,
    InstanceObservation,
    Phase,
    RunningOperation,
    Wanted,
)
from auroractl.core.operation_kinds import OperationKind
from auroractl.core.repair_rules import (
    RULES,
    WITHOUT_RULE,
    Action,
    History,
    Limits,
    Observed,
    Subject,
    decide,
    promotable,
)
from auroractl.core.volume.faults import Fault, FaultKind
from auroractl.core.volume.growth import GROUP_BYTES_DEFAULT, MAX_CAPACITY_BYTES
from auroractl.core.volume.model import NodeObservation, StorageVolume, VolumeSnapshot, place_nodes
from tests.unit.core.clusters import NOW, cluster, gone, silent, snapshot, well

LIMITS = Limits()
LONG_S = 1000.0


def volume(*, lost: int = 0, faults: tuple[Fault, ...] = ()) -> VolumeSnapshot:
    """Six nodes of which some are wiped and gone."""
    nodes = tuple(place_nodes("demo", cluster().availability_zones, NOW))
    there = NodeObservation(at=NOW, pid=1, streaming=True, held_bytes=1, lag_s=0.0)
    missing = NodeObservation(at=NOW, held_bytes=0)
    return VolumeSnapshot(
        volume=StorageVolume("demo", True, MAX_CAPACITY_BYTES, GROUP_BYTES_DEFAULT, 10, GROUP_BYTES_DEFAULT, NOW),
        nodes=nodes,
        observed={node.identifier: missing if n < lost else there for n, node in enumerate(nodes)},
        groups=1,
        faults=faults,
    )


def suspended(number: int) -> InstanceObservation:
    return replace(silent(number), suspended=True)


def full(_number: int) -> InstanceObservation:
    return replace(gone(), disk_full=True)


def stalled(number: int) -> InstanceObservation:
    return replace(well(number), stalled_s=LIMITS.stalled_after_s + 1)


STATES = {
    "well": well,
    "gone": lambda _n: gone(),
    "silent": silent,
    "suspended": suspended,
    "full": full,
    "stalled": stalled,
}


def decided(base: ClusterSnapshot, *, long: bool = True) -> dict[str, Action]:
    """What is decided about each thing, where the states seen have lasted for long or have just begun."""
    history = History()
    history.note(base, 0.0)
    found = decide(base, limits=LIMITS, history=history, now_s=LONG_S if long else 0.0)
    return {each.name: each.rule.action for each in found if "storage" not in each.name}


def test_every_finding_has_one_rule_with_a_sentence_or_is_left_alone_on_purpose() -> None:
    rules = {(rule.subject, rule.observed, rule.exhausted): rule for rule in RULES}
    assert len(rules) == len(RULES)
    for rule in RULES:
        assert rule.comment.endswith(".")
        never_left_alone = rule.subject in {Subject.STORAGE_NODE, Subject.HELD_INSTANCE}
        assert (rule.action is Action.GIVE_UP) is (rule.exhausted and not never_left_alone)
    instances = {
        Subject.WRITER: set(Observed) - {Observed.WELL, Observed.DETACHED},
        Subject.LONE_WRITER: set(Observed) - {Observed.WELL, Observed.DETACHED},
        Subject.READER: set(Observed) - {Observed.WELL, Observed.STALLED},
        Subject.ENDPOINT_PROCESS: {Observed.GONE},
        Subject.STORAGE_NODE: {Observed.GONE},
        Subject.HELD_INSTANCE: {Observed.SUSPENDED},
    }
    for subject, observations in instances.items():
        for observed, exhausted in itertools.product(observations, (False, True)):
            assert ((subject, observed, exhausted) in rules) is ((subject, observed) not in WITHOUT_RULE)


def _combinations() -> Iterator[tuple[str, ...]]:
    yield from itertools.product(STATES, repeat=3)


@pytest.mark.parametrize("states", list(_combinations()), ids="-".join)
@pytest.mark.parametrize("lost", [0, 3, 4])
def test_every_combination_of_states_of_a_writer_and_two_readers(states: tuple[str, ...], lost: int) -> None:
    """Double and triple failures included: the writer with its best candidate, with all readers, with its volume."""
    seen = [STATES[state](number) for number, state in enumerate(states, 1)]
    base = replace(snapshot(*seen), volume=volume(lost=lost))
    writer, *readers = states
    could_be_promoted = bool({"well", "stalled"} & set(readers)) and lost <= 3
    expected = {}
    if could_be_promoted:
        if writer != "well":
            expected["i1"] = Action.FAIL_OVER
    elif writer in {"gone", "suspended"}:
        expected["i1"] = Action.START_INSTANCE if writer == "gone" else Action.RESTART_INSTANCE
    for number, state in enumerate(readers, 2):
        if state in {"gone", "suspended"}:
            expected[f"i{number}"] = Action.START_INSTANCE if state == "gone" else Action.RESTART_INSTANCE
    assert decided(base) == expected
    at_once = {
        name: action for name, action in expected.items() if states[int(name[1]) - 1] in {"gone", "full", "stalled"}
    }
    assert decided(base, long=False) == at_once, "what is only silent or suspended is looked at again first"


def test_a_node_that_a_fault_holds_down_says_which() -> None:
    zone = cluster().availability_zones[0]
    base = volume(lost=1, faults=(Fault("demo", FaultKind.AZ_OUTAGE, zone, NOW, NOW),))
    assert base.reason(base.nodes[0]) == f"injected az-outage on {zone} until 04:00:00 UTC"
    assert base.reason(base.nodes[1]) == ""


def test_no_volume_no_promotion() -> None:
    """Without storage nodes a promotion could lack what was acknowledged."""
    assert decided(snapshot(gone(), well(2))) == {"i1": Action.START_INSTANCE}


def test_a_zone_that_is_out_takes_its_writer_and_nobody_in_it_is_promoted_or_started() -> None:
    zones = cluster().availability_zones
    out = [Fault("demo", FaultKind.AZ_OUTAGE, zone, NOW, None) for zone in zones]
    base = snapshot(gone(), well(2), gone())
    assert decided(replace(base, volume=volume(faults=(out[0],)))) == {
        "i1": Action.FAIL_OVER,
        "i3": Action.START_INSTANCE,
    }
    # With two zones out only two nodes can be read: nothing may be promoted, and the writer's zone is waited for.
    assert decided(replace(base, volume=volume(faults=(out[0], out[2])))) == {}
    assert promotable(replace(base, volume=volume(faults=(out[1],)))) == []


def test_a_reader_whose_disk_is_full_is_not_promoted() -> None:
    base = replace(snapshot(gone(), replace(well(2), disk_full=True)), volume=volume())
    assert decided(base) == {"i1": Action.START_INSTANCE}


@pytest.mark.parametrize("kind", list(OperationKind))
def test_an_operation_owns_the_instances_and_only_the_endpoint_process_is_looked_after(kind: OperationKind) -> None:
    base = replace(
        snapshot(gone(), well(2), gone()),
        volume=volume(),
        operation=RunningOperation("x", kind.value, NOW),
        endpoint_process=EndpointProcessObservation(at=NOW),
    )
    assert decided(base) == {"endpoint-process": Action.START_ENDPOINT_PROCESS}


@pytest.mark.parametrize("kind", list(OperationKind))
def test_a_frozen_instance_does_not_hold_up_an_operation(kind: OperationKind) -> None:
    base = replace(
        snapshot(suspended(1), suspended(2), silent(3)),
        volume=volume(),
        operation=RunningOperation("x", kind.value, NOW),
    )
    assert decided(base) == {"i1": Action.END_INSTANCE, "i2": Action.END_INSTANCE}
    assert decided(base, long=False) == {}


@pytest.mark.parametrize("phase", [Phase.CREATING, Phase.DELETING, Phase.STOPPING])
def test_nothing_is_started_while_a_cluster_comes_or_goes_or_is_paused(phase: Phase) -> None:
    base = replace(snapshot(gone(), well(2), gone()), volume=volume())
    assert decided(replace(base, cluster=cluster(phase=phase))) == {}
    assert decided(replace(base, cluster=cluster(wanted=Wanted.STOPPED))) == {}
    assert decided(replace(base, cluster=replace(cluster(), automation_paused=True))) == {}
    assert decided(replace(base, failed={"i1": "gave up", "i3": "gave up"})) == {}


def test_restarts_wait_longer_each_time_and_then_end() -> None:
    history, base = History(), snapshot(well(1), gone())
    moments = history.restarts["i2"]
    for step in range(200):
        now_s = 5000 + step * 0.25
        for decision in decide(base, limits=LIMITS, history=history, now_s=now_s):
            if decision.rule.action is Action.GIVE_UP:
                assert len(moments) == LIMITS.restarts_max
                waits = [later - earlier for earlier, later in itertools.pairwise(moments)]
                assert waits == sorted(waits)
                assert waits[0] >= 1
                return
            moments.append(now_s)
    pytest.fail("it was never given up")


def test_failovers_that_follow_each_other_are_bounded() -> None:
    """Flapping: a writer that ends again and again is given up, whoever could take its place."""
    history, base = History(), replace(snapshot(gone(), well(2)), volume=volume())
    history.restarts["i1"] = [LONG_S - each for each in range(LIMITS.restarts_max)]
    found = decide(base, limits=LIMITS, history=history, now_s=LONG_S + 100)
    assert [each.rule.action for each in found] == [Action.GIVE_UP]


@pytest.mark.parametrize("state", ["silent", "suspended"])
def test_a_state_counts_once_it_has_lasted_and_not_over_a_standstill(state: str) -> None:
    history, base = History(), replace(snapshot(STATES[state](1), well(2)), volume=volume())
    after_s = {"silent": LIMITS.silent_after_s, "suspended": LIMITS.suspended_after_s}[state]
    history.note(base, 10.0)
    assert decide(base, limits=LIMITS, history=history, now_s=10.0 + after_s) == []
    assert decide(base, limits=LIMITS, history=history, now_s=10.1 + after_s)
    history.forget_durations()
    history.note(base, 20.0)
    assert decide(base, limits=LIMITS, history=history, now_s=20.1) == []
    history.note(replace(snapshot(well(1), well(2)), volume=volume()), 21.0)
    history.note(base, 22.0)
    assert decide(base, limits=LIMITS, history=history, now_s=22.0 + after_s) == []


def test_another_writer_is_a_new_chance_for_readers_that_were_given_up() -> None:
    history, first = History(), snapshot(well(1), gone())
    assert not history.writer_is_new(first)
    assert not history.writer_is_new(first)
    assert not history.writer_is_new(snapshot(gone(), gone()))
    assert not history.writer_is_new(first)
    assert history.writer_is_new(snapshot(replace(well(1), pid=7), gone()))


def test_a_reader_that_came_off_is_made_to_follow_after_a_while() -> None:
    base = snapshot(well(1), replace(well(2), following=False))
    assert decided(base) == {"i2": Action.REJOIN_READER}
    assert decided(base, long=False) == {}
    assert decided(replace(base, operation=RunningOperation("x", "scale-readers", NOW))) == {}


def test_another_process_on_its_address_is_no_attempt_of_an_instance_to_run() -> None:
    """Neither its end nor the start when the address is free again: any number of them leaves it its restarts."""
    history = History()
    history.restarts["i2"] = [0.0] * LIMITS.restarts_max
    history.note(snapshot(well(1), gone()), 1.0)
    assert LIMITS.exhausted(history.restarts["i2"], 1.0)
    history.note(snapshot(well(1), replace(gone(), occupant="process 7 (nc)")), 2.0)
    assert not LIMITS.exhausted(history.restarts["i2"], 2.0)


def test_a_writer_that_nobody_can_ask_any_more_is_not_taken_for_silent() -> None:
    """This process may lack what it takes to look again."""
    history, base = History(), replace(snapshot(silent(1), well(2)), volume=volume())
    history.note(base, 10.0)
    later_s = LIMITS.silent_after_s + 1
    unseen = replace(base, at=NOW + timedelta(seconds=later_s))
    history.note(unseen, 10.0 + later_s)
    assert decide(unseen, limits=LIMITS, history=history, now_s=10.0 + later_s) == []
