"""Letting running statements end before an instance goes."""

from __future__ import annotations

from collections.abc import Sequence

from auroractl.core.errors import AuroraError
from auroractl.core.model import Instance
from auroractl.engine import sql
from auroractl.runtime.managed_cluster import ManagedCluster
from auroractl.system.waiting import holds_in_time

_POLL_S = 0.1


def wait_idle(cluster: ManagedCluster, instances: Sequence[Instance]) -> None:
    """Aurora gives running statements three minutes when an instance is deleted; idle sessions get none."""
    timeout_s = cluster.settings.drain_timeout_s
    holds_in_time(lambda: not any(_busy(cluster, each) for each in instances), timeout_s, _POLL_S)


def _busy(cluster: ManagedCluster, instance: Instance) -> bool:
    try:
        with sql.session(cluster.installation.access(instance)) as connection:
            return sql.active_statements(connection) > 0
    except AuroraError:
        return False
