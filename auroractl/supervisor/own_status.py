"""The supervisor's status, available even if the state is damaged."""

from __future__ import annotations

import logging
import os
from typing import Any

from auroractl import __version__
from auroractl.core.model import Cluster
from auroractl.core.status import cluster_status
from auroractl.core.text.timestamps import timestamp
from auroractl.runtime.managed_cluster import ManagedCluster
from auroractl.runtime.runtime import Runtime

log = logging.getLogger(__name__)


def own_status(runtime: Runtime) -> dict[str, Any]:
    """Build the document of supervisor-status. A cluster that cannot be examined is `unknown`."""
    return {
        "ProcessId": os.getpid(),
        "Version": __version__,
        "Home": str(runtime.home.root),
        "StartTime": timestamp(runtime.started_at),
        "Clusters": [
            {"DBClusterIdentifier": row.identifier, "Status": _status(runtime, row)} for row in _clusters(runtime)
        ],
    }


def _clusters(runtime: Runtime) -> list[Cluster]:
    try:
        return runtime.repository.clusters()
    except Exception:
        log.exception("the clusters cannot be read; please report it as a bug")
        return []


def _status(runtime: Runtime, row: Cluster) -> str:
    try:
        return cluster_status(ManagedCluster(runtime, row.identifier).snapshot(row))
    except Exception:
        log.exception("the status of %s cannot be determined; please report it as a bug", row.identifier)
        return "unknown"
