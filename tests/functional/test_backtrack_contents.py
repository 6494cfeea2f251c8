"""What is in a database comes back as it was, whatever kind of thing it is, and goes forward again as it had become."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest

from auroractl.config.paths import Home
from tests.functional.command import Auroractl, wait_until
from tests.functional.conftest import home_of_its_own
from tests.functional.going_back import backtrack, execute, moment, told_why, wait_window

EARLIER = (
    "create table story (id int primary key)",
    "insert into story select generate_series(1, 10)",
    "create table dropped as select generate_series(1, 1000) id",
    "create index dropped_id on dropped (id)",
    "create table truncated as select generate_series(1, 1000) id",
    "create table altered (id int, note text default 'earlier')",
    "insert into altered values (1)",
    "create index altered_id on altered (id)",
    "create view seen as select note from altered",
    "create sequence counter",
    "select nextval('counter') from generate_series(1, 5)",
    "select lo_from_bytea(4242, 'earlier')",
    "select lo_from_bytea(4243, 'never changed')",
    "create unlogged table unlogged as select generate_series(1, 100) id",
    "create extension hstore",
    "create database extra",
    "create role somebody",
    "create table promised (id int primary key)",
    "begin",
    "insert into promised values (1)",
    "prepare transaction 'committed before'",
    "commit prepared 'committed before'",
    "begin",
    "insert into promised values (2)",
    "prepare transaction 'waits'",
)
"""The last thing before the moment is a prepared transaction: no commit comes after it."""
LATER = (
    "insert into story values (11)",
    "update story set id = -id where id < 5",
    "drop table dropped",
    "truncate truncated",
    "alter table altered add column more int default 7",
    "alter table altered alter column id type bigint",
    "drop index altered_id",
    "create index altered_more on altered (more)",
    "create table created as select 1 id",
    "select nextval('counter') from generate_series(1, 100)",
    "select lo_put(4242, 0, 'later!!')",
    "select lo_unlink(4243)",
    "select lo_from_bytea(4244, 'later')",
    "insert into unlogged values (101)",
    "drop extension hstore",
    "create extension citext",
    "drop database extra",
    "create database another",
    "drop role somebody",
    "create role else_body",
    "rollback prepared 'waits'",
    "begin",
    "insert into promised values (3)",
    "prepare transaction 'later'",
)


@dataclass
class Story:
    """A cluster to which all that has happened, and clients that were connected when it was brought back."""

    auroractl: Auroractl
    there: str
    idle: psycopg.Connection
    busy: psycopg.Connection
    reading: psycopg.Connection
    view: dict[str, Any]

    def ask(self, *statements: str) -> list[tuple[Any, ...]]:
        return execute(self.auroractl, *statements)

    def exists(self, name: str) -> bool:
        return self.ask(f"select to_regclass('{name}') is not null") == [(True,)]


@pytest.fixture(scope="module")
def demo(warm_home: Home) -> Iterator[Auroractl]:
    """A home with the cluster demo: a writer and a reader."""
    with home_of_its_own(warm_home) as command:
        command("create-cluster", "demo", "--readers", "1")
        wait_window(command)
        yield command


@pytest.fixture(scope="module")
def story(demo: Auroractl) -> Iterator[Story]:
    """Brought back to between EARLIER and LATER, with uncommitted work under way."""
    execute(demo, *EARLIER)
    there = moment(demo)
    execute(demo, *LATER)
    idle, busy = demo.connect("demo"), demo.connect("demo")
    reading = demo.connect("demo", role="reader")
    busy.execute("begin")
    busy.execute("insert into story values (12)")
    view = backtrack(demo, "--to", there)
    yield Story(demo, there, idle, busy, reading, view)
    for connection in (idle, busy, reading):
        connection.close()


def test_clients_are_told_why_their_connections_were_closed(story: Story) -> None:
    for connection in (story.idle, story.busy, story.reading):
        error = told_why(connection)
        assert error.sqlstate == "57P01", error
        assert "the cluster is being backtracked to " in str(error)
        assert story.view["ConsistentTime"][:19] in str(error)
        assert connection.closed


def test_rows_are_those_of_the_moment_and_uncommitted_work_is_gone(story: Story) -> None:
    assert story.ask("select array_agg(id order by id) from story") == [(list(range(1, 11)),)]
    assert story.view["ConsistentTime"] <= story.there


def test_what_was_dropped_is_there_with_its_index(story: Story) -> None:
    assert story.ask("select count(*), sum(id) from dropped") == [(1000, 500_500)]
    plan = story.ask("set enable_seqscan = off", "explain select id from dropped where id = 7")
    assert any("dropped_id" in line for (line,) in plan)
    assert story.ask("select count(*) from truncated") == [(1000,)]


def test_tables_and_indexes_have_their_old_form(story: Story) -> None:
    columns = "select attname::text, atttypid::regtype::text from pg_attribute where attrelid = 'altered'::regclass and attnum > 0"
    assert story.ask(columns) == [("id", "integer"), ("note", "text")]
    assert story.exists("altered_id")
    assert story.exists("seen")
    assert not story.exists("altered_more")
    assert not story.exists("created")


def test_sequences_go_on_from_where_they_were(story: Story) -> None:
    # PostgreSQL logs sequences 32 values ahead: after any recovery there may be a gap, never a value twice.
    ((value,),) = story.ask("select nextval('counter')")
    assert 6 <= value <= 38


def test_large_objects_are_as_they_were(story: Story) -> None:
    assert story.ask("select lo_get(4242), lo_get(4243)") == [(b"earlier", b"never changed")]
    assert story.ask("select oid from pg_largeobject_metadata where oid = 4244") == []


def test_unlogged_tables_are_empty_as_after_any_recovery(story: Story) -> None:
    assert story.ask("select count(*) from unlogged") == [(0,)]


def test_extensions_databases_and_roles_are_those_of_the_moment(story: Story) -> None:
    names = "select extname from pg_extension where extname in ('hstore', 'citext')"
    assert story.ask(names) == [("hstore",)]
    assert story.ask("select ('a=>1'::hstore -> 'a')") == [("1",)]
    assert story.ask("select datname from pg_database where datname in ('extra', 'another')") == [("extra",)]
    assert story.ask("select rolname from pg_roles where rolname in ('somebody', 'else_body')") == [("somebody",)]


def test_a_prepared_transaction_waits_again_and_can_be_committed(story: Story) -> None:
    assert story.ask("select id from promised") == [(1,)]
    assert story.ask("select gid from pg_prepared_xacts") == [("waits",)]
    assert story.ask("commit prepared 'waits'", "select id from promised order by id") == [(1,), (2,)]


def test_the_reader_shows_the_same(story: Story) -> None:
    def recovers() -> bool:
        with story.auroractl.connect("demo", role="reader") as connection:
            return connection.execute("select pg_is_in_recovery()").fetchone() == (True,)

    # The reader endpoint goes to the writer until its own look has found the reader back.
    wait_until("the reader behind its endpoint", recovers)
    with story.auroractl.connect("demo", role="reader") as connection:
        wait_until("the reader", lambda: connection.execute("select count(*) from promised").fetchone() == (2,))
        assert connection.execute("select count(*) from dropped").fetchone() == (1000,)


def test_forward_again_everything_is_as_it_had_become(story: Story) -> None:
    story.ask("insert into story values (1000)")
    backtrack(story.auroractl, "--undo")
    expected = sorted([*range(5, 12), -1, -2, -3, -4])
    assert story.ask("select array_agg(id order by id) from story") == [(expected,)]
    assert not story.exists("dropped")
    assert story.ask("select count(*) from truncated") == [(0,)]
    assert story.ask("select pg_typeof(id)::text, note, more from altered") == [("bigint", "earlier", 7)]
    assert story.exists("created")
    ((value,),) = story.ask("select nextval('counter')")
    assert 106 <= value <= 138
    assert story.ask("select lo_get(4242), lo_get(4244)") == [(b"later!!", b"later")]
    assert story.ask("select extname from pg_extension where extname in ('hstore', 'citext')") == [("citext",)]
    assert story.ask("select datname from pg_database where datname in ('extra', 'another')") == [("another",)]
    assert story.ask("select gid from pg_prepared_xacts") == [("later",)]
    assert story.ask("commit prepared 'later'", "select id from promised order by id") == [(1,), (3,)]
