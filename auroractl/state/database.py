"""Opening state.db: made when it is missing, upgraded when it is older, refused when it is newer or damaged.

HOME/state.db                                     the database; -wal and -shm beside it while it is open
HOME/state-backups/state-REVISION-TIME.db         copies made before upgrades
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event

from auroractl.state import schema
from auroractl.state.failures import StateFiles, explained
from auroractl.state.repository import Repository

BUSY_TIMEOUT_MS = 5000
BEGIN_OPTION = "auroractl_begin"
"""Execution option with which a connection begins its transactions by something else than BEGIN IMMEDIATE."""


class Database:
    """An open state file. Threads may share it."""

    def __init__(self, engine: Engine, files: StateFiles) -> None:
        self._engine = engine
        self.repository = Repository(engine, engine.execution_options(**{BEGIN_OPTION: "BEGIN"}), files)

    def close(self) -> None:
        """Close all connections; the last one folds the log back into the file."""
        self._engine.dispose()


def open_database(path: Path, backups: Path, migrations: schema.Migrations = schema.SHIPPED) -> Database:
    """Open a state file, after making or upgrading it where needed.

    The file's folder must exist; `backups` is made when a copy is due. The caller holds the home's lock: nothing
    else opens the file meanwhile.

    Raises StateError for a damaged file or one that a newer version wrote, MachineError where the file cannot be
    written or the disk is full.
    """
    files = StateFiles(path, backups)
    with explained(files):
        if not path.exists():
            _create(path, migrations)
        elif (revision := schema.inspect(files)) != migrations.head:
            _upgrade(files, revision, migrations)
        engine = _engine(path)
        try:
            # The first connection sets the file up; what is wrong with it is reported here, not at the first use.
            with engine.connect():
                pass
        except BaseException:
            engine.dispose()
            raise
    return Database(engine, files)


def _create(path: Path, migrations: schema.Migrations) -> None:
    """Make the file under another name first: a state.db that exists is always whole, so an empty one is damage."""
    partial = path.with_name(f"{path.name}.partial")
    _unlink(partial)
    try:
        partial.touch(mode=0o600)
        engine = _engine(partial)
        try:
            schema.create(engine, migrations.head)
        finally:
            engine.dispose()
        # A log of a former file of this name would be replayed into the new one.
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
        # The driver's own idea of when to begin is switched off; `begin` below says it
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
