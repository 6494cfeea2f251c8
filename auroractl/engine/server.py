"""One PostgreSQL server: start, stop, and what its files say."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from auroractl.core.errors import EngineError, TimedOut
from auroractl.core.model import Address
from auroractl.engine.binaries import Binaries
from auroractl.engine.control_file import read_control_data
from auroractl.engine.shared_memory import release_shared_memory
from auroractl.process.accounts import Account
from auroractl.process.files import tail
from auroractl.process.liveness import (
    alive,
    children,
    kill_all,
    processes_below,
    runs_in,
    send,
    suspended,
    wait_for_exit,
)
from auroractl.process.programs import spawn

_READY_POLL_S = 0.005
_LOCKED_POLL_S = 0.002
_ABORT_TIMEOUT_S = 2.0
_PORT_LINE, _HOST_LINE = 3, 5
_STATUS_LINE = 7
"""postmaster.pid's eighth line: ready, starting, stopping or standby (src/include/utils/pidfile.h)."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server and where it lies; holds no state, everything is looked at when asked."""

    name: str
    data: Path
    log: Path
    address: Address
    binaries: Binaries
    account: Account | None

    def _pid_file(self) -> list[str]:
        try:
            return (self.data / "postmaster.pid").read_text().splitlines()
        except (FileNotFoundError, NotADirectoryError):
            return []

    def pid(self) -> int | None:
        """The postmaster's process id; None where none lives. A stale pid file is seen through."""
        lines = self._pid_file()
        if not lines or not lines[0].strip().isdigit():
            return None
        pid = int(lines[0])
        return pid if runs_in(pid, self.data) else None

    def listens_at(self) -> Address | None:
        """Where the running server listens, by its pid file; None where none runs."""
        lines = self._pid_file()
        if self.pid() is None or len(lines) <= _HOST_LINE or not lines[_PORT_LINE].strip().isdigit():
            return None
        return Address(lines[_HOST_LINE].strip(), int(lines[_PORT_LINE]))

    @property
    def incomplete(self) -> Path:
        """A file that is there while the data directory is being copied or rewound; it outlives a crash of that."""
        return self.data.with_name("data.incomplete")

    def has_data(self) -> bool:
        """Whether the data directory holds a database that could be started.

        One whose copy or rewind was cut off holds none: it might start, on pages of two histories
        (https://www.postgresql.org/docs/18/app-pgrewind.html, "Warning").
        """
        return (self.data / "PG_VERSION").exists() and not self.incomplete.exists()

    def begin_start(self) -> int:
        """Start the server and return its process id without waiting until it is ready.

        An already running one is left as it is. The new one has taken the data directory's lock file when this
        returns, so that whoever looks next sees it and starts no second one.
        """
        running = self.pid()
        if running is not None:
            return running
        self._clear_stale_lock()
        pid = spawn(
            [self.binaries.program("postgres"), "-D", str(self.data)],
            cwd=self.data,
            log=self.log,
            account=self.account,
        )
        while alive(pid):
            if self.pid() == pid:
                return pid
            time.sleep(_LOCKED_POLL_S)
        return self.pid() or pid

    def _clear_stale_lock(self) -> None:
        """After an unclean end: nothing that is left may keep a new server from starting.

        Neither a process such as a frozen one, nor the lock file of a zombie: PostgreSQL takes a process that nobody
        has collected for a running one. Raises EngineError where a process survives.
        """
        if (self.data / "postmaster.pid").exists():
            self.kill()
            (self.data / "postmaster.pid").unlink(missing_ok=True)

    def start(self, timeout_s: float, worth_waiting: Callable[[], bool] = lambda: True) -> int:
        """Start the server, wait until it accepts connections (a standby: until it is consistent), return its id.

        The server is started directly and its pid file watched, because pg_ctl looks only ten times a second.
        Raises EngineError with the end of the log where it ends, TimedOut where it is not ready in time or is no longer
        `worth_waiting` for.
        """
        size = self.log.stat().st_size if self.log.exists() else 0
        pid = self.begin_start()
        self.wait_ready(pid, timeout_s, size, worth_waiting)
        return pid

    def is_ready(self) -> bool:
        """Whether the running server accepts connections (a recovering one: is consistent)."""
        lines = self._pid_file()
        return bool(lines[_STATUS_LINE:]) and lines[_STATUS_LINE].strip() == "ready"

    def wait_ready(
        self, pid: int, timeout_s: float, log_offset: int = 0, worth_waiting: Callable[[], bool] = lambda: True
    ) -> None:
        """Wait until the started server accepts connections. Raises as `start` does."""
        deadline = time.monotonic() + timeout_s
        while True:
            lines = self._pid_file()
            if (
                lines
                and lines[0].strip() == str(pid)
                and lines[_STATUS_LINE:]
                and lines[_STATUS_LINE].strip() == "ready"
            ):
                return
            if not alive(pid):
                raise EngineError(
                    f"The server of {self.name} ended while starting: {tail(self.log, 5, log_offset)}",
                    f"Its log is {self.log}",
                )
            if time.monotonic() > deadline or not worth_waiting():
                state = lines[_STATUS_LINE].strip() if lines[_STATUS_LINE:] else "no status"
                raise TimedOut(
                    f"The server of {self.name} was not ready in time (last seen: {state}).",
                    f"Its log is {self.log}",
                )
            time.sleep(_READY_POLL_S)

    def stop(self, timeout_s: float) -> None:
        """Fast shutdown: sessions are ended, a checkpoint is written, standbys receive the rest of the log.

        A server that is not running is left as it is. Raises TimedOut where it still runs after `timeout_s`.
        """
        pid = self.pid()
        if pid is None:
            return
        self.resume_suspended()
        send(pid, signal.SIGINT)
        if not wait_for_exit(pid, timeout_s):
            raise TimedOut(f"The server of {self.name} did not stop within {timeout_s:g} s.", f"Its log is {self.log}")

    def abort(self) -> None:
        """Immediate shutdown of a server whose data is not needed any more, then SIGKILL for what is left.

        Unlike SIGKILL alone it lets the postmaster collect its children; where nothing else does (a container without
        an init) they would stay behind as zombies.
        """
        pid = self.pid()
        if pid is not None and not suspended(pid):
            send(pid, signal.SIGQUIT)
            wait_for_exit(pid, _ABORT_TIMEOUT_S)
        self.kill()

    def kill(self) -> None:
        """End the server and every process of it at once, without a checkpoint.

        Raises EngineError where one of them survives, because a second writer must never be started then.
        """
        pid = self.pid()
        left = kill_all([pid] if pid is not None else [])
        left += kill_all(processes_below(self.data))
        if left:
            raise EngineError(
                f"Processes of {self.name} cannot be ended: {left}", "See what holds them: ps -o stat,wchan"
            )
        release_shared_memory(self.data)

    def suspend(self) -> None:
        """Freeze every process of the server (SIGSTOP), the postmaster first so that it starts no other."""
        pid = self.pid()
        for member in (pid, *children(pid)) if pid is not None else ():
            send(member, signal.SIGSTOP)

    def resume_suspended(self) -> None:
        """Let frozen processes of the server go on; a promotion waits for every one of them."""
        pid = self.pid()
        for member in (pid, *children(pid)) if pid is not None else ():
            if suspended(member):
                send(member, signal.SIGCONT)

    def reload(self) -> None:
        """Make the server read its configuration again."""
        pid = self.pid()
        if pid is not None:
            send(pid, signal.SIGHUP)

    def control_data(self) -> dict[str, str]:
        """What pg_controldata says of the data directory."""
        return read_control_data(self.data, self.binaries, self.account)


def end_all_below(folder: Path) -> None:
    """SIGKILL to every process that works below a folder; what servers among them hold in memory is given back.

    Raises EngineError where one of them survives.
    """
    left = kill_all(processes_below(folder))
    if left:
        raise EngineError(f"Processes of {folder} cannot be ended: {left}", "See what holds them: ps -o stat,wchan")
    for lock in folder.rglob("postmaster.pid"):
        release_shared_memory(lock.parent)
