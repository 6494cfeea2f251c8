"""One PostgreSQL server: start, stop, and the state shown by its files."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

from auroractl.core.address import Address
from auroractl.core.errors import EngineError, TimedOut
from auroractl.engine.binaries import Binaries
from auroractl.engine.connections import Access, own_name, socket_path
from auroractl.engine.control_file import read_control_data
from auroractl.engine.secrets import REPLICATION
from auroractl.engine.server_log import last_error, said
from auroractl.engine.shared_memory_cleanup import release_shared_memory
from auroractl.engine.slot_files import has_slots
from auroractl.system.account import Account
from auroractl.system.files import exists, has_name, tail
from auroractl.system.liveness import (
    alive,
    children,
    command_line,
    kill_all,
    processes_below,
    runs_in,
    send,
    suspended,
    wait_for_exit,
)
from auroractl.system.occupants import occupant
from auroractl.system.programs import spawn
from auroractl.system.safe_open import NotOurs, read_regular
from auroractl.system.shared_segments import mapped_by, remove
from auroractl.system.waiting import SLICE_S, wait_until


class AddressTaken(EngineError):
    """Another process listens at the server's address. Starting the server is pointless until that process has ended."""


_FREE_ADDRESS = "End that process; the server is started as soon as the address is free"
_NOT_BOUND = "could not create any TCP/IP sockets"
"""Messages of a server that cannot bind its address (src/backend/postmaster/postmaster.c)."""
_READY_POLL_S = 0.005
_LOCKED_POLL_S = 0.002
_LOCKED_TIMEOUT_S = 60.0
_ABORT_TIMEOUT_S = 2.0
_PORT_LINE, _SOCKET_LINE, _HOST_LINE = 3, 4, 5
_SENDER = ": walsender "
"""Precedes the user in the title of a process that sends WAL (src/backend/utils/misc/ps_status.c)."""
_PID_FILE_BYTES_MAX = 64 * 1024
_STATUS_LINE = 7
"""Eighth line of postmaster.pid: ready, starting, stopping or standby (src/include/utils/pidfile.h)."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server and its folders. It holds no state; every question is answered by looking."""

    name: str
    data: Path
    log: Path
    address: Address
    binaries: Binaries
    account: Account | None
    socket_folder: Path | None = None
    """Folder of its Unix socket; None if the path would be too long."""

    def access(self, password: str) -> Access:
        """Return the connection parameters for auroractl itself; `password` is the internal superuser's."""
        account = self.account.name if self.account else own_name() or ""
        return Access(
            self.address,
            password,
            self.binaries.major,
            self.socket_folder if self.uses_socket() else None,
            account,
            by_account=self.account is not None,
        )

    def uses_socket(self) -> bool:
        """Return whether internal connections use its Unix socket; not if an auroractl without that feature started it."""
        if self.socket_folder is None:
            return False
        lines = self._pid_file()
        is_old = len(lines) > _STATUS_LINE and not lines[_SOCKET_LINE].strip() and self.pid() is not None
        return not is_old

    def _pid_file(self) -> list[str]:
        try:
            return read_regular(self.data / "postmaster.pid", _PID_FILE_BYTES_MAX).decode(errors="replace").splitlines()
        except (FileNotFoundError, NotADirectoryError, PermissionError, NotOurs):
            # The account of the servers can read all of their folders. If it cannot read this one, a link points
            # elsewhere.
            return []

    def pid(self) -> int | None:
        """Return the postmaster's process id; None if no postmaster is alive. A stale pid file is recognised."""
        lines = self._pid_file()
        if not lines or not lines[0].strip().isdigit():
            return None
        pid = int(lines[0])
        return pid if runs_in(pid, self.data) else None

    def listens_at(self) -> Address | None:
        """Return the addresses of the running server, from its pid file; None if no server is running."""
        lines = self._pid_file()
        if self.pid() is None or len(lines) <= _HOST_LINE or not lines[_PORT_LINE].strip().isdigit():
            return None
        return Address(lines[_HOST_LINE].strip(), int(lines[_PORT_LINE]))

    @property
    def incomplete(self) -> Path:
        """Return the marker file that exists while the data directory is copied or rewound; it survives a crash."""
        return self.data.with_name("data.incomplete")

    def has_data(self) -> bool:
        """Return whether the data directory holds a database that could be started.

        After an interrupted copy or rewind it does not: the server might start, on pages of two histories
        (https://www.postgresql.org/docs/18/app-pgrewind.html, "Warning").
        """
        return exists(self.data / "PG_VERSION") and not has_name(self.incomplete)

    def begin_start(self) -> int:
        """Start the server and return its process id without waiting until it is ready.

        A server that is already running is left as it is. The new one holds the data directory's lock file when this
        returns, so that a later caller finds it and does not start a second one. Raises AddressTaken, and TimedOut if
        the server does not take the lock file.
        """
        running = self.pid()
        if running is not None:
            return running
        self._require_address()
        self._clear_stale_lock()
        pid = spawn(
            [self.binaries.program("postgres"), "-D", str(self.data)],
            cwd=self.data,
            log=self.log,
            account=self.account,
        )

        def unlocked() -> str:
            return "" if self.pid() == pid or not alive(pid) else "its data directory has no lock file"

        wait_until(f"the server of {self.name} did not begin", unlocked, _LOCKED_TIMEOUT_S, _LOCKED_POLL_S)
        return self.pid() or pid

    def _require_address(self) -> None:
        found = occupant(self.address.host, self.address.port)
        if found is not None:
            raise AddressTaken(
                f"The address {self.address} of {self.name} is in use by {found}.",
                _FREE_ADDRESS,
            )

    def _clear_stale_lock(self) -> None:
        """Remove everything that could keep a new server from starting after an unclean shutdown.

        This includes processes, such as a frozen one, and the lock files of a zombie: PostgreSQL takes an unreaped
        process for a running one. Raises EngineError if a process survives.
        """
        if has_name(self.data / "postmaster.pid"):
            self.kill()
            (self.data / "postmaster.pid").unlink(missing_ok=True)
        if self.socket_folder is not None:
            # Regardless of the data directory: pg_rewind and a new copy leave none of its lock files.
            sockets = socket_path(self.socket_folder, self.address.port)
            for path in (sockets, sockets.with_name(f"{sockets.name}.lock")):
                path.unlink(missing_ok=True)

    def start(self, timeout_s: float, worth_waiting: Callable[[], bool] = lambda: True) -> int:
        """Start the server, wait until it is ready, and return its process id.

        A primary is ready when it accepts connections, a standby when it is consistent. The server is started directly
        and its pid file is watched, because pg_ctl polls only ten times a second. Raises EngineError with the end of
        the log if it exits, TimedOut if it is not ready in time or is no longer `worth_waiting` for.
        """
        since, size = datetime.now(UTC), self.log.lstat().st_size if exists(self.log) else 0
        self._finish_stopping(timeout_s)
        pid = self.begin_start()
        self._wait_ready(pid, timeout_s, since, size, worth_waiting)
        return pid

    def _status(self) -> str:
        """Return the status in the server's pid file; empty if there is none yet."""
        lines = self._pid_file()
        return lines[_STATUS_LINE].strip() if lines[_STATUS_LINE:] else ""

    def _finish_stopping(self, timeout_s: float) -> None:
        """Wait for a server to stop that an interrupted step had begun to stop."""
        if self._status() == "stopping":
            self.stop(timeout_s)

    def is_ready(self) -> bool:
        """Return whether the running server accepts connections (a recovering one: is consistent)."""
        return self._status() == "ready"

    def _wait_ready(
        self, pid: int, timeout_s: float, since: datetime, log_offset: int, worth_waiting: Callable[[], bool]
    ) -> None:
        hint = f"Its log is {self.log}"

        def unready() -> str:
            lines = self._pid_file()
            own = bool(lines) and lines[0].strip() == str(pid)
            return "" if own and self.is_ready() else "it is starting"

        def explain() -> str:
            return f"its status is {self._status() or 'unknown'}{said(self.log, since)}"

        def lives() -> None:
            if not alive(pid):
                self._raise_ended(since, log_offset)
            if not worth_waiting():
                raise TimedOut(f"The server of {self.name} was not ready in time: {explain()}", hint)

        wait_until(f"the server of {self.name} was not ready", unready, timeout_s, _READY_POLL_S, lives, explain, hint)

    def _raise_ended(self, since: datetime, log_offset: int) -> NoReturn:
        """Raise for a server that ended while starting."""
        self._require_address()
        why = last_error(self.log, since) or tail(self.log, 5, log_offset)
        if _NOT_BOUND in tail(self.log, 20, log_offset):
            # The occupant has left, or cannot be seen.
            raise AddressTaken(f"The address {self.address} of {self.name} is in use: {why}", _FREE_ADDRESS)
        raise EngineError(f"The server of {self.name} ended while starting: {why}", f"Its log is {self.log}")

    def stop(self, timeout_s: float) -> None:
        """Stop the server with a fast shutdown: end sessions, write a checkpoint, send standbys the rest of the WAL.

        A server that is not running is left as it is. Raises TimedOut if it is still running after `timeout_s`.
        """
        pid = self.pid()
        if pid is None:
            return
        self.resume_suspended()
        since = datetime.now(UTC)
        send(pid, signal.SIGINT)
        self._end_consumers(pid)

        def running() -> str:
            return "" if wait_for_exit(pid, min(SLICE_S, timeout_s)) else "its process is still running"

        wait_until(
            f"the server of {self.name} did not stop",
            running,
            timeout_s,
            poll_s=0,
            explain=lambda: f"its process is still running{said(self.log, since)}",
            hint=f"Its log is {self.log}",
        )

    def _end_consumers(self, pid: int) -> None:
        """End the sessions of logical replication of a server that is stopping.

        It would wait until each consumer has confirmed all that it was sent, which some never do.
        """
        if not has_slots(self.data):
            return
        for member in children(pid):
            _, is_sender, who = command_line(member).partition(_SENDER)
            if is_sender and not who.startswith(f"{REPLICATION} "):
                send(member, signal.SIGTERM)

    def abort(self) -> None:
        """Stop a server whose data is no longer needed: immediate shutdown, then SIGKILL for the rest.

        Unlike SIGKILL alone, this lets the postmaster reap its children. Without any other reaper (a container without
        an init) they would stay behind as zombies.
        """
        pid = self.pid()
        if pid is not None and not suspended(pid):
            send(pid, signal.SIGQUIT)
            wait_for_exit(pid, _ABORT_TIMEOUT_S)
        self.kill()

    def kill(self) -> None:
        """Kill the server and all of its processes at once, without a checkpoint.

        Raises EngineError if one of them survives, because a second writer must never be started then.
        """
        pid = self.pid()
        left = kill_all([pid] if pid is not None else [])
        members = processes_below(self.data)
        # Where the data directory is gone, no file says what shared memory there is.
        segments = set() if pid is not None or has_name(self.data / "postmaster.pid") else mapped_by(members)
        left += kill_all(members)
        if left:
            raise EngineError(
                f"Processes of {self.name} cannot be ended: {left}", "See what holds them: ps -o stat,wchan"
            )
        release_shared_memory(self.data)
        remove(segments)

    def suspend(self) -> None:
        """Freeze every process of the server (SIGSTOP), beginning with the postmaster so that it starts no more."""
        pid = self.pid()
        for member in (pid, *children(pid)) if pid is not None else ():
            send(member, signal.SIGSTOP)

    def resume_suspended(self) -> None:
        """Resume all frozen processes of the server (SIGCONT). A promotion waits for every one of them."""
        pid = self.pid()
        for member in (pid, *children(pid)) if pid is not None else ():
            if suspended(member):
                send(member, signal.SIGCONT)

    def reload(self) -> None:
        """Make the server reload its configuration."""
        pid = self.pid()
        if pid is not None:
            send(pid, signal.SIGHUP)

    def control_data(self) -> dict[str, str]:
        """Return the output of pg_controldata for the data directory."""
        return read_control_data(self.data, self.binaries, self.account)


def end_all_below(folder: Path) -> None:
    """Send SIGKILL to every process that works below a folder, and release the shared memory of servers among them.

    Raises EngineError if one of them survives.
    """
    left = kill_all(processes_below(folder))
    if left:
        raise EngineError(f"Processes of {folder} cannot be ended: {left}", "See what holds them: ps -o stat,wchan")
    # A folder that cannot be listed belongs to root and holds no server.
    for found, _, names in os.walk(folder):
        if "postmaster.pid" in names:
            release_shared_memory(Path(found))
