"""The schema of an application on Aurora loads as the master user, except for what is declared impossible; so do migrations."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from auroractl.config.paths import Home
from auroractl.core.engine.versions import how_to_install
from auroractl.runtime.engine_builds import this_machine
from auroractl.system.locales import system_locales
from tests.functional.command import Auroractl, Done
from tests.functional.conftest import home_of_its_own
from tests.schemas.entries import AURORA_SHOP, entries, first_statement, objects, without
from tests.schemas.impossible import Impossible, impossible

SCRIPT = AURORA_SHOP.read_text()
MIGRATIONS = Path(__file__).parents[1] / "sample_migrations"


@dataclass(frozen=True)
class Loaded:
    """A cluster into which the schema was loaded."""

    command: Auroractl
    done: Done
    """What psql said."""
    left_out: list[Impossible]

    def connect(self, database: str = "shop") -> psycopg.Connection:
        """Connect as the master user through the writer endpoint."""
        return psycopg.connect(self.command.uri("demo"), dbname=database, autocommit=True)


@pytest.fixture(scope="module", params=[17, None], ids=["17", "default"])
def loaded(
    warm_home: Home, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Loaded]:
    """A cluster with the schema; psql stops at the first error, so what is declared impossible is left out."""
    with home_of_its_own(warm_home) as command:
        asked = ("--engine-version", str(request.param)) if request.param else ("--default-only",)
        builds = command.json("describe-db-engine-versions", *asked)["DBEngineVersions"]
        if not builds:
            pytest.skip(f"no PostgreSQL {request.param} here; {how_to_install(request.param, this_machine())}")
        command("create-cluster", "demo", "--readers", "0", *(asked if request.param else ()))
        left_out = list(impossible(builds[0]["Features"], system_locales()))
        script = tmp_path_factory.mktemp("schema") / "shop.sql"
        script.write_text(without(SCRIPT, {each.entry: each.instead for each in left_out}))
        options = ("-d", "postgres", "-qX", "-v", "ON_ERROR_STOP=1", "-f", str(script))
        yield Loaded(command, command.run("psql", "demo", "--", *options), left_out)


def test_the_schema_has_the_size_of_a_real_one() -> None:
    assert len(objects(SCRIPT)) >= 400


def test_everything_else_loads(loaded: Loaded) -> None:
    assert loaded.done.returncode == 0, loaded.done.stderr
    assert "ERROR" not in loaded.done.stderr


def test_what_is_declared_impossible_fails_with_its_sentence(loaded: Loaded) -> None:
    found = {}
    texts = entries(SCRIPT)
    with loaded.connect() as connection:
        for each in loaded.left_out:
            try:
                connection.execute(first_statement(texts[each.entry]).encode())
            except psycopg.Error as error:
                found[each.entry] = error.diag.message_primary
    assert found == {each.entry: each.sentence for each in loaded.left_out}


def test_pg_dump_gives_the_schema_again(loaded: Loaded) -> None:
    dump = loaded.command("pg-dump", "demo", "--", "-d", "shop", "--schema-only", "--create").stdout
    left_out = {each.entry for each in loaded.left_out}
    assert entries(dump).keys() - left_out == entries(SCRIPT).keys() - left_out
    found, expected = entries(dump), entries(SCRIPT)
    assert {key: found[key] for key in found.keys() - left_out} == {
        key: expected[key] for key in found.keys() - left_out
    }


def test_the_application_works(loaded: Loaded) -> None:
    """What pg_dump does not check: the bodies of functions, and the extensions that they call."""
    with loaded.connect() as connection, connection.transaction(force_rollback=True):
        connection.execute("INSERT INTO shop.countries VALUES ('CH', 'Switzerland', 8.1)")
        row = connection.execute(
            "INSERT INTO shop.customers (email, full_name, country, preferences)"
            " VALUES ('Ada@Example.com', 'Ada  Müller', 'CH', 'news=>yes')"
            " RETURNING id, email = 'ada@example.com', folded_name, email_hash, length(secret)"
        ).fetchone()
        assert row is not None
        customer, *others = row
        sha256_of_email = "1aa1bf07b50d24a304252acef11b05379c3c93ef87e26803192386b6c65b8bfc"
        assert others == [True, "ada müller", sha256_of_email, 16]
        connection.execute("INSERT INTO catalog.products (sku, name, price) VALUES ('a', 'A café table', 120)")
        query = "SELECT shop.place_order(%s, id) FROM catalog.products"
        order = connection.execute(query.encode(), [customer]).fetchone()
        assert order is not None
        queries = {
            "SELECT shop.order_total(%(order)s)::integer": 120,
            "SELECT count(*) FROM shop.order_events WHERE order_id = %(order)s": 1,
            "SELECT name FROM shop.search_products('tables')": "A café table",
            "SELECT name FROM catalog.similar_names('A cafe tables')": "A café table",
            "SELECT count(*) FROM catalog.products WHERE shop.fold(name) LIKE '%%cafe%%'": 1,
            "SELECT public.exist(new_row, 'email') FROM audit.log WHERE relation = 'shop.customers'": True,
            "SELECT billing.sign('a', 'b')": "cb448b440c42ac8ad084fc8a8795c98f5b7802359c305eabd57ecdb20e248896",
            "SELECT public.crypt('1234', public.gen_salt('bf', 4)) LIKE '$2a$04$%%'": True,
        }
        found = {query: connection.execute(query.encode(), {"order": order[0]}).fetchone() for query in queries}
        assert found == {query: (value,) for query, value in queries.items()}


def _database(loaded: Loaded, name: str) -> dict[str, str]:
    """Create a database; returns the variables with which programs find it."""
    with loaded.connect("postgres") as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    there = conninfo_to_dict(loaded.command.uri("demo"))
    variables = {f"PG{key.upper()}": str(there[key]) for key in ("host", "port", "user", "password")}
    return {**os.environ, **variables, "PGDATABASE": name, "PYTHONDONTWRITEBYTECODE": "1"}


def _run(environment: dict[str, str], *arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-m", *arguments],
        env=environment,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_migrations_of_django_run(loaded: Loaded) -> None:
    environment = _database(loaded, "in_django")
    options = ("--settings", "settings", "--pythonpath", str(MIGRATIONS / "django"))
    _run(environment, "django", "migrate", *options)
    with loaded.connect("in_django") as connection:
        found = connection.execute(
            "SELECT name, attributes -> 'colour', length(sku::text) FROM shop_product"
        ).fetchall()
    assert found == [("Café table", "green", 64)]
    _run(environment, "django", "migrate", "shop", "zero", *options)


def test_migrations_of_alembic_run(loaded: Loaded) -> None:
    environment = _database(loaded, "in_alembic")
    configuration = str(MIGRATIONS / "alembic" / "alembic.ini")
    for direction in (("upgrade", "head"), ("downgrade", "base"), ("upgrade", "head")):
        _run(environment, "alembic", "-c", configuration, *direction)
    with loaded.connect("in_alembic") as connection:
        query = "SELECT name, digest = sha256(convert_to(name, 'UTF8')) FROM products WHERE name %> 'coffee'"
        assert connection.execute(query.encode()).fetchall() == [("Coffee table", True)]


def test_numbered_files_run_in_one_transaction_each(loaded: Loaded) -> None:
    _database(loaded, "numbered")
    files = sorted((MIGRATIONS / "numbered").glob("V*.sql"))
    for file in files:
        loaded.command("psql", "demo", "--", "-d", "numbered", "-qX1", "-v", "ON_ERROR_STOP=1", "-f", str(file))
    with loaded.connect("numbered") as connection:
        query = "SELECT state::text, namespaced(email)::text FROM accounts"
        assert connection.execute(query.encode()).fetchall() == [
            ("new", str(uuid5(NAMESPACE_URL, "mailto:ada@example.com")))
        ]
