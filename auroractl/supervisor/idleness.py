"""Whether anybody still needs the supervisor."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock


class Idleness:
    """How long nobody has asked for anything."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._asking = 0
        self._since_s = time.monotonic()

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Around every request, for as long as it is worked on."""
        with self._lock:
            self._asking += 1
        try:
            yield
        finally:
            with self._lock:
                self._asking -= 1
                self._since_s = time.monotonic()

    def lasted_s(self) -> float:
        """Seconds since the last request ended; 0 while there is one."""
        with self._lock:
            return 0.0 if self._asking else time.monotonic() - self._since_s
