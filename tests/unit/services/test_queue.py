"""The queue of a cluster: who waits, who goes first, who is refused, and what is shown meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from threading import Event

import pytest

from auroractl.core.errors import Cancelled, InstanceAlreadyExists, InvalidClusterState, InvalidInstanceState, TimedOut
from auroractl.core.model import Phase, RunningOperation
from auroractl.runtime import locks as locks_module
from auroractl.runtime.locks import ClusterLocks
from auroractl.runtime.tickets import Ticket, require_no_other, shown_with
from tests.unit.core.clusters import NOW, instance

BESIDE = {"create-instance", "scale-readers"}
TIMEOUT_S = 30.0


def _operation(kind: str) -> RunningOperation:
    return RunningOperation("", kind, NOW)


def _ticket(number: int = 1, phase: Phase = Phase.CREATING, kind: str = "create-instance") -> Ticket:
    return Ticket("demo", _operation(kind), replace(instance(number), phase=phase))


class Requests:
    """Requests in threads of their own; each holds the cluster until it is let go."""

    def __init__(self, locks: ClusterLocks, pool: ThreadPoolExecutor) -> None:
        self.locks = locks
        self.began: list[Ticket] = []
        self._pool = pool
        self._clear_status: dict[int, Event] = {}

    def ask(self, ticket: Ticket) -> Future[None]:
        """Make a request and return when it has a place in the queue."""
        self._clear_status[id(ticket)] = Event()
        queued = Event()
        future = self._pool.submit(self._work, ticket, queued)
        assert queued.wait(TIMEOUT_S)
        return future

    def _work(self, ticket: Ticket, queued: Event) -> None:
        with self.locks.queued(lambda _: ticket, BESIDE):
            queued.set()
            with self.locks.operation("demo", ticket.operation, ticket=ticket):
                self.began.append(ticket)
                assert self._clear_status[id(ticket)].wait(TIMEOUT_S)

    def wait_begun(self, count: int) -> None:
        """Wait until so many have begun."""
        _until(lambda: len(self.began) == count)

    def let_go(self, ticket: Ticket) -> None:
        """Let a request end."""
        self._clear_status[id(ticket)].set()

    def end(self) -> None:
        """Let all of them end."""
        for event in self._clear_status.values():
            event.set()


@pytest.fixture
def requests() -> Iterator[Requests]:
    with ThreadPoolExecutor(8) as pool:
        made = Requests(ClusterLocks(), pool)
        try:
            yield made
        finally:
            made.end()


def _until(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.005)


def test_requests_follow_each_other_in_their_order(requests: Requests) -> None:
    tickets = [_ticket(number) for number in range(1, 5)]
    futures = [requests.ask(ticket) for ticket in tickets]
    for count, (ticket, future) in enumerate(zip(tickets, futures, strict=True), 1):
        requests.wait_begun(count)
        assert requests.locks.waiting("demo") == tickets[count:]
        requests.let_go(ticket)
        future.result(TIMEOUT_S)
    assert requests.began == tickets
    assert requests.locks.current("demo") is None


def test_a_deletion_of_the_writer_goes_after_all_others(requests: Requests) -> None:
    first, writer, reader = (_ticket(number, Phase.DELETING, "delete-instance") for number in (1, 2, 3))
    writer.yields = lambda: True
    futures = [requests.ask(ticket) for ticket in (first, writer, reader)]
    requests.end()
    for future in futures:
        future.result(TIMEOUT_S)
    assert requests.began == [first, reader, writer]


def test_a_request_that_comes_after_the_turn_of_the_writers_deletion_waits_for_it() -> None:
    """It is decided by then whether a reader is left that can be promoted."""
    locks, writer, reader = ClusterLocks(), *(_ticket(number, Phase.DELETING, "delete-instance") for number in (1, 2))
    writer.yields = lambda: True
    with locks.queued(lambda _: writer, BESIDE):
        locks.await_turn(writer)
        with locks.queued(lambda _: reader, BESIDE):
            assert locks.waits_for(reader) == writer.operation
            assert locks.waits_for(writer) is None


def test_a_request_with_two_operations_keeps_its_turn_between_them() -> None:
    locks, first, second = ClusterLocks(), _ticket(1), _ticket(2)
    with locks.queued(lambda _: first, BESIDE), locks.queued(lambda _: second, BESIDE):
        with locks.operation("demo", first.operation, ticket=first):
            assert locks.waits_for(second) == first.operation
        assert locks.waits_for(second) == first.operation
        assert locks.waits_for(first) is None
    with locks.queued(lambda _: second, BESIDE):
        assert locks.waits_for(second) is None


@contextmanager
def _holding(locks: ClusterLocks, kind: str) -> Iterator[None]:
    with locks.operation("demo", _operation(kind)):
        yield


def test_nobody_waits_behind_an_operation_that_conflicts() -> None:
    locks = ClusterLocks()
    with _holding(locks, "stop-cluster"):
        with pytest.raises(InvalidClusterState, match="stop-cluster"), locks.queued(lambda _: _ticket(), BESIDE):
            pytest.fail("it was accepted")
        assert locks.waiting("demo") == []
    with _holding(locks, "scale-readers"), locks.queued(lambda _: _ticket(), BESIDE) as ticket:
        assert locks.waiting("demo") == [ticket]


def test_a_request_waits_behind_a_failover_that_is_part_of_another() -> None:
    locks, deletion = ClusterLocks(), _ticket(1, Phase.DELETING, "delete-instance")
    with (
        locks.queued(lambda _: deletion, BESIDE),
        locks.operation("demo", _operation("failover"), ticket=deletion),
        locks.queued(lambda _: _ticket(2), BESIDE) as waiting,
    ):
        assert locks.waiting("demo") == [waiting]


def test_what_is_refused_leaves_no_ticket() -> None:
    locks = ClusterLocks()

    def refuse(_tickets: Collection[Ticket]) -> Ticket:
        raise InstanceAlreadyExists("i1")

    with pytest.raises(InstanceAlreadyExists), locks.queued(refuse, BESIDE):
        pytest.fail("it was accepted")
    assert locks.waiting("demo") == []


def test_an_operation_that_may_not_be_held_up_goes_before_those_that_wait(requests: Requests) -> None:
    running, waiting = _ticket(1), _ticket(2)
    futures = [requests.ask(running), requests.ask(waiting)]
    requests.wait_begun(1)
    with ThreadPoolExecutor(1) as pool:
        begun, end = Event(), Event()

        def delete() -> None:
            with requests.locks.operation("demo", _operation("delete-cluster"), goes_first=True):
                begun.set()
                requests.locks.dismiss("demo", "the cluster is being deleted")
                assert end.wait(TIMEOUT_S)

        deleting = pool.submit(delete)
        assert not begun.wait(0.1)
        requests.let_go(running)
        assert begun.wait(TIMEOUT_S)
        with pytest.raises(
            Cancelled, match="create-instance of DBCluster demo was cancelled: the cluster is being deleted"
        ):
            futures[1].result(TIMEOUT_S)
        end.set()
        deleting.result(TIMEOUT_S)
    assert requests.began == [running]


def test_what_goes_first_is_what_the_next_request_waits_for(requests: Requests) -> None:
    running, waiting = _ticket(1), _ticket(2)
    requests.ask(running)
    requests.ask(waiting)
    requests.wait_begun(1)
    deletion = _operation("delete-cluster")
    seen: list[RunningOperation | None] = []
    with ThreadPoolExecutor(1) as pool:

        def delete() -> None:
            with requests.locks.operation("demo", deletion, goes_first=True):
                requests.locks.dismiss("demo", "the cluster is being deleted")

        def next_without_holder() -> bool:
            # The condition's lock is held, so the cluster stays as it is between the two operations.
            with requests.locks._changed:
                if not requests.locks._going_first["demo"]:
                    return False
                held = requests.locks._operations.pop("demo")
                seen.append(requests.locks.waits_for(waiting))
                requests.locks._operations["demo"] = held
            return True

        deleting = pool.submit(delete)
        _until(next_without_holder)
        requests.end()
        deleting.result(TIMEOUT_S)
    assert seen == [deletion]


def test_a_turn_that_does_not_come_ends_the_wait_and_says_what_went_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks_module, "_TURN_WAIT_S", 0.1)
    locks = ClusterLocks()
    with (
        _holding(locks, "scale-readers"),
        locks.queued(lambda _: _ticket(), BESIDE) as waiting,
        pytest.raises(TimedOut, match=r"create-instance of DBCluster demo .* scale-readers goes first"),
    ):
        locks.await_turn(waiting)


def test_without_a_queue_it_is_refused_at_once_as_ever(requests: Requests) -> None:
    running = _ticket(1)
    requests.ask(running)
    requests.wait_begun(1)
    began_s = time.monotonic()
    with (
        pytest.raises(InvalidClusterState, match="create-instance"),
        requests.locks.operation("demo", _operation("failover"), goes_first=True),
    ):
        pytest.fail("two operations at once")
    assert time.monotonic() - began_s < 5


def test_dismissing_spares_what_has_begun(requests: Requests) -> None:
    running, waiting = _ticket(1), _ticket(2)
    futures = [requests.ask(running), requests.ask(waiting)]
    requests.wait_begun(1)
    assert requests.locks.dismiss("demo", "on request") == [waiting]
    with pytest.raises(Cancelled, match="on request"):
        futures[1].result(TIMEOUT_S)
    requests.let_go(running)
    futures[0].result(TIMEOUT_S)


def test_an_idle_supervisor_has_nobody_waiting() -> None:
    locks = ClusterLocks()
    locks.require_idle()
    with locks.queued(lambda _: _ticket(), BESIDE), pytest.raises(InvalidClusterState):
        locks.require_idle()


def test_a_dry_run_takes_no_place_and_waits_for_nobody() -> None:
    locks, rehearsed = ClusterLocks(), _ticket()
    rehearsed.dry_run = True
    with (
        _holding(locks, "scale-readers"),
        locks.queued(lambda _: rehearsed, BESIDE),
        locks.operation("demo", rehearsed.operation, ticket=rehearsed),
    ):
        assert locks.waiting("demo") == []
        assert locks.shown("demo", []) == ()


def test_instances_are_shown_as_requests_will_change_them() -> None:
    rows = [instance(1), instance(2), replace(instance(3), phase=Phase.REBOOTING)]
    tickets = [
        _ticket(2, Phase.DELETING),
        _ticket(3, Phase.MODIFYING),
        _ticket(4, Phase.CREATING),
        _ticket(5, Phase.DELETING),
        Ticket("demo", _operation("modify-cluster")),
    ]
    shown = {each.identifier: each.phase for each in shown_with(rows, tickets)}
    assert shown == {"i1": Phase.NONE, "i2": Phase.DELETING, "i3": Phase.REBOOTING, "i4": Phase.CREATING}


def test_one_instance_is_created_and_deleted_by_one_request_only() -> None:
    tickets = [_ticket(1, Phase.CREATING), _ticket(2, Phase.DELETING), _ticket(3, Phase.MODIFYING)]
    with pytest.raises(InstanceAlreadyExists):
        require_no_other(tickets, "i1", creating=True)
    with pytest.raises(InvalidInstanceState, match="still being created"):
        require_no_other(tickets, "i1")
    with pytest.raises(InvalidInstanceState, match="is already being deleted"):
        require_no_other(tickets, "i2")
    require_no_other(tickets, "i3")
    require_no_other(tickets, "i4", creating=True)


def test_tickets_of_other_clusters_do_not_hold_up_this_one() -> None:
    locks, other = ClusterLocks(), _ticket(1)
    elsewhere = replace_cluster(_ticket(2), "other")
    with ExitStack() as held:
        held.enter_context(locks.queued(lambda _: elsewhere, BESIDE))
        held.enter_context(locks.queued(lambda _: other, BESIDE))
        assert locks.waits_for(other) is None
        assert locks.waits_for(elsewhere) is None


def replace_cluster(ticket: Ticket, cluster: str) -> Ticket:
    """The same request for another cluster."""
    return Ticket(cluster, ticket.operation, ticket.instance)
