"""Requests survive their way over the wire; keys that are unknown or missing and values of another kind are named."""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from auroractl.api.field_types import Kind
from auroractl.api.request import OPTIONS, Options, Request
from auroractl.api.requests.clusters import CreateCluster, DescribeEvents, ModifyCluster
from auroractl.api.requests.endpoints import CreateEndpoint, ModifyEndpoint
from auroractl.api.requests.faults import CorruptSegment, SlowEndpoint
from auroractl.api.requests.restore import Backtrack, Peek
from auroractl.api.verbs import VERBS
from auroractl.core.endpoint_types import CustomEndpointType
from auroractl.core.errors import ExitCode, InvalidParameterValue, UsageError
from auroractl.core.restore.target import Target
from auroractl.core.volume.faults import Damage

REQUESTS = [
    CreateCluster(cluster="demo"),
    CreateCluster(cluster="demo", readers=0, tags={"a": "b"}, port=5432, retain=True, backtrack_window_s=0),
    DescribeEvents(source="demo", duration_s=1.5, categories=("failover", "creation")),
    CreateEndpoint(endpoint="reports", endpoint_type=CustomEndpointType.ANY, static_members=("i1", "i2")),
    ModifyEndpoint(endpoint="reports", excluded_members=()),
    Backtrack(cluster="demo", to=datetime(2026, 11, 23, 4, tzinfo=UTC), use_earliest=True),
    Peek(lsn=2**64 - 1, client_pid=1),
    CorruptSegment(target="3", how=Damage.TRUNCATE, count=2, seed=7),
    SlowEndpoint(target="reader", delay_ms=50, duration_s=60),
]


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda each: each.verb)
def test_a_request_is_the_same_after_its_way_over_the_wire(request_: Request) -> None:
    document = json.loads(json.dumps(request_.to_json()))
    assert VERBS[request_.verb].read(document) == (request_, Options())


@pytest.mark.parametrize("verb", VERBS)
def test_a_request_is_a_frozen_dataclass_whose_fields_say_their_keys(verb: str) -> None:
    type_ = VERBS[verb].request
    assert is_dataclass(type_)
    assert type_.verb == verb
    assert type_.__dataclass_params__.frozen  # type: ignore[attr-defined]
    keys = [each.metadata["key"] for each in fields(type_)]
    assert len(keys) == len(set(keys))
    assert not set(keys) & OPTIONS.keys()
    assert all(isinstance(each.metadata["kind"], Kind) for each in fields(type_))


@pytest.mark.parametrize("verb", VERBS)
def test_what_is_absent_or_null_has_its_default_and_what_is_required_is_named(verb: str) -> None:
    type_ = VERBS[verb].request
    if required := type_.required():
        for document in ({}, dict.fromkeys(type_.keys())):
            with pytest.raises(InvalidParameterValue, match=f"lacks '{required[0]}'"):
                type_.from_json(document)
    else:
        assert type_.from_json({}) == type_.from_json(dict.fromkeys(type_.keys())) == type_()


@pytest.mark.parametrize(
    ("verb", "key", "hint"),
    [
        ("create-cluster", "Raeders", "Did you mean Readers?"),
        ("names", "DBClusterIdentifier", "It has none"),
        ("describe-clusters", "DryRun", "It has DBClusterIdentifier"),
        ("stop-cluster", "IfExists", "It has DBClusterIdentifier"),
        ("crash-instance", "DurationSeconds", "It has DBClusterIdentifier, Target"),
    ],
)  # fmt: skip
def test_an_unknown_key_is_named_with_what_was_meant(verb: str, key: str, hint: str) -> None:
    with pytest.raises(InvalidParameterValue, match=f"{verb} has no parameter '{key}'") as caught:
        VERBS[verb].read({key: None})
    assert caught.value.hint == hint
    assert caught.value.exit_code is ExitCode.USAGE


@pytest.mark.parametrize(
    ("verb", "name", "value"),
    [
        ("create-cluster", "Readers", "x"), ("create-cluster", "Readers", True), ("create-cluster", "Readers", 2.0),
        ("create-cluster", "Readers", 2**53 + 1), ("create-cluster", "DBClusterIdentifier", 5),
        ("create-cluster", "DBClusterIdentifier", ["a"]), ("create-cluster", "Tags", {"a": 1}), ("create-cluster", "Tags", []),
        ("modify-endpoint", "StaticMembers", "a"), ("modify-endpoint", "StaticMembers", [1]), ("az-outage", "DurationSeconds", -1),
        ("az-outage", "DurationSeconds", 1e300), ("failover", "DryRun", 1), ("failover", "NoWait", "yes"),
        ("create-endpoint", "EndpointType", "WRITER"), ("create-endpoint", "EndpointType", []), ("backtrack", "BacktrackTo", "yesterday"),
        ("backtrack", "BacktrackTo", "2026-01-01T00:00:00"), ("peek", "ClientProcessId", -1), ("corrupt-segment", "How", {}),
        ("connection", "Role", "owner"), ("backtrack", "Lsn", 2**64),
    ],
)  # fmt: skip
def test_a_value_of_another_kind_is_a_usage_error_that_names_the_key(verb: str, name: str, value: Any) -> None:
    needed = {"DBClusterIdentifier": "demo", "DBClusterEndpointIdentifier": "e", "Target": "t", "ClientProcessId": 1}
    document = {key: needed[key] for key in VERBS[verb].request.required()} | {name: value}
    with pytest.raises(InvalidParameterValue, match=name) as caught:
        VERBS[verb].read(document)
    assert caught.value.exit_code is ExitCode.USAGE


def test_null_stands_for_what_is_not_given() -> None:
    request, options = VERBS["create-cluster"].read({"DBClusterIdentifier": "demo", "Readers": None, "DryRun": None})
    assert (request, options) == (CreateCluster(cluster="demo", readers=2), Options())
    with pytest.raises(InvalidParameterValue, match="lacks 'DBClusterIdentifier'"):
        VERBS["create-cluster"].read({"DBClusterIdentifier": None, "Readers": 2})


def test_a_long_value_is_cut_off_in_its_error() -> None:
    with pytest.raises(InvalidParameterValue) as caught:
        VERBS["create-cluster"].read({"x" * 60_000: 1})
    assert len(caught.value.message) < 200


def test_a_password_is_not_shown_with_its_request() -> None:
    for request in (CreateCluster, ModifyCluster):
        assert "secret" not in repr(request(cluster="demo", master_user_password="secret-password"))


@pytest.mark.parametrize(
    "given", [{}, {"lsn": 1, "earliest": True}, {"lsn": 0, "to": datetime(2026, 11, 23, tzinfo=UTC)}], ids=str
)
def test_no_target_is_taken_for_another(given: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="exactly one target"):
        _ = Backtrack(cluster="demo", **given).target
    assert Backtrack(earliest=True).target == Target()
    assert Backtrack(lsn=0).target == Target(lsn=0)
