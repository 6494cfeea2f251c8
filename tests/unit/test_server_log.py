"""The last error of a server's log: of the server itself, since a step began, with its detail."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from auroractl.engine.server_log import last_error_in

LOG = """\
2026-11-25 03:00:00.000 UTC [7] PANIC:  an old story
2026-11-25 03:55:33.400 UTC [12] LOG:  starting PostgreSQL
2026-11-25 03:55:33.478 UTC [12] FATAL:  could not create lock file
2026-11-25 03:55:33.478 UTC [13] DETAIL:  Of another process.
2026-11-25 03:55:33.478 UTC [12] DETAIL:  No space left on device.
2026-11-25 03:55:33.478 UTC [12] HINT:  Make room.
\tcontinued
2026-11-25 03:55:34.000 UTC [20] app@shop ERROR:  relation "secret" does not exist
2026-11-25 03:55:34.000 UTC [20] app@shop DETAIL:  Key (password)=(x).
2026-11-25 03:55:35.000 UTC [12] LOG:  database system is shut down
"""
FOUND = "FATAL: could not create lock file (No space left on device.)"


@pytest.mark.parametrize(
    ("since", "found"),
    [(None, FOUND), (datetime(2026, 11, 25, 3, 55, tzinfo=UTC), FOUND), (datetime(2026, 11, 25, 4, tzinfo=UTC), "")],
)
def test_the_last_error(since: datetime | None, found: str) -> None:
    assert last_error_in(LOG, since) == found


def test_a_log_without_errors() -> None:
    assert last_error_in("", None) == ""
    assert last_error_in("postgres: could not access directory\n", None) == ""
