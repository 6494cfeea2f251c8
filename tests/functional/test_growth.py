"""A volume with small protection groups: it grows under load, stops writes at its cap, resumes, and shrinks."""

from __future__ import annotations

import json
import threading

import psycopg
import pytest

from tests.functional.command import Auroractl, wait_until
from tests.functional.test_volume import volume

MIB = 1024**2
FILL = "insert into filler select repeat(md5(random()::text), 30) from generate_series(1, 2000) i"


def messages(auroractl: Auroractl) -> list[str]:
    return [message for (message,) in auroractl.rows("select message from event order by id")]


def fill(uri: str, refused: list[psycopg.Error], rounds: int) -> None:
    """Write until that is refused, on one connection."""
    with psycopg.connect(uri, autocommit=True) as connection:
        for _ in range(rounds):
            try:
                connection.execute(FILL)
            except psycopg.Error as error:
                refused.append(error)
                return


@pytest.fixture
def small(auroractl: Auroractl) -> Auroractl:
    """A cluster whose volume has groups of 8 MiB."""
    auroractl.variables["AURORACTL_STORAGE_GROUP_SIZE"] = "8MiB"
    auroractl("create-cluster", "demo", "--readers", "1")
    with auroractl.connect("demo") as connection:
        connection.execute("create table filler (text text)")
    return auroractl


@pytest.mark.slow
def test_a_volume_lives_through_growth_refusal_resumption_and_shrinking(small: Auroractl) -> None:
    wait_until("the first growth", lambda: volume(small)["ProtectionGroups"] >= 3)
    before = volume(small)
    uri = small.uri("demo")
    refused: list[psycopg.Error] = []
    clients = [threading.Thread(target=fill, args=(uri, refused, 8)) for _ in range(3)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    assert refused == []
    wait_until("growth", lambda: volume(small)["ProtectionGroups"] > before["ProtectionGroups"])
    wait_until("room again", lambda: volume(small)["AllocatedBytes"] > volume(small)["UsedBytes"])
    assert len(volume(small)["GrowthHistory"]) >= 2

    cap_bytes = volume(small)["AllocatedBytes"]
    small("storage-autogrow", "demo", "--max-capacity", str(cap_bytes))
    clients = [threading.Thread(target=fill, args=(uri, refused, 400)) for _ in range(2)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    assert len(refused) == 2
    for error in refused:
        assert isinstance(error, psycopg.errors.DiskFull)
        assert "the storage volume of cluster demo is full" in str(error)
        assert "auroractl storage-autogrow demo" in str(error.diag.message_hint)
    assert small.cluster("demo")["Status"] == "storage-full"
    assert small.run("status", "demo").returncode == 3
    with small.connect("demo") as connection:
        assert connection.execute("select count(*) > 0 from filler").fetchone() == (True,)
        with pytest.raises(psycopg.errors.DiskFull, match="cannot execute INSERT: the storage volume"):
            connection.execute("insert into filler values (%s)", ["x"])
        shown = small("storage-autogrow", "demo", "--max-capacity", "1GiB").stdout
        assert "Before" in shown
        wait_until("writes to go on", lambda: not refuses(connection))
    assert small.cluster("demo")["Status"] == "available"

    grown = volume(small)["ProtectionGroups"]
    with small.connect("demo") as connection:
        connection.execute("drop table filler")
    wait_until("groups to be given back", lambda: volume(small)["ProtectionGroups"] < grown)
    told = " ".join(messages(small))
    for words in ("The volume grew", "The volume is full", "The volume has free space again", "The volume shrank"):
        assert words in told


def refuses(connection: psycopg.Connection) -> bool:
    try:
        connection.execute("insert into filler values ('x')")
    except psycopg.errors.DiskFull:
        return True
    return False


def test_without_growth_a_full_volume_is_emptied_by_hand(small: Auroractl) -> None:
    wait_until("the first growth", lambda: volume(small)["ProtectionGroups"] >= 3)
    small("storage-autogrow", "demo", "--disable")
    refused: list[psycopg.Error] = []
    fill(small.uri("demo"), refused, 400)
    assert isinstance(refused[0], psycopg.errors.DiskFull)
    with small.connect("demo") as connection:
        connection.execute("set default_transaction_read_only = off")
        connection.execute("truncate filler")
    with small.connect("demo") as connection:
        wait_until("writes to go on", lambda: not refuses(connection))
    small("failover", "demo")
    with small.connect("demo") as connection:
        connection.execute("insert into filler values ('after a failover')")


def test_a_full_volume_stays_full_over_a_failover_and_a_new_supervisor(small: Auroractl) -> None:
    wait_until("the first growth", lambda: volume(small)["ProtectionGroups"] >= 3)
    small("storage-autogrow", "demo", "--disable")
    fill(small.uri("demo"), [], 400)
    small("failover", "demo")
    wait_until("the refusal", lambda: small.cluster("demo")["Status"] == "storage-full")
    with small.connect("demo") as connection:
        wait_until("the refusal", lambda: refuses(connection))
    small("supervisor", "stop")
    wait_until("the refusal", lambda: small.cluster("demo")["Status"] == "storage-full")
    small("storage-autogrow", "demo", "--enable")
    with small.connect("demo") as connection:
        wait_until("writes to go on", lambda: not refuses(connection))


def test_a_dry_run_prints_the_plan_as_json_and_changes_nothing(small: Auroractl) -> None:
    wait_until("the first growth", lambda: volume(small)["ProtectionGroups"] >= 3)
    before = small.rows("select * from storage_volume"), small.rows("select count(*) from protection_group")
    done = small("storage-autogrow", "demo", "--increment", "100MiB", "--headroom", "80", "--dry-run")
    plan = json.loads(done.stdout)["StorageGrowth"]
    assert plan["DryRun"] is True
    assert plan["After"]["ProtectionGroups"] > plan["Before"]["ProtectionGroups"]
    assert plan["After"]["AllocatedBytes"] >= 5 * plan["UsedBytes"]
    assert (small.rows("select * from storage_volume"), small.rows("select count(*) from protection_group")) == before
