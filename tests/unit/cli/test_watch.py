"""The live screen: what it measures, and that it fits."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from auroractl.api import documents
from auroractl.cli.render.activity import frame as activity_frame
from auroractl.cli.render.live import frame
from auroractl.cli.render.live_history import History
from auroractl.core.wal.lsn import format_lsn
from tests.unit.core.clusters import snapshot, well


def _document(at_s: float, transactions: int | None, lsn: int = 0x1000, writer: str = "i1") -> dict[str, Any]:
    """A document of describe-live with a writer, two readers and six storage nodes, `at_s` seconds after the hour."""
    base = snapshot(well(1), well(2), well(3))
    time = f"2026-11-25T04:{int(at_s // 60):02}:{at_s % 60:06.3f}Z"
    instances = [documents.instance_view(base, each, "/data") for each in base.instances]
    for each in instances:
        each["IsClusterWriter"] = each["DBInstanceIdentifier"] == writer
        there = transactions is not None
        each |= {
            "CurrentLsn": format_lsn(lsn) if there else None,
            "WriteTransactions": transactions if each["IsClusterWriter"] else None,
            "ObservedTime": time,
            "ReplicaLagBytes": None if each["IsClusterWriter"] else 2048,
            "ReplicaLagMilliseconds": None if each["IsClusterWriter"] else 7.0,
        }
    nodes = [
        {
            "StorageNodeIdentifier": f"demo-storage-{number}", "AvailabilityZone": f"us-east-1{'abcabc'[number - 1]}",
            "Kind": "full" if number < 4 else "tail", "Status": "available", "FlushedLsn": format_lsn(lsn), "LagBytes": 0,
        }
        for number in range(1, 7)
    ]  # fmt: skip
    return {
        "Time": time,
        "DBCluster": documents.cluster_view(base),
        "DBInstances": instances,
        "DBClusterEndpoints": [documents.endpoint_view(base, each) for each in base.endpoints],
        "Events": [
            {"Date": time, "Message": f"Event {number} " + "x" * 90, "EventCategories": ["failure"]}
            for number in range(5)
        ],
        "StorageVolume": {
            "UsedBytes": 22_000_000,
            "AllocatedBytes": 10 * 1024**3,
            "WriteQuorum": {"Held": True, "Available": 6, "Required": 4, "WaitingCommits": 3},
            "StorageNodes": nodes,
        },
        "Operation": None,
    }


def _history(*documents: dict[str, Any]) -> History:
    history = History()
    for document in documents:
        history.add(document)
    return history


def test_rates_come_from_successive_counters_and_their_times() -> None:
    history = _history(_document(0, 100, 0x1000), _document(0.5, 150, 0x2000), _document(1.0, 200, 0x3000))
    assert history.rates() == (100.0, 0x2000)
    assert list(history.writes_per_s) == [100.0, 100.0]


def test_the_same_observation_twice_is_one_measurement() -> None:
    first, second = _document(0, 100), _document(0.5, 150)
    again = copy.deepcopy(second)
    again["Time"] = _document(0.7, 0)["Time"]
    history = _history(first, second, again)
    assert list(history.writes_per_s) == [100.0]
    assert len(history.lag_bytes["i2"]) == 2


def test_one_look_is_no_rate_and_an_old_one_says_nothing_about_now() -> None:
    assert _history(_document(0, 100)).rates() is None
    late = _document(0.5, 150)
    late["Time"] = _document(9, 0)["Time"]
    assert _history(_document(0, 100), late).rates() is None


def test_while_no_writer_answers_nothing_is_written() -> None:
    history = _history(_document(0, 100), _document(0.5, 150), *(_document(1 + at / 4, None) for at in range(8)))
    assert history.rates() is None
    assert list(history.writes_per_s)[-3:] == [0.0, 0.0, 0.0]


def test_a_new_writer_is_measured_from_its_own_first_look_on() -> None:
    history = _history(_document(0, 100), _document(0.5, 150), _document(9, 900, writer="i2"))
    assert list(history.writes_per_s) == [100.0]
    history.add(_document(9.5, 950, writer="i2"))
    assert history.rates() is not None
    assert list(history.writes_per_s) == [100.0, 100.0]


@pytest.mark.parametrize("width", [80, 120, 200])
@pytest.mark.parametrize("height", [None, 60, 24, 12])
def test_no_line_is_wider_and_no_frame_higher_than_the_screen(width: int, height: int | None) -> None:
    documents = [_document(at / 2, 100 * at) for at in range(200)]
    documents[-1]["DBCluster"]["Problems"] = ["The reader i2 is cut off from the writer: " + "why " * 40]
    documents[-1]["Operation"] = {
        "Kind": "failover",
        "StartTime": "2026-11-25T04:00:00.000Z",
        "Steps": [{"Name": f"Step {number} " + "y" * 100, "Status": "done"} for number in range(9)],
    }
    lines = frame(documents[-1], _history(*documents), width=width, height=height, note="Of 3 s ago: " + "z" * 200)
    assert max(line.cell_len for line in lines) <= width
    assert height is None or len(lines) <= height
    assert any("us-east-1a" in line.plain for line in lines)


def test_a_small_screen_keeps_instances_and_the_quorum() -> None:
    document = _document(0, 1)
    shown = "\n".join(line.plain for line in frame(document, _history(document), width=80, height=18))
    for name in ("i1", "i2", "i3", "write quorum held: 6 of 6"):
        assert name in shown
    assert "demo-storage" not in shown
    roomy = "\n".join(line.plain for line in frame(document, _history(document), width=80, height=30))
    assert "demo-storage-6" in roomy
    assert "Event 4" in roomy


def test_commits_that_wait_are_told_only_where_the_quorum_is_lost() -> None:
    document = _document(0, 1)
    history = _history(document)
    assert "wait" not in "\n".join(line.plain for line in frame(document, history, width=80, height=None))
    document["StorageVolume"]["WriteQuorum"]["Held"] = False
    shown = "\n".join(line.plain for line in frame(document, history, width=80, height=None))
    assert "write quorum LOST: 6 of 6 nodes, 3 commits wait" in shown


def test_statements_are_shown_on_one_line_and_fit() -> None:
    session = {
        "DBInstanceIdentifier": "demo-instance-1", "ProcessId": 7, "User": "postgres", "State": "active",
        "WaitEvent": "Lock", "StatementMilliseconds": 65_000.0, "Statement": "select 1,\n\t2 " + "x" * 500,
    }  # fmt: skip
    document = {
        "DBClusterIdentifier": "demo", "Time": "2026-11-25T04:00:00.000Z", "Unanswered": ["i2"], "Sessions": [session]
    }  # fmt: skip
    for width in (80, 200):
        lines = activity_frame(document, width=width, height=24)
        assert max(line.cell_len for line in lines) <= width
        assert "65.0 s" in lines[-1].plain
        assert "select 1, 2 x" in lines[-1].plain
        assert any("No answer from i2" in line.plain for line in lines)
