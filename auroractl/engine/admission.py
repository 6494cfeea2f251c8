"""Admission of storage nodes to the write quorum, where clients may replicate.

PostgreSQL counts everyone who receives WAL under a name of `synchronous_standby_names`, and anyone may take any name. So
where clients may replicate, the names there are such that no one can have them. A WAL sender of a storage node is
admitted by a signal that makes this one process read its configuration again
(https://www.postgresql.org/docs/18/config-setting.html#CONFIG-SETTING-CONFIGURATION-FILE: "you can send the signal to a
single server process directly"), while a file has the names that count. Only these processes have read it, so all
others count for nothing, whatever their name.
"""

from __future__ import annotations

import logging
import signal
from collections import defaultdict
from pathlib import Path
from threading import RLock

import psycopg

from auroractl.core.volume.quorum import Quorum
from auroractl.engine import sql
from auroractl.engine.configuration import ADMITTED_FILE, AWAITING, render_configuration, synchronous_standby_names
from auroractl.engine.connections import Access
from auroractl.system.files import write_atomically
from auroractl.system.liveness import runs_in, send
from auroractl.system.waiting import holds_in_time

log = logging.getLogger(__name__)

_TIMEOUT_S = 2.0
_ANSWER_TIMEOUT_S = 0.2
_POLL_S = 0.01
AWAITS = f"""
sync_priority = 0 AND flush_lsn IS NOT NULL AND pg_catalog.strpos(
  pg_catalog.current_setting('synchronous_standby_names'), '"' || application_name || '{AWAITING}') > 0
"""
"""Condition for a row of pg_stat_replication of auroractl's own: it could count and does not yet."""
IN_FORCE = f"pg_catalog.strpos(pg_catalog.current_setting('synchronous_standby_names'), '{AWAITING}') > 0"
"""Condition for a session: no one counts who was not admitted."""
_PIDS = f"SELECT pid FROM pg_catalog.pg_stat_replication WHERE usename = 'rdsrepladmin' AND {AWAITS}"  # noqa: S608
_SILENT = """
SELECT 1 FROM pg_catalog.pg_stat_replication WHERE usename = 'rdsrepladmin' AND state = 'streaming' AND flush_lsn IS NULL
"""
_locks: defaultdict[tuple[str, int], RLock] = defaultdict(RLock)


def lock(access: Access) -> RLock:
    """Return the lock under which one server is made to read its configuration."""
    return _locks[access.address.host, access.address.port]


def admit(access: Access, data: Path, quorum: Quorum) -> None:
    """Let a writer count the storage nodes that receive WAL from it. Raises EngineError.

    A sender that does not follow in time is left to the next call.
    """
    with lock(access), sql.session(access, statement_timeout_s=_TIMEOUT_S) as connection:
        if connection.execute(_SILENT.encode()).fetchone():
            # They acknowledge what is written now; without it only their next status message, within a second.
            sql.write_something(connection)
            holds_in_time(lambda: not connection.execute(_SILENT.encode()).fetchone(), _ANSWER_TIMEOUT_S, _POLL_S)
        pids = _awaiting(connection)
        if not pids:
            return
        names = synchronous_standby_names(quorum)
        write_atomically(data / ADMITTED_FILE, render_configuration({"synchronous_standby_names": names}))
        try:
            for pid in pids:
                if runs_in(pid, data):
                    send(pid, signal.SIGHUP)
            holds_in_time(lambda: not pids & _awaiting(connection), _TIMEOUT_S, _POLL_S)
        finally:
            write_atomically(data / ADMITTED_FILE, "")
        # Commits that wait for what was acknowledged before are released by the next acknowledgement.
        sql.write_something(connection)
        _check(access)


def _awaiting(connection: psycopg.Connection) -> set[int]:
    return {pid for (pid,) in connection.execute(_PIDS.encode()).fetchall()}


def _check(access: Access) -> None:
    """Make the server read its own configuration again if it was just made to read the file as a whole."""
    with sql.session(access, statement_timeout_s=_TIMEOUT_S) as connection:
        if connection.execute(f"SELECT {IN_FORCE}".encode()).fetchone() != (True,):
            log.warning("the server read its configuration during an admission, and does so again")
            connection.execute("SELECT pg_catalog.pg_reload_conf()")
