"""Records of damaged recovery images, which are not used until they are repaired."""

from __future__ import annotations

import logging

from auroractl.core.restore.retention import RecoveryImage
from auroractl.runtime import events
from auroractl.runtime.managed_cluster import ManagedCluster
from auroractl.storage.images import DamagedImage

log = logging.getLogger(__name__)


def note(cluster: ManagedCluster, image: RecoveryImage, error: DamagedImage) -> None:
    """Mark an image as damaged, so that it is not used until it is repaired, and record an event."""
    suspects = cluster.memory.volume.backtrack.suspects
    if image.key not in suspects:
        suspects.add(image.key)
        events.record(cluster, events.DAMAGE, image.node, error.message)


def is_suspect(cluster: ManagedCluster, image: RecoveryImage) -> bool:
    """Return whether an image is known to be damaged."""
    return image.key in cluster.memory.volume.backtrack.suspects
