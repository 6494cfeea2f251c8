"""Looking into a state file without opening it for work: nothing is migrated, locked or written, and no SQLAlchemy."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

_BUSY_TIMEOUT_S = 5.0


def _read_only(path: Path) -> contextlib.closing[sqlite3.Connection]:
    return contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=_BUSY_TIMEOUT_S))


def damage(path: Path) -> str:
    """What SQLite finds wrong with a file, in its words; empty where it is whole. Raises sqlite3.Error."""
    with _read_only(path) as connection:
        (first,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    return "" if first == "ok" else str(first)


def revision(path: Path) -> str:
    """The revision of the schema that a file has. Raises sqlite3.Error."""
    with _read_only(path) as connection:
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return str(row[0]) if row else ""


def cluster_names(path: Path) -> list[str]:
    """The clusters that a file knows. Raises sqlite3.Error."""
    with _read_only(path) as connection:
        return [str(name) for (name,) in connection.execute("SELECT identifier FROM cluster ORDER BY identifier")]


def copy_without(path: Path, target: Path, secrets: dict[str, str]) -> None:
    """A consistent copy of a file that is in use, in which texts in `secrets` are replaced wherever they stand.

    Raises sqlite3.Error.
    """
    with _read_only(path) as source, contextlib.closing(sqlite3.connect(target)) as copy:
        source.backup(copy)
        tables = [str(name) for (name,) in copy.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            columns = [str(row[1]) for row in copy.execute(f'PRAGMA table_info("{table}")')]
            for column in columns:
                for secret, instead in secrets.items():
                    copy.execute(
                        f'UPDATE "{table}" SET "{column}" = replace("{column}", ?, ?) WHERE instr("{column}", ?)',  # noqa: S608
                        (secret, instead, secret),
                    )
        copy.commit()
        # What was replaced would stay behind in free pages.
        copy.execute("PRAGMA journal_mode = DELETE")
        copy.execute("VACUUM")
