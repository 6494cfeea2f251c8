"""What only the supervisor knows of a cluster, in a file in each data directory, for Aurora's SQL functions."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from auroractl.system.files import write_atomically

FILE = "pg_stat_tmp/auroractl_topology.json"
"""Below the data directory. PostgreSQL's programs leave the contents of this folder out of copies
(https://www.postgresql.org/docs/18/protocol-replication.html, BASE_BACKUP)."""
FILE_BYTES_MAX = 1024 * 1024


@dataclass(frozen=True, slots=True)
class ListedInstance:
    """An instance as `aurora_replica_status` shows it where PostgreSQL does not know better."""

    id: str
    session: str
    """Its session identifier while it is a reader, a UUID."""
    seen_at_s: float
    """When it last answered, in seconds since 1970."""
    lsn: int | None = None
    lag_ms: float | None = None
    cpu_percent: float | None = None


@dataclass(frozen=True, slots=True)
class Topology:
    """What only the supervisor knows of a cluster."""

    writer: str
    instances: tuple[ListedInstance, ...]
    write_quorum: int
    disks: int
    """The protection groups of the volume."""
    nodes: int
    """The storage nodes of the volume."""


def write_topology(data: Path, topology: Topology) -> None:
    """Write what a server's functions read. It takes effect at once. Raises MachineError."""
    if (data / FILE).parent.is_dir():
        write_atomically(data / FILE, json.dumps(asdict(topology)))


def was_read(data: Path) -> bool:
    """Return whether a server's functions have read the file since it was written, or may have.

    Systems note the first read after a write, also where they spare the later ones (mount(8), `relatime`).
    """
    try:
        status = (data / FILE).stat()
        unnoted = os.statvfs(data).f_flag & getattr(os, "ST_NOATIME", 0)
    except OSError:
        return True
    return bool(unnoted) or status.st_atime_ns > status.st_mtime_ns
