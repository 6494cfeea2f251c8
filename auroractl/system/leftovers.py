"""Orphaned processes and shared memory."""

from __future__ import annotations

import contextlib
import os
import signal
from dataclasses import dataclass
from pathlib import Path

import psutil

from auroractl.system.file_credentials import is_ours
from auroractl.system.liveness import has_terminal, kill_all, send
from auroractl.system.shared_segments import mapped_by, remove
from auroractl.system.waiting import holds_in_time

_QUIT_TIMEOUT_S = 3.0
_POLL_S = 0.05
_DELETED = " (deleted)"


@dataclass(frozen=True, slots=True)
class Stray:
    """A process of auroractl whose folder is gone."""

    pid: int
    folder: Path


def works_below(pid: int, folder: Path) -> bool:
    """Return whether a process has its working folder below `folder`."""
    with contextlib.suppress(psutil.Error, OSError):
        cwd = Path(psutil.Process(pid).cwd().removesuffix(_DELETED))
        return folder.resolve() in (cwd, *cwd.parents)
    return False


def stray_processes() -> list[Stray]:
    """List servers, storage nodes, endpoint processes and supervisors, of any home, whose folder is gone."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            cwd = process.cwd()
            gone = cwd.endswith(_DELETED) or not Path(cwd).exists()
            if gone and _of_auroractl(process, Path(cwd.removesuffix(_DELETED))):
                found.append(Stray(process.pid, Path(cwd.removesuffix(_DELETED))))
    return found


def orphans(folder: Path) -> list[psutil.Process]:
    """List processes within this account's reach that worked below a folder which has been removed.

    Those of a new folder with the same name are not listed: their folder exists.
    """
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            cwd = str(Path(f"/proc/{process.pid}/cwd").readlink())
            below = cwd.endswith(_DELETED) and folder in Path(cwd.removesuffix(_DELETED)).parents
            below = below and is_ours(process.uids().real)
            if below and process.pid != os.getpid() and not has_terminal(process):
                found.append(process)
    return found


def end_orphans(folder: Path) -> list[int]:
    """Stop processes below a removed folder; return the ids that were found. Takes at most a few seconds.

    Servers are asked first (SIGQUIT), because they then release their shared memory.
    """
    found = orphans(folder)
    segments = mapped_by(process.pid for process in found)
    for process in found:
        with contextlib.suppress(psutil.Error, PermissionError):
            send(process.pid, signal.SIGQUIT if process.name() == "postgres" else signal.SIGKILL)
    if not holds_in_time(lambda: not orphans(folder), _QUIT_TIMEOUT_S, _POLL_S):
        kill_all([process.pid for process in orphans(folder)])
    remove(segments)
    return [process.pid for process in found]


def _of_auroractl(process: psutil.Process, folder: Path) -> bool:
    command = process.cmdline()
    if "auroractl.endpoints" in command or ("auroractl" in command and "supervisor" in command):
        return True
    name = process.name()
    return (name == "postgres" and folder.name == "data" and folder.parent.parent.name == "instances") or (
        name == "pg_receivewal" and folder.parent.name == "storage"
    )


def shared_segments() -> tuple[int, int]:
    """Return the number of System V shared memory segments and their limit; 0 if the system does not report them."""
    with contextlib.suppress(OSError, ValueError):
        used = len(Path("/proc/sysvipc/shm").read_text().splitlines()) - 1
        return used, int(Path("/proc/sys/kernel/shmmni").read_text())
    return 0, 0
