"""What operations there are; apart from the rest of them, so that a command loads no more."""

from __future__ import annotations

from enum import StrEnum


class OperationKind(StrEnum):
    """Journalled pieces of work; the value is the command's name."""

    CREATE_CLUSTER = "create-cluster"
    DELETE_CLUSTER = "delete-cluster"
    START_CLUSTER = "start-cluster"
    STOP_CLUSTER = "stop-cluster"
    SCALE_READERS = "scale-readers"
    CREATE_INSTANCE = "create-instance"
    DELETE_INSTANCE = "delete-instance"
    REBOOT_INSTANCE = "reboot-instance"
    FAILOVER = "failover"
    REPLACE_STORAGE_NODE = "replace-storage-node"
    BACKTRACK = "backtrack"
