"""Composition of the objects that live as long as the supervisor process."""

from __future__ import annotations

from collections.abc import Callable

from auroractl.config.paths import Home
from auroractl.config.settings import Settings
from auroractl.runtime.background import PerCluster
from auroractl.runtime.managed_cluster import ManagedCluster
from auroractl.runtime.runtime import Runtime
from auroractl.services.operations.dry_run import DryRunRepository
from auroractl.services.recovery_images.worker import ImageKeeper
from auroractl.services.volume.wal_keeper import WalKeeper
from auroractl.state.repository import Repository


def assemble(home: Home, settings: Settings, repository: Repository, on_change: Callable[[], None]) -> Runtime:
    """Build the runtime of a supervisor with its background workers; `on_change` wakes the watch loop."""
    runtime = Runtime(home, settings, DryRunRepository(repository), on_change)
    runtime.wal_keepers = PerCluster(lambda name: WalKeeper(ManagedCluster(runtime, name)))
    runtime.image_keepers = PerCluster(lambda name: ImageKeeper(ManagedCluster(runtime, name)))
    return runtime
