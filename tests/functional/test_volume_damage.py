"""Damage on disk: found by checksum and majority, repaired from peers, reported if no copy can be trusted."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import random
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from auroractl.config.paths import Home
from auroractl.core.wal.segments import SEGMENT_BYTES
from tests.functional.command import Auroractl, lose_data, wait_until
from tests.functional.conftest import home_of_its_own, stop_in_order
from tests.functional.going_back import last_event, told
from tests.functional.ledger import Ledger
from tests.functional.test_volume import all_available, assert_writes_went_on, nodes, volume, wait_for_progress

FLIPS = 200


def folder(auroractl: Auroractl, number: int) -> Path:
    return auroractl.home.cluster("demo").storage_node(f"demo-storage-{number}")


def finished(auroractl: Auroractl, number: int) -> list[Path]:
    return sorted(path for path in folder(auroractl, number).iterdir() if len(path.name) == 24 and not path.suffix)


def digests(auroractl: Auroractl, number: int) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in finished(auroractl, number)}


def write_log(auroractl: Auroractl, segments: int) -> None:
    """Fill segments and wait until every node has finished them."""
    with auroractl.connect("demo") as connection:
        connection.execute("create table if not exists filler (text text)")
        for _ in range(segments):
            connection.execute("insert into filler select repeat(md5(i::text), 30) from generate_series(1, 4000) i")
    wait_until("the nodes", lambda: len({len(finished(auroractl, number)) for number in range(1, 7)}) == 1)


def scrub(auroractl: Auroractl) -> Any:
    return auroractl("scrub-volume", "demo", "--output", "json").json["Scrub"]


def fill(auroractl: Auroractl) -> Auroractl:
    """Make a cluster with a dozen finished segments, whose checksums are recorded; the slow scrubber is not in the way."""
    auroractl.variables["AURORACTL_SCRUB_RATE_MB_PER_S"] = "0.001"
    auroractl("create-cluster", "demo", "--readers", "1")
    write_log(auroractl, 12)
    wait_until("ten segments", lambda: all(len(finished(auroractl, number)) >= 10 for number in range(1, 7)))
    report = scrub(auroractl)
    assert report["Segments"] >= 10
    assert report["DamagedCopies"] == {}
    return auroractl


@pytest.fixture
def filled(auroractl: Auroractl) -> Auroractl:
    """A cluster for a test that leaves it damaged."""
    return fill(auroractl)


@pytest.fixture(scope="module")
def mended(warm_home: Home) -> Iterator[Auroractl]:
    """A cluster for tests whose damages are all repaired."""
    with home_of_its_own(warm_home) as command:
        yield fill(command)
        stop_in_order(command)


@pytest.fixture
def whole(mended: Auroractl) -> Auroractl:
    """The same, with nothing to repair; what a test says of counters and events is of what came since."""
    wait_until("all nodes", lambda: all_available(mended))
    assert scrub(mended)["DamagedCopies"] == {}
    return mended


@pytest.mark.slow
def test_two_hundred_damages_on_one_node_under_load_are_all_repaired(filled: Auroractl) -> None:
    rng = random.Random(20261123)
    good = digests(filled, 1)
    peers = {number: digests(filled, number) for number in (1, 2, 4, 5, 6)}
    paths = finished(filled, 3)
    with Ledger(filled.uri("demo"), clients=4) as ledger:
        for _ in range(FLIPS):
            path = rng.choice(paths)
            size_bytes = path.stat().st_size
            if rng.random() < 0.1 and size_bytes:
                os.truncate(path, rng.randrange(size_bytes))
            elif size_bytes:
                with path.open("r+b") as file:
                    place = rng.randrange(size_bytes)
                    file.seek(place)
                    before = file.read(1)[0]
                    file.seek(place)
                    file.write(bytes([before ^ (1 << rng.randrange(8))]))
        scrub(filled)
        wait_for_progress(ledger)
    after = digests(filled, 3)
    assert {name: after[name] for name in good} == good
    for number, before_by_name in peers.items():
        assert before_by_name.items() <= digests(filled, number).items(), f"peer {number} was touched"
    node = nodes(filled)["demo-storage-3"]
    assert node["DamageFound"] == node["DamageRepaired"] > 0
    assert ledger.missing() == set()
    lose_everything_but_the_nodes(filled)
    filled("failover", "demo")
    assert ledger.missing() == set()


def lose_everything_but_the_nodes(auroractl: Auroractl) -> None:
    auroractl("pause-automation", "demo")
    writer = auroractl.writer("demo")
    os.kill(auroractl.supervisor_pid(), 9)
    psutil.Process(writer["ProcessId"]).kill()
    wait_until("the writer to end", lambda: not Path(f"/proc/{writer['ProcessId']}/cwd").exists())
    time.sleep(0.2)
    lose_data(writer)


def test_the_same_segment_damaged_on_two_nodes(whole: Auroractl) -> None:
    good = digests(whole, 1)
    name = finished(whole, 1)[5].name
    for number in (1, 2):
        with (folder(whole, number) / name).open("r+b") as file:
            file.seek(1000 * number)
            file.write(b"damage")
    assert sum(scrub(whole)["DamagedCopies"].values()) == 2
    assert [digests(whole, number)[name] for number in (1, 2)] == [good[name]] * 2


def test_missing_and_short_segments_are_noticed_without_reading_and_healed_without_asking(whole: Auroractl) -> None:
    good = digests(whole, 1)
    paths, before = finished(whole, 2), nodes(whole)["demo-storage-2"]["DamageRepaired"]
    paths[3].unlink()
    os.truncate(paths[4], 17)
    wait_until("the repair", lambda: {**digests(whole, 2), **good} == digests(whole, 2), 15)
    assert nodes(whole)["demo-storage-2"]["DamageRepaired"] == before + 2


def test_damage_is_found_by_the_scrubber_on_its_own_clock(auroractl: Auroractl) -> None:
    auroractl.variables["AURORACTL_SCRUB_RATE_MB_PER_S"] = "1000"
    auroractl("create-cluster", "demo", "--readers", "0")
    write_log(auroractl, 4)
    time.sleep(2.5)
    path = finished(auroractl, 5)[2]
    whole = path.read_bytes()
    with path.open("r+b") as file:
        file.seek(2_000_000)
        file.write(b"damage")
    wait_until("the repair", lambda: path.read_bytes() == whole, 20)


def test_damage_beyond_repair_is_reported_and_not_hidden(filled: Auroractl) -> None:
    name = finished(filled, 1)[6].name
    for number in range(1, 7):
        with (folder(filled, number) / name).open("r+b") as file:
            file.seek(1000)
            file.write(random.Random(number).randbytes(100))
    done = filled.run("scrub-volume", "demo", "--output", "json")
    assert done.returncode == 1
    assert done.json["Scrub"]["BeyondRepair"] == [name]
    assert filled.run("status", "demo").returncode == 3
    assert "missing or damaged" in str(filled.cluster("demo")["Problems"])
    assert any("beyond repair" in message for (message,) in filled.rows("select message from event"))


def test_a_wiped_node_is_filled_from_its_peers_while_it_receives(whole: Auroractl) -> None:
    good, since = digests(whole, 1), last_event(whole)
    with Ledger(whole.uri("demo"), clients=4) as ledger:
        wait_for_progress(ledger)
        began_s = time.monotonic()
        whole("inject-fault", "wipe-storage-node", "4")
        wait_until("the node", lambda: good.items() <= digests(whole, 4).items(), 20)
        wait_until("all nodes", lambda: all_available(whole), 20)
        assert_writes_went_on(ledger, began_s)
    assert ledger.errors == []
    assert ledger.missing() == set()
    assert told(whole, "Restored", since)


def test_files_that_are_removed_under_a_running_node_are_noticed(whole: Auroractl) -> None:
    good = digests(whole, 1)
    before = nodes(whole)["demo-storage-6"]["ProcessId"]
    for path in folder(whole, 6).iterdir():
        path.unlink()
    wait_until("the node", lambda: good.items() <= digests(whole, 6).items(), 20)
    wait_until("all nodes", lambda: all_available(whole), 20)
    assert nodes(whole)["demo-storage-6"]["ProcessId"] != before


def test_injected_corruption_can_be_repeated_by_its_seed(whole: Auroractl) -> None:
    done = whole("inject-fault", "corrupt-segment", "2", "--how", "content", "--count", "3", "--seed", "7")
    again = whole("inject-fault", "corrupt-segment", "5", "--how", "content", "--count", "3", "--seed", "7")
    assert done.stdout.split(": ")[2] == again.stdout.split(": ")[2]
    report = scrub(whole)
    assert sorted(report["DamagedCopies"]) == ["demo-storage-2", "demo-storage-5"]
    assert report["RepairedCopies"] == report["DamagedCopies"]


@contextmanager
def mounted(path: Path, size_mb: int) -> Iterator[None]:
    """A small filesystem of its own at `path`, holding what was there."""
    aside = path.with_name(path.name + ".aside")
    path.rename(aside)
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size_mb}m,mode=0700", "tmpfs", str(path)], check=True)
    try:
        owner = aside.stat()
        os.chown(path, owner.st_uid, owner.st_gid)
        subprocess.run(["cp", "-Rp", f"{aside}/.", str(path)], check=True)
        shutil.rmtree(aside)
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)


def fill_up(path: Path) -> Path:
    ballast = path / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 65536)
        except OSError:
            pass
    return ballast


_PIECES_BYTES = (4_000_000, 200_000, 10_000, 500)


def fill_the_log(auroractl: Auroractl, piece_bytes: int) -> None:
    """Until the writer breaks off, or a hundred pieces have been written; past the endpoint, which would wait for it."""
    writer = auroractl.writer("demo")["DBInstanceIdentifier"]
    with contextlib.suppress(psycopg.Error), auroractl.connect("demo", instance=writer) as connection:
        for _ in range(100):
            connection.execute("select pg_logical_emit_message(true, 'log', repeat('x', %s))", (piece_bytes,))


def ended_or_writing(auroractl: Auroractl, pieces_bytes: Iterator[int]) -> bool:
    """Whether the writer has ended; where not, it has come back and is given more to write.

    It comes back for as long as its last segment has room for the record of a checkpoint: with ever smaller pieces it
    soon has none.
    """
    if not auroractl.writer("demo")["ProcessId"]:
        return True
    fill_the_log(auroractl, next(pieces_bytes))
    return False


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small filesystem takes root")


@needs_root
def test_a_full_disk_of_one_node_stops_nobody_else(auroractl: Auroractl) -> None:
    auroractl("create-cluster", "demo", "--readers", "0")
    auroractl("stop-cluster", "demo")
    with mounted(folder(auroractl, 2), 128):
        auroractl("start-cluster", "demo")
        auroractl.wait_healthy("demo")
        ballast = fill_up(folder(auroractl, 2))
        with Ledger(auroractl.uri("demo"), clients=2) as ledger:
            write_log(auroractl, 0)
            with auroractl.connect("demo") as connection:
                connection.execute(
                    "create table big as select repeat(md5(i::text), 30) from generate_series(1, 30000) i"
                )
            wait_until("the node to be down", lambda: nodes(auroractl)["demo-storage-2"]["Status"] == "down", 20)
            wait_until("the reason", lambda: "disk is full" in nodes(auroractl)["demo-storage-2"]["StatusReason"], 20)
            wait_for_progress(ledger)
            assert volume(auroractl)["WriteQuorum"]["Held"]
            ballast.unlink()
            wait_until("the node to come back", lambda: nodes(auroractl)["demo-storage-2"]["ProcessId"], 20)
        assert ledger.errors == []
        assert ledger.missing() == set()
        auroractl("stop-cluster", "demo")


@needs_root
def test_a_full_disk_of_the_writer_is_told_and_recovered_from(auroractl: Auroractl) -> None:
    auroractl("create-cluster", "demo", "--readers", "0")
    data = Path(auroractl.writer("demo")["DataDirectory"])
    auroractl("stop-cluster", "demo")
    with mounted(data, 220):
        auroractl("start-cluster", "demo")
        with auroractl.connect("demo") as connection:
            connection.execute("create table kept as select generate_series(1, 1000) as id")
        with Ledger(auroractl.uri("demo"), clients=2) as ledger:
            wait_for_progress(ledger)
            ballast = fill_up(data)
            wait_until("the warning", lambda: "is full" in str(auroractl.cluster("demo")["Problems"]))
            pieces_bytes = itertools.cycle(_PIECES_BYTES)
            wait_until("the writer to end", lambda: ended_or_writing(auroractl, pieces_bytes), 60)
            wait_until("the reason", lambda: "disk is full" in str(auroractl.cluster("demo")["Problems"]), 30)
            assert auroractl.run("status", "demo").returncode == 3
            ballast.unlink()
            wait_for_progress(ledger)
        assert ledger.missing() == set()
        with auroractl.connect("demo") as connection:
            assert connection.execute("select count(*) from kept").fetchone() == (1000,)
        auroractl("stop-cluster", "demo")


def test_segments_are_as_large_as_the_core_believes(demo: Auroractl) -> None:
    with demo.connect("demo") as connection:
        row = connection.execute("show wal_segment_size").fetchone()
    assert row == (f"{SEGMENT_BYTES // 1024**2}MB",)
