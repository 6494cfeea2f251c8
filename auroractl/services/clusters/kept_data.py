"""The position of the data that the last instance left with the volume; an older copy is refused.

The storage nodes follow the next writer, so WAL that an older copy does not have would be lost.
"""

from __future__ import annotations

from pathlib import Path

from auroractl.core.errors import EngineError
from auroractl.engine.control_file import read_control_data
from auroractl.runtime.managed_cluster import ManagedCluster
from auroractl.system.files import read_json, write_json

_LABELS = ("Database system identifier", "Latest checkpoint's TimeLineID", "Latest checkpoint location")


def _position(cluster: ManagedCluster, data: Path) -> dict[str, str]:
    control = read_control_data(data, cluster.binaries, cluster.installation.account)
    return {label: control[label] for label in _LABELS}


def record_position(cluster: ManagedCluster, data: Path) -> None:
    """Record the position of a stopped server's data that is about to be the volume's. May be repeated."""
    write_json(cluster.paths.base_position, _position(cluster, data))


def forget_position(cluster: ManagedCluster) -> None:
    """Remove the record, because an instance has the data. May be repeated."""
    cluster.paths.base_position.unlink(missing_ok=True)


def require_position(cluster: ManagedCluster) -> None:
    """Raise EngineError if the volume's data is not what was recorded. Without a record, any data will do."""
    base = cluster.paths.base
    recorded = read_json(cluster.paths.base_position)
    if recorded is not None and (found := _position(cluster, base)) != recorded:
        was, now = (_text(each) for each in (recorded, found))
        raise EngineError(
            f"The volume's data directory {base} is not the one that the last instance left: it is at {now} and was at {was}.",
            f"Put that one back, or remove the cluster: auroractl delete-cluster {cluster.name}",
        )


def _text(position: dict[str, str]) -> str:
    system, timeline, lsn = (position.get(label, "?") for label in _LABELS)
    return f"{lsn} on timeline {timeline} of system {system}"
