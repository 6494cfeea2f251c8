"""A new database for each test, copied from a template database."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from auroractl.core.errors import UsageError
from auroractl.system.waiting import wait_until
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
        """The URI through the writer endpoint."""
        return self.cluster.connection_uri(database=self.name)

    @property
    def reader_uri(self) -> str:
        """The URI through the reader endpoint. The first access waits until every reader has the database."""
        if not self._on_readers:
            self._wait_for_readers()
            self._on_readers = True
        return self.cluster.connection_uri(reader=True, database=self.name)

    def _wait_for_readers(self) -> None:
        import psycopg  # noqa: PLC0415  (only for tests with databases)

        from auroractl.engine.connections import REQUIRE_AUTH  # noqa: PLC0415

        def missing() -> str:
            for reader in self.cluster.instances[1:]:
                address = reader["Endpoint"]
                try:
                    psycopg.connect(
                        self.uri, host=address["Address"], port=address["Port"], require_auth=REQUIRE_AUTH
                    ).close()
                except psycopg.OperationalError as error:
                    return f"{reader['DBInstanceIdentifier']} does not have it yet: {error}"
            return ""

        wait_until(f"the database {self.name} was not on all readers", missing, _READER_TIMEOUT_S, _POLL_S)


def make_template(cluster: AuroraCluster) -> AuroraDatabase:
    """Create the empty template database."""
    with _administering(cluster) as connection:
        connection.execute(f'CREATE DATABASE "{TEMPLATE}"')
    return AuroraDatabase(cluster, TEMPLATE)


def load_schema(template: AuroraDatabase, files: Sequence[Path]) -> None:
    """Run SQL files in order in the template. Raises UsageError, which names the file that failed."""
    import psycopg  # noqa: PLC0415  (only for tests with databases)

    from auroractl.engine.connections import REQUIRE_AUTH  # noqa: PLC0415

    with psycopg.connect(template.uri, autocommit=True, require_auth=REQUIRE_AUTH) as connection:
        for file in files:
            try:
                connection.execute(file.read_bytes())
            except (OSError, psycopg.Error) as error:
                raise UsageError(f"aurora_schema: {file} failed: {error}", "Correct the file") from error


@contextmanager
def fresh_database(template: AuroraDatabase) -> Iterator[AuroraDatabase]:
    """Copy the template to a new database, and drop it afterwards, closing its connections.

    Waits for a failover that a test may have started. Raises UsageError if a connection to the template is open,
    because PostgreSQL refuses to copy it then.
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
    import psycopg  # noqa: PLC0415  (only for tests with databases)

    with _administering(template.cluster) as connection:
        try:
            connection.execute(f'CREATE DATABASE "{database.name}" TEMPLATE "{template.name}"')
        except psycopg.errors.ObjectInUse as error:
            raise UsageError(
                f"The template database {template.name} cannot be copied while a connection to it is open.",
                "Close every connection that aurora_schema opened",
            ) from error


@contextmanager
def _administering(cluster: AuroraCluster) -> Iterator[psycopg.Connection]:
    """Connect to the first database; retry while the writer is being replaced."""
    import psycopg  # noqa: PLC0415  (only for tests with databases)

    from auroractl.engine.connections import REQUIRE_AUTH  # noqa: PLC0415

    opened: list[psycopg.Connection] = []

    def refused() -> str:
        try:
            opened.append(psycopg.connect(cluster.uri, autocommit=True, connect_timeout=30, require_auth=REQUIRE_AUTH))
        except psycopg.OperationalError as error:
            return str(error)
        return ""

    wait_until("the writer took no connection", refused, _CONNECT_TIMEOUT_S, _POLL_S)
    with opened[0] as connection:
        yield connection
