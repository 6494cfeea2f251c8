"""Servers that recover to a target LSN, for recovery images and for copies of a cluster.

https://www.postgresql.org/docs/18/runtime-config-wal.html#RUNTIME-CONFIG-WAL-RECOVERY-TARGET
"""

from __future__ import annotations

import math
import shlex
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from auroractl.core.errors import EngineError
from auroractl.core.parameters import standby
from auroractl.core.wal.lsn import format_lsn, parse_lsn
from auroractl.engine import sql
from auroractl.engine.configuration import restore_command
from auroractl.engine.server import Server
from auroractl.engine.server_log import last_error, said
from auroractl.system.files import exists, tail, write_durably
from auroractl.system.liveness import children, wait_for_exit
from auroractl.system.priority import set_niceness
from auroractl.system.waiting import SLICE_S, wait_until

Values = Mapping[str, str | int]
_POLL_S = 0.02
_LOOK_INTERVAL_S = 1.0
_RUN_TIMEOUT_S = 6 * 3600.0
"""The deadline for making a recovery image, which runs at low priority."""


def node_restore_command(folder: Path) -> str:
    """Build the restore command of a server that recovers from a storage node's own folder.

    The last segment in that folder is unfinished.

    >>> node_restore_command(Path("/n"))
    'if test -f /n/%f; then ln -s /n/%f %p; else test -f /n/%f.partial && cp /n/%f.partial %p; fi'
    """
    source = shlex.quote(str(folder)).replace("%", "%%") + "/%f"
    return f"if test -f {source}; then ln -s {source} %p; else test -f {source}.partial && cp {source}.partial %p; fi"


def link_command(folder: Path) -> str:
    """Build the restore command of a server that recovers from staged WAL and only reads it.

    >>> link_command(Path("/n"))
    'test -f /n/%f && ln -s /n/%f %p'
    """
    source = shlex.quote(str(folder)).replace("%", "%%") + "/%f"
    return f"test -f {source} && ln -s {source} %p"


_NO_ARCHIVE = "exit 1"
"""Recovery requires a command. If it finds nothing, recovery looks into pg_wal."""
THROW_AWAY: Values = {
    "fsync": "off",
    # Pages that are changed repeatedly fit into this. Touching memory for the first time costs more than writing a
    # page.
    "shared_buffers": "64MB",
    "bgwriter_delay": "10ms",
    "bgwriter_lru_maxpages": 1000,
    "bgwriter_lru_multiplier": 10,
    "bgwriter_flush_after": 0,
    "checkpoint_flush_after": 0,
    "checkpoint_timeout": "1d",
    "max_wal_size": "1TB",
    "wal_recycle": "off",
    "wal_init_zero": "off",
}
"""Parameters of a server that recovers and is never promoted; another process writes its pages during replay.

Its WAL may be a link to a storage node's, which the server must not recycle as its own.
"""


def target_values(timeline: int, lsn: int, action: str, command: str) -> dict[str, str | int]:
    """Return the parameters of a recovery that ends with the record at `lsn`; `action` (pause or shutdown) follows."""
    return {
        "restore_command": command,
        "recovery_target_timeline": str(timeline),
        "recovery_target_lsn": format_lsn(lsn),
        "recovery_target_inclusive": "on",
        "recovery_target_action": action,
        "primary_conninfo": "",
    }


def image_values(
    base: Values, least: standby.Values, port: int, timeline: int, lsn: int, command: str
) -> dict[str, str | int]:
    """Return the configuration of a server that makes a recovery image.

    It takes no connections and is flushed as a whole afterwards. `least` is what its WAL was written with: prepared
    transactions need their places. Without hot standby it needs nothing else of it.
    """
    return {
        **base,
        **THROW_AWAY,
        **standby.highest(standby.values_of(base), least),
        "listen_addresses": "127.0.0.1",
        "port": port,
        "unix_socket_directories": "",
        "hot_standby": "off",
        "max_connections": 10,
        "superuser_reserved_connections": 0,
        "max_wal_senders": 0,
        "log_min_messages": "warning",
        **target_values(timeline, lsn, "shutdown", command),
    }


