"""The data source of empty clusters: the template of their build, a data directory that has never been used."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from auroractl.core.wal.segments import Lineage
from auroractl.runtime.managed_cluster import ManagedCluster
from auroractl.system.files import copy_tree


class Template:
    """A build's template; it is made once and never removed, so there is nothing to claim."""

    def __init__(self, cluster: ManagedCluster, _name: Mapping[str, Any]) -> None:
        self._cluster = cluster

    def prepare(self) -> None:
        """Make the template unless it exists."""
        self._cluster.installation.template(self._cluster.name)

    def stage(self, target: Path) -> None:
        """Copy the template."""
        installation = self._cluster.installation
        copy_tree(installation.template_path(self._cluster.name), target, installation.account)

    def history(self) -> Lineage:
        """Return the first timeline."""
        return Lineage(1)

    def release(self) -> None:
        """Do nothing."""
