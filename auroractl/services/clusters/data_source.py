"""Data sources of new clusters, which the journal names, and the table of their kinds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from auroractl.core.errors import StateError
from auroractl.core.wal.segments import Lineage
from auroractl.runtime.managed_cluster import ManagedCluster
from auroractl.services.clusters.template import Template


class DataSource(Protocol):
    """Data for the instances of one new cluster.

    Constructing a source neither reads nor changes anything. Its methods may be called again after an interruption
    at any point, and by a later process.
    """

    def prepare(self) -> None:
        """Do once what takes long, and claim what the data is made from. Raises AuroraError."""

    def stage(self, target: Path) -> None:
        """Make the data directory of a writer that was shut down cleanly; the same contents for every instance.

        `target` does not exist, its folder does. The caller gives the data a system identifier of its own. Raises
        AuroraError.
        """

    def history(self) -> Lineage:
        """Return the timelines of the data. Raises AuroraError."""

    def release(self) -> None:
        """Release what `prepare` claimed.

        Called when the cluster is complete, and when its creation is undone. A failed cluster that is kept
        (`--retain`) keeps its claims too.
        """


SourceName = Mapping[str, Any]
"""A data source as the journal names it: its `Kind`, and what else that kind needs to find the data again."""

TEMPLATE: SourceName = {"Kind": "template"}

SOURCES: dict[str, Callable[[ManagedCluster, SourceName], DataSource]] = {
    "template": Template,
}
"""How each kind of source is constructed from its name."""


def data_source(cluster: ManagedCluster, name: SourceName) -> DataSource:
    """Return the source of a name. Raises StateError for a kind that this version does not have."""
    make = SOURCES.get(name["Kind"])
    if make is None:
        raise StateError(f"The journal names an unknown data source: {name['Kind']}.", "Use the version that wrote it")
    return make(cluster, name)