def moment_values(
    base: Values, timeline: int, lsn: int, log_folder: Path, least: standby.Values, *, throw_away: bool
) -> dict[str, str | int]:
    """Return the configuration of a server that stops at a point in time and can be read there.

    `least` are the highest values that its WAL was written with: a standby needs at least as much. With `throw_away`
    it never takes the writer's place, and its WAL is what `lay_in_place` has put there.
    """
    command = _NO_ARCHIVE if throw_away else restore_command(log_folder)
    return {
        **base,
        **(THROW_AWAY if throw_away else {}),
        "hot_standby": "on",
        **standby.highest(standby.values_of(base), least),
        **target_values(timeline, lsn, "pause", command),
    }


def lay_in_place(data: Path, log_folder: Path) -> None:
    """Link staged WAL into the pg_wal of a throw-away server. A restore command would start a process for each segment."""
    for path in log_folder.iterdir():
        (data / "pg_wal" / path.name).symlink_to(path)


def begin_recovery(data: Path) -> None:
    """Mark a data directory for archive recovery."""
    write_durably(data / "recovery.signal", "")


def run_to_shutdown(
    server: Server, timeline: int, lsn: int, interrupted: Callable[[], bool], niceness: Callable[[], int]
) -> None:
    """Start a server that recovers to a checkpoint record, and return when it has stopped there.

    Its priority follows `niceness`, which is called repeatedly. Raises EngineError if it ends elsewhere,
    InterruptedError if `interrupted` returns true (the server is stopped then).
    """
    since, size = datetime.now(UTC), server.log.lstat().st_size if exists(server.log) else 0
    pid = server.begin_start()
    family, looked_s = [pid], -math.inf

    def running() -> str:
        return "" if wait_for_exit(pid, SLICE_S) else "its server is still replaying"

    def supervise() -> None:
        nonlocal family, looked_s
        if interrupted():
            raise InterruptedError
        # Finding its processes requires a scan of all processes.
        if time.monotonic() - looked_s > _LOOK_INTERVAL_S:
            family, looked_s = [pid, *children(pid)], time.monotonic()
        set_niceness(family, niceness())

    hint = f"Its log is {server.log}"
    try:
        wait_until(f"recovery to {format_lsn(lsn)} did not end", running, _RUN_TIMEOUT_S, 0, supervise, hint=hint)
    except BaseException:
        server.kill()
        raise
    control = server.control_data()
    reached = control["Latest checkpoint location"], control["Database cluster state"]
    if reached != (format_lsn(lsn), "shut down in recovery"):
        raise EngineError(
            f"Recovery to {format_lsn(lsn)} on timeline {timeline} ended at {reached[0]} ({reached[1]}): "
            f"{last_error(server.log, since) or tail(server.log, 3, size)}",
            hint,
        )


def wait_paused(server: Server, password: str, timeout_s: float, tell: Callable[[int], None]) -> None:
    """Wait until a recovering server has reached its target, where it can be read.

    `tell` is called with the replay position, in bytes from the start of the WAL. Raises EngineError if the server
    ends, TimedOut.
    """
    hint = f"Its log is {server.log}"
    connection: psycopg.Connection | None = None
    reason = "it is not consistent yet"

    def lives() -> None:
        if server.pid() is None:
            why = last_error(server.log) or tail(server.log, 4)
            raise EngineError(f"Recovery ended before its target: {why}", hint)

    def replaying() -> str:
        nonlocal connection, reason
        if connection is None:
            if not server.is_ready():
                return reason
            # One connection for all queries: opening one costs as much as a large part of the recovery.
            connection = opened.enter_context(sql.session(server.access(password)))
        lsn = _replayed(connection)
        if lsn is None:
            return ""
        tell(lsn)
        reason = f"it has replayed up to {format_lsn(lsn)}"
        return reason

    def explain() -> str:
        return f"{reason}{said(server.log)}"

    try:
        with ExitStack() as opened:
            wait_until("the target was not reached", replaying, timeout_s, _POLL_S, lives, explain, hint)
    except EngineError:
        lives()  # gives a better reason if the server is gone
        raise


def _replayed(connection: psycopg.Connection) -> int | None:
    """Return the replay position, or None once the server has reached its target.

    Also None if it could not be read at the target and has ended its recovery.
    """
    row = connection.execute(
        "SELECT pg_catalog.pg_last_wal_replay_lsn() WHERE CASE WHEN pg_catalog.pg_is_in_recovery()"
        " THEN pg_catalog.pg_get_wal_replay_pause_state() <> 'paused' ELSE false END"
    ).fetchone()
    return parse_lsn(row[0]) if row else None
