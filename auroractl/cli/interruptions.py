"""What to type when Ctrl-C has ended a command and its work goes on."""

from __future__ import annotations

from typing import Any

_CONDITIONS = {
    "create-cluster": "cluster-available",
    "start-cluster": "cluster-available",
    "scale-readers": "cluster-available",
    "replace-storage-node": "cluster-available",
    "stop-cluster": "cluster-stopped",
    "delete-cluster": "cluster-deleted",
    "failover": "failover-completed",
    "backtrack": "backtrack-completed",
    "reboot-instance": "instance-available",
}


def what_to_do(verb: str, body: dict[str, Any]) -> str:
    """The command that waits for a verb's work, or else shows how far it is.

    >>> what_to_do("failover", {"DBClusterIdentifier": "demo"})
    'auroractl wait failover-completed demo'
    >>> what_to_do("scrub-volume", {"DBClusterIdentifier": None})
    'auroractl status'
    """
    condition = _CONDITIONS.get(verb)
    about = "DBInstanceIdentifier" if condition == "instance-available" else "DBClusterIdentifier"
    name = body.get(about) or ""
    return (f"auroractl wait {condition} {name}" if condition else f"auroractl status {name}").rstrip()
