"""The copies of a recovery image on the storage nodes."""

from __future__ import annotations

import logging

from auroractl.core.errors import MachineError
from auroractl.runtime.image_leases import Key
from auroractl.runtime.managed_cluster import ManagedCluster
from auroractl.services.recovery_images import suspect_images
from auroractl.services.volume import storage_nodes
from auroractl.storage.images import StoredImage
from auroractl.system.limits import Shortage, raise_shortage

log = logging.getLogger(__name__)


class StoredCopies:
    """The copies of an image on reachable nodes, except those that are known to be damaged."""

    def __init__(self, cluster: ManagedCluster, identifier: str) -> None:
        self._cluster = cluster
        self._identifier = identifier
        self._seen: dict[Key, StoredImage] = {}

    def look(self) -> list[Key]:
        """List the current copies."""
        found = []
        for node in storage_nodes.reachable_nodes(self._cluster):
            try:
                stored = self._cluster.installation.image_folder(node).image(self._identifier)
            except Shortage:
                raise
            except (OSError, MachineError) as error:
                raise_shortage(error)
                log.warning("%s: the image %s cannot be read: %s", node.identifier, self._identifier, error)
                continue
            if stored is not None and not suspect_images.is_suspect(self._cluster, stored.image):
                self._seen[stored.image.key] = stored
                found.append(stored.image.key)
        return found

    def __getitem__(self, key: Key) -> StoredImage:
        """Return a copy that `look` has listed."""
        return self._seen[key]
