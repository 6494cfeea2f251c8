"""Opening state.db: new, current, older, newer, damaged, and on a disk that will not take it."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from auroractl.core.errors import MachineError, StateError
from auroractl.state import database as database_module
from auroractl.state import schema
from auroractl.state.database import Database, open_database
from auroractl.state.sqlite_errors import StateFiles

if TYPE_CHECKING:
    from tests.unit.state.conftest import Demo, Mount


@contextmanager
def opened(folder: Path, migrations: schema.Migrations = schema.SHIPPED) -> Iterator[Database]:
    database = open_database(folder / "state.db", folder / "state-backups", migrations)
    try:
        yield database
    finally:
        database.close()


def query(path: Path, sql: str, *parameters: Any) -> list[Any]:
    """One statement as another program would run it."""
    with closing(sqlite3.connect(path)) as connection, connection:
        return [row[0] for row in connection.execute(sql, parameters)]


def copies(folder: Path) -> list[Path]:
    return sorted((folder / "state-backups").glob("*"))


class TestNew:
    def test_it_is_private_and_nothing_else_is_left(self, tmp_path: Path) -> None:
        with opened(tmp_path):
            modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
        assert modes == dict.fromkeys(("state.db", "state.db-wal", "state.db-shm"), 0o600)
        assert [path.name for path in tmp_path.iterdir()] == ["state.db"]
        assert query(tmp_path / "state.db", "SELECT version_num FROM alembic_version") == [schema.HEAD]

    def test_what_a_killed_predecessor_left_does_not_matter(
        self, tmp_path: Path, make_demo: Callable[..., Demo]
    ) -> None:
        with opened(tmp_path) as database:
            make_demo().create(database.repository)
            shutil.copy(tmp_path / "state.db-wal", tmp_path / "left-wal")
        (tmp_path / "state.db").unlink()
        (tmp_path / "left-wal").rename(tmp_path / "state.db-wal")
        for suffix in ("", "-wal", "-shm"):
            (tmp_path / f"state.db.partial{suffix}").write_bytes(b"half a file")
        with opened(tmp_path) as database:
            assert database.repository.clusters() == []
        assert [path.name for path in tmp_path.iterdir()] == ["state.db"]

    def test_alembic_is_not_loaded_for_a_new_or_a_current_one(self, tmp_path: Path) -> None:
        program = (
            "import sys; from pathlib import Path; from auroractl.state.database import open_database\n"
            "for _ in range(2): open_database(Path('state.db'), Path('copies')).close()\n"
            "assert 'alembic' not in sys.modules"
        )
        subprocess.run([sys.executable, "-W", "error", "-c", program], cwd=tmp_path, check=True)


class TestConnections:
    def test_they_are_durable_and_enforce_foreign_keys(self, database: Database) -> None:
        with database._engine.connect() as connection:
            settings = {
                name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
                for name in ("journal_mode", "foreign_keys", "busy_timeout", "synchronous")
            }
        assert settings == {"journal_mode": "wal", "foreign_keys": 1, "busy_timeout": 5000, "synchronous": 2}

    def test_a_reader_passes_while_a_writer_holds_the_lock(self, database: Database, demo: Demo) -> None:
        with database._engine.begin() as connection:
            connection.exec_driver_sql("DELETE FROM cluster")
            assert database.repository.clusters() == [demo.cluster]
            connection.rollback()

    def test_a_second_writer_waits_only_so_long(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(database_module, "BUSY_TIMEOUT_MS", 50)
        with (
            opened(tmp_path) as database,
            database._engine.begin(),
            pytest.raises(StateError, match=r"holds .* locked"),
        ):
            database.repository.delete_cluster("demo")

    def test_acknowledged_writes_survive_sigkill(self, tmp_path: Path) -> None:
        program = (
            "from datetime import UTC, datetime; from pathlib import Path\n"
            "from auroractl.state.database import open_database\n"
            "repository = open_database(Path('state.db'), Path('copies')).repository\n"
            "for number in range(100_000):\n"
            "    repository.add_event('demo', 'demo', 'db-cluster', 'x', str(number), [], datetime.now(UTC))\n"
            "    print(number, flush=True)"
        )
        with subprocess.Popen([sys.executable, "-c", program], cwd=tmp_path, stdout=subprocess.PIPE) as writer:
            assert writer.stdout
            for _ in range(20):
                acknowledged = int(writer.stdout.readline())
            writer.send_signal(signal.SIGKILL)
        with opened(tmp_path) as database:
            recorded = [int(event.message) for event in database.repository.events(None, None, 100_000)]
        assert recorded == list(range(len(recorded)))
        assert recorded[-1] >= acknowledged


@pytest.fixture
def newer(tmp_path: Path) -> Callable[[str], schema.Migrations]:
    """The shipped migrations and one more, which does what is said."""

    def make(body: str) -> schema.Migrations:
        scripts = tmp_path / "100% newer migrations"
        shutil.copytree(schema.SHIPPED.scripts, scripts, ignore=shutil.ignore_patterns("__pycache__"))
        (scripts / "versions" / "next.py").write_text(
            "import sqlalchemy as sa\nfrom alembic import op\n"
            f"revision, down_revision = 'next', {schema.HEAD!r}\n"
            f"def upgrade():\n    {body}\n"
        )
        return schema.Migrations(scripts, "next")

    return make


REBUILD_CLUSTER = """with op.batch_alter_table("cluster", recreate="always") as batch:
        batch.add_column(sa.Column("motto", sa.String(), nullable=False, server_default="none"))"""


class TestOlder:
    def test_it_is_copied_and_upgraded(
        self, tmp_path: Path, make_demo: Callable[..., Demo], newer: Callable[[str], schema.Migrations]
    ) -> None:
        demo = make_demo()
        with opened(tmp_path) as database:
            demo.create(database.repository)
        with opened(tmp_path, newer(REBUILD_CLUSTER)) as database:
            # A table was rebuilt to which others refer with ON DELETE CASCADE: nothing may be lost by that.
            assert database.repository.clusters() == [demo.cluster]
            assert database.repository.instances() == demo.instances
            assert database.repository.endpoints("demo") == demo.endpoints
            database.repository.delete_cluster("demo")
            assert database.repository.instances() == []
        assert query(tmp_path / "state.db", "SELECT version_num FROM alembic_version") == ["next"]

        (copy,) = copies(tmp_path)
        assert re.fullmatch(rf"state-{schema.HEAD}-\d{{8}}T\d{{6}}Z\.db", copy.name)
        assert stat.S_IMODE(copy.stat().st_mode) == 0o600
        assert query(copy, "SELECT version_num FROM alembic_version") == [schema.HEAD]
        assert query(copy, "SELECT identifier FROM instance ORDER BY id") == [i.identifier for i in demo.instances]

    def test_the_copy_has_what_is_only_in_the_log_so_far(
        self, tmp_path: Path, make_demo: Callable[..., Demo], newer: Callable[[str], schema.Migrations]
    ) -> None:
        with opened(tmp_path) as database:
            make_demo().create(database.repository)
            crashed = tmp_path / "crashed"
            crashed.mkdir()
            for name in ("state.db", "state.db-wal"):
                shutil.copy(tmp_path / name, crashed / name)
        with opened(crashed, newer(REBUILD_CLUSTER)) as database:
            assert len(database.repository.clusters()) == 1
        (copy,) = copies(crashed)
        assert query(copy, "SELECT count(*) FROM cluster") == [1]

    @pytest.mark.parametrize(
        ("body", "reason"),
        [
            ("op.execute('DELETE FROM cluster'); op.execute('SELECT nonsense')", "no such column: nonsense"),
            ("op.execute('DELETE FROM cluster')", "left 5 rows of .* that refer to nothing"),
        ],
    )
    def test_an_upgrade_that_fails_changes_nothing(
        self,
        tmp_path: Path,
        make_demo: Callable[..., Demo],
        newer: Callable[[str], schema.Migrations],
        body: str,
        reason: str,
    ) -> None:
        with opened(tmp_path) as database:
            demo = make_demo().create(database.repository)
        with pytest.raises(StateError, match=reason):
            open_database(tmp_path / "state.db", tmp_path / "state-backups", newer(body))
        assert len(copies(tmp_path)) == 1
        with opened(tmp_path) as database:
            assert database.repository.instances("demo") == demo.instances


class TestNewer:
    def test_it_is_refused_untouched(self, tmp_path: Path, newer: Callable[[str], schema.Migrations]) -> None:
        with opened(tmp_path, newer(REBUILD_CLUSTER)):
            pass
        before = (tmp_path / "state.db").read_bytes()
        with pytest.raises(
            StateError, match=rf"newer auroractl \(its schema is next.* knows {schema.HEAD}\)"
        ) as caught:
            open_database(tmp_path / "state.db", tmp_path / "state-backups")
        assert caught.value.hint.startswith("Upgrade auroractl (there is no older copy")
        assert (tmp_path / "state.db").read_bytes() == before

    def test_the_hint_names_the_copy_made_before(
        self, tmp_path: Path, newer: Callable[[str], schema.Migrations]
    ) -> None:
        with opened(tmp_path):
            pass
        with opened(tmp_path, newer(REBUILD_CLUSTER)):
            pass
        with pytest.raises(StateError) as caught:
            open_database(tmp_path / "state.db", tmp_path / "state-backups")
        assert str(copies(tmp_path)[0]) in caught.value.hint


def _random_bytes(path: Path) -> None:
    path.write_bytes(random.Random(1).randbytes(20_000))


def _truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2 + 100)


def _empty(path: Path) -> None:
    os.truncate(path, 0)


def _overwrite_a_page(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(3 * 4096)
        file.write(b"\xff" * 4096)


def _foreign(path: Path) -> None:
    path.unlink()
    query(path, "CREATE TABLE photo (name TEXT)")


def _no_revision(path: Path) -> None:
    query(path, "DELETE FROM alembic_version")


class TestDamaged:
    @pytest.mark.parametrize("damage", [_random_bytes, _truncate, _empty, _overwrite_a_page, _foreign, _no_revision])
    def test_it_is_refused_untouched(
        self, tmp_path: Path, make_demo: Callable[..., Demo], damage: Callable[[Path], None]
    ) -> None:
        path = tmp_path / "state.db"
        with opened(tmp_path) as database:
            make_demo().create(database.repository)
        damage(path)
        before = path.read_bytes()
        with pytest.raises(StateError, match=f"^The state file {path} is damaged: ") as caught:
            open_database(path, tmp_path / "state-backups")
        assert caught.value.hint.startswith(f"There is no copy in {tmp_path / 'state-backups'}")
        assert path.read_bytes() == before

    def test_the_hint_brings_the_newest_copy_back(self, tmp_path: Path, make_demo: Callable[..., Demo]) -> None:
        folder = tmp_path / "my home"
        folder.mkdir()
        path, backups = folder / "state.db", folder / "state-backups"
        demo = make_demo()
        with opened(folder) as database:
            demo.create(database.repository)
        for number in (9, 10):
            made = schema.copy_before_upgrade(StateFiles(path, backups), "0001")
            made.rename(backups / f"state-{number}-2026010{number - 8}T000000Z.db")
        (backups / "state-11-20270101T000000Z.partial").touch()
        with opened(folder) as database:
            database.repository.delete_cluster("demo")
            log = Path(f"{path}-wal").read_bytes()
        Path(f"{path}-wal").write_bytes(log)
        _random_bytes(path)

        with pytest.raises(StateError) as caught:
            open_database(path, backups)
        assert "state-10-20260102T000000Z.db" in caught.value.hint
        subprocess.run(["sh", "-c", caught.value.hint.partition(": ")[2]], check=True)
        with opened(folder) as database:
            assert database.repository.clusters() == [demo.cluster]
        assert stat.S_IMODE(path.stat().st_mode) == 0o600

    def test_damage_found_later_is_reported_too(self, tmp_path: Path, make_demo: Callable[..., Demo]) -> None:
        with opened(tmp_path) as database:
            make_demo().create(database.repository)
        with opened(tmp_path) as database:
            _random_bytes(tmp_path / "state.db")
            with pytest.raises(StateError, match="is damaged"):
                database.repository.clusters()


def fill(path: Path) -> None:
    """Write until the disk is full."""
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"x" * 4096)


def write_much(database: Database) -> None:
    """Write more than the log of an open database has room for already."""
    for number in range(1000):
        database.repository.update_cluster("demo", tags={"number": str(number)})


class TestDisk:
    @pytest.mark.parametrize("folder", ["file", "missing"])
    def test_a_folder_that_cannot_hold_it(self, tmp_path: Path, folder: str) -> None:
        (tmp_path / "file").touch()
        path = tmp_path / folder / "state.db"
        with pytest.raises(MachineError, match=f"^The state file {path} cannot be used: N.* directory") as caught:
            open_database(path, tmp_path)
        assert str(path.parent) in caught.value.hint

    def test_a_folder_in_its_place(self, tmp_path: Path) -> None:
        (tmp_path / "state.db").mkdir()
        with pytest.raises(MachineError, match=r"state\.db cannot be written: unable to open database file"):
            open_database(tmp_path / "state.db", tmp_path)

    def test_a_read_only_one(self, mount_tmpfs: Mount) -> None:
        with mount_tmpfs(2048) as folder:
            with opened(folder):
                pass
            subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
            with pytest.raises(MachineError, match=r"state\.db cannot be written") as caught:
                open_database(folder / "state.db", folder)
            assert "read-only" in caught.value.hint
            with pytest.raises(MachineError, match="Read-only file system"):
                open_database(folder / "new.db", folder)

    @pytest.mark.parametrize("size_kib", [4, 16, 48, 100])
    def test_a_full_one_gets_no_new_file(self, mount_tmpfs: Mount, size_kib: int) -> None:
        with mount_tmpfs(size_kib) as folder:
            with pytest.raises(MachineError, match=r"is full|No space left"):
                open_database(folder / "state.db", folder)
            assert list(folder.iterdir()) == []

    def test_one_that_fills_up_refuses_writes_until_there_is_room(
        self, mount_tmpfs: Mount, make_demo: Callable[..., Demo]
    ) -> None:
        with mount_tmpfs(1024) as folder, opened(folder) as database:
            demo = make_demo().create(database.repository)
            ballast = folder / "ballast"
            fill(ballast)
            with pytest.raises(MachineError, match=f"The disk that holds {folder / 'state.db'} is full") as caught:
                write_much(database)
            assert caught.value.hint.startswith("Make room")
            assert database.repository.instances() == demo.instances
            ballast.unlink()
            database.repository.update_cluster("demo", tags={"number": "last"})
            (cluster,) = database.repository.clusters()
            assert cluster.tags == {"number": "last"}

    def test_a_full_one_cannot_be_upgraded(self, mount_tmpfs: Mount, newer: Callable[[str], schema.Migrations]) -> None:
        with mount_tmpfs(800) as folder:
            with opened(folder):
                pass
            room_bytes = (folder / "state.db").stat().st_size // 2
            (folder / "ballast").write_bytes(b"x" * (shutil.disk_usage(folder).free - room_bytes))
            with pytest.raises(MachineError, match=r"is full|No space left"):
                open_database(folder / "state.db", folder / "state-backups", newer(REBUILD_CLUSTER))
            (folder / "ballast").unlink()
            assert copies(folder) == []
            with opened(folder):
                pass
