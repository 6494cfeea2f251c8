"""A program that writes with all Python drivers at once, each in a thread of its own."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import asyncpg  # type: ignore[import-untyped]
import psycopg
import sqlalchemy as sa
from aws_advanced_python_wrapper import AwsWrapperConnection  # type: ignore[import-untyped]
from aws_advanced_python_wrapper.errors import FailoverError  # type: ignore[import-untyped]
from django.conf import settings  # type: ignore[import-untyped]
from django.db import close_old_connections, connections, reset_queries  # type: ignore[import-untyped]
from psycopg_pool import ConnectionPool

PAUSE_S = 0.05
INSERT = "insert into driver_ledger values (%s, %s)"
WHERE = "select pg_catalog.aurora_db_instance_identifier(), pg_catalog.pg_is_in_recovery()"
Write = Callable[[int], None]
"""One attempt of an application to insert a row; the next attempt is its next row."""

_output = threading.Lock()


class Target:
    """Where to connect, as the harness says it."""

    def __init__(self, fields: dict[str, Any]) -> None:
        self.fields = fields

    def __getattr__(self, name: str) -> Any:
        return self.fields[name]

    def conninfo(self, host: str = "", **more: object) -> dict[str, Any]:
        """Connection parameters of libpq, with full verification."""
        return {
            "host": host or self.host,
            "port": self.port,
            "user": self.user,
            "password": self.password,
            "dbname": self.database,
            "sslmode": "verify-full",
            "sslrootcert": self.ca,
            **more,
        }


def say(kind: str, driver: str, text: object) -> None:
    """Print what happened as one line."""
    with _output:
        sys.stdout.write(f"{kind} {driver} {' '.join(str(text).split())[:300]}\n")
        sys.stdout.flush()


class Reconnecting:
    """A client without a pool: it connects again after an error, and keeps the connection otherwise."""

    def __init__(self, driver: str, connect: Callable[[], Any], kept_after: type[Exception] | None = None) -> None:
        self.driver, self._connect = driver, connect
        self.connection: Any = None
        self._kept_after = kept_after or ()
        """The error after which the connection is a new one already."""

    def write(self, number: int) -> None:
        """Insert a row."""
        try:
            self.connection = self.connection or self._connect()
            self.connection.execute(INSERT, (self.driver, number))
        except self._kept_after:
            raise
        except Exception:
            self.close()
            raise

    def close(self) -> None:
        """Close the connection, if there is one."""
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.close()


def _by_psycopg_alone(target: Target) -> Write:
    """psycopg without a pool."""
    return Reconnecting("psycopg", lambda: psycopg.connect(**target.conninfo(), autocommit=True)).write


def _by_psycopg_pool(target: Target) -> Write:
    """The pool of psycopg, which checks a connection before it hands it out."""
    parameters = target.conninfo(autocommit=True)
    pool = ConnectionPool(kwargs=parameters, min_size=1, max_size=2, check=ConnectionPool.check_connection, open=True)

    def write(number: int) -> None:
        with pool.connection() as connection:
            connection.execute(INSERT, ("psycopg-pool", number))

    return write


def _by_pgbouncer(target: Target) -> Write:
    """psycopg through pgbouncer, which connects to the writer endpoint."""
    there = {"host": "127.0.0.1", "port": target.pgbouncer_port, "user": target.user, "dbname": "demo"}
    connect = lambda: psycopg.connect(**there, autocommit=True, prepare_threshold=None, sslmode="disable")  # noqa: E731
    return Reconnecting("pgbouncer", connect).write


def _by_sqlalchemy(target: Target) -> Write:
    """SQLAlchemy with pre-ping."""
    url = sa.URL.create("postgresql+psycopg")
    engine = sa.create_engine(url, connect_args=target.conninfo(), pool_pre_ping=True)

    def write(number: int) -> None:
        with engine.begin() as connection:
            connection.exec_driver_sql(INSERT, ("sqlalchemy", number))

    return write


def _by_django(target: Target) -> Write:
    """Django with connections that are kept and checked at the begin of each request."""
    connection, begin_request = _django(target, target.host)

    def write(number: int) -> None:
        begin_request()
        with connection.cursor() as cursor:
            cursor.execute(INSERT, ("django", number))

    return write


def _django(target: Target, host: str) -> tuple[Any, Callable[[], object]]:
    tls = {"sslmode": "verify-full", "sslrootcert": target.ca}
    database = {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": host,
        "PORT": target.port,
        "USER": target.user,
        "PASSWORD": target.password,
        "NAME": target.database,
        "OPTIONS": tls,
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
    }
    if not settings.configured:
        settings.configure(DATABASES={"default": database}, USE_TZ=True)
    connections.settings[host] = connections.settings["default"] | {"HOST": host}

    def begin_request() -> None:
        reset_queries()
        close_old_connections()

    return connections[host], begin_request


def _by_asyncpg_pool(target: Target) -> Write:
    """The pool of asyncpg, whose event loop is in a thread of its own."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()

    async def open_pool() -> Any:
        return await asyncpg.create_pool(**_asyncpg(target, target.host), min_size=1, max_size=2)

    pool = asyncio.run_coroutine_threadsafe(open_pool(), loop).result()

    def write(number: int) -> None:
        inserted = pool.execute("insert into driver_ledger values ($1, $2)", "asyncpg", number)
        asyncio.run_coroutine_threadsafe(inserted, loop).result()

    return write


