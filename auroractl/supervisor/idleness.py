"""The decision to exit when the supervisor is idle."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock


class Idleness:
    """Measures the time since the last request, and decides when the supervisor exits for it.

    None of it survives a restart of the supervisor, which counts the time from its own start.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._asking = 0
        self._since_s = time.monotonic()
        self._leaving = False

    @contextmanager
    def request(self) -> Iterator[bool]:
        """Count a request in progress. False means it is too late: the next supervisor must serve it."""
        with self._lock:
            self._asking += 1
            accepted = not self._leaving
        try:
            yield accepted
        finally:
            with self._lock:
                self._asking -= 1
                self._since_s = time.monotonic()

    def leave(self, after_s: float) -> bool:
        """Decide to exit if there was no request for `after_s` seconds. The decision is final."""
        with self._lock:
            if not self._asking and time.monotonic() - self._since_s > after_s:
                self._leaving = True
            return self._leaving
