"""Servers that recover to a place in the log: to make page images, and to bring a copy of a cluster back to a moment.

https://www.postgresql.org/docs/18/runtime-config-wal.html#RUNTIME-CONFIG-WAL-RECOVERY-TARGET
"""

from __future__ import annotations

import math
import shlex
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import psycopg

from auroractl.core.errors import EngineError, TimedOut
from auroractl.core.lsn import format_lsn, parse_lsn
from auroractl.engine import sql
from auroractl.engine.configuration import restore_command
from auroractl.engine.server import Server
from auroractl.process.files import tail, write_durably
from auroractl.process.liveness import children, wait_for_exit
from auroractl.process.priority import set_niceness

Values = Mapping[str, str | int]
_POLL_S = 0.02
_LOOK_INTERVAL_S = 1.0


def node_restore_command(folder: Path) -> str:
    """What a server runs that recovers from a storage node's own folder, whose last segment is unfinished.

    >>> node_restore_command(Path("/n"))
    'if test -f /n/%f; then ln -s /n/%f %p; else test -f /n/%f.partial && cp /n/%f.partial %p; fi'
    """
    source = shlex.quote(str(folder)).replace("%", "%%") + "/%f"
    return f"if test -f {source}; then ln -s {source} %p; else test -f {source}.partial && cp {source}.partial %p; fi"


def link_command(folder: Path) -> str:
    """What a server runs that recovers from log which is laid ready and only reads it.

    >>> link_command(Path("/n"))
    'test -f /n/%f && ln -s /n/%f %p'
    """
    source = shlex.quote(str(folder)).replace("%", "%%") + "/%f"
    return f"test -f {source} && ln -s {source} %p"


_NO_ARCHIVE = "exit 1"
"""Recovery has to be given a command; where that has nothing, it looks into pg_wal."""
THROW_AWAY: Values = {
    "fsync": "off",
    # Pages that are changed again and again fit; memory that is touched first costs more than a page that is written.
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
"""Parameters of a server that recovers and is never promoted: another process writes its pages while it replays.

Its log may be a link to a storage node's, which must not be used again for its own.
"""


def target_values(timeline: int, lsn: int, action: str, command: str) -> dict[str, str | int]:
    """Parameters of a recovery that ends with the record at `lsn`; `action` is what happens then: pause or shutdown."""
    return {
        "restore_command": command,
        "recovery_target_timeline": str(timeline),
        "recovery_target_lsn": format_lsn(lsn),
        "recovery_target_inclusive": "on",
        "recovery_target_action": action,
        "primary_conninfo": "",
    }


def image_values(base: Values, port: int, timeline: int, lsn: int, command: str) -> dict[str, str | int]:
    """The configuration of a server that makes a page image: nobody connects, and it is flushed as a whole afterwards."""
    return {
        **base,
        **THROW_AWAY,
        "listen_addresses": "127.0.0.1",
        "port": port,
        "hot_standby": "off",
        "max_connections": 10,
        "superuser_reserved_connections": 0,
        "max_wal_senders": 0,
        "log_min_messages": "warning",
        **target_values(timeline, lsn, "shutdown", command),
    }


def moment_values(
    base: Values, timeline: int, lsn: int, log_folder: Path, max_connections: int, *, throw_away: bool
) -> dict[str, str | int]:
    """The configuration of a server that stops at a moment and can be read there.

    `max_connections` is the most that its log was written with: a standby needs as many. `throw_away` says that it is never
    to take the writer's place: its log is what `lay_in_place` has put there.
    """
    command = _NO_ARCHIVE if throw_away else restore_command(log_folder)
    return {
        **base,
        **(THROW_AWAY if throw_away else {}),
        "hot_standby": "on",
        "max_connections": max(max_connections, int(base["max_connections"])),
        **target_values(timeline, lsn, "pause", command),
    }


def lay_in_place(data: Path, log_folder: Path) -> None:
    """Show log that is laid ready to a throw-away server as its own; a command that links each segment is a process more."""
    for path in log_folder.iterdir():
        (data / "pg_wal" / path.name).symlink_to(path)


def begin_recovery(data: Path, owner: Server) -> None:
    """Mark a data directory as one that recovers from an archive."""
    write_durably(data / "recovery.signal", "", owner=owner.account)


def run_to_shutdown(
    server: Server, timeline: int, lsn: int, interrupted: Callable[[], bool], niceness: Callable[[], int]
) -> None:
    """Start a server that recovers to a checkpoint record and stops there; return when it has.

    It gives way to others by what `niceness` says at the time. Raises EngineError where it ends elsewhere, InterruptedError
    where `interrupted` says so (it is ended then).
    """
    size = server.log.stat().st_size if server.log.exists() else 0
    pid = server.begin_start()
    family, looked_s = [pid], -math.inf
    while not wait_for_exit(pid, 0.2):
        if interrupted():
            server.kill()
            raise InterruptedError
        # To find its processes means a look at all that there are.
        if time.monotonic() - looked_s > _LOOK_INTERVAL_S:
            family, looked_s = [pid, *children(pid)], time.monotonic()
        set_niceness(family, niceness())
    control = server.control_data()
    reached = control["Latest checkpoint location"], control["Database cluster state"]
    if reached != (format_lsn(lsn), "shut down in recovery"):
        raise EngineError(
            f"Recovery to {format_lsn(lsn)} on timeline {timeline} ended at {reached[0]} ({reached[1]}): "
            f"{tail(server.log, 3, size)}",
            f"Its log is {server.log}",
        )


def wait_paused(server: Server, password: str, timeout_s: float, tell: Callable[[int], None]) -> None:
    """Wait until a recovering server stands at its target, where it can be read.

    `tell` is called with how far the log has been replayed, in bytes from its start. Raises EngineError where the server
    ends, TimedOut.
    """
    deadline = time.monotonic() + timeout_s

    def goes_on() -> None:
        if server.pid() is None:
            raise EngineError(f"Recovery ended before its target: {tail(server.log, 4)}", f"Its log is {server.log}")
        if time.monotonic() > deadline:
            raise TimedOut(f"The target was not reached within {timeout_s:g} s.", f"Its log is {server.log}")
        time.sleep(_POLL_S)

    while not server.is_ready():
        goes_on()
    try:
        # One connection for all questions: to open one costs as much as a good deal of the recovery.
        with sql.session(server.address, password) as connection:
            while (replayed_lsn := _replayed(connection)) is not None:
                tell(replayed_lsn)
                goes_on()
    except EngineError:
        goes_on()  # says it better where the server is gone
        raise


def _replayed(connection: psycopg.Connection) -> int | None:
    """How far it has come; None where it stands at its target, or could not be read there and has ended its recovery."""
    row = connection.execute(
        "SELECT pg_last_wal_replay_lsn() "
        "WHERE CASE WHEN pg_is_in_recovery() THEN pg_get_wal_replay_pause_state() <> 'paused' ELSE false END"
    ).fetchone()
    return parse_lsn(row[0]) if row else None
