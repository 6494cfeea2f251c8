"""Processes and shared memory that something left behind."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

import psutil

_DELETED = " (deleted)"


@dataclass(frozen=True, slots=True)
class Stray:
    """A process of auroractl whose folder is gone."""

    pid: int
    folder: Path


def works_below(pid: int, folder: Path) -> bool:
    """Whether a process has its working folder below `folder`."""
    with contextlib.suppress(psutil.Error, OSError):
        cwd = Path(psutil.Process(pid).cwd().removesuffix(_DELETED))
        return folder.resolve() in (cwd, *cwd.parents)
    return False


def stray_processes() -> list[Stray]:
    """Servers, storage nodes, endpoint processes and supervisors whose folder is gone, of any home."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            cwd = process.cwd()
            gone = cwd.endswith(_DELETED) or not Path(cwd).exists()
            if gone and _of_auroractl(process, Path(cwd.removesuffix(_DELETED))):
                found.append(Stray(process.pid, Path(cwd.removesuffix(_DELETED))))
    return found


def _of_auroractl(process: psutil.Process, folder: Path) -> bool:
    command = process.cmdline()
    if "auroractl.endpoints" in command or ("auroractl" in command and "supervisor" in command):
        return True
    name = process.name()
    return (name == "postgres" and folder.name == "data" and folder.parent.parent.name == "instances") or (
        name == "pg_receivewal" and folder.parent.name == "storage"
    )


def shared_segments() -> tuple[int, int]:
    """How many System V shared memory segments there are, and how many there may be; 0 where that is not told."""
    with contextlib.suppress(OSError, ValueError):
        used = len(Path("/proc/sysvipc/shm").read_text().splitlines()) - 1
        return used, int(Path("/proc/sys/kernel/shmmni").read_text())
    return 0, 0
