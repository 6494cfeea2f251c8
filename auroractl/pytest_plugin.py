"""The pytest plugin of auroractl: a real cluster per session, a new database per test.

It is loaded in every pytest run of the environment, so it imports nothing before a fixture is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from auroractl.testing.cluster import AuroraCluster
    from auroractl.testing.databases import AuroraDatabase


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options, each explained by `pytest --help`."""
    group = parser.getgroup("auroractl", "a real Aurora-style PostgreSQL cluster")
    group.addoption("--aurora-readers", type=int, metavar="N", help="Readers of aurora_cluster, 0 to 15.")
    parser.addini("aurora_readers", "Readers of aurora_cluster, 0 to 15.", default="1")
    parser.addini("aurora_schema", "SQL files that fill the template of every aurora_database.", type="paths")
    parser.addini("aurora_base", "Folder for the session's cluster, which is removed at the end.", default="")
    parser.addini("aurora_cache", "Folder for files that sessions share to start quickly.", default="")


def pytest_configure(config: pytest.Config) -> None:
    """Refuse invalid options before any test runs."""
    _readers(config)


def _folder(config: pytest.Config, name: str) -> Path | None:
    text = config.getini(name)
    return config.rootpath / text if text else None


def _readers(config: pytest.Config) -> int:
    wanted = config.getoption("--aurora-readers")
    text = config.getini("aurora_readers") if wanted is None else wanted
    try:
        readers = int(text)
    except ValueError:
        readers = -1
    if not 0 <= readers <= 15:
        raise pytest.UsageError(f"aurora_readers must be a whole number from 0 to 15, not {text!r}")
    return readers


@pytest.fixture(scope="session")
def aurora_cluster(pytestconfig: pytest.Config) -> Iterator[AuroraCluster]:
    """A real cluster for the whole session: .uri, .reader_uri, .instances, .failover(), .crash_writer(), .cli(...)."""
    from auroractl.testing.cluster import running_cluster  # noqa: PLC0415  (only when a test asks for it)

    base, cache = _folder(pytestconfig, "aurora_base"), _folder(pytestconfig, "aurora_cache")
    with running_cluster(_readers(pytestconfig), base, cache) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def aurora_template(aurora_cluster: AuroraCluster) -> AuroraDatabase:
    """The template database of which every aurora_database is a copy; aurora_schema fills it."""
    from auroractl.testing.databases import make_template  # noqa: PLC0415

    return make_template(aurora_cluster)


@pytest.fixture(scope="session")
def aurora_schema(aurora_template: AuroraDatabase, pytestconfig: pytest.Config) -> None:
    """Fill the template once, with the files of the ini option aurora_schema. Override it for another way."""
    from auroractl.testing.databases import load_schema  # noqa: PLC0415

    files: list[Path] = pytestconfig.getini("aurora_schema")
    if files:
        load_schema(aurora_template, files)


@pytest.fixture
def aurora_database(
    aurora_template: AuroraDatabase,
    aurora_schema: object,  # noqa: ARG001  (it has filled the template by then)
) -> Iterator[AuroraDatabase]:
    """A database for one test (.uri, .reader_uri, .name, .cluster), copied from the template and dropped at the end."""
    from auroractl.testing.databases import fresh_database  # noqa: PLC0415

    with fresh_database(aurora_template) as database:
        yield database
