"""The process of a storage node: pg_receivewal, which acknowledges the WAL that it has flushed, or given to the kernel.

https://www.postgresql.org/docs/18/app-pgreceivewal.html. It uses no replication slot: the writer keeps no WAL for a
node that is down. WAL that the writer no longer has is copied from the node's peers.
"""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from auroractl.core.address import Address
from auroractl.core.text.timestamps import timestamp
from auroractl.system.account import Account
from auroractl.system.files import exists, tail, unwritable
from auroractl.system.liveness import kill_all, processes_below, runs_in, send, wait_for_exit
from auroractl.system.locks import LockFile, lock_holder
from auroractl.system.programs import spawn
from auroractl.system.safe_open import open_log

_STOP_TIMEOUT_S = 2.0
_LOG_BYTES_MAX = 1_000_000
_STATUS_INTERVAL_S = 1
"""Interval of status messages, by default 10 s; a node counts as lost after two.

Without a status message, WAL that ends with a segment is flushed but not acknowledged.
"""


@dataclass(frozen=True, slots=True)
class Receiver:
    """A storage node's process and its folder. It holds no state; every question is answered by looking."""

    name: str
    folder: Path
    lock: Path
    log: Path
    program: str
    account: Account | None

    def pid(self) -> int | None:
        """Return its process id; None if it is not alive."""
        if not exists(self.lock):
            return None
        holder = lock_holder(self.lock)
        if holder is not None and runs_in(holder, self.folder):
            return holder
        # The lock's file may name the supervisor, which started the process and was killed before it could write the
        # id.
        return next(iter(processes_below(self.folder)), None) if holder is not None else None

    def start(self, writer: Address, conninfo: str, *, flushes: bool) -> int | None:
        """Start receiving from a writer and return the process id. A running process is left as it is.

        Unless it `flushes`, it acknowledges what it has written: that survives the process, but not the machine.

        The process inherits a locked descriptor, so that there is never a second one on the same folder, even if the
        supervisor dies. Raises MachineError if it cannot be started.
        """
        lock = LockFile(self.lock)
        try:
            if not lock.acquire():
                return self.pid()
        except OSError as error:
            raise unwritable(self.lock, error) from error
        try:
            self._note_start(writer)
            pid = spawn(
                [
                    self.program,
                    f"--directory={self.folder}",
                    f"--dbname={conninfo}",
                    "--synchronous",
                    f"--status-interval={_STATUS_INTERVAL_S}",
                    "--no-loop",
                    "--no-password",
                ],
                cwd=self.folder,
                log=self.log,
                account=self.account,
                pass_fds=(lock.descriptor,),
                flushes=flushes,
            )
            lock.name_holder(pid)
        finally:
            lock.release()
        return pid

    def _note_start(self, writer: Address) -> None:
        """Mark the start in the log.

        The program's own output has no times; these marks show between which starts a line was printed.
        """
        now = timestamp(datetime.now(UTC))
        try:
            with open_log(self.log) as file:
                if file.tell() > _LOG_BYTES_MAX:
                    file.truncate(0)
                file.write(f"{now} INFO {self.name} receives from {writer}\n".encode())
        except OSError as error:
            raise unwritable(self.log, error) from error

    def kill(self) -> None:
        """Kill it (SIGKILL). What it has acknowledged is at least with the kernel, which writes it to disk."""
        pid = self.pid()
        if pid is not None:
            kill_all([pid])

    def stop(self) -> None:
        """Stop it; kill it if it does not end by itself."""
        pid = self.pid()
        if pid is not None:
            send(pid, signal.SIGTERM)
            if not wait_for_exit(pid, _STOP_TIMEOUT_S):
                kill_all([pid])

    def suspend(self) -> None:
        """Freeze it (SIGSTOP)."""
        pid = self.pid()
        if pid is not None:
            send(pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Resume a frozen process (SIGCONT)."""
        pid = self.pid()
        if pid is not None:
            send(pid, signal.SIGCONT)

    def last_words(self) -> str:
        """Return the last error that it printed; empty if there is none."""
        lines = [line for line in tail(self.log, 5).splitlines() if "error" in line or "fatal" in line.lower()]
        return lines[-1].removeprefix(f"{os.path.basename(self.program)}: ") if lines else ""  # noqa: PTH119
