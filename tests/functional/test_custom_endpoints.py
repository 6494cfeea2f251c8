"""Custom endpoints: who they go to, as roles change, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from tests.functional.command import Auroractl, wait_until

WRITER, FIRST, SECOND = "demo-instance-1", "demo-instance-2", "demo-instance-3"


def endpoint(auroractl: Auroractl, name: str) -> Any:
    views = auroractl.json("describe-endpoints", "demo")["DBClusterEndpoints"]
    return next(each for each in views if each["DBClusterEndpointIdentifier"] == name)


def reached(auroractl: Auroractl, name: str, times: int = 6) -> set[str]:
    """The instances that connections through an endpoint reach."""
    view = endpoint(auroractl, name)
    by_address = {each["Endpoint"]["Address"]: each["DBInstanceIdentifier"] for each in auroractl.instances("demo")}
    found = set()
    for _ in range(times):
        with psycopg.connect(auroractl.uri("demo"), host=view["Endpoint"], port=view["Port"]) as connection:
            row = connection.execute("select host(inet_server_addr())").fetchone()
            assert row is not None
            found.add(by_address[row[0]])
    return found


@pytest.fixture
def without_endpoints(demo: Auroractl) -> Iterator[Auroractl]:
    yield demo
    for view in demo.json("describe-endpoints", "demo")["DBClusterEndpoints"]:
        if view["EndpointType"] == "CUSTOM":
            demo("delete-endpoint", view["DBClusterEndpointIdentifier"])


def test_by_type_by_members_and_by_exclusion(without_endpoints: Auroractl) -> None:
    auroractl = without_endpoints
    (made,) = auroractl.json("create-endpoint", "all", "--endpoint-type", "ANY")["DBClusterEndpoints"]
    assert (made["EndpointType"], made["CustomEndpointType"], made["Status"]) == ("CUSTOM", "ANY", "available")
    assert made["Port"] == auroractl.cluster("demo")["Port"]
    assert reached(auroractl, "all") == {WRITER, FIRST, SECOND}
    auroractl("create-endpoint", "readers")
    assert reached(auroractl, "readers") == {FIRST, SECOND}
    auroractl("create-endpoint", "reports", "--static-members", SECOND)
    assert reached(auroractl, "reports") == {SECOND}
    auroractl("create-endpoint", "rest", "--endpoint-type", "any", "--excluded-members", SECOND)
    assert reached(auroractl, "rest") == {WRITER, FIRST}
    (changed,) = auroractl.json("modify-endpoint", "reports", "--excluded-members", SECOND)["DBClusterEndpoints"]
    assert (changed["StaticMembers"], changed["ExcludedMembers"]) == ([], [SECOND])
    assert reached(auroractl, "reports") == {FIRST}


def test_a_reader_that_is_promoted_leaves_a_reader_endpoint(auroractl: Auroractl) -> None:
    auroractl("create-cluster", "demo")
    auroractl("create-endpoint", "readers")
    auroractl("create-endpoint", "one", "--endpoint-type", "ANY", "--static-members", FIRST)
    auroractl("failover", "demo", "--target", FIRST)
    auroractl.wait_healthy("demo")
    assert reached(auroractl, "readers") == {WRITER, SECOND}
    assert reached(auroractl, "one") == {FIRST}
    auroractl("scale-readers", "demo", "--add", "1")
    wait_until("the new reader to be reached", lambda: "demo-instance-4" in reached(auroractl, "readers"), 20)
    # It outlives the supervisor and a stop of the cluster.
    before = endpoint(auroractl, "readers")
    auroractl("stop-cluster", "demo")
    auroractl("start-cluster", "demo")
    assert endpoint(auroractl, "readers")["Endpoint"] == before["Endpoint"]
    wait_until("both endpoints", lambda: reached(auroractl, "one") == {FIRST}, 20)
    auroractl("delete-cluster", "demo", "--yes")
    assert auroractl.rows("select count(*) from endpoint") == [(0,)]


def test_what_is_refused_changes_nothing(without_endpoints: Auroractl) -> None:
    auroractl = without_endpoints
    for number in range(5):
        auroractl("create-endpoint", f"e{number}")
    before = auroractl.json("describe-endpoints", "demo")
    for arguments, code, sentence in (
        (["create-endpoint", "e5"], 5, "five custom endpoints"),
        (["create-endpoint", "e1"], 5, "already exists"),
        (["create-endpoint", "Not_A_Name"], 2, "not a valid identifier"),
        (["create-endpoint", "x", "--static-members", FIRST, "--excluded-members", SECOND], 5, "not both"),
        (["create-endpoint", "x", "--static-members", "nobody"], 4, "nobody"),
        (["create-endpoint", "x", "--endpoint-type", "WRITER"], 2, "WRITER"),
        (["modify-endpoint", "nobody"], 4, "not found"),
        (["delete-endpoint", "demo-reader"], 5, "built-in"),
    ):
        done = auroractl.run(*arguments)
        assert done.returncode == code, (arguments, done.stderr)
        assert sentence in done.stderr, done.stderr
    assert auroractl.json("describe-endpoints", "demo") == before
