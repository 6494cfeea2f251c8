"""Connections whose statements end at a client-side deadline, or when their operation is cancelled.

`statement_timeout` does not cover a commit that waits for the write quorum: PostgreSQL switches it off before it
commits (`finish_xact_command` in src/backend/tcop/postgres.c). A frozen server enforces no deadline at all.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any

import psycopg

from auroractl.system.waiting import check_stop, timed_out

GRACE_S = 2.0
"""Grace period for the server's own timeout, which names the statement if it still works."""


class PatientConnection(psycopg.Connection):
    """A connection that waits `patience_s` for a statement and is closed if that is exceeded.

    Raises TimedOut, and whatever a check raises (system/waiting.py).
    """

    patience_s = 60.0 + GRACE_S

    def wait(self, gen: Generator[Any, Any, Any], *arguments: Any, **more: Any) -> Any:
        """Wait until psycopg's current call ends; check the deadline ten times a second."""
        return super().wait(self._watched(gen), *arguments, **more)

    def _watched(self, gen: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        deadline_s = time.monotonic() + self.patience_s
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if not ready:
                    self._look(deadline_s)
                wanted = gen.send(ready)
        except StopIteration as end:
            return end.value

    def _look(self, deadline_s: float) -> None:
        try:
            check_stop()
            self._require_time(deadline_s)
        except BaseException:
            # A connection in the middle of a statement cannot be reused.
            self.pgconn.finish()
            raise

    def _require_time(self, deadline_s: float) -> None:
        if time.monotonic() > deadline_s:
            raise timed_out("a statement did not end", self.patience_s, "the server gave no answer")