def _asyncpg(target: Target, host: str) -> dict[str, Any]:
    return {
        "host": host,
        "port": target.port,
        "user": target.user,
        "password": target.password,
        "database": target.database,
        "ssl": ssl.create_default_context(cafile=target.ca),
        "timeout": 30,
    }


def _wrapper(driver: str, target: Target, host: str = "", *, kept: bool = True, **parameters: object) -> Reconnecting:
    """AWS's driver, on a connection that it moves to the new writer by itself. No dialect is given."""

    # By default the plugin initial_connection tries an instance that is down for 30 s before it looks for another.
    retries = {"open_connection_retry_timeout_ms": 3000}

    def connect() -> Any:
        there = target.conninfo(host, autocommit=True, connect_timeout=30, cluster_id=driver, **retries)
        return AwsWrapperConnection.connect(psycopg.Connection.connect, **there, **parameters)

    return Reconnecting(driver, connect, FailoverError if kept else None)


def _by_wrapper(target: Target) -> Write:
    """AWS's driver with its default plugins and nothing but a host name."""
    client = _wrapper("wrapper", target)

    def write(number: int) -> None:
        client.write(number)
        if number == 1:
            say("dialect", "wrapper", type(client.connection._plugin_service.database_dialect).__name__)

    return write


def _by_wrapper_failover(target: Target) -> Write:
    """AWS's driver with its first failover plugin, at an address, so that it has to ask the server whether it is Aurora.

    In 3.1 this plugin fails over once on a connection: the event that ends its tasks is never cleared. So the application
    connects again.
    """
    plugins = "aurora_connection_tracker,failover,host_monitoring_v2"
    pattern = {"cluster_instance_host_pattern": target.instance_pattern}
    return _wrapper("wrapper-failover", target, target.address, kept=False, plugins=plugins, **pattern).write


def _by_wrapper_read_write(target: Target) -> Write:
    """AWS's driver with read_write_splitting: each row is written on the writer, and a reader is asked afterwards."""
    plugins = "initial_connection,read_write_splitting,failover_v2,host_monitoring_v2"
    client = _wrapper("wrapper-read-write", target, plugins=plugins)

    def write(number: int) -> None:
        if client.connection is not None:
            client.connection.read_only = False
        client.write(number)
        try:
            client.connection.read_only = True
            instance, standby = client.connection.execute(WHERE).fetchone()
        except Exception as error:  # noqa: BLE001  (a failed read is none of the ledger)
            say("unread", "wrapper-read-write", repr(error))
        else:
            say("read", "wrapper-read-write", f"{'reader' if standby else 'writer'} {instance}")

    return write


