"""The migration scripts, the models and the head that the program knows say the same."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine

from auroractl.state import schema
from auroractl.state.database import open_database
from auroractl.state.models import Base


def migrated(path: Path) -> Path:
    """A database made by the migration scripts alone."""
    engine = create_engine(f"sqlite:///{path}")
    schema.upgrade(engine, schema.SHIPPED)
    engine.dispose()
    return path


def created(path: Path) -> Path:
    """A database made as open_database makes a new one."""
    open_database(path, path.parent).close()
    return path


def structure(path: Path) -> dict[str, Any]:
    """Columns, keys and indexes by table, in an order that does not depend on how they came about."""
    with closing(sqlite3.connect(path)) as connection:

        def rows(query: str, *parameters: str) -> list[tuple[Any, ...]]:
            return connection.execute(query, parameters).fetchall()

        found: dict[str, Any] = {}
        for (table,) in rows("SELECT name FROM sqlite_master WHERE type = 'table'"):
            found[table] = {
                "columns": sorted(row[1:] for row in rows("SELECT * FROM pragma_table_info(?)", table)),
                "foreign keys": sorted(row[2:] for row in rows("SELECT * FROM pragma_foreign_key_list(?)", table)),
                "unique": sorted(
                    (unique, origin, partial, [row[2] for row in rows("SELECT * FROM pragma_index_info(?)", name)])
                    for _, name, unique, origin, partial in rows("SELECT * FROM pragma_index_list(?)", table)
                ),
                "indexes": sorted(
                    " ".join(sql.split())
                    for (sql,) in rows(
                        "SELECT sql FROM sqlite_master WHERE type = 'index' AND tbl_name = ? AND sql IS NOT NULL", table
                    )
                ),
            }
        return found


def test_the_migrations_give_what_a_new_database_has(tmp_path: Path) -> None:
    assert structure(migrated(tmp_path / "migrated.db")) == structure(created(tmp_path / "created.db"))


def test_the_models_have_not_drifted_from_the_migrations(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{migrated(tmp_path / 'migrated.db')}")
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True, "target_metadata": Base.metadata}
        )
        assert compare_metadata(context, Base.metadata) == []
    engine.dispose()


def test_a_backtrack_that_waits_during_the_upgrade_is_pinned(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'older.db'}")
    schema.upgrade(engine, schema.Migrations(schema.SHIPPED.scripts, "0006"))
    at = "2026-11-27 05:00:00.000000"
    with engine.begin() as connection:
        # Inserted without the cluster, which has many columns and is not what this is about.
        for identifier, status in (("waiting", "pending"), ("over", "completed")):
            connection.exec_driver_sql(
                "INSERT INTO backtrack (identifier, cluster, status, requested_at, consistent_at, timeline, lsn, error)"
                " VALUES (?, 'demo', ?, ?, ?, 1, 1, '')",
                (identifier, status, at, at),
            )
    with engine.begin() as connection:
        command.upgrade(config_for(connection), "head")
        assert connection.exec_driver_sql("SELECT cluster, holder, at FROM pin").all() == [("demo", "waiting", at)]
    engine.dispose()


def config_for(connection: Connection) -> Config:
    """Alembic's configuration for a connection to upgrade."""
    config = Config()
    config.set_main_option("script_location", str(schema.SHIPPED.scripts).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def test_the_program_knows_the_only_head() -> None:
    assert ScriptDirectory(str(schema.SHIPPED.scripts)).get_heads() == [schema.HEAD]


def test_every_constraint_has_a_name_by_which_it_can_be_altered() -> None:
    for table in Base.metadata.tables.values():
        assert all(constraint.name for constraint in table.constraints)
        assert all(index.name for index in table.indexes)


def test_the_tables_are_those_that_are_needed_now() -> None:
    assert set(Base.metadata.tables) == {
        "cluster", "instance", "endpoint", "operation", "operation_step", "event",
        "storage_volume", "storage_node", "protection_group", "volume_growth", "fault",
        "era", "backtrack", "pin", "parameter_group",
    }  # fmt: skip
