"""Whether anybody still needs the supervisor."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock


class Idleness:
    """How long nobody has asked for anything, and whether the supervisor leaves for that."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._asking = 0
        self._since_s = time.monotonic()
        self._leaving = False

    @contextmanager
    def asking(self) -> Iterator[bool]:
        """Around every request; False where it comes too late and has to be made of the next supervisor."""
        with self._lock:
            self._asking += 1
            stays = not self._leaving
        try:
            yield stays
        finally:
            with self._lock:
                self._asking -= 1
                self._since_s = time.monotonic()

    def leave(self, after_s: float) -> bool:
        """Decide to leave, for good, if nobody has asked for anything for so long."""
        with self._lock:
            if not self._asking and time.monotonic() - self._since_s > after_s:
                self._leaving = True
            return self._leaving
