"""The timelines of an instance."""

from __future__ import annotations

from pathlib import Path

from auroractl.core.errors import EngineError
from auroractl.core.model import Instance
from auroractl.core.wal.segments import Fork, parse_history
from auroractl.runtime.managed_cluster import ManagedCluster
from auroractl.system.limits import raise_shortage
from auroractl.system.safe_open import read_regular


def lineage(cluster: ManagedCluster, writer: Instance) -> tuple[int, tuple[Fork, ...]]:
    """Return the writer's timeline and the forks of earlier ones, from its history files.

    Raises EngineError if they cannot be read, because without them no WAL after the first failover could be assigned.
    """
    return lineage_of(cluster.installation.server(writer).data, writer.identifier)


def lineage_of(data: Path, name: str) -> tuple[int, tuple[Fork, ...]]:
    """Return the timeline and the forks of a data directory. Raises as `lineage` does."""
    log_folder = data / "pg_wal"
    try:
        # Path.glob silently skips a folder that cannot be listed.
        newest = max((each for each in log_folder.iterdir() if each.suffix == ".history"), default=None)
        return (int(newest.stem, 16), parse_history(read_regular(newest).decode())) if newest else (1, ())
    except OSError as error:
        raise_shortage(error)
        raise EngineError(f"The WAL folder of {name} cannot be read: {error}", "") from error
