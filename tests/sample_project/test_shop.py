"""What an application's own tests look like with auroractl's pytest plugin."""

from __future__ import annotations

import time

import psycopg
import pytest
from shop import items, place_order


@pytest.mark.parametrize("item", ["tea", "coffee"])
def test_every_test_has_a_database_of_its_own(aurora_database, item):
    assert items(aurora_database.uri) == []
    place_order(aurora_database.uri, item)
    assert items(aurora_database.uri) == [item]


def test_what_was_written_arrives_at_the_reader(aurora_database):
    place_order(aurora_database.uri, "tea")
    deadline = time.monotonic() + 10
    while items(aurora_database.reader_uri) != ["tea"]:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        place_order(aurora_database.reader_uri, "coffee")


def test_a_failover_goes_unnoticed(aurora_cluster, aurora_database):
    before = aurora_cluster.writer
    place_order(aurora_database.uri, "before")
    assert aurora_cluster.failover()["From"] == before
    assert aurora_cluster.writer != before
    place_order(aurora_database.uri, "after")
    assert items(aurora_database.uri) == ["before", "after"]


def test_a_crash_of_the_writer_loses_no_order(aurora_cluster, aurora_database):
    place_order(aurora_database.uri, "before")
    crashed = aurora_cluster.crash_writer()
    place_order(aurora_database.uri, "after")
    assert items(aurora_database.uri)[0] == "before"
    aurora_cluster.wait_available()
    assert aurora_cluster.writer != crashed


def test_the_next_test_begins_with_a_whole_cluster(aurora_cluster, aurora_database):
    assert items(aurora_database.uri) == []
    assert len(aurora_cluster.instances) == 2
    assert aurora_cluster.health == "ok"


def test_the_command_line_means_this_cluster(aurora_cluster):
    assert aurora_cluster.cli("uri").stdout.strip() == aurora_cluster.uri
    assert aurora_cluster.cli("describe-clusters", "nobody", check=False).returncode == 4
