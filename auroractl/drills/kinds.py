"""What can be rehearsed; apart, because the command line names it without loading a database client."""

from __future__ import annotations

from enum import StrEnum


class Kind(StrEnum):
    """What happens to the cluster."""

    WRITER_CRASH = "writer-crash"
    WRITER_HANG = "writer-hang"
    PLANNED = "planned"
    AZ_OUTAGE = "az-outage"
    READER_CRASH = "reader-crash"
    STORAGE_NODE = "storage-node"
    SUPERVISOR_CRASH = "supervisor-crash"
