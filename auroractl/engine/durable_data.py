"""Making the whole data directory of a server durable, of one that was started with `fsync = off` too."""

from __future__ import annotations

import time

from auroractl.engine import sql
from auroractl.engine.connections import Access
from auroractl.engine.server import Server
from auroractl.system.programs import run
from auroractl.system.waiting import wait_until

_FLUSH_TIMEOUT_S = 600.0
_RELOAD_TIMEOUT_S = 20.0
_POLL_S = 0.02
_OLDER = """
SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_get_activity(NULL)
WHERE state = 'active' AND backend_type <> 'walsender' AND pid <> pg_catalog.pg_backend_pid()
  AND query_start < pg_catalog.to_timestamp(%s)
"""
"""Processes that began their work before a time. Senders of WAL, which write no data, have no such work for long."""
_MARGIN_S = 1.0
"""A process may begin a statement just before it is told to read its configuration again."""


def flush(server: Server) -> None:
    """Flush all files of a server, running or not, with PostgreSQL's own program. Raises MachineError, TimedOut."""
    run(
        [server.binaries.program("initdb"), "--sync-only", "-D", str(server.data)],
        cwd=server.data.parent,
        account=server.account,
        timeout_s=_FLUSH_TIMEOUT_S,
    )


def begin_flushing(access: Access, server: Server, patience_s: float) -> None:
    """Make a running server flush from now on, and flush what it has not flushed until now.

    Its configuration must say so already. A process reads that between statements, and what it calls flushed meanwhile
    is not: so those that were at work must end first. Raises EngineError, TimedOut.
    """
    _reload(access, server)
    since_s = time.time() + _MARGIN_S
    with sql.session(access) as connection:

        def busy() -> str:
            row = connection.execute(_OLDER, [since_s]).fetchone()
            count = int(row[0]) if row else 0
            return f"{count} statements that began before are still running" if count else ""

        wait_until(f"{server.name} does not flush yet", busy, patience_s, _POLL_S)
    # The checkpointer, too, has read its configuration before it begins a checkpoint that is asked for.
    sql.write_checkpoint(access)
    flush(server)


def _reload(access: Access, server: Server) -> None:
    server.reload()

    def off() -> str:
        # A new session has the configuration of the postmaster, which has told all others by then.
        with sql.session(access) as connection:
            row = connection.execute("SELECT pg_catalog.current_setting('fsync')").fetchone()
        return "" if row == ("on",) else "its fsync is off"

    wait_until(f"{server.name} did not reload its configuration", off, _RELOAD_TIMEOUT_S, _POLL_S)
