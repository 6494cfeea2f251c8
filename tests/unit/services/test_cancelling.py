"""Cancelling: what cannot be cancelled is refused, the outcome is the one recorded, and nothing passes over it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from auroractl.config.paths import Home
from auroractl.config.settings import Settings
from auroractl.core.address import Address
from auroractl.core.endpoint_types import CustomEndpointType
from auroractl.core.errors import Cancelled, EngineError, InvalidClusterState
from auroractl.core.model import Endpoint, EndpointType, RunningOperation
from auroractl.core.operation_kinds import OperationKind
from auroractl.core.operations import OperationRecord, OperationStatus
from auroractl.engine import sql
from auroractl.runtime.caller import Caller, on_behalf_of
from auroractl.runtime.installation import Installation
from auroractl.runtime.locks import ClusterLocks
from auroractl.runtime.managed_cluster import ManagedCluster
from auroractl.runtime.runtime import Runtime
from auroractl.runtime.tickets import Ticket
from auroractl.services.clusters import failover, failover_steps, modify
from auroractl.services.instances import draining, replication
from auroractl.services.operations import runner
from auroractl.services.operations.cancel import cancel_operation
from auroractl.services.operations.dry_run import rehearse
from auroractl.services.operations.runner import Plan, Step, new_record
from auroractl.services.restore import backtrack_steps
from auroractl.services.routing import custom_endpoints
from auroractl.services.volume import storage_nodes
from auroractl.state.database import open_database
from auroractl.system.waiting import pause, stopping_when
from tests.unit.core.clusters import NOW
from tests.unit.state.conftest import Demo


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ManagedCluster]:
    """A cluster that is recorded and has no process."""
    monkeypatch.setattr(ManagedCluster, "publish_routes", lambda *_: None)
    monkeypatch.setattr(Installation, "require_programs", lambda *_: None)
    with closing(open_database(tmp_path / "state.db", tmp_path / "state-backups")) as database:
        Demo.of().create(database.repository)
        database.repository.finish_operation("op-demo", OperationStatus.COMPLETED, None, NOW)
        yield ManagedCluster(Runtime(Home(tmp_path), Settings(), database.repository, lambda: None), "demo")


def _modify_cluster(cluster: ManagedCluster) -> None:
    modify.modify_cluster(cluster, deletion_protection=True, backtrack_window_s=None, tags=None, remove_tags=())


def _endpoint(cluster: ManagedCluster) -> str:
    address = Address("127.16.0.3", 5432)
    cluster.repository.add_endpoint(
        Endpoint("reports", "demo", EndpointType.CUSTOM, address, CustomEndpointType.ANY, (), ())
    )
    return "reports"


@pytest.mark.parametrize(
    ("write", "call"),
    [
        ("update_cluster", _modify_cluster),
        ("update_instance", lambda it: modify.modify_instance(it.runtime, "demo-instance-2", promotion_tier=3)),
        ("add_endpoint", lambda it: custom_endpoints.create_endpoint(it, "new", CustomEndpointType.ANY, (), ())),
        ("change_endpoint", lambda it: custom_endpoints.modify_endpoint(it.runtime, _endpoint(it), None, ["demo-instance-2"], ())),
        ("delete_endpoint", lambda it: custom_endpoints.delete_endpoint(it.runtime, _endpoint(it))),
    ],
)  # fmt: skip
def test_a_change_that_has_no_steps_cannot_be_cancelled(
    cluster: ManagedCluster, monkeypatch: pytest.MonkeyPatch, write: str, call: Callable[[ManagedCluster], object]
) -> None:
    refused = []
    real = getattr(cluster.repository, write)

    def cancel_and_write(*arguments: Any, **named: Any) -> None:
        # `_endpoint` writes too, without holding the cluster.
        if cluster.locks.current("demo") is not None:
            with pytest.raises(InvalidClusterState, match=r"cannot be undone any more: it ends in a moment\.") as error:
                cancel_operation(cluster)
            refused.append(error.value)
        real(*arguments, **named)

    monkeypatch.setattr(cluster.repository, write, cancel_and_write)
    call(cluster)
    assert len(refused) == 1


class _Told:
    def __init__(self) -> None:
        self.steps: list[tuple[str, str]] = []

    def step(self, name: str, state: str, elapsed_ms: float | None) -> None:
        self.steps.append((name, state))

    def message(self, text: str) -> None:
        """Nothing of interest."""


def _cancel_while_preparing(cluster: ManagedCluster, undo: Callable[[], None]) -> tuple[_Told, Future[OperationRecord]]:
    """Cancel an operation before it is journalled; it then is, and notices at its first step."""
    told, outcomes = _Told(), []
    with ThreadPoolExecutor(1) as pool:

        def prepare() -> OperationRecord:
            outcomes.append(pool.submit(cancel_operation, cluster))
            cancellation = cluster.locks.cancellation("demo")
            assert cancellation is not None
            deadline_s = time.monotonic() + 30
            while not cancellation.requested and time.monotonic() < deadline_s:
                time.sleep(0.01)
            record = new_record(cluster, OperationKind.FAILOVER, {})
            cluster.repository.begin_operation(record)
            return record

        steps = [Step("Begin", lambda: None, undo), Step("Promote", lambda: None)]
        cancelled = pytest.raises(Cancelled, match=r"failover of DBCluster demo was cancelled\.")
        with on_behalf_of(Caller(told)), cancelled:
            runner.perform(
                cluster,
                OperationKind.FAILOVER,
                prepare=prepare,
                planner=lambda _cluster, _record: Plan(steps, "Promote"),
            )
    (outcome,) = outcomes
    return told, outcome


def test_cancelling_tells_how_an_operation_ended_that_was_journalled_afterwards(cluster: ManagedCluster) -> None:
    def fail() -> None:
        raise EngineError("it is stuck")

    _, outcome = _cancel_while_preparing(cluster, fail)
    with pytest.raises(EngineError, match=r"only partly undone: .*it is stuck"):
        outcome.result()


def test_a_step_that_never_began_has_not_failed(cluster: ManagedCluster) -> None:
    told, outcome = _cancel_while_preparing(cluster, lambda: None)
    assert told.steps == [("Begin", "undoing"), ("Begin", "undone")]
    assert outcome.result().status is OperationStatus.UNDONE


def test_requests_that_wait_are_cancelled_where_the_running_operation_cannot_be(cluster: ManagedCluster) -> None:
    waiting = Ticket("demo", RunningOperation("", OperationKind.CREATE_INSTANCE.value, NOW))
    running = RunningOperation("", OperationKind.SCALE_READERS.value, NOW)
    with cluster.locks.operation("demo", running), cluster.locks.queued(lambda _: waiting, {running.kind}):
        with on_behalf_of(Caller(dry_run=True)):
            planned = rehearse(lambda: cancel_operation(cluster))
        assert planned is not None
        assert planned.steps == ["Cancel create-instance, which waits"]
        assert cancel_operation(cluster).status is OperationStatus.UNDONE
        with pytest.raises(Cancelled, match="create-instance of DBCluster demo was cancelled: on request"):
            cluster.locks.await_turn(waiting)
    messages = [event.message for event in cluster.repository.events("demo", None, 10)]
    assert "create-instance was cancelled before it had begun" in messages


def _waits(*_: object, **__: object) -> None:
    pause(60)


READER = Demo.of().instances[1]
WRITER = Demo.of().instances[0]


@pytest.mark.parametrize(
    ("module", "waits", "call"),
    [
        (replication, "_as_it_is", lambda it: replication.rejoin(it, READER, WRITER)),
        (replication, "_rewound", lambda it: replication.rejoin(it, READER, WRITER, diverged=True)),
        (sql, "session", lambda it: replication.has_diverged(it, READER, WRITER)),
        (replication, "start_reader", lambda it: failover._try_start(it, READER, WRITER)),
        (failover, "wait_until", lambda it: failover._try_start(it, READER, WRITER)),
        (replication, "rejoin", lambda it: _failover(it)._rejoin(READER, diverged=False)),
        (sql, "session", lambda it: draining._busy(it, READER)),
        (storage_nodes, "_start_receiver", lambda it: storage_nodes._start_or_log(it, it.node, WRITER)),
        (replication, "start_reader", lambda it: replication.recover_reader(it, READER)),
        (replication, "start_reader", lambda it: _backtracking(it)._restart(READER)),
        (replication, "rejoin", lambda it: _backtracking(it)._rejoin(READER)),
    ],
)
def test_what_passes_over_failures_does_not_pass_over_a_cancellation(
    monkeypatch: pytest.MonkeyPatch, module: Any, waits: str, call: Callable[[Any], object]
) -> None:
    control = {
        "Database cluster state": "in archive recovery",
        "Latest checkpoint's TimeLineID": "1",
        "Min recovery ending loc's timeline": "1",
        "Latest checkpoint location": "0/0",
        "Minimum recovery ending location": "0/0",
    }
    server = SimpleNamespace(
        has_data=lambda: True, control_data=lambda: control, is_ready=lambda: True, pid=lambda: 1, abort=lambda: None
    )
    cluster = SimpleNamespace(
        name="demo",
        installation=SimpleNamespace(server=lambda _: server, access=lambda _: None),
        memory=SimpleNamespace(volume=SimpleNamespace(condition=lambda _: SimpleNamespace())),
        writer=lambda: WRITER,
        row=lambda: SimpleNamespace(durable_instance=""),
        repository=SimpleNamespace(cluster=lambda _: None),
        node=SimpleNamespace(cluster="demo", identifier="demo-storage-1"),
    )
    monkeypatch.setattr(
        replication, "has_diverged", replication.has_diverged if waits == "session" else lambda *_: False
    )
    monkeypatch.setattr(module, waits, _waits)
    if waits == "wait_until":
        monkeypatch.setattr(replication, "start_reader", lambda *_: None)
    with pytest.raises(Cancelled) as raised:
        _call_cancelled(lambda: call(cluster))
    assert raised.value.hint == "auroractl describe-events demo"


def _call_cancelled(call: Callable[[], object]) -> None:
    operation = RunningOperation("", OperationKind.FAILOVER.value, NOW)
    held = ClusterLocks().operation("demo", operation, final=False)
    with held as cancellation, stopping_when(cancellation.check):
        cancellation.request()
        call()


def _failover(cluster: Any) -> Any:
    work: Any = object.__new__(failover_steps.FailoverSteps)
    work._cluster, work.target = cluster, "demo-instance-3"
    work._instance = lambda _: WRITER
    return work


def _backtracking(cluster: Any) -> Any:
    work: Any = object.__new__(backtrack_steps._Backtracking)
    work._cluster, work.writer = cluster, WRITER
    return work
