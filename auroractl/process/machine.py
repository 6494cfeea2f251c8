"""What a machine offers: addresses, ports, disks, clocks, limits."""

from __future__ import annotations

import contextlib
import os
import resource
import socket
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

_SYNC_BLOCK = b"\0" * 8192
_SYNC_ROUNDS = 12


def bind_problem(host: str, port: int) -> str:
    """Why nothing of ours could listen there, in the system's words; empty where it could."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return error.strerror or str(error)
    return ""


@dataclass(frozen=True, slots=True)
class Listener:
    """A process that listens on a TCP port; what this account may not see of it is None."""

    host: str
    pid: int | None
    name: str | None


def listeners(port: int) -> list[Listener]:
    """Who listens on a port of this machine; empty also where the system does not tell."""
    found = []
    with contextlib.suppress(psutil.Error, OSError):
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port:
                found.append(Listener(connection.laddr.ip, connection.pid, _process_name(connection.pid)))
    return found


def _process_name(pid: int | None) -> str | None:
    if pid is None:
        return None
    with contextlib.suppress(psutil.Error):
        return psutil.Process(pid).name()
    return None


def sync_ms(folder: Path) -> float:
    """How long flushing 8 KiB to the disk of a folder takes, in milliseconds, the median of a dozen.

    Raises OSError where the folder cannot be written.
    """
    path = folder / f".auroractl-sync-{os.getpid()}"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    took_s = []
    try:
        for _ in range(_SYNC_ROUNDS):
            os.pwrite(descriptor, _SYNC_BLOCK, 0)
            began_s = time.perf_counter()
            os.fsync(descriptor)
            took_s.append(time.perf_counter() - began_s)
    finally:
        os.close(descriptor)
        path.unlink(missing_ok=True)
    return sorted(took_s)[len(took_s) // 2] * 1000


def filesystem(folder: Path) -> str:
    """The type of the filesystem of a folder, such as ext4; empty where that cannot be told."""
    place, kind = "", ""
    with contextlib.suppress(psutil.Error, OSError):
        resolved = folder.resolve()
        for partition in psutil.disk_partitions(all=True):
            mount = Path(partition.mountpoint)
            if (mount == resolved or mount in resolved.parents) and len(partition.mountpoint) >= len(place):
                place, kind = partition.mountpoint, partition.fstype
    return kind


def clock_drift_ms(during_s: float) -> float:
    """By how much the clock on the wall went differently from the one that only counts, in milliseconds."""
    wall_s, counted_s = time.time(), time.monotonic()
    time.sleep(during_s)
    return ((time.time() - wall_s) - (time.monotonic() - counted_s)) * 1000


def open_files_max() -> int | None:
    """How many files a process started here may have open; None for as many as it likes."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft


def processes_max() -> int | None:
    """How many processes this account may have; None for as many as it likes, or where the system does not say."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NPROC)
    return None if soft == resource.RLIM_INFINITY else soft


def free_memory_bytes() -> int:
    """Memory that programs can have without swapping."""
    return int(psutil.virtual_memory().available)


def shared_memory_folder() -> Path | None:
    """Where POSIX shared memory lies; None where the system has no folder for it (macOS)."""
    folder = Path("/dev/shm")  # noqa: S108  (looked at, not written to)
    return folder if sys.platform.startswith("linux") else None
