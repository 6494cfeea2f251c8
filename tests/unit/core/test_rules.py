"""Names, passwords, numbers, durations and positions, at and beyond their limits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auroractl.core import identifiers
from auroractl.core.errors import AuroraError, ClusterNotFound, ExitCode, InvalidParameterValue, RemoteError
from auroractl.core.text.durations import parse_duration_s
from auroractl.core.wal.lsn import format_lsn, parse_lsn

GOOD: list[tuple[Callable[[Any], Any], Any]] = [
    (lambda value: identifiers.identifier("X", value), "a"),
    (lambda value: identifiers.identifier("X", value), "a" * 63),
    (lambda value: identifiers.identifier("X", value), "a-1-b"),
    (identifiers.master_username, "bob"),
    (identifiers.master_username, "a" * 16),
    (identifiers.master_username, "App_owner_"),
    (identifiers.master_password, "!" * 8),
    (identifiers.master_password, "~" * 41),
    (identifiers.database_name, "app"),
    (identifiers.database_name, "my_app_" + "1" * 56),
    (identifiers.port, 1150),
    (identifiers.port, 65535),
    (identifiers.region, "ap-southeast-2"),
    (identifiers.promotion_tier, 15),
    (identifiers.readers, 15),
    (identifiers.backtrack_window, 259_200),
]
BAD: list[tuple[Callable[[Any], Any], Any]] = [
    *((lambda value: identifiers.identifier("X", value), value) for value in ("", "1a", "a-", "-a", "a--b", "a_b", "ä")),
    (lambda value: identifiers.identifier("X", value), "a" * 64),
    *((identifiers.master_username, value) for value in ("", "1a", "_a", "a" * 17, "a-b", "a b", "ä", "a\n", "Select", "rdsadmin", "rds_superuser", "RDS_iam", "pg_me")),
    *((identifiers.master_password, value) for value in ("!" * 7, "!" * 42, "with space", "with/slash", 'with"quote', "with@sign", "ümlauts-are-out")),
    *((identifiers.database_name, value) for value in ("", "1a", "_a", "a-b", "a b", "a\n", "template1", "a" * 64)),
    *((identifiers.port, value) for value in (1149, 65536, -1)),
    *((identifiers.region, value) for value in ("", "useast1", "US-EAST-1")),
    *((identifiers.promotion_tier, value) for value in (-1, 16)),
    *((identifiers.readers, value) for value in (-1, 16)),
    *((identifiers.backtrack_window, value) for value in (-1, 259_201)),
    (identifiers.tags, {str(number): "" for number in range(51)}),
    (identifiers.tags, {"": "x"}),
    (identifiers.tags, {"AWS:x": "y"}),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "value"), GOOD)
def test_values_within_the_rules_are_kept(rule: Callable[[Any], Any], value: Any) -> None:
    assert rule(value) == value


@pytest.mark.parametrize(("rule", "value"), BAD)
def test_values_beyond_the_rules_are_refused_with_a_hint(rule: Callable[[Any], Any], value: Any) -> None:
    with pytest.raises(InvalidParameterValue) as caught:
        rule(value)
    assert caught.value.exit_code is ExitCode.USAGE
    assert caught.value.hint


@given(st.integers(0, 2**64 - 1))
def test_positions_survive_their_text_form(lsn: int) -> None:
    assert parse_lsn(format_lsn(lsn)) == lsn


@pytest.mark.parametrize(("text", "seconds"), [("0", 0), ("90s", 90), ("5m", 300), ("24h", 86_400), ("3D", 259_200)])
def test_durations(text: str, seconds: int) -> None:
    assert parse_duration_s(text) == seconds


@pytest.mark.parametrize("text", ["", "-5", "1w", "1.5h", "h"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(InvalidParameterValue):
        parse_duration_s(text)


def test_an_error_survives_the_socket() -> None:
    error = ClusterNotFound("x", ["a", "b"])
    again = RemoteError(error.to_json())
    assert isinstance(again, AuroraError)
    assert (again.code, again.message, again.hint, again.exit_code) == (
        "DBClusterNotFoundFault",
        error.message,
        "Existing clusters: a, b.",
        ExitCode.NOT_FOUND,
    )
