"""A point in time on which work is in progress stays reachable, also for the next supervisor."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from auroractl.config.paths import Home
from auroractl.config.settings import Settings
from auroractl.core.operation_kinds import OperationKind
from auroractl.core.operations import OperationRecord, OperationStatus
from auroractl.core.restore.retention import Backtrack, BacktrackStatus, Limits, RecoveryImage
from auroractl.core.wal.segments import Lineage
from auroractl.runtime.managed_cluster import ManagedCluster
from auroractl.runtime.runtime import Runtime
from auroractl.services.recovery_images.retention import RetentionKeeper
from auroractl.services.restore import backtrack
from auroractl.state.database import open_database
from auroractl.state.repository import Repository
from auroractl.storage.images import ImageFolder, StoredImage
from tests.unit.state.conftest import Demo

NOW = datetime.now(UTC)
OLD = RecoveryImage("old", "demo-storage-1", 1, 0x1000, 0x2000, NOW - timedelta(minutes=30))
NEW = RecoveryImage("new", "demo-storage-1", 1, 0x8000, 0x9000, NOW - timedelta(minutes=10))
WAITING = Backtrack(
    identifier="going-back",
    cluster="demo",
    status=BacktrackStatus.PENDING,
    requested_at=NOW,
    to=NOW - timedelta(minutes=20),
    consistent_at=NOW - timedelta(minutes=20),
    timeline=1,
    lsn=0x7000,
)
Act = Callable[[Repository], None]


def supervised(tmp_path: Path, act: Callable[[Runtime], Any]) -> Any:
    """Run `act` as a supervisor would that starts, and is then killed: nothing in memory is left of it."""
    with closing(open_database(tmp_path / "state.db", tmp_path / "state-backups")) as database:
        runtime = Runtime(Home(tmp_path), Settings(backtrack_disk_budget="1MB"), database.repository, lambda: None)
        backtrack.end_orphans(runtime, database.repository.running_operations())
        return act(runtime)


def store(tmp_path: Path, image: RecoveryImage) -> StoredImage:
    """Make an image of 4 MB, more than the budget."""
    folder = ImageFolder(image.node, Home(tmp_path).cluster("demo").storage / f"{image.node}.images")
    data = folder.begin(image.identifier) / "data"
    (data / "pg_wal").mkdir(parents=True)
    (data / "16384").write_bytes(b"page" * 1024 * 1024)
    return folder.complete(replace(image, held_bytes=4 * 1024**2))


def prune(runtime: Runtime) -> list[str]:
    """Decide on retention as the image keeper does; return the images that are left."""
    maker: Any = SimpleNamespace(made_bytes=0)
    library: Any = SimpleNamespace(held_bytes=lambda: 0)
    folder = ImageFolder("demo-storage-1", runtime.home.cluster("demo").storage / "demo-storage-1.images")
    limits = Limits(window_s=3600, bound_bytes=1024**3)
    RetentionKeeper(ManagedCluster(runtime, "demo"), maker).decide(
        folder.images(), library, {1: Lineage(1, ())}, limits
    )
    return sorted(stored.image.identifier for stored in folder.images())


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A cluster with two images, which together exceed the budget."""

    def create(runtime: Runtime) -> None:
        Demo.of().create(runtime.repository)
        runtime.repository.finish_operation("op-demo", OperationStatus.COMPLETED, None, NOW)
        runtime.repository.begin_era("demo", 1, NOW - timedelta(hours=2))

    supervised(tmp_path, create)
    for image in (OLD, NEW):
        store(tmp_path, image)
    return tmp_path


def wait_for_a_decision(repository: Repository) -> None:
    repository.pin("demo", WAITING.identifier, OLD.reached_at)
    repository.add_backtrack(WAITING)


def be_applied(repository: Repository) -> None:
    operation = OperationRecord(
        "op", OperationKind.BACKTRACK, "demo", {"Backtrack": WAITING.identifier}, OperationStatus.RUNNING, NOW
    )
    repository.begin_operation(operation)
    repository.pin("demo", WAITING.identifier, OLD.reached_at)
    repository.add_backtrack(replace(WAITING, status=BacktrackStatus.APPLYING))


def be_journalled(repository: Repository) -> None:
    """It was killed before the backtrack had a row."""
    be_applied(repository)
    with repository._write() as session:
        session.connection().exec_driver_sql("DELETE FROM backtrack")


@pytest.mark.parametrize("leave", [wait_for_a_decision, be_applied, be_journalled])
def test_a_backtrack_keeps_its_recovery_image_over_the_budget_after_a_restart(home: Path, leave: Act) -> None:
    supervised(home, lambda runtime: leave(runtime.repository))
    assert supervised(home, prune) == ["new", "old"]


def end(repository: Repository, status: BacktrackStatus) -> None:
    be_applied(repository)
    repository.update_backtrack(WAITING.identifier, status=status)


def be_undone_without_a_row(repository: Repository) -> None:
    be_journalled(repository)
    repository.update_backtrack(WAITING.identifier, status=BacktrackStatus.FAILED)


def be_orphaned(repository: Repository) -> None:
    """Undoing it failed: its operation has ended, and its row does not say so."""
    be_applied(repository)
    repository.finish_operation("op", OperationStatus.FAILED, "undoing failed", NOW)


def peek(repository: Repository) -> None:
    repository.pin("demo", "peek-1", OLD.reached_at)


@pytest.mark.parametrize(
    "leave",
    [
        lambda _: None,
        lambda repository: end(repository, BacktrackStatus.COMPLETED),
        lambda repository: end(repository, BacktrackStatus.FAILED),
        be_undone_without_a_row,
        be_orphaned,
        peek,
    ],
)
def test_what_has_ended_keeps_nothing(home: Path, leave: Act) -> None:
    supervised(home, lambda runtime: leave(runtime.repository))
    assert supervised(home, prune) == ["new"]
    assert supervised(home, lambda runtime: runtime.repository.pins("demo")) == []
    assert supervised(home, lambda runtime: runtime.repository.unfinished_backtracks("demo")) == []


def test_a_pin_moves_with_its_holder_and_goes_with_its_cluster(home: Path) -> None:
    def act(runtime: Runtime) -> None:
        repository = runtime.repository
        for at in (OLD.reached_at, NEW.reached_at):
            repository.pin("demo", "peek-1", at)
        repository.pin("demo", "peek-2", OLD.reached_at)
        assert repository.pins("demo") == [OLD.reached_at, NEW.reached_at]
        repository.unpin("peek-2")
        assert repository.pins("demo") == [NEW.reached_at]
        repository.delete_cluster("demo")
        repository.pin("demo", "peek-3", OLD.reached_at)
        assert repository.pins("demo") == []

    supervised(home, act)