def _by_wrapper_anew(target: Target) -> Write:
    """AWS's driver with a new connection for each row, which meets what DNS says."""

    def write(number: int) -> None:
        client = _wrapper("wrapper-anew", target)
        try:
            client.write(number)
        finally:
            client.close()

    return write


def _by_psycopg_anew(target: Target) -> Write:
    """psycopg with a new connection for each row."""

    def write(number: int) -> None:
        with psycopg.connect(**target.conninfo(), autocommit=True) as connection:
            connection.execute(INSERT, ("psycopg-anew", number))

    return write


CLIENTS: dict[str, Callable[[Target], Write]] = {
    "psycopg": _by_psycopg_alone,
    "psycopg-pool": _by_psycopg_pool,
    "sqlalchemy": _by_sqlalchemy,
    "django": _by_django,
    "asyncpg": _by_asyncpg_pool,
    "pgbouncer": _by_pgbouncer,
    "wrapper": _by_wrapper,
    "wrapper-failover": _by_wrapper_failover,
    "wrapper-read-write": _by_wrapper_read_write,
    "wrapper-anew": _by_wrapper_anew,
    "psycopg-anew": _by_psycopg_anew,
}


def _write_on(driver: str, target: Target, stop: threading.Event) -> None:
    write, number = None, 0
    while not stop.is_set():
        number += 1
        try:
            write = write or CLIENTS[driver](target)
            write(number)
        except Exception as error:  # noqa: BLE001  (an application sees whatever comes)
            say("error", driver, f"{type(error).__name__}: {error}")
        else:
            say("ok", driver, number)
        time.sleep(PAUSE_S)


def _connect_once(target: Target) -> None:
    """Print which instance each driver reaches at each host, all with full verification."""
    for host in target.hosts:
        for driver, ask in _asking(target, host):
            try:
                say("ok", driver, f"{host} {ask()}")
            except Exception as error:  # noqa: BLE001
                say("error", driver, f"{host} {type(error).__name__}: {error}")


def _asking(target: Target, host: str) -> Iterator[tuple[str, Callable[[], str]]]:
    name = "select pg_catalog.aurora_db_instance_identifier()"

    def by_psycopg() -> str:
        with psycopg.connect(**target.conninfo(host)) as connection:
            (found,) = connection.execute(name).fetchall()
            return str(found[0])

    def by_sqlalchemy() -> str:
        engine = sa.create_engine(sa.URL.create("postgresql+psycopg"), connect_args=target.conninfo(host))
        with engine.connect() as connection:
            return str(connection.exec_driver_sql(name).scalar_one())

    def by_django() -> str:
        connection, _ = _django(target, host)
        with connection.cursor() as cursor:
            cursor.execute(name)
            return str(cursor.fetchone()[0])

    async def fetch() -> str:
        connection = await asyncpg.connect(**_asyncpg(target, host))
        try:
            return str(await connection.fetchval(name))
        finally:
            await connection.close()

    yield "psycopg", by_psycopg
    yield "sqlalchemy", by_sqlalchemy
    yield "django", by_django
    yield "asyncpg", lambda: asyncio.run(fetch())


@contextmanager
def _ends_with_stdin(stop: threading.Event) -> Iterator[None]:
    yield
    sys.stdin.read()
    stop.set()


def main() -> None:
    """Write until stdin is closed, or connect once to every host."""
    target = Target(json.loads(os.environ["DRIVER_TARGET"]))
    if target.fields.get("hosts"):
        _connect_once(target)
        return
    stop = threading.Event()
    threads = [
        threading.Thread(target=_write_on, args=(driver, target, stop))
        for driver in target.drivers
        if driver in CLIENTS
    ]
    with _ends_with_stdin(stop):
        for thread in threads:
            thread.start()
    for thread in threads:
        thread.join(60)
    # Pools and monitors of drivers have threads that would keep the process.
    os._exit(0)


if __name__ == "__main__":
    main()
