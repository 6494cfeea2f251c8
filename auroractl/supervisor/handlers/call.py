"""The circumstances of a request that a handler needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from auroractl.api.request import Options
from auroractl.core.operations import OperationRecord
from auroractl.runtime.managed_cluster import ManagedCluster, find_cluster
from auroractl.runtime.runtime import Runtime


@dataclass(frozen=True, slots=True)
class Call:
    """The context and the options of one request."""

    runtime: Runtime
    options: Options

    def cluster(self, identifier: str | None) -> ManagedCluster:
        """Resolve a cluster name; None means the only cluster. Raises ClusterNotFound, UsageError if there are several."""
        return find_cluster(self.runtime, identifier)


Handler = Callable[[Call, Any], Any]
"""Carries out a verb's request and returns its result."""
EarlyHandler = Callable[[ManagedCluster, OperationRecord, Any], Any]
"""Returns a request's result as of the acceptance of its operation."""
