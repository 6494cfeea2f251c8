"""Drills on a real cluster: what they report, and that they fail where they should."""

from __future__ import annotations

from typing import Any

import pytest

from tests.functional.command import Auroractl, wait_until


def drill(auroractl: Auroractl, *arguments: str) -> Any:
    return auroractl.json("drill", *arguments, "demo", timeout_s=170)["Drill"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind", ["writer-crash", "writer-hang", "planned", "az-outage", "reader-crash", "storage-node", "supervisor-crash"]
)
def test_every_drill_loses_nothing_and_cleans_up(demo: Auroractl, kind: str) -> None:
    before = demo.writer("demo")["DBInstanceIdentifier"]
    found = drill(demo, kind)
    (only,) = found["Rounds"]
    assert found["Passed"] is True
    assert only["AcknowledgedRowsLost"] == 0
    assert only["CommitsAcknowledged"] > 0
    assert only["Reads"] > 0
    assert sum(only["CommitsByBucket"]) > 0
    moved = kind in {"writer-crash", "writer-hang", "planned", "az-outage"}
    assert (demo.writer("demo")["DBInstanceIdentifier"] != before) is moved
    assert (only["PromotionMilliseconds"] is not None) is moved
    with demo.connect("demo") as connection:
        rows = connection.execute("select relname from pg_class where relname like 'auroractl_drill%'").fetchall()
    assert rows == []
    demo.wait_healthy("demo")


def test_a_consumer_of_changes_misses_nothing(auroractl: Auroractl) -> None:
    """Through a planned failover and a crash. Before, the drill says what it needs."""
    auroractl("create-cluster-parameter-group", "cdc", "--family", "aurora-postgresql18", "--description", "decoding")
    auroractl("modify-cluster-parameter-group", "cdc", "--parameters", "rds.logical_replication=1")
    auroractl("create-cluster", "demo", "--readers", "1")
    auroractl.wait_healthy("demo")
    done = auroractl.run("drill", "cdc-failover", "demo")
    assert done.returncode == 5
    assert "does not replicate logically" in done.stderr
    auroractl("modify-cluster", "demo", "--parameter-group", "cdc")
    for each in auroractl.instances("demo"):
        auroractl("reboot-instance", each["DBInstanceIdentifier"])
    auroractl.wait_healthy("demo")
    ready = lambda: auroractl.run("drill", "cdc-failover", "demo", "--dry-run").returncode == 0  # noqa: E731
    wait_until("the master user to be allowed to replicate", ready)
    found = drill(auroractl, "cdc-failover", "--rounds", "2", "--duration", "500ms")
    assert found["Passed"] is True
    changes = found["Summary"]["Changes"]
    assert changes["Lost"] == changes["RepeatedBelowConfirmed"] == 0
    assert changes["Received"] >= found["Summary"]["CommitsAcknowledged"] > 0
    assert changes["Connections"] >= 4
    assert changes["SlotKept"] is True
    with auroractl.connect("demo") as connection:
        left = "select slot_name from pg_replication_slots where slot_name like 'auroractl%' union select pubname from pg_publication"
        assert connection.execute(left).fetchall() == []


def test_a_gap_beyond_the_limit_fails(demo: Auroractl) -> None:
    done = demo.run("drill", "planned", "demo", "--max-gap", "1ms", "--plot")
    assert done.returncode == 1, done.stderr
    assert "FAILED" in done.stdout
    assert "^ marks the fault" in done.stdout
    demo.wait_healthy("demo")


def test_what_a_drill_refuses(auroractl: Auroractl) -> None:
    auroractl("create-cluster", "demo", "--readers", "0")
    done = auroractl.run("drill", "writer-crash", "demo")
    assert done.returncode == 5
    assert "has no reader" in done.stderr
    assert auroractl.run("drill", "storage-node", "demo", "--max-gap", "soon").returncode == 2
    assert auroractl.run("drill", "earthquake", "demo").returncode == 2
    auroractl("inject-fault", "crash-storage-node", "1", "--duration", "60s")
    done = auroractl.run("drill", "storage-node", "demo")
    assert done.returncode == 5
    assert "not healthy" in done.stderr
