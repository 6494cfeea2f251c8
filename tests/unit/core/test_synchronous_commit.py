"""Which texts weaken synchronous_commit, and what is said of settings that do."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auroractl.api import documents
from auroractl.core import status
from auroractl.core.checks import Outcome
from auroractl.core.routing import routing_table
from auroractl.core.routing_table import RoutingTable
from auroractl.core.synchronous_commit.setting import CommitSetting, CommitSettings, CommitStatements, warnings
from auroractl.core.synchronous_commit.statements import weakens_commits
from auroractl.diagnostics.doctor import commits_check
from auroractl.endpoints.synchronous_commit_filter import REFUSING, TEXT_BYTES_MAX
from tests.unit.core.clusters import snapshot, well

SINCE = datetime(2026, 11, 26, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "SET synchronous_commit = off",
        "set Synchronous_Commit to 'LOCAL'",
        "SET LOCAL synchronous_commit TO remote_write;",
        "SET SESSION synchronous_commit=0",
        'SET "synchronous_commit" = no',
        "SET synchronous_commit = remote_apply",
        "SET/**/synchronous_commit/* on */=--on\noff",
        "BEGIN; SET LOCAL synchronous_commit = off; COMMIT",
        "ALTER ROLE app SET synchronous_commit = off",
        "ALTER ROLE app IN DATABASE shop SET synchronous_commit TO false",
        "ALTER DATABASE shop SET synchronous_commit = off",
        "ALTER FUNCTION f() SET synchronous_commit = off",
        "CREATE FUNCTION f() RETURNS void LANGUAGE sql SET synchronous_commit = off AS 'SELECT 1'",
        "CREATE FUNCTION f() RETURNS void AS $x$ BEGIN SET LOCAL synchronous_commit = off; END $x$ LANGUAGE plpgsql",
        "DO $$ BEGIN PERFORM set_config('synchronous_commit', 'off', true); END $$",
        "DO LANGUAGE plpgsql 'BEGIN SET synchronous_commit = off; END'",
        "DO $$ BEGIN EXECUTE 'SET synchronous_commit = off'; END $$",
        "SELECT set_config('synchronous_commit', 'off', false)",
        "SELECT pg_catalog.set_config('SYNCHRONOUS_COMMIT', $1, false)",
        "SELECT set_config('synchronous_commit', $1, 'true')",
        "SELECT set_config($$synchronous_commit$$, $$off$$, false)",
        "SELECT set_config('synchronous_commit', lower('ON'), false)",
        "SELECT set_config(setting_name => 'synchronous_commit', new_value => 'off', is_local => false)",
        "UPDATE pg_catalog.pg_settings SET setting = 'off' WHERE name = 'synchronous_commit'",
        "SELECT 'a\\'; SET synchronous_commit = off",
    ],
)
def test_what_weakens_commits_is_recognised(text: str) -> None:
    assert weakens_commits(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "SHOW synchronous_commit",
        "RESET synchronous_commit",
        "SET synchronous_commit = on",
        "SET LOCAL synchronous_commit TO 'ON'",
        "SET synchronous_commit = 1",
        "SET synchronous_commit TO DEFAULT",
        "SELECT current_setting('synchronous_commit')",
        "SELECT set_config('synchronous_commit', 'on', true)",
        "SELECT set_config('synchronous_commit'::text, 'on'::text, true)",
        "SELECT set_config(setting_name => 'synchronous_commit', new_value => 'on', is_local => false)",
        "SELECT set_config('app.note', 'about SET synchronous_commit = off', false)",
        "SELECT set_config('app.note', $1, false), current_setting('synchronous_commit')",
        "SELECT * FROM pg_settings WHERE name = 'synchronous_commit'",
        "INSERT INTO notes VALUES ('SET synchronous_commit = off')",
        "INSERT INTO notes VALUES ($$SET synchronous_commit = off$$)",
        "SELECT 1 -- SET synchronous_commit = off",
        "SELECT 1 /* SET /* */ synchronous_commit = off */",
        "UPDATE servers SET synchronous_commit = 'off' WHERE id = 1",
        "INSERT INTO servers VALUES (1) ON CONFLICT (id) DO UPDATE SET synchronous_commit = 'off'",
        "ALTER ROLE app RESET synchronous_commit",
        "ALTER FUNCTION f() SET synchronous_commit FROM CURRENT",
        "SET my.synchronous_commit = off",
        "SELECT 'SET synchronous_commit = off",
        REFUSING.decode(),
    ],
)
def test_what_only_mentions_it_is_let_through(text: str) -> None:
    assert not weakens_commits(text)


_parts = st.sampled_from(["synchronous_commit", "SET ", "set_config", "on", "off", *"'\"$;-/*\\ ()=,a1\n"])


@given(text=st.lists(_parts, max_size=30).map("".join))
def test_any_text_can_be_read(text: str) -> None:
    assert weakens_commits(text) in {True, False}


@pytest.mark.parametrize(
    "part",
    ["$a", "'", "$a$ ", "E'\\'", "/*", '"', "(", "set_config('synchronous_commit'(", "SET ", "do $$ ", "set_config("],
)
def test_no_text_keeps_other_clients_waiting(part: str) -> None:
    text = ("synchronous_commit " + part * TEXT_BYTES_MAX)[:TEXT_BYTES_MAX]
    began_s = time.process_time()
    weakens_commits(text)
    assert time.process_time() - began_s < 1


def _setting(role: str = "", database: str = "", value: str = "off") -> CommitSetting:
    return CommitSetting(role, database, value)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (_setting("app"), "For role app, synchronous_commit = off: its acknowledged commits can be lost"),
        (_setting("app"), 'Undo it: ALTER ROLE "app" RESET synchronous_commit'),
        # Unquoted it would be a key word, and the statement for every role.
        (_setting("all"), 'Undo it: ALTER ROLE "all" RESET synchronous_commit'),
        (_setting("app", "shop"), "role app in database shop"),
        (_setting("", "my shop", "LOCAL"), 'Undo it: ALTER DATABASE "my shop" RESET synchronous_commit'),
        (_setting("", "", "off"), "Undo it: ALTER ROLE ALL RESET synchronous_commit"),
        (_setting("app", value="remote_apply"), "its commits wait until they are cancelled"),
    ],
)
def test_a_setting_is_told_with_how_to_undo_it(found: CommitSetting, said: str) -> None:
    assert said in warnings(CommitSettings([found]))[0]


def test_of_statements_no_more_is_said_than_is_known() -> None:
    (said,) = warnings(CommitSettings(statements=[CommitStatements("app", "shop", 7, SINCE)]))
    assert "User app has run statements in database shop that set synchronous_commit, 7 since 2026-11-26T12" in said
    assert "PostgreSQL does not record the value" in said


def test_warnings_are_bounded() -> None:
    told = warnings(CommitSettings([_setting(f"r{number}") for number in range(100)]))
    assert len(told) == 6
    assert told[-1] == "95 more settings or users change synchronous_commit."


def test_a_warning_makes_health_no_worse() -> None:
    found = replace(snapshot(well(1), well(2), well(3)), commits=CommitSettings([_setting("app")]))
    view = documents.cluster_view(found)
    assert (view["Health"], view["Problems"]) == ("ok", [])
    assert len(view["Warnings"]) == 1
    assert status.warnings(replace(found, observed={})) == []


def test_the_routing_table_tells_the_endpoint_process() -> None:
    table = routing_table(snapshot(well(1)), connections_max=10, hold_timeout_s=1, synchronous_commit_enforced=True)
    document = table.to_json()
    assert RoutingTable.from_json(document) == table
    del document["synchronous_commit_enforced"]
    assert not RoutingTable.from_json(document).synchronous_commit_enforced
    with pytest.raises(TypeError):
        RoutingTable.from_json({**document, "synchronous_commit_enforced": "yes"})


def test_doctor_tells_warnings_and_what_it_does_not_know() -> None:
    clusters: list[dict[str, Any]] = [
        {"DBClusterIdentifier": "demo", "Warnings": ["It is weak."]},
        {"DBClusterIdentifier": "older"},
    ]
    found = commits_check(clusters)
    assert (found.outcome, found.message) == (Outcome.WARNING, "demo: It is weak.")
    assert "enforce_synchronous_commit" in found.hint
    assert commits_check(clusters[1:]).outcome is Outcome.OK
    assert "was not checked" in commits_check(None).message
