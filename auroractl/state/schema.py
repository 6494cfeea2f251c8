"""The schema revision of a state file, and its upgrade.

Migration scripts are in auroractl/migrations in an installed wheel and in migrations/ of a checkout. Alembic is
imported only when there is something to migrate, because it takes longer to load than everything else together.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Engine

import auroractl
from auroractl.core.errors import StateError
from auroractl.state.models import Base
from auroractl.state.sqlite_errors import StateFiles, damaged

HEAD = "0012"
"""The newest revision among the migration scripts."""

_VERSION_TABLE = """
    CREATE TABLE alembic_version (
        version_num VARCHAR(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
    )
"""


def _scripts() -> Path:
    package = Path(auroractl.__file__).parent
    shipped = package / "migrations"
    return shipped if shipped.is_dir() else package.parent / "migrations"


@dataclass(frozen=True, slots=True)
class Migrations:
    """A folder of migration scripts and the revision to which it leads."""

    scripts: Path
    head: str


SHIPPED = Migrations(_scripts(), HEAD)


def inspect(files: StateFiles) -> str:
    """Return the revision of an existing state file.

    Raises StateError for a file that is damaged or has other contents, sqlite3.Error if it cannot be read.
    """
    if files.path.stat().st_size == 0:
        raise damaged(files, "it is empty")
    with closing(sqlite3.connect(files.path)) as connection:
        finding = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if finding != "ok":
            raise damaged(files, finding)
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if "alembic_version" not in tables:
            raise damaged(files, "it is an SQLite file, but was not written by auroractl")
        revisions = [revision for (revision,) in connection.execute("SELECT version_num FROM alembic_version")]
    if len(revisions) != 1:
        raise damaged(files, f"it names {len(revisions)} revisions instead of one")
    return str(revisions[0])


def create(engine: Engine, head: str) -> None:
    """Create all tables in an empty database, in one transaction.

    The result equals that of the migrations (a test compares them), without loading Alembic.
    """
    with engine.begin() as connection:
        Base.metadata.create_all(connection)
        connection.exec_driver_sql(_VERSION_TABLE)
        connection.exec_driver_sql("INSERT INTO alembic_version VALUES (?)", (head,))


def require_known(files: StateFiles, revision: str, migrations: Migrations) -> None:
    """Raise StateError for a revision that no migration script has: a newer auroractl wrote it."""
    from alembic.script import ScriptDirectory  # noqa: PLC0415  (0.4 s; only before an upgrade)

    known = {script.revision for script in ScriptDirectory(str(migrations.scripts)).walk_revisions()}
    if revision not in known:
        copy = files.newest_copy()
        raise StateError(
            f"The state file {files.path} was written by a newer auroractl (its schema is {revision}, this version "
            f"{auroractl.__version__} knows {migrations.head}).",
            "Upgrade auroractl"
            + (f"; the state before it is in {copy}" if copy else f" (there is no older copy in {files.backups})"),
        )


def copy_before_upgrade(files: StateFiles, revision: str) -> Path:
    """Copy the database, including what is so far only in its WAL, to `state-REVISION-TIME.db`; return its path.

    The name appears only once the copy is complete and on disk.
    """
    files.backups.mkdir(mode=0o700, exist_ok=True)
    copy = files.backups / f"state-{revision}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.db"
    partial = copy.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    try:
        partial.touch(mode=0o600)
        with closing(sqlite3.connect(files.path)) as source, closing(sqlite3.connect(partial)) as target:
            source.backup(target)
            # The copy must be one file that can be restored alone, but it inherits WAL mode, which keeps part of it
            # beside the file.
            target.execute("PRAGMA journal_mode = DELETE")
        publish(partial, copy)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    return copy


def upgrade(engine: Engine, migrations: Migrations) -> None:
    """Run the migration scripts in one transaction.

    `engine` must not enforce foreign keys: SQLite is altered by rebuilding tables, and dropping the old table would
    delete, by cascade, all rows that refer to it. The foreign keys are checked at the end instead.
    """
    from alembic import command  # noqa: PLC0415  (0.4 s; only for an upgrade)
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(migrations.scripts).replace("%", "%%"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, migrations.head)
        orphans = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
        if orphans:
            raise StateError(f"Upgrading the state left {len(orphans)} rows of {orphans[0][0]} that refer to nothing.")


def publish(partial: Path, final: Path) -> None:
    """Rename a finished file to its final name; after a power loss it is there completely or not at all."""
    _sync(partial)
    partial.replace(final)
    _sync(final.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
