"""Read-only access to a state file: no migration, no lock, no write, and no SQLAlchemy."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

_BUSY_TIMEOUT_S = 5.0


def _read_only(path: Path) -> contextlib.closing[sqlite3.Connection]:
    return contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=_BUSY_TIMEOUT_S))


def damage(path: Path) -> str:
    """Return the damage that SQLite finds in a file, in its words; empty if there is none. Raises sqlite3.Error."""
    with _read_only(path) as connection:
        (first,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    return "" if first == "ok" else str(first)


def revision(path: Path) -> str:
    """Return the schema revision of a file. Raises sqlite3.Error."""
    with _read_only(path) as connection:
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return str(row[0]) if row else ""


def cluster_names(path: Path) -> list[str]:
    """List the clusters in a file. Raises sqlite3.Error."""
    with _read_only(path) as connection:
        return [str(name) for (name,) in connection.execute("SELECT identifier FROM cluster ORDER BY identifier")]


def copy_without(path: Path, target: Path, secrets: dict[str, str]) -> None:
    """Make a consistent copy of a file in use, with all occurrences of the texts in `secrets` replaced.

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
        # Otherwise the replaced text would remain in free pages.
        copy.execute("PRAGMA journal_mode = DELETE")
        copy.execute("VACUUM")
