"""A request whose turn comes: what the cluster must be like then, and what is left of one that fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest

from auroractl.config.paths import Home
from auroractl.config.settings import Settings
from auroractl.core.addresses import AddressPlan
from auroractl.core.errors import (
    AuroraError,
    Cancelled,
    InvalidClusterState,
    InvalidInstanceState,
    QuotaExceeded,
)
from auroractl.core.identifiers import READERS_MAX
from auroractl.core.model import Phase, RunningOperation
from auroractl.core.operation_kinds import OperationKind
from auroractl.core.operations import OperationStatus
from auroractl.core.repair_rules import History
from auroractl.runtime.installation import Installation
from auroractl.runtime.managed_cluster import ManagedCluster
from auroractl.runtime.runtime import Runtime
from auroractl.runtime.tickets import Ticket
from auroractl.services.clusters import instances, modify, power, scale_readers
from auroractl.services.clusters.readers import Readers
from auroractl.services.healing.controllers import Heal
from auroractl.services.instances import replication
from auroractl.services.operations import cancel, queue, runner
from auroractl.services.operations.runner import new_record
from auroractl.services.volume import storage_nodes
from auroractl.state.database import open_database
from tests.unit.core.clusters import NOW, snapshot, well
from tests.unit.state.conftest import Demo

READER = "demo-instance-2"
TIMEOUT_S = 30.0


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ManagedCluster]:
    """A cluster that is recorded and has no process."""
    monkeypatch.setattr(ManagedCluster, "publish_routes", lambda *_: None)
    monkeypatch.setattr(Installation, "account", None)
    monkeypatch.setattr(queue, "lost_writer", lambda _: "")
    with closing(open_database(tmp_path / "state.db", tmp_path / "state-backups")) as database:
        Demo.of().create(database.repository)
        database.repository.finish_operation("op-demo", OperationStatus.COMPLETED, None, NOW)
        yield ManagedCluster(Runtime(Home(tmp_path), Settings(), database.repository, lambda: None), "demo")


def _announced(cluster: ManagedCluster, name: str = "new") -> Ticket:
    row = cluster.instances()[1]
    coming = replace(row, identifier=name, phase=Phase.CREATING)
    return Ticket("demo", RunningOperation("", "create-instance", NOW), coming)


def _behind(cluster: ManagedCluster, kind: str, meanwhile: Callable[[], object], request: Callable[[], object]) -> None:
    """Make a request behind an operation, and do something before that ends."""
    holds, ends = Event(), Event()

    def hold() -> None:
        with cluster.locks.operation("demo", RunningOperation("", kind, NOW)):
            holds.set()
            assert ends.wait(TIMEOUT_S)
            meanwhile()

    with ThreadPoolExecutor(2) as pool:
        held = pool.submit(hold)
        assert holds.wait(TIMEOUT_S)
        asked = pool.submit(request)
        try:
            while not cluster.locks.waiting("demo") and not asked.done():
                ends.wait(0.01)
        finally:
            ends.set()
        held.result(TIMEOUT_S)
        asked.result(TIMEOUT_S)


def _messages(cluster: ManagedCluster) -> list[str]:
    return [event.message for event in cluster.repository.events("demo", None, 10)]


def _modify_cluster(cluster: ManagedCluster) -> None:
    modify.modify_cluster(cluster, deletion_protection=True, backtrack_window_s=None, tags=None, remove_tags=())


@pytest.mark.parametrize(
    "request_",
    [
        lambda it: modify.modify_instance(it.runtime, READER, promotion_tier=3),
        _modify_cluster,
        lambda it: instances.delete_instance(it.runtime, READER),
    ],
)
def test_a_request_behind_a_creation_that_fails_changes_nothing(
    cluster: ManagedCluster, request_: Callable[[ManagedCluster], object]
) -> None:
    def leave() -> None:
        cluster.repository.update_cluster("demo", phase=Phase.CREATING)

    before = (cluster.instances(), cluster.row().deletion_protection)
    with pytest.raises(InvalidClusterState, match="only partly created"):
        _behind(cluster, "create-cluster", leave, lambda: request_(cluster))
    assert (cluster.instances(), cluster.row().deletion_protection) == before
    assert cluster.repository.running_operations() == []


def test_an_accepted_request_that_fails_leaves_an_event(cluster: ManagedCluster) -> None:
    def leave() -> None:
        cluster.repository.update_cluster("demo", phase=Phase.CREATING)

    with suppress(AuroraError):
        _behind(cluster, "create-cluster", leave, lambda: instances.delete_instance(cluster.runtime, READER))
    (told,) = [each for each in _messages(cluster) if "delete-instance" in each]
    assert told.startswith(
        f"delete-instance of {READER}, which had waited for its turn, failed: DBCluster demo was only"
    )


def test_a_request_that_is_dismissed_leaves_one_event(cluster: ManagedCluster) -> None:
    with pytest.raises(Cancelled, match="the cluster is being stopped"):
        _behind(
            cluster,
            "scale-readers",
            lambda: cancel.dismiss_all(cluster, "the cluster is being stopped"),
            lambda: instances.delete_instance(cluster.runtime, READER),
        )
    assert [each for each in _messages(cluster) if "delete-instance" in each] == [
        "delete-instance was cancelled before it had begun"
    ]


def test_what_has_begun_meanwhile_is_not_reported_as_cancelled(
    cluster: ManagedCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticket = _announced(cluster)
    waiting = cluster.locks.waiting

    def waiting_until_now(name: str) -> list[Ticket]:
        found = waiting(name)
        ticket.begun = True
        return found

    with cluster.locks.queued(lambda _: ticket, ()):
        monkeypatch.setattr(cluster.locks, "waiting", waiting_until_now)
        with pytest.raises(InvalidClusterState):
            cancel.cancel_operation(cluster)
    assert not any("cancelled" in each for each in _messages(cluster))


@pytest.mark.parametrize(
    "call",
    [
        lambda it: instances.delete_instance(it.runtime, "NEW"),
        lambda it: modify.modify_instance(it.runtime, "new", promotion_tier=3),
        lambda it: power.reboot_instance(it.runtime, "new"),
    ],
)
def test_an_instance_that_is_only_announced_is_being_created(
    cluster: ManagedCluster, call: Callable[[ManagedCluster], object]
) -> None:
    with (
        cluster.locks.queued(lambda _: _announced(cluster), ()),
        pytest.raises(InvalidInstanceState, match="DBInstance new is still being created"),
    ):
        call(cluster)


def test_a_cluster_that_has_lost_its_last_instance_meanwhile_is_not_stopped(
    cluster: ManagedCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    def perform(*_: object, prepare: Callable[[], object], **__: object) -> None:
        for each in cluster.instances():
            cluster.repository.delete_instance(each.identifier)
        prepare()

    monkeypatch.setattr(runner, "perform", perform)
    with pytest.raises(InvalidClusterState, match="nothing to stop"):
        power.stop_cluster(cluster)
    assert cluster.repository.running_operations() == []


def test_starting_a_cluster_does_not_wait_for_what_is_only_announced(
    cluster: ManagedCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage_nodes, "wait_write_quorum", lambda *_: None)
    rows = cluster.instances()
    observed = {each.identifier: well(1) for each in rows}
    monkeypatch.setattr(cluster.observer, "observed", lambda _: observed)
    record = new_record(cluster, OperationKind.START_CLUSTER, {})
    (step,) = [each for each in power._plan_start(cluster, record).steps if each.name == "Wait for the write quorum"]
    with cluster.locks.queued(lambda _: _announced(cluster), ()):
        step.do()
        del observed[READER]
        with pytest.raises(InvalidClusterState, match=f"{READER} does not answer"):
            step.do()


def _scale(cluster: ManagedCluster, count: int, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the names that readers to be added would get."""

    def perform(*_: object, prepare: Callable[[], object], **__: object) -> object:
        return prepare()

    monkeypatch.setattr(runner, "perform", perform)
    return scale_readers._add(cluster, count)


