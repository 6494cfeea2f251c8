"""The process of a storage node: pg_receivewal, which acknowledges what it has flushed.

https://www.postgresql.org/docs/18/app-pgreceivewal.html. It uses no replication slot: the writer keeps no log for a
node that is away, and what it no longer has is copied from the peers.
"""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from auroractl.core.model import Address
from auroractl.core.timestamps import timestamp
from auroractl.process.accounts import Account
from auroractl.process.files import tail
from auroractl.process.liveness import kill_all, processes_below, runs_in, send, wait_for_exit
from auroractl.process.locks import LockFile, lock_holder
from auroractl.process.programs import spawn

_STOP_TIMEOUT_S = 2.0
_LOG_BYTES_MAX = 1_000_000
_STATUS_INTERVAL_S = 1
"""What ends with a segment it flushes without saying so before the next status, after 10 s by default; a node counts
as lost after two."""


@dataclass(frozen=True, slots=True)
class Receiver:
    """A storage node's process and where it lies; holds no state, everything is looked at when asked."""

    name: str
    folder: Path
    lock: Path
    log: Path
    passfile: Path
    program: str
    user: str
    account: Account | None

    def pid(self) -> int | None:
        """Its process id; None where none lives."""
        if not self.lock.exists():
            return None
        holder = lock_holder(self.lock)
        if holder is not None and runs_in(holder, self.folder):
            return holder
        # The lock's file may name the supervisor that started it and was killed before it could write the id.
        return next(iter(processes_below(self.folder)), None) if holder is not None else None

    def start(self, writer: Address) -> int | None:
        """Start receiving from a writer and return the process id; one that runs is left as it is.

        The process inherits a locked descriptor, so that there is never a second one on the same folder, whatever
        becomes of the supervisor. Raises MachineError where it cannot be started.
        """
        lock = LockFile(self.lock)
        if not lock.acquire():
            return self.pid()
        try:
            if self.log.exists() and self.log.stat().st_size > _LOG_BYTES_MAX:
                self.log.write_text("")
            self._note_start(writer)
            pid = spawn(
                [
                    self.program,
                    f"--directory={self.folder}",
                    f"--dbname={self._conninfo(writer)}",
                    "--synchronous",
                    f"--status-interval={_STATUS_INTERVAL_S}",
                    "--no-loop",
                    "--no-password",
                ],
                cwd=self.folder,
                log=self.log,
                account=self.account,
                pass_fds=(lock.descriptor,),
            )
            lock.name_holder(pid)
        finally:
            lock.release()
        return pid

    def _note_start(self, writer: Address) -> None:
        """What the program prints has no times; this tells between which starts it was printed."""
        now = timestamp(datetime.now(UTC))
        with self.log.open("a", encoding="utf-8") as file:
            file.write(f"{now} INFO {self.name} receives from {writer}\n")

    def _conninfo(self, writer: Address) -> str:
        return (
            f"host={writer.host} port={writer.port} user={self.user} passfile='{self.passfile}' "
            f"application_name='{self.name}' sslmode=disable gssencmode=disable connect_timeout=10"
        )

    def kill(self) -> None:
        """End it at once; what it acknowledged is flushed already."""
        pid = self.pid()
        if pid is not None:
            kill_all([pid])

    def stop(self) -> None:
        """End it, at once where it does not end by itself."""
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
        """Let a frozen one go on (SIGCONT)."""
        pid = self.pid()
        if pid is not None:
            send(pid, signal.SIGCONT)

    def last_words(self) -> str:
        """The last error that it printed; empty where there is none."""
        lines = [line for line in tail(self.log, 5).splitlines() if "error" in line or "fatal" in line.lower()]
        return lines[-1].removeprefix(f"{os.path.basename(self.program)}: ") if lines else ""  # noqa: PTH119
