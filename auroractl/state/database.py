"""Opening state.db: created if missing, upgraded if older, refused if newer or damaged.

HOME/state.db                                     the database; -wal and -shm beside it while it is open
HOME/state-backups/state-REVISION-TIME.db         copies made before upgrades
"""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event

from auroractl.state import schema
from auroractl.state.repository import Repository
from auroractl.state.sessions import Access
from auroractl.state.sqlite_errors import StateFiles, explained

BUSY_TIMEOUT_MS = 5000
BEGIN_OPTION = "auroractl_begin"
"""Execution option for connections that begin transactions by something other than BEGIN IMMEDIATE."""


class Database:
    """An open state file. Safe for use by several threads."""

    def __init__(self, engine: Engine, files: StateFiles, access: Access) -> None:
        self._engine = engine
        self._access = access
        self.repository = Repository(engine, engine.execution_options(**{BEGIN_OPTION: "BEGIN"}), files, access)

    def close(self) -> None:
        """Close all connections; the last one checkpoints the WAL into the file."""
        with self._access():
            self._engine.dispose()


def open_database(
    path: Path, backups: Path, migrations: schema.Migrations = schema.SHIPPED, access: Access = nullcontext
) -> Database:
    """Open a state file, creating or upgrading it if necessary.

    The file's folder must exist; `backups` is created when a copy is due. The caller holds the home's lock: no other
    process opens the file meanwhile. All files are opened inside `access`.

    Raises StateError for a damaged file or one that a newer version wrote, MachineError if the file cannot be written
    or the disk is full.
    """
    files = StateFiles(path, backups)
    with access(), explained(files):
        if not path.exists():
            _create(path, migrations)
        elif (revision := schema.inspect(files)) != migrations.head:
            _upgrade(files, revision, migrations)
        engine = _engine(path)
        try:
            # The first connection sets up the file, so problems with it are reported here and not at first use.
            with engine.connect():
                pass
        except BaseException:
            engine.dispose()
            raise
    return Database(engine, files, access)


def _create(path: Path, migrations: schema.Migrations) -> None:
    """Create the file under a temporary name first.

    An existing state.db is therefore always complete, and an empty one is damaged.
    """
    partial = path.with_name(f"{path.name}.partial")
    _unlink(partial)
    try:
        partial.touch(mode=0o600)
        engine = _engine(partial)
        try:
            schema.create(engine, migrations.head)
        finally:
            engine.dispose()
        # The WAL of a former file of this name would be replayed into the new one.
        _unlink(path)
        schema.publish(partial, path)
    except BaseException:
        _unlink(partial)
        raise


def _unlink(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _upgrade(files: StateFiles, revision: str, migrations: schema.Migrations) -> None:
    schema.require_known(files, revision, migrations)
    schema.copy_before_upgrade(files, revision)
    engine = _engine(files.path, foreign_keys=False)
    try:
        schema.upgrade(engine, migrations)
    finally:
        engine.dispose()


def _engine(path: Path, *, foreign_keys: bool = True) -> Engine:
    engine = create_engine(URL.create("sqlite", database=str(path)))

    @event.listens_for(engine, "connect")
    def connect(connection: Any, _record: object) -> None:
        # The driver's own transaction control is switched off; `begin` below takes its place
        # (https://docs.sqlalchemy.org/en/20/dialects/sqlite.html, "non-legacy transactional modes").
        connection.isolation_level = None
        for pragma in (
            f"busy_timeout = {BUSY_TIMEOUT_MS}",
            "journal_mode = WAL",
            "synchronous = FULL",  # a change of the writer role must survive a power loss
            f"foreign_keys = {'ON' if foreign_keys else 'OFF'}",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A writing transaction takes the lock at once: one that read first could not wait for it later.
        connection.exec_driver_sql(connection.get_execution_options().get(BEGIN_OPTION, "BEGIN IMMEDIATE"))

    return engine