def test_readers_get_no_name_and_no_place_that_a_waiting_request_has(
    cluster: ManagedCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    with cluster.locks.queued(lambda _: _announced(cluster, "demo-instance-4"), ()):
        with pytest.raises(QuotaExceeded, match="has 4 with those that are being created"):
            _scale(cluster, READERS_MAX - 2, monkeypatch)
        assert _scale(cluster, 1, monkeypatch) == ["demo-instance-5"]


def test_a_cluster_that_is_full_when_the_turn_has_come_gets_no_more(cluster: ManagedCluster) -> None:
    rows = cluster.instances()
    plan = AddressPlan("127.16.0", 5432)
    addresses = plan.instances([each.address for each in rows])
    for number in range(len(rows) + 1, READERS_MAX + 2):
        cluster.repository.add_instances([replace(rows[1], identifier=f"other-{number}", address=next(addresses))])
    announced = _announced(cluster).instance
    assert announced is not None
    with pytest.raises(QuotaExceeded, match="at most 16 instances"):
        instances._prepare_creation(cluster, announced)
    assert cluster.repository.running_operations() == []


def test_a_name_that_is_used_again_begins_anew(cluster: ManagedCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Readers, "_require_other_copy", lambda *_: None)
    cluster.memory.failed = {READER: "it keeps ending", "demo-instance-3": "it keeps ending"}
    Readers(cluster, [READER]).remove()
    assert cluster.memory.failed.keys() == {"demo-instance-3"}


def test_restarts_of_a_deleted_instance_do_not_count_for_the_next_one_of_its_name(
    cluster: ManagedCluster,
) -> None:
    heal = Heal(cluster.settings)
    restarts = heal._history["demo"].restarts
    deleted, other = "i2", "i3"
    restarts.update({deleted: [1.0, 2.0], other: [1.0]})
    reader = replace(cluster.instance(READER), identifier=deleted)
    replication.remove_stopped(cluster, reader)
    heal._note(cluster, snapshot(well(1), well(2), well(3)), 3.0)
    assert restarts == {other: [1.0]}
    restarts[deleted] = [4.0]
    heal._note(cluster, snapshot(well(1), well(2), well(3)), 5.0)
    assert restarts == {deleted: [4.0], other: [1.0]}


def test_a_writer_that_was_given_up_as_a_reader_is_attended_to_again(cluster: ManagedCluster) -> None:
    heal = Heal(cluster.settings)
    seen = snapshot(well(1), well(2))
    cluster.memory.failed = {"i1": "it keeps ending", "i2": "it keeps ending"}
    heal._note(cluster, seen, 0.0)
    promoted = replace(seen, observed={**seen.observed, "i1": replace(well(1), pid=999)})
    heal._note(cluster, promoted, 1.0)
    assert cluster.memory.failed == {}


def test_deleted_clusters_are_forgotten(cluster: ManagedCluster) -> None:
    heal = Heal(cluster.settings)
    for name in ("demo", "deleted"):
        heal._history[name] = History()
        cluster.observer._used[name] = (0.0, 1)
        cluster.observer.await_internals(name)
    heal.keep_only({"demo"})
    cluster.observer.forget_cluster("deleted")
    assert heal._history.keys() == cluster.observer._used.keys() == cluster.observer._internals.keys() == {"demo"}
