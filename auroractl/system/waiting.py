"""Bounded waits: each has a subject, a deadline that reports the last reason, and can be cancelled."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Lock
from typing import Protocol

from auroractl.core.errors import TimedOut

Check = Callable[[], None]
"""Raises an exception to end a wait that has become pointless."""

SLICE_S = 0.2
"""Longest time that a wait may last without running the checks."""

_checks: ContextVar[tuple[Check, ...]] = ContextVar("checks", default=())


class Lockable(Protocol):
    """A lock, reentrant or not."""

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Acquire it; return False if it was not free in time."""

    def release(self) -> None:
        """Release it."""


@contextmanager
def stopping_when(check: Check) -> Iterator[None]:
    """Make every wait in this block call `check` several times a second, also in threads of `side_by_side`."""
    token = _checks.set((*_checks.get(), check))
    try:
        yield
    finally:
        _checks.reset(token)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Ignore the checks in this block: cleanup must not be interrupted by the reason for it."""
    token = _checks.set(())
    try:
        yield
    finally:
        _checks.reset(token)


def check_stop() -> None:
    """Raise whatever a check raises. For loops that take long without waiting."""
    for check in _checks.get():
        check()


def has_checks() -> bool:
    """Return whether waits have to run any checks."""
    return bool(_checks.get())


def pause(duration_s: float) -> None:
    """Sleep. Raises whatever a check raises."""
    end_s = time.monotonic() + duration_s
    check_stop()
    while (left_s := end_s - time.monotonic()) > 0:
        time.sleep(min(left_s, SLICE_S))
        check_stop()


def wait_until(
    what: str,
    condition: Callable[[], str],
    timeout_s: float,
    poll_s: float = 0.01,
    alive: Check | None = None,
    explain: Callable[[], str] = lambda: "",
    hint: str = "",
) -> None:
    """Wait until `condition` returns an empty reason; until then it returns why it is not met.

    `alive` raises if the condition cannot be met any more. `explain` is called only at the deadline. It returns a
    better reason that takes too long to determine in a poll. Raises TimedOut with `what` (a clause such as "the reader
    was not promoted"), the limit and the last reason; also whatever `condition`, `alive` and the checks raise.
    """
    reason = ""

    def met() -> bool:
        nonlocal reason
        reason = condition()
        if reason and alive is not None:
            alive()
        return not reason

    if not holds_in_time(met, timeout_s, poll_s):
        raise timed_out(what, timeout_s, explain() or reason, hint)


def holds_in_time(condition: Callable[[], bool], timeout_s: float, poll_s: float = 0.01) -> bool:
    """Wait until a condition holds; return False if it does not within `timeout_s`.

    For waits that need not succeed. Raises whatever `condition` and the checks raise.
    """
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline_s:
            return False
        pause(poll_s)
    return True


def timed_out(what: str, timeout_s: float, reason: str, hint: str = "") -> TimedOut:
    """Return the error of a wait that reached its deadline."""
    return TimedOut(f"{what[0].upper()}{what[1:]} within {timeout_s:g} s: {reason.rstrip('.')}.", hint)


@contextmanager
def held(lock: Lock | Lockable, what: str, timeout_s: float) -> Iterator[None]:
    """Hold a lock in this block.

    Raises TimedOut naming `what` holds it, and whatever a check raises during the wait.
    """
    wait_until("the work could not begin", lambda: "" if lock.acquire(timeout=SLICE_S) else what, timeout_s, poll_s=0)
    try:
        yield
    finally:
        lock.release()
