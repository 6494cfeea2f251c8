"""Kinds of drills, in a module of its own so that commands can list them without loading a database client."""

from __future__ import annotations

from enum import StrEnum


class Kind(StrEnum):
    """The fault that is injected."""

    WRITER_CRASH = "writer-crash"
    WRITER_HANG = "writer-hang"
    PLANNED = "planned"
    LIKE_AWS = "like-aws"
    AZ_OUTAGE = "az-outage"
    READER_CRASH = "reader-crash"
    STORAGE_NODE = "storage-node"
    SUPERVISOR_CRASH = "supervisor-crash"
    CDC_FAILOVER = "cdc-failover"
