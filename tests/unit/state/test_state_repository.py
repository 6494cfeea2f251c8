"""What the repository keeps, refuses and forgets."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy.exc import StatementError

from auroractl.core.address import Address
from auroractl.core.errors import (
    ClusterAlreadyExists,
    ClusterNotFound,
    InstanceAlreadyExists,
    InstanceNotFound,
    StateError,
)
from auroractl.core.model import EndpointType, Event, Instance, Phase, Wanted
from auroractl.core.operation_kinds import OperationKind
from auroractl.core.operations import OperationRecord, OperationStatus, StepRecord, StepStatus
from auroractl.state.repository import Repository

if TYPE_CHECKING:
    from tests.unit.state.conftest import Demo

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
MakeDemo = Callable[..., "Demo"]


def raw(tmp_path: Path, sql: str) -> list[Any]:
    """What lies in the file."""
    with closing(sqlite3.connect(tmp_path / "state.db")) as connection, connection:
        return connection.execute(sql).fetchall()


class TestClusters:
    def test_what_goes_in_comes_out(self, repository: Repository, demo: Demo) -> None:
        assert repository.cluster("demo") == demo.cluster
        assert repository.instances("demo") == demo.instances
        assert repository.endpoints("demo") == demo.endpoints
        assert repository.running_operations() == [demo.operation]
        assert repository.instance("demo-instance-2") == demo.instances[1]

    def test_what_is_not_there(self, repository: Repository) -> None:
        assert not [*repository.clusters(), *repository.instances(), *repository.endpoints("demo")]
        assert repository.cluster("demo") is None
        assert repository.instance("demo") is None
        assert repository.operation("op") is None

    def test_orders(self, repository: Repository, make_demo: MakeDemo) -> None:
        zebra, ant = make_demo("zebra", 16).create(repository), make_demo("ant", 17).create(repository)
        assert repository.clusters() == [ant.cluster, zebra.cluster]
        assert repository.instances() == zebra.instances + ant.instances
        assert repository.instances("ant") == ant.instances

    def test_enums_are_stored_by_value_and_moments_in_utc(self, tmp_path: Path, demo: Demo) -> None:
        assert raw(tmp_path, "SELECT wanted, phase, created_at FROM cluster") == [
            ("running", "", "2026-11-23 12:00:00.123456")
        ]
        assert raw(tmp_path, "SELECT type FROM endpoint ORDER BY id") == [("WRITER",), ("READER",)]
        assert raw(tmp_path, "SELECT kind, status FROM operation") == [("create-cluster", "running")]

    def test_moments_come_back_aware(self, repository: Repository, make_demo: MakeDemo) -> None:
        demo = make_demo()
        tokyo = demo.cluster.created_at.astimezone(timezone(timedelta(hours=9)))
        replace(demo, cluster=replace(demo.cluster, created_at=tokyo)).create(repository)
        (cluster,) = repository.clusters()
        assert cluster.created_at == tokyo
        assert cluster.created_at.tzinfo is UTC

    def test_naive_moments_are_refused(self, repository: Repository, make_demo: MakeDemo) -> None:
        demo = make_demo()
        naive = replace(demo.cluster, created_at=datetime(2026, 1, 1))  # noqa: DTZ001
        with pytest.raises(StatementError, match="has no time zone"):
            replace(demo, cluster=naive).create(repository)
        assert repository.clusters() == []

    def test_update_changes_only_what_is_given(self, repository: Repository, demo: Demo) -> None:
        repository.update_cluster("demo", phase=Phase.STOPPING)
        assert repository.cluster("demo") == replace(demo.cluster, phase=Phase.STOPPING)
        repository.update_cluster(
            "demo",
            wanted=Wanted.STOPPED,
            phase=Phase.NONE,
            deletion_protection=True,
            tags={},
            backtrack_window_s=0,
        )
        assert repository.cluster("demo") == replace(
            demo.cluster, wanted=Wanted.STOPPED, deletion_protection=True, tags={}, backtrack_window_s=0
        )
        repository.update_cluster("demo", deletion_protection=False)
        assert not repository.clusters()[0].deletion_protection

    def test_update_of_an_unknown_one(self, repository: Repository, demo: Demo) -> None:
        with pytest.raises(ClusterNotFound) as caught:
            repository.update_cluster("other", phase=Phase.NONE)
        assert caught.value.hint == "Existing clusters: demo."

    def test_a_taken_name_changes_nothing(self, repository: Repository, demo: Demo, make_demo: MakeDemo) -> None:
        other = make_demo("demo", 99)
        with pytest.raises(ClusterAlreadyExists):
            replace(other, operation=replace(other.operation, identifier="another")).create(repository)
        assert repository.instances() == demo.instances
        assert repository.running_operations() == [demo.operation]

    @pytest.mark.parametrize("part", ["resource_id", "address_block"])
    def test_what_is_unique_per_home(self, repository: Repository, demo: Demo, make_demo: MakeDemo, part: str) -> None:
        other = make_demo("other", 17)
        taken = {part: getattr(demo.cluster, part)}
        with pytest.raises(StateError, match=rf"cluster\.{part}"):
            replace(other, cluster=replace(other.cluster, **taken)).create(repository)
        assert len(repository.clusters()) == 1

    def test_several_clusters_may_have_no_block(self, repository: Repository, make_demo: MakeDemo) -> None:
        for block, name in enumerate(("one", "two"), 16):
            demo = make_demo(name, block)
            replace(demo, cluster=replace(demo.cluster, address_block="")).create(repository)
        assert len(repository.clusters()) == 2

    def test_deletion_takes_its_parts_and_leaves_its_history(
        self, repository: Repository, demo: Demo, make_demo: MakeDemo
    ) -> None:
        other = make_demo("other", 17).create(repository)
        repository.add_event("demo", "demo", "db-cluster", "RDS-EVENT-0171", "DB cluster deleted.", ["deletion"], NOW)
        for _ in range(2):
            repository.delete_cluster("demo")
        assert repository.clusters() == [other.cluster]
        assert repository.instances() == other.instances
        assert repository.endpoints("demo") == []
        assert repository.operation("op-demo") == demo.operation
        assert len(repository.events("demo", None, 10)) == 1
        replace(demo, operation=replace(demo.operation, identifier="op-again")).create(repository)


class TestInstances:
    def reader(self, demo: Demo, **changes: Any) -> Instance:
        new = replace(demo.instances[1], identifier="demo-instance-4", address=Address("127.16.0.14", 5432))
        return replace(new, **changes)

    def test_more_are_added_last(self, repository: Repository, demo: Demo) -> None:
        more = [self.reader(demo), self.reader(demo, identifier="demo-a", address=Address("127.16.0.15", 5432))]
        repository.add_instances(more)
        assert repository.instances("demo") == demo.instances + more

    def test_of_an_unknown_cluster(self, repository: Repository, demo: Demo) -> None:
        with pytest.raises(ClusterNotFound):
            repository.add_instances([self.reader(demo, cluster="other")])

    def test_a_taken_name(self, repository: Repository, demo: Demo) -> None:
        with pytest.raises(InstanceAlreadyExists, match="demo-instance-1"):
            repository.add_instances([self.reader(demo), self.reader(demo, identifier="demo-instance-1")])
        with pytest.raises(InstanceAlreadyExists, match="demo-instance-4"):
            repository.add_instances([self.reader(demo), self.reader(demo)])
        assert repository.instances() == demo.instances

    @pytest.mark.parametrize("host", ["127.16.0.1", "127.16.0.11", "127.16.0.14"])
    def test_a_taken_address(self, repository: Repository, demo: Demo, host: str) -> None:
        pair = [self.reader(demo), self.reader(demo, identifier="demo-b", address=Address(host, 5432))]
        with pytest.raises(StateError, match=f"{host}:5432 already belongs"):
            repository.add_instances(pair)
        assert repository.instances() == demo.instances

    def test_update_changes_only_what_is_given(self, repository: Repository, demo: Demo) -> None:
        name = "demo-instance-2"
        repository.update_instance(name, promotion_tier=0)
        assert repository.instance(name) == replace(demo.instances[1], promotion_tier=0)
        repository.update_instance(name, wanted=Wanted.STOPPED, phase=Phase.REBOOTING)
        assert repository.instance(name) == replace(
            demo.instances[1], promotion_tier=0, wanted=Wanted.STOPPED, phase=Phase.REBOOTING
        )
        with pytest.raises(InstanceNotFound, match="nobody"):
            repository.update_instance("nobody", phase=Phase.NONE)

    def test_deletion_may_be_repeated(self, repository: Repository, demo: Demo) -> None:
        for _ in range(2):
            repository.delete_instance("demo-instance-2")
        assert repository.instances() == [demo.instances[0], demo.instances[2]]


class TestWriter:
    def test_the_role_moves(self, repository: Repository, demo: Demo, make_demo: MakeDemo) -> None:
        other = make_demo("other", 17).create(repository)
        for name in ("demo-instance-3", "demo-instance-2", "demo-instance-2", "demo-instance-1"):
            repository.set_writer("demo", name)
            assert [i.identifier for i in repository.instances("demo") if i.is_writer] == [name]
        assert repository.instances("demo") == demo.instances
        assert repository.instances("other") == other.instances

    @pytest.mark.parametrize(
        ("name", "hint"),
        [
            ("nobody", "Existing instances: demo-instance-1, demo-instance-2, demo-instance-3."),
            ("other-instance-1", "Did you mean demo-instance-1?"),
        ],
    )
    def test_not_to_one_outside_of_the_cluster(
        self, repository: Repository, demo: Demo, make_demo: MakeDemo, name: str, hint: str
    ) -> None:
        make_demo("other", 17).create(repository)
        with pytest.raises(InstanceNotFound) as caught:
            repository.set_writer("demo", name)
        assert caught.value.hint == hint
        assert repository.instances("demo") == demo.instances

    def test_a_second_one_is_impossible(self, repository: Repository, demo: Demo, tmp_path: Path) -> None:
        second = replace(demo.instances[0], identifier="demo-instance-4", address=Address("127.16.0.14", 5432))
        with pytest.raises(StateError, match="refuses the change"):
            repository.add_instances([second])
        with pytest.raises(sqlite3.IntegrityError):
            raw(tmp_path, "UPDATE instance SET is_writer = 1")

    def test_a_cluster_may_have_none_for_a_while(self, repository: Repository, make_demo: MakeDemo) -> None:
        demo = make_demo()
        readers = [replace(instance, is_writer=False) for instance in demo.instances]
        replace(demo, instances=readers).create(repository)
        assert repository.instances() == readers


class TestJournal:
    def operation(self, name: str, cluster: str = "demo") -> OperationRecord:
        return OperationRecord(name, OperationKind.FAILOVER, cluster, {"target": None}, OperationStatus.RUNNING, NOW)

    def test_steps_as_they_go(self, repository: Repository, tmp_path: Path) -> None:
        record = self.operation("op")
        repository.begin_operation(record)
        repository.begin_step("op", 2, "promote")
        repository.begin_step("op", 1, "hold connections")
        repository.finish_step("op", 1)
        steps = (StepRecord(1, "hold connections", StepStatus.DONE), StepRecord(2, "promote", StepStatus.STARTED))
        assert repository.operation("op") == replace(record, steps=steps)
        assert raw(tmp_path, "SELECT finished_at >= started_at FROM operation_step ORDER BY position") == [
            (1,),
            (None,),
        ]
        repository.undo_step("op", 1)
        (running,) = repository.running_operations()
        assert [step.status for step in running.steps] == [StepStatus.UNDONE, StepStatus.STARTED]

    def test_a_step_that_was_cut_off_begins_again(self, repository: Repository, tmp_path: Path) -> None:
        repository.begin_operation(self.operation("op"))
        repository.begin_step("op", 1, "promote")
        repository.undo_step("op", 1)
        repository.begin_step("op", 1, "promote again")
        (running,) = repository.running_operations()
        assert running.steps == (StepRecord(1, "promote again", StepStatus.STARTED),)
        assert raw(tmp_path, "SELECT finished_at FROM operation_step") == [(None,)]

    def test_an_operation_that_ends(self, repository: Repository, tmp_path: Path) -> None:
        for name in ("one", "two", "three"):
            repository.begin_operation(self.operation(name, name))
        repository.finish_operation("two", OperationStatus.FAILED, "no reader answers", NOW + timedelta(seconds=1))
        assert [record.identifier for record in repository.running_operations()] == ["one", "three"]
        ended = repository.operation("two")
        assert ended == replace(self.operation("two", "two"), status=OperationStatus.FAILED, error="no reader answers")
        assert raw(tmp_path, "SELECT error, finished_at FROM operation WHERE status = 'failed'") == [
            ("no reader answers", "2026-11-23 12:00:01.000000")
        ]

    def test_one_whose_end_was_not_recorded_has_failed_when_the_next_begins(
        self, repository: Repository, demo: Demo
    ) -> None:
        for name, cluster in (("one", "demo"), ("other", "other")):
            repository.begin_operation(self.operation(name, cluster))
        repository.update_instance("demo-instance-2", phase=Phase.DELETING)
        repository.begin_operation(self.operation("two"))
        assert [record.identifier for record in repository.running_operations()] == ["other", "two"]
        ended = repository.operation("one")
        assert ended is not None
        assert (ended.status, ended.error) == (
            OperationStatus.FAILED,
            "its end was not recorded before failover began",
        )
        assert {each.phase for each in repository.instances("demo")} == {Phase.NONE}

    def test_a_decision_is_added_to_the_arguments(self, repository: Repository) -> None:
        repository.begin_operation(replace(self.operation("op"), arguments={"target": None, "force": True}))
        repository.update_operation_arguments("op", {"target": "demo-instance-2", "order": ["a", "b"]})
        record = repository.operation("op")
        assert record is not None
        assert record.arguments == {"target": "demo-instance-2", "force": True, "order": ["a", "b"]}

    def test_steps_given_with_the_operation(self, repository: Repository) -> None:
        record = replace(self.operation("op"), steps=(StepRecord(1, "promote", StepStatus.STARTED),))
        repository.begin_operation(record)
        assert repository.running_operations() == [record]

    def test_what_it_does_not_have(self, repository: Repository) -> None:
        calls: list[Callable[[], None]] = [
            lambda: repository.finish_step("op", 1),
            lambda: repository.undo_step("op", 1),
            lambda: repository.begin_step("op", 1, "promote"),
            lambda: repository.update_operation_arguments("op", {}),
            lambda: repository.finish_operation("op", OperationStatus.COMPLETED, None, NOW),
        ]
        for call in calls:
            with pytest.raises(StateError):
                call()
        repository.begin_operation(self.operation("op"))
        with pytest.raises(StateError, match=r"operation\.identifier"):
            repository.begin_operation(self.operation("op"))


class TestEvents:
    def add(self, repository: Repository, cluster: str, message: str, at: datetime) -> None:
        repository.add_event(cluster, f"{cluster}-instance-1", "db-instance", "RDS-EVENT-0006", message, ["a", "b"], at)

    def test_newest_last(self, repository: Repository) -> None:
        self.add(repository, "demo", "second", NOW + timedelta(seconds=2))
        self.add(repository, "other", "first", NOW + timedelta(seconds=1))
        self.add(repository, "demo", "third", NOW + timedelta(seconds=2))
        self.add(repository, "demo", "zeroth", NOW)

        def messages(cluster: str | None = None, since: datetime | None = None, limit: int = 100) -> list[str]:
            return [event.message for event in repository.events(cluster, since, limit)]

        assert messages() == ["zeroth", "first", "second", "third"]
        assert messages(cluster="demo") == ["zeroth", "second", "third"]
        assert messages(since=NOW + timedelta(seconds=1)) == ["first", "second", "third"]
        assert messages(limit=2) == ["second", "third"]
        assert messages("demo", NOW, 1) == ["third"]
        assert messages("nobody") == []

    def test_what_goes_in_comes_out(self, repository: Repository) -> None:
        self.add(repository, "demo", "DB instance restarted.", NOW)
        assert repository.events("demo", None, 1) == [
            Event("demo-instance-1", "db-instance", "RDS-EVENT-0006", "DB instance restarted.", ("a", "b"), NOW)
        ]


def test_threads_write_at_once(repository: Repository, demo: Demo) -> None:
    repository.update_operation_arguments("op-demo", {"seen": []})

    def work(number: int) -> None:
        repository.begin_step("op-demo", number, f"step {number}")
        repository.set_writer("demo", f"demo-instance-{number % 3 + 1}")
        repository.update_operation_arguments("op-demo", {str(number): number})
        repository.add_event("demo", "demo", "db-cluster", "x", str(number), [], NOW)
        assert sum(instance.is_writer for instance in repository.instances("demo")) == 1
        repository.finish_step("op-demo", number)

    with ThreadPoolExecutor(16) as threads:
        list(threads.map(work, range(64)))
    record = repository.operation("op-demo")
    assert record is not None
    assert [step.status for step in record.steps] == [StepStatus.DONE] * 64
    # Read and written in one transaction each: no thread's change may be lost under another's.
    assert record.arguments == {"readers": 2, "seen": []} | {str(number): number for number in range(64)}
    assert len(repository.events(None, None, 100)) == 64


def test_one_of_many_threads_gets_the_name(repository: Repository, make_demo: MakeDemo) -> None:
    def create(number: int) -> bool:
        demo = make_demo("demo", number)
        try:
            replace(demo, operation=replace(demo.operation, identifier=f"op-{number}")).create(repository)
        except ClusterAlreadyExists:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(create, range(16, 32))) == 1
    assert len(repository.instances()) == 3
    assert [endpoint.type for endpoint in repository.endpoints("demo")] == [EndpointType.WRITER, EndpointType.READER]


def test_history_is_forgotten_and_what_runs_is_not(repository: Repository) -> None:
    old, recent = NOW - timedelta(days=20), NOW - timedelta(days=1)
    for at, name in ((old, "old"), (recent, "recent")):
        repository.add_event("demo", "demo", "db-cluster", "x", name, [], at)
        repository.begin_operation(
            OperationRecord(name, OperationKind.FAILOVER, "demo", {}, OperationStatus.RUNNING, at)
        )
        repository.begin_step(name, 1, "step")
        repository.finish_operation(name, OperationStatus.COMPLETED, None, at)
    running = OperationRecord("running", OperationKind.FAILOVER, "demo", {}, OperationStatus.RUNNING, old)
    repository.begin_operation(running)
    repository.forget_history(NOW - timedelta(days=14))
    assert [event.message for event in repository.events(None, None, 10)] == ["recent"]
    assert repository.operation("old") is None
    assert repository.operation("recent") is not None
    assert [each.identifier for each in repository.running_operations()] == ["running"]
