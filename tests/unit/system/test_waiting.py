"""Waiting: the deadline tells the last reason, and checks reach every wait below them, also in other threads."""

from __future__ import annotations

import os
import threading
import time

import psutil
import pytest

from auroractl.core.errors import InvalidClusterState, Stopped, TimedOut
from auroractl.core.model import RunningOperation
from auroractl.runtime.cancellation import Cancellation
from auroractl.runtime.parallel import side_by_side
from auroractl.system.programs import run
from auroractl.system.waiting import check_stop, held, holds_in_time, pause, stopping_when, uninterrupted, wait_until
from tests.unit.core.clusters import NOW


def _cancelled() -> None:
    raise Stopped("stop")


def test_the_error_of_a_wait_has_what_was_waited_for_the_limit_and_the_last_reason() -> None:
    reasons = iter(["first"])
    with pytest.raises(TimedOut, match=r"^The moon did not rise within 0\.5 s: second\.$") as raised:
        wait_until("the moon did not rise", lambda: next(reasons, "second."), 0.5, 0.001, hint="Look east")
    assert raised.value.hint == "Look east"
    with pytest.raises(TimedOut, match=r": clouds\.$"):
        wait_until("the moon did not rise", lambda: "no", 0.01, 0.001, explain=lambda: "clouds")


def test_a_wait_whose_condition_holds_looks_at_nothing_else() -> None:
    wait_until("nothing", lambda: "", 0.0, alive=_cancelled)


def test_a_wait_in_vain_ends_before_its_deadline() -> None:
    with pytest.raises(Stopped):
        wait_until("the moon did not rise", lambda: "it is day", 60, alive=_cancelled)


def test_a_wait_that_need_not_succeed_says_whether_it_did() -> None:
    seen = iter([False, False, True])
    assert holds_in_time(lambda: next(seen), 60, 0.001)
    assert not holds_in_time(lambda: False, 0.01, 0.001)
    with stopping_when(_cancelled), pytest.raises(Stopped):
        holds_in_time(lambda: False, 60, 0.001)


def test_checks_stop_pauses_loops_and_other_threads() -> None:
    began_s = time.monotonic()
    with stopping_when(_cancelled):
        for wait in (check_stop, lambda: pause(60), lambda: side_by_side(pause, [(60,), (60,)])):
            with pytest.raises(Stopped):
                wait()
        with uninterrupted():
            check_stop()
    check_stop()
    assert time.monotonic() - began_s < 5


def test_a_program_is_ended_with_those_that_it_started() -> None:
    began_s, own = time.monotonic(), f"61.{os.getpid()}"

    def stop() -> None:
        if time.monotonic() - began_s > 0.5:
            _cancelled()

    with stopping_when(stop), pytest.raises(Stopped):
        run(["/bin/sh", "-c", f"sleep {own} & sleep {own}"])
    assert time.monotonic() - began_s < 10
    # What was killed may not have been given a processor yet.
    while ["sleep", own] in [each.info["cmdline"] for each in psutil.process_iter(["cmdline"])]:
        assert time.monotonic() - began_s < 20
        time.sleep(0.05)


def test_a_program_gets_all_of_its_input_however_slowly_it_reads() -> None:
    with stopping_when(lambda: None):
        assert run(["/bin/sh", "-c", "sleep 0.5; wc -c"], stdin="x" * 1_000_000).strip() == "1000000"


def test_a_lock_is_not_waited_for_longer_than_is_said() -> None:
    lock = threading.Lock()
    with (
        held(lock, "somebody works", 1),
        pytest.raises(TimedOut, match="somebody works"),
        held(lock, "somebody works", 0.01),
    ):
        pass
    assert lock.acquire(blocking=False)


def _operation() -> Cancellation:
    return Cancellation("demo", RunningOperation("1", "failover", NOW), "it is being prepared", final=False)


def test_a_cancellation_is_accepted_until_the_point_of_no_return_and_then_kept() -> None:
    cancellation = _operation()
    cancellation.enter("it is at 'Hold new connections'")
    cancellation.request(dry_run=True)
    cancellation.check()
    cancellation.request()
    with pytest.raises(Stopped):
        cancellation.enter("it is at 'Promote i2'", final=True)
    cancellation.request()


def test_a_cancellation_is_refused_after_the_point_of_no_return() -> None:
    cancellation = _operation()
    cancellation.enter("it is at 'Promote i2'", final=True)
    cancellation.enter("it is at 'Switch the endpoints'")
    with pytest.raises(InvalidClusterState, match="cannot be undone any more: it is at 'Switch the endpoints'"):
        cancellation.request()
    cancellation.check()
