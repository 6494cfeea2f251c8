"""Parameter groups in core: what can be changed, which values are refused, and the order of restarts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from auroractl.cli.parameter_groups import parse_changes
from auroractl.core.errors import AuroraError, InvalidParameterCombination, InvalidParameterValue, UsageError
from auroractl.core.parameters import changes, ownership, standby
from auroractl.core.parameters.model import (
    ApplyMethod,
    Catalog,
    Definition,
    GroupKind,
    ParameterChange,
    ParameterGroup,
    family_of,
)
from auroractl.core.parameters.rds import DEFINITIONS, SHOWN, server_parameters
from auroractl.core.parameters.values import checked
from auroractl.engine.configuration import render_configuration
from tests.unit.core.clusters import NOW

MEMORY = "Resource Usage / Memory"


def define(name: str, type_: str = "string", unit: str = "", context: str = "user", **more: str) -> Definition:
    return Definition(
        name=name,
        type=type_,
        unit=unit,
        context=context,
        category=more.get("category", MEMORY),
        minimum=more.get("low", ""),
        maximum=more.get("high", ""),
        choices=tuple(more.get("choices", "").split()),
        default=None,
        description="",
    )


KNOWN = [
    define("work_mem", "integer", "kB", low="64", high="2147483647"),
    define("statement_timeout", "integer", "ms", low="0", high="2147483647"),
    define("transaction_timeout", "integer", "ms", low="0", high="2147483647"),
    define("random_page_cost", "real", low="0", high="1e308"),
    define("max_connections", "integer", context="postmaster", low="1", high="262143"),
    define("wal_compression", "enum", choices="pglz lz4 on off", category="Write-Ahead Log / Settings"),
    define("log_statement", "enum", choices="none ddl mod all", category="Reporting and Logging / What to Log"),
    define("jit", "bool"),
    define("search_path"),
    define("shared_preload_libraries", context="postmaster"),
    define("fsync", "bool", category="Write-Ahead Log / Settings"),
    *DEFINITIONS.values(),
]
CATALOG = Catalog({each.name: each for each in KNOWN}, ("pg_stat_statements", "auto_explain"), {})
FAMILY = family_of("18.6")


def group(kind: GroupKind = GroupKind.CLUSTER, name: str = "tuned", **settings: str) -> ParameterGroup:
    return ParameterGroup(name, kind, FAMILY, "", settings, {}, NOW)


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("work_mem", " 8MB ", "8MB"), ("work_mem", "64", "64"), ("statement_timeout", "1.5min", "1.5min"),
        ("random_page_cost", "1.1", "1.1"), ("random_page_cost", "1e2", "1e2"), ("max_connections", "2e2", "200"),
        ("log_statement", "DDL", "DDL"), ("jit", "0", "0"), ("search_path", '"$user", public', '"$user", public'),
        ("shared_preload_libraries", "auto_explain, pg_stat_statements,auto_explain", "auto_explain,pg_stat_statements"),
        ("rds.force_ssl", "0", "0"), ("rds.force_ssl", "1", "1"), ("transaction_timeout", "0", "0"), ("transaction_timeout", "5s", "5s"), ("rds.global_db_rpo", "20", "20"),
    ],
)  # fmt: skip
def test_values_that_the_server_may_take(name: str, value: str, kept: str) -> None:
    assert checked(CATALOG.definitions[name], value, CATALOG) == kept


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("work_mem", "63", "allowed values are: 64-2147483647"), ("work_mem", "2TBs", "allowed values"),
        ("work_mem", "5s", "allowed values"), ("work_mem", "", "allowed values"), ("work_mem", "1e999999", "allowed values"),
        ("transaction_timeout", "4999", "at least 5000 ms"), ("max_connections", "0", "at least 50"),
        ("max_connections", "49", "at least 50"), ("max_connections", "1.5.2", "allowed values"),
        ("log_statement", "some", "none,ddl,mod,all"), ("jit", "maybe", "0,1"), ("search_path", "a\nfsync = off", "unprintable"),
        ("search_path", "x" * 4001, "longer than 4000"), ("work_mem", "GREATEST({DBInstanceClassMemory/1}, 1)", "formula"),
        ("shared_preload_libraries", "pgaudit", "does not have the library"), ("shared_preload_libraries", "/x", "cannot load"),
        ("rds.force_ssl", "maybe", "0,1"), ("rds.global_db_rpo", "19", "20-2147483647"),
    ],
)  # fmt: skip
def test_values_that_are_refused_with_what_is_allowed(name: str, value: str, sentence: str) -> None:
    with pytest.raises(AuroraError, match=re.escape(sentence)):
        checked(CATALOG.definitions[name], value, CATALOG)


def test_what_auroractl_owns_is_not_modifiable_and_says_why() -> None:
    for name, why in (("fsync", "storage volume"), ("wal_compression", "storage volume")):
        with pytest.raises(InvalidParameterValue, match=why):
            changes.modified(group(), [ParameterChange(name, "on")], CATALOG)
    assert (
        ownership.why_closed(define("new_one", category="A Category of PostgreSQL 30")) == "auroractl does not know it"
    )
    assert ownership.why_closed(define("dangerous.x", category="Customized Options"))
    assert not ownership.why_closed(define("auto_explain.log_timing", category="Customized Options"))
    assert ownership.why_closed(define("block_size", context="internal", category="Preset Options"))


@pytest.mark.parametrize(
    ("wanted", "error", "sentence"),
    [
        ([], UsageError, "No parameter"),
        ([ParameterChange("work_mem", "1MB")] * 21, InvalidParameterValue, "At most 20"),
        ([ParameterChange("jit", "1"), ParameterChange("JIT", "0")], InvalidParameterValue, "named twice"),
        ([ParameterChange("work_men", "1MB")], InvalidParameterValue, "Could not find parameter"),
        ([ParameterChange("work_mem")], InvalidParameterValue, "value of work_mem is missing"),
        (
            [ParameterChange("max_connections", "99", ApplyMethod.IMMEDIATE)],
            InvalidParameterCombination,
            "static parameter max_connections",
        ),
    ],
)
def test_requests_that_are_refused(wanted: list[ParameterChange], error: type[AuroraError], sentence: str) -> None:
    with pytest.raises(error, match=sentence):
        changes.modified(group(), wanted, CATALOG)


def test_changes_and_resets_leave_the_other_settings() -> None:
    own = group(jit="0")
    assert changes.modified(own, [ParameterChange("WORK_MEM", "1MB")], CATALOG) == {"jit": "0", "work_mem": "1MB"}
    assert changes.without(own, [ParameterChange("jit")], CATALOG, everything=False) == {}
    assert changes.without(own, [], CATALOG, everything=True) == {}
    with pytest.raises(UsageError, match="not both"):
        changes.without(own, [ParameterChange("jit")], CATALOG, everything=True)


def test_an_instance_has_no_value_of_its_own_where_all_need_the_same() -> None:
    own = group(GroupKind.INSTANCE)
    assert changes.modified(own, [ParameterChange("work_mem", "1MB")], CATALOG)
    for name in ("max_connections", "rds.logical_replication", "shared_preload_libraries"):
        with pytest.raises(InvalidParameterValue, match="all instances of a cluster need the same value"):
            changes.modified(own, [ParameterChange(name, "100")], CATALOG)


@pytest.mark.parametrize("name", ["", "-a", "a-", "a--b", "1a", "a_b", "a" * 256, "default.mine", "ä", "a b"])
def test_names_that_aws_refuses(name: str) -> None:
    with pytest.raises(InvalidParameterValue):
        changes.group_name(name)


def test_the_server_gets_what_a_group_says_but_never_over_what_auroractl_owns() -> None:
    own: dict[str, str | int] = {
        "shared_preload_libraries": "pg_stat_statements",
        "port": 5432,
        "max_connections": 130,
        "wal_keep_size": "512MB",
        **SHOWN,
    }
    chosen = {"max_connections": "200", "port": "1", "wal_keep_size": "0", "wal_level": "minimal", "work_mem": "1MB"}
    assert server_parameters(chosen, own) == {
        "max_connections": "200", "work_mem": "1MB",
    }  # fmt: skip
    chosen = {"rds.logical_replication": "1", "shared_preload_libraries": "auto_explain,evil"}
    assert server_parameters(chosen, own) == {
        "rds.logical_replication": "on", "wal_level": "logical",
        "shared_preload_libraries": "pg_stat_statements,auto_explain",
    }  # fmt: skip


def test_a_value_cannot_leave_its_line_of_the_configuration() -> None:
    text = render_configuration({"search_path": "a'\n fsync = off\\"})
    assert text.splitlines()[1:] == [r"search_path = 'a''\n fsync = off\\'"]


def test_the_writer_gets_a_raised_value_when_all_readers_have_it_and_a_lowered_one_at_once() -> None:
    wanted = {"max_connections": 200, "max_wal_senders": 40}
    written = {"max_connections": 100, "max_wal_senders": 60}
    low, high = {"max_connections": 100, "max_wal_senders": 60}, {"max_connections": 200, "max_wal_senders": 60}
    assert standby.writer_values(wanted, written, [high, low]) == {"max_connections": 100, "max_wal_senders": 40}
    assert standby.writer_values(wanted, written, [high, high]) == {"max_connections": 200, "max_wal_senders": 40}
    assert standby.writer_values(wanted, written, []) == wanted
    assert standby.readers_first(wanted, {"a": high, "b": low}) == ["b"]


def test_parameters_are_written_as_on_aws_or_shorter() -> None:
    assert parse_changes("a.b=1=2,3") == [ParameterChange("a.b", "1=2,3")]
    assert parse_changes('[{"ParameterName": "a", "ParameterValue": "1"}, {"ParameterName": "b"}]') == [
        ParameterChange("a", "1"), ParameterChange("b"),
    ]  # fmt: skip
    assert parse_changes("ParameterName=a,ParameterValue=x,y,ApplyMethod=pending-reboot") == [
        ParameterChange("a", "x,y", ApplyMethod.PENDING_REBOOT)
    ]
    assert parse_changes("a", named_only=True) == [ParameterChange("a")]
    for text in (
        "a",
        "=1",
        "",
        "[1]",
        "{",
        "[[",
        '{"ParameterName": 1}',
        '{"Name": "a"}',
        "ParameterName=",
        "[" * 9999,
    ):
        with pytest.raises(InvalidParameterValue, match="is not a parameter"):
            parse_changes(text)
    with pytest.raises(InvalidParameterValue, match="ApplyMethod 'soon'"):
        parse_changes("ParameterName=a,ApplyMethod=soon")


def test_every_parameter_that_the_configuration_sets_is_owned_or_may_be_replaced() -> None:
    """A parameter of configuration.py that a group could hold, but that never reaches a server, would be a lie."""
    source = (Path(__file__).parents[3] / "auroractl" / "engine" / "configuration.py").read_text()
    own = dict.fromkeys(re.findall(r'^        "([a-z_]+)": ', source, re.MULTILINE), "own")
    chosen = dict.fromkeys(own, "1")
    replaced = {name for name, value in server_parameters(chosen, own).items() if value == "1"}
    assert replaced == {
        "max_connections", "max_locks_per_transaction", "max_prepared_transactions", "max_replication_slots",
        "max_wal_senders", "max_worker_processes", "shared_buffers", "timezone",
    }  # fmt: skip
