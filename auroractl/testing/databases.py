"""A fresh database for each test, made from a template database.

`fresh_database` is what resets; another way to do so (the whole cluster taken back in time) has its place next to it.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from auroractl.core.errors import TimedOut, UsageError
from auroractl.testing.cluster import AuroraCluster

if TYPE_CHECKING:
    import psycopg

TEMPLATE = "aurora_template"
_CONNECT_TIMEOUT_S = 60.0
_READER_TIMEOUT_S = 30.0
_POLL_S = 0.01
_numbers = itertools.count(1)


@dataclass
class AuroraDatabase:
    """A database of a cluster."""

    cluster: AuroraCluster
    name: str
    _on_readers: bool = field(default=False, repr=False)

    @property
    def uri(self) -> str:
        """Its URI through the writer endpoint."""
        return self.cluster.connection_uri(database=self.name)

    @property
    def reader_uri(self) -> str:
        """Its URI through the reader endpoint. The first time it waits until every reader has the database."""
        if not self._on_readers:
            self._wait_for_readers()
            self._on_readers = True
        return self.cluster.connection_uri(reader=True, database=self.name)

    def _wait_for_readers(self) -> None:
        import psycopg  # noqa: PLC0415  (only where tests use databases)

        deadline = time.monotonic() + _READER_TIMEOUT_S
        for reader in self.cluster.instances[1:]:
            there = reader["Endpoint"]
            while True:
                try:
                    psycopg.connect(self.uri, host=there["Address"], port=there["Port"]).close()
                    break
                except psycopg.OperationalError as error:
                    if time.monotonic() > deadline:
                        raise TimedOut(
                            f"{reader['DBInstanceIdentifier']} has no {self.name} yet: {error}", ""
                        ) from error
                time.sleep(_POLL_S)


def make_template(cluster: AuroraCluster) -> AuroraDatabase:
    """An empty database, from which those of the tests are made once it has a schema."""
    with _administering(cluster) as connection:
        connection.execute(f'CREATE DATABASE "{TEMPLATE}"')
    return AuroraDatabase(cluster, TEMPLATE)


def load_schema(template: AuroraDatabase, files: Sequence[Path]) -> None:
    """Run SQL files, in this order, in the template. Raises UsageError naming the file that cannot be run."""
    import psycopg  # noqa: PLC0415  (only where tests use databases)

    with psycopg.connect(template.uri, autocommit=True) as connection:
        for file in files:
            try:
                connection.execute(file.read_bytes())
            except (OSError, psycopg.Error) as error:
                raise UsageError(f"aurora_schema: {file} cannot be run: {error}", "Correct the file") from error


@contextmanager
def fresh_database(template: AuroraDatabase) -> Iterator[AuroraDatabase]:
    """A database with what the template holds, dropped afterwards with whoever is still connected to it.

    A test may have left the cluster in the middle of a failover: it is waited for. Raises UsageError where somebody
    is connected to the template, which PostgreSQL does not copy then.
    """
    cluster = template.cluster
    cluster.wait_available()
    database = AuroraDatabase(cluster, f"test_{next(_numbers)}")
    _copy(template, database)
    try:
        yield database
    finally:
        with _administering(cluster) as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{database.name}" WITH (FORCE)')


def _copy(template: AuroraDatabase, database: AuroraDatabase) -> None:
    import psycopg  # noqa: PLC0415  (only where tests use databases)

    with _administering(template.cluster) as connection:
        try:
            connection.execute(f'CREATE DATABASE "{database.name}" TEMPLATE "{template.name}"')
        except psycopg.errors.ObjectInUse as error:
            raise UsageError(
                f"The template database {template.name} cannot be copied while somebody is connected to it.",
                "Close every connection that aurora_schema opened",
            ) from error


@contextmanager
def _administering(cluster: AuroraCluster) -> Iterator[psycopg.Connection]:
    """A connection to the first database; while a writer is being replaced it is tried again."""
    import psycopg  # noqa: PLC0415  (only where tests use databases)

    deadline = time.monotonic() + _CONNECT_TIMEOUT_S
    while True:
        try:
            connection = psycopg.connect(cluster.uri, autocommit=True, connect_timeout=30)
            break
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(_POLL_S)
    with connection:
        yield connection
