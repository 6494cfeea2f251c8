"""When a condition holds."""

from __future__ import annotations

from typing import Any

import pytest

from auroractl.api import documents
from auroractl.api.waiting import Condition, judge
from auroractl.core.model import EndpointProcessObservation, InstanceObservation, Phase, Wanted
from auroractl.core.text.timestamps import timestamp
from tests.unit.core.clusters import NOW, cluster, gone, silent, snapshot, well

SINCE = timestamp(NOW)
LATER = "2026-11-23T04:00:01.000Z"


def _document(*seen: InstanceObservation, operation: str = "", **more: Any) -> dict[str, Any]:
    base = snapshot(*(seen or (well(1), well(2))), **more)
    running = {"OperationIdentifier": "1", "Kind": operation, "StartTime": SINCE, "Steps": []}
    return {
        "DBCluster": documents.cluster_view(base),
        "DBInstances": [documents.instance_view(base, each, "/data") for each in base.instances],
        "DBClusterEndpoints": [documents.endpoint_view(base, each) for each in base.endpoints],
        "StorageVolume": {
            "WriteQuorum": {"Held": True, "Available": 6, "Required": 4},
            "ReadQuorum": {"Held": True, "Available": 6, "Required": 3},
        },
        "Operation": running if operation else None,
    }


ALL = [each for each in Condition if each not in {Condition.CLUSTER_DELETED, Condition.CLUSTER_STOPPED}]


@pytest.mark.parametrize("condition", ALL)
def test_all_is_well(condition: Condition) -> None:
    assert judge(condition, _document(), SINCE, "i2").met


@pytest.mark.parametrize("condition", ALL)
def test_what_was_seen_before_the_waiting_began_does_not_count(condition: Condition) -> None:
    seen = judge(condition, _document(), LATER, "i2")
    assert not seen.met
    assert "has not been observed since" in seen.last


@pytest.mark.parametrize(
    ("document", "last"),
    [
        (_document(operation="scale-readers"), "demo is available; scale-readers is in progress"),
        (_document(well(1), gone()), "i2 is failed: there is no server process"),
        (_document(well(1), silent(2)), "i2 is starting: it did not answer in time"),
        (_document(gone(), well(2)), "demo is unavailable"),
        (_document(row=cluster(Wanted.STOPPED)), "demo is stopping"),
        (_document(row=cluster(phase=Phase.CREATING)), "demo is failed"),
        (_document(endpoint_process=EndpointProcessObservation(at=NOW)), "the endpoint demo-writer is inactive"),
    ],
)
def test_a_cluster_is_available_when_all_of_it_answers_and_nothing_is_under_way(
    document: dict[str, Any], last: str
) -> None:
    seen = judge(Condition.CLUSTER_AVAILABLE, document, SINCE)
    assert (seen.met, seen.last) == (False, last)


def test_a_failover_is_completed_when_the_writer_answers_whatever_the_readers_do() -> None:
    assert judge(Condition.FAILOVER_COMPLETED, _document(well(1), gone()), SINCE).met
    assert not judge(Condition.FAILOVER_COMPLETED, _document(gone(), well(2)), SINCE).met
    assert not judge(Condition.FAILOVER_COMPLETED, _document(operation="failover"), SINCE).met
    assert not judge(Condition.FAILOVER_COMPLETED, _document(row=cluster(phase=Phase.FAILING_OVER)), SINCE).met
    assert judge(Condition.FAILOVER_COMPLETED, _document(operation="scale-readers"), SINCE).met


def test_a_backtrack_is_completed_when_none_runs() -> None:
    assert not judge(Condition.BACKTRACK_COMPLETED, _document(operation="backtrack"), SINCE).met
    assert judge(Condition.BACKTRACK_COMPLETED, _document(operation="failover"), SINCE).met
    backtracking = _document()
    backtracking["DBCluster"]["Status"] = "backtracking"
    assert not judge(Condition.BACKTRACK_COMPLETED, backtracking, SINCE).met


def test_a_cluster_is_deleted_when_there_is_none() -> None:
    assert judge(Condition.CLUSTER_DELETED, None, LATER).met
    assert judge(Condition.CLUSTER_DELETED, _document(), SINCE) == judge(Condition.CLUSTER_DELETED, _document(), LATER)
    assert not judge(Condition.CLUSTER_DELETED, _document(), SINCE).met


def test_a_cluster_is_stopped_when_all_of_it_has_ended_and_no_operation_runs() -> None:
    stopped = cluster(Wanted.STOPPED)
    assert judge(Condition.CLUSTER_STOPPED, _document(gone(), gone(), row=stopped), LATER).met
    assert not judge(Condition.CLUSTER_STOPPED, _document(well(1), gone(), row=stopped), SINCE).met
    assert not judge(Condition.CLUSTER_STOPPED, _document(gone(), gone(), row=stopped, operation="x"), SINCE).met
    assert not judge(Condition.CLUSTER_STOPPED, _document(), SINCE).met


def test_an_instance_is_available_whatever_the_others_do() -> None:
    document = _document(gone(), well(2))
    assert judge(Condition.INSTANCE_AVAILABLE, document, SINCE, "i2").met
    assert not judge(Condition.INSTANCE_AVAILABLE, document, SINCE, "i1").met


def test_quorums_are_held_when_both_are() -> None:
    for key in ("WriteQuorum", "ReadQuorum"):
        document = _document()
        document["StorageVolume"][key] = {"Held": False, "Available": 2, "Required": 3}
        assert not judge(Condition.QUORUM_HELD, document, SINCE).met
    assert not judge(Condition.QUORUM_HELD, {**_document(), "StorageVolume": None}, SINCE).met
