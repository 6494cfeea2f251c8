"""Readers that come and go while clients read."""

from __future__ import annotations

import threading
import time
from collections import Counter

import psycopg
import pytest

from tests.functional.command import Auroractl, wait_until


class Reading:
    """Short connections through the reader endpoint, one after another, every failure kept."""

    def __init__(self, uri: str) -> None:
        self.answers: Counter[str] = Counter()
        self.failures: list[str] = []
        self._uri = uri
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Reading:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        name = ""
        while not self._stop.is_set():
            try:
                with psycopg.connect(self._uri, autocommit=True, connect_timeout=30) as connection:
                    row = connection.execute("show cluster_name").fetchone()
                    assert row is not None
                    name = row[0]
                    self.answers[name] += 1
            except psycopg.Error as error:
                self.failures.append(f"after {name}: {error}")
            time.sleep(0.005)


@pytest.mark.slow
def test_readers_are_added_and_removed_while_clients_read(auroractl: Auroractl) -> None:
    auroractl("create-cluster", "demo", "--readers", "1")
    with Reading(auroractl.uri("demo", role="reader")) as reading:
        document = auroractl.json("scale-readers", "demo", "--to", "4")
        assert len(document["Added"]) == 3
        wait_until("all readers to be used", lambda: len(reading.answers) == 4)
        zones = Counter(each["AvailabilityZone"] for each in auroractl.instances("demo"))
        assert sorted(zones.values()) == [1, 2, 2]
        document = auroractl.json("scale-readers", "demo", "--remove", "2")
        assert len(document["Removed"]) == 2
        auroractl("scale-readers", "demo", "--to", "0")
        wait_until("the writer to answer", lambda: "demo-instance-1" in reading.answers)
    # A short connection can be open on a reader in the moment in which it is removed; nothing else may fail.
    assert all("terminat" in each or "closed" in each or "reset" in each for each in reading.failures), reading.failures
    assert len(reading.failures) <= 4, reading.failures
    instances = auroractl.home.cluster("demo").instances
    assert [each.name for each in instances.iterdir()] == ["demo-instance-1"]
    auroractl("scale-readers", "demo", "--to", "0")


def test_removal_takes_the_highest_tier_first_and_lets_statements_end(auroractl: Auroractl) -> None:
    auroractl("create-cluster", "demo")
    kept, leaving = (each["DBInstanceIdentifier"] for each in auroractl.readers("demo"))
    auroractl("modify-instance", leaving, "--promotion-tier", "9")
    answers = []
    busy = auroractl.connect("demo", instance=leaving)

    def ask() -> None:
        answers.append(busy.execute("select count(*) from pg_sleep(2)").fetchone())

    asking = threading.Thread(target=ask)
    asking.start()
    with psycopg.connect(auroractl.uri("demo", instance=leaving)) as watcher:
        wait_until(
            "the statement to run",
            lambda: watcher.execute("select 1 from pg_stat_activity where query like '%pg_sleep(2)%' and pid <> pg_backend_pid()").fetchone(),
        )  # fmt: skip
    document = auroractl.json("scale-readers", "demo", "--remove", "1")
    asking.join()
    assert document["Removed"] == [leaving]
    assert answers == [(1,)]
    busy.close()
    assert [each["DBInstanceIdentifier"] for each in auroractl.readers("demo")] == [kept]


def test_deleting_the_writer_promotes_a_reader_first(auroractl: Auroractl) -> None:
    auroractl("create-cluster", "demo", "--readers", "1")
    writer, reader = (each["DBInstanceIdentifier"] for each in auroractl.instances("demo"))
    auroractl("delete-instance", writer)
    assert [each["DBInstanceIdentifier"] for each in auroractl.instances("demo")] == [reader]
    assert auroractl.writer("demo")["IsClusterWriter"] is True
    with auroractl.connect("demo") as connection:
        connection.execute("create table works (id int)")
    auroractl("delete-instance", reader)
    assert auroractl.instances("demo") == []


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["--to", "16"], 2, "0 to 15 readers"),
        (["--to", "-1"], 2, "0 to 15 readers"),
        (["--add", "14"], 2, "at most 15 readers"),
        (["--remove", "3"], 2, "only 2 readers"),
        ([], 2, "--to"),
        (["--to", "1", "--add", "1"], 2, "--to"),
    ],
)
def test_refusals(demo: Auroractl, arguments: list[str], code: int, sentence: str) -> None:
    done = demo.run("scale-readers", "demo", *arguments)
    assert done.returncode == code, done
    assert sentence in done.stderr
    assert len(demo.readers("demo")) == 2
