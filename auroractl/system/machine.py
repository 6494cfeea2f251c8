"""Facts about the machine: addresses, ports, disks, clocks, limits."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

_SYNC_BLOCK = b"\0" * 8192
_SYNC_ROUNDS = 12


def bind_problem(host: str, port: int) -> str:
    """Return why an address cannot be bound, in the system's words; empty if it can."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return error.strerror or str(error)
    return ""


@dataclass(frozen=True, slots=True)
class Listener:
    """A process that listens on a TCP port; fields that this account may not see are None."""

    host: str
    pid: int | None
    name: str | None


def listeners(port: int) -> list[Listener]:
    """List the listeners on a port of this machine; also empty if the system does not report them."""
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
    """Measure flushing 8 KiB to the disk of a folder, in milliseconds, as the median of a dozen.

    Raises OSError if the folder cannot be written.
    """
    descriptor, name = tempfile.mkstemp(prefix=".auroractl-sync-", dir=folder)
    took_s = []
    try:
        for _ in range(_SYNC_ROUNDS):
            os.pwrite(descriptor, _SYNC_BLOCK, 0)
            began_s = time.perf_counter()
            os.fsync(descriptor)
            took_s.append(time.perf_counter() - began_s)
    finally:
        os.close(descriptor)
        Path(name).unlink(missing_ok=True)
    return sorted(took_s)[len(took_s) // 2] * 1000


def filesystem(folder: Path) -> str:
    """Return a folder's filesystem type, such as ext4; empty if unknown."""
    place, kind = "", ""
    with contextlib.suppress(psutil.Error, OSError):
        resolved = folder.resolve()
        for partition in psutil.disk_partitions(all=True):
            mount = Path(partition.mountpoint)
            if (mount == resolved or mount in resolved.parents) and len(partition.mountpoint) >= len(place):
                place, kind = partition.mountpoint, partition.fstype
    return kind


def clock_drift_ms(during_s: float) -> float:
    """Measure the drift of the wall clock against the monotonic clock, in milliseconds."""
    wall_s, counted_s = time.time(), time.monotonic()
    time.sleep(during_s)
    return ((time.time() - wall_s) - (time.monotonic() - counted_s)) * 1000


def free_memory_bytes() -> int:
    """Return the memory that programs can have without swapping."""
    return int(psutil.virtual_memory().available)


def shared_memory_folder() -> Path | None:
    """Return the folder of POSIX shared memory; None if the system has none (macOS)."""
    folder = Path("/dev/shm")  # noqa: S108  (looked at, not written to)
    return folder if sys.platform.startswith("linux") else None
