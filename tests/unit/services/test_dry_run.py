"""Dry run, early answer and progress belong to one request, however many others the supervisor carries out meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Barrier

import pytest

from auroractl.api.progress import Silent
from auroractl.config.paths import Home
from auroractl.config.settings import Settings
from auroractl.core.operation_kinds import OperationKind
from auroractl.core.operations import OperationRecord, OperationStatus
from auroractl.runtime.caller import NO_ONE, Caller, caller, on_behalf_of
from auroractl.runtime.installation import Installation
from auroractl.runtime.managed_cluster import ManagedCluster
from auroractl.runtime.parallel import side_by_side
from auroractl.runtime.runtime import Runtime
from auroractl.services.clusters import modify
from auroractl.services.operations import runner
from auroractl.services.operations.dry_run import DryRunRepository, end_dry_run, rehearse
from auroractl.services.operations.runner import Plan, Rehearsed, Step, new_record
from auroractl.state.database import open_database
from tests.unit.core.clusters import NOW
from tests.unit.state.conftest import Demo

DEADLINE_S = 20.0


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runtime]:
    """Two clusters that are recorded and have no process."""
    monkeypatch.setattr(ManagedCluster, "publish_routes", lambda *_: None)
    monkeypatch.setattr(Installation, "require_programs", lambda *_: None)
    with closing(open_database(tmp_path / "state.db", tmp_path / "state-backups")) as database:
        repository = DryRunRepository(database.repository)
        for name, block in (("demo", 16), ("other", 17)):
            Demo.of(name, block).create(repository)
            repository.finish_operation(f"op-{name}", OperationStatus.COMPLETED, None, NOW)
        yield Runtime(Home(tmp_path), Settings(), repository, lambda: None)


class _Steps(Silent):
    def __init__(self) -> None:
        self.seen: list[str] = []

    def step(self, name: str, state: str, elapsed_ms: float | None) -> None:
        self.seen.append(f"{name}: {state}")


def _perform(cluster: ManagedCluster, meeting: Barrier) -> OperationRecord:
    def prepare() -> OperationRecord:
        record = new_record(cluster, OperationKind.START_CLUSTER, {})
        cluster.repository.begin_operation(record)
        return record

    def meet() -> None:
        meeting.wait(DEADLINE_S)

    def plan(_cluster: ManagedCluster, record: OperationRecord) -> Plan:
        return Plan([Step(f"start {record.cluster}", meet)], "")

    return runner.perform(
        cluster,
        OperationKind.START_CLUSTER,
        prepare=prepare,
        planner=plan,
    )


def test_requests_at_once_hear_of_their_own_operation_only(runtime: Runtime) -> None:
    meeting = Barrier(2)

    def request(cluster: str) -> tuple[list[str], list[str]]:
        steps, accepted = _Steps(), list[str]()
        with on_behalf_of(Caller(steps, lambda record: accepted.append(record.cluster))):
            _perform(ManagedCluster(runtime, cluster), meeting)
        assert caller() is NO_ONE
        return steps.seen, accepted

    with ThreadPoolExecutor() as pool:
        heard = list(pool.map(request, ["demo", "other"]))
    assert heard == [([f"start {name}: started", f"start {name}: done"], [name]) for name in ("demo", "other")]


def test_a_dry_run_ends_at_its_first_write_while_other_requests_write(runtime: Runtime) -> None:
    meeting = Barrier(2)

    def dry_run() -> Rehearsed | None:
        with on_behalf_of(Caller(dry_run=True)):
            meeting.wait(DEADLINE_S)
            found = rehearse(lambda: _perform(ManagedCluster(runtime, "demo"), Barrier(1)))
            meeting.wait(DEADLINE_S)
            return found

    with ThreadPoolExecutor() as pool:
        pending = pool.submit(dry_run)
        meeting.wait(DEADLINE_S)
        modify.pause_automation(ManagedCluster(runtime, "other"), paused=True)
        meeting.wait(DEADLINE_S)
        found = pending.result()
    assert found is not None
    assert found.steps == ["start demo"]
    assert runtime.cluster("other").automation_paused
    assert runtime.repository.running_operations() == []


def test_nothing_that_a_dry_run_does_side_by_side_writes_either(runtime: Runtime) -> None:
    with on_behalf_of(Caller(dry_run=True)), pytest.raises(Rehearsed):
        side_by_side(lambda: runtime.repository.update_cluster("demo", automation_paused=True), [(), ()])
    assert not runtime.cluster("demo").automation_paused


def test_a_dry_run_of_what_is_not_journalled_names_its_steps() -> None:
    with on_behalf_of(Caller(dry_run=True)):
        found = rehearse(lambda: end_dry_run("Kill it", "Wipe it"))
    assert found is not None
    assert (found.record, found.steps) == (None, ["Kill it", "Wipe it"])
    assert rehearse(lambda: end_dry_run("Kill it")) is None
