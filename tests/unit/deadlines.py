"""Calls that must not hang."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

_TIMEOUT_S = 20.0
T = TypeVar("T")


def within_deadline(call: Callable[[], T]) -> T:
    """What a call returns or raises; one that hangs fails the test, and its thread is left behind."""
    results: list[T] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            results.append(call())
        except BaseException as error:  # noqa: BLE001  (raised again by who waits)
            errors.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(_TIMEOUT_S)
    assert not thread.is_alive(), "it hangs"
    if errors:
        raise errors[0]
    return results[0]
