"""A supervisor that creates every cluster from a second data source: the data directory of a stopped writer.

    python -m tests.functional.folder_source DATA_DIRECTORY

Its home is AURORACTL_HOME. The file DATA_DIRECTORY.claimed exists while a cluster that is being created claims the data.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

from auroractl.config.paths import Home
from auroractl.core.wal.segments import Lineage
from auroractl.runtime.managed_cluster import ManagedCluster
from auroractl.services.clusters import create
from auroractl.services.clusters.data_source import SOURCES
from auroractl.supervisor import daemon
from auroractl.system.files import copy_tree


def claim(data: Path) -> Path:
    """The file that is there while the data of a folder is claimed."""
    return data.with_name(f"{data.name}.claimed")


class Folder:
    """The data directory of a writer that was shut down cleanly."""

    def __init__(self, cluster: ManagedCluster, name: Mapping[str, Any]) -> None:
        self._installation = cluster.installation
        self._data = Path(name["Path"])

    def prepare(self) -> None:
        """Claim it."""
        claim(self._data).touch()

    def stage(self, target: Path) -> None:
        """Copy it."""
        assert claim(self._data).exists()
        copy_tree(self._data, target, self._installation.account)

    def history(self) -> Lineage:
        """Its newest timeline; where the others ended is left out, as no one asks."""
        return Lineage(max(int(path.name[:8], 16) for path in (self._data / "pg_wal").glob("[0-9A-F]*")))

    def release(self) -> None:
        """Give up the claim."""
        claim(self._data).unlink(missing_ok=True)


if __name__ == "__main__":
    SOURCES["folder"] = Folder
    from_folder = partial(create.create_cluster, source={"Kind": "folder", "Path": sys.argv[1]})
    with patch.object(create, "create_cluster", from_folder):
        sys.exit(daemon.run(Home(Path(os.environ["AURORACTL_HOME"]))))
