"""The worker that makes, repairs and prunes the recovery images of a cluster in the background.

There is one thread per cluster. A new image begins as a copy of the newest one. A separate server, which accepts no
connections and runs at low priority, replays the storage node's WAL up to the writer's last checkpoint and stops. This
costs the writer nothing, and the nodes take turns.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence

from auroractl.core.errors import AuroraError, EngineError
from auroractl.core.model import Phase
from auroractl.core.restore.retention import (
    Limits,
    RecoveryImage,
    image_due,
    image_to_copy,
)
from auroractl.core.text.sizes import parse_size_bytes
from auroractl.core.volume.model import NodeKind, StorageNode
from auroractl.core.wal.segments import Lineage
from auroractl.engine import recovery
from auroractl.engine.server import end_all_below
from auroractl.runtime import events
from auroractl.runtime.background import Worker
from auroractl.runtime.managed_cluster import ManagedCluster
from auroractl.services.recovery_images.builder import ImageMaker, NotNow
from auroractl.services.recovery_images.retention import RetentionKeeper
from auroractl.services.recovery_images.scrubber import ImageScrubber
from auroractl.services.volume import abandoned_wal, storage_nodes
from auroractl.services.volume.wal_library import WalLibrary
from auroractl.storage.images import DamagedImage, ImageFolder, StoredImage
from auroractl.system.files import exists, remove_tree
from auroractl.system.limits import Shortage, raise_shortage
from auroractl.system.priority import SpareProcessors

log = logging.getLogger(__name__)

_TICK_S = 1.0
_URGENT_SHARE = 0.7
"""The share of the replay limit from which an image is made at full speed."""
_SPARE_SHARE = 0.25
"""The share of idle processors from which a recovery image is made although it could wait."""
_CHECKPOINT_RECORD_BYTES = 8192
_RETRY_S = 10.0
_ATTEMPTS = 2
"""Attempts to make an image from the newest one."""
_LEISURE_S = 30.0
"""The idle time of processors from which second copies are made, which are not urgent."""


class ImageKeeper(Worker):
    """Maintains the recovery images of one cluster."""

    def __init__(self, cluster: ManagedCluster) -> None:
        super().__init__(f"image-keeper-{cluster.name}", _TICK_S)
        self._cluster = cluster
        self._tidied: set[str] = set()
        """Nodes without leftovers of an unfinished image. After a restart: looked for again."""
        self._retry_at_s = 0.0
        """After a restart: tried at once."""
        self._failed = Counter[tuple[str, str]]()
        """Attempts to make an image from one. After a restart: counted from zero."""
        self._scrubber = ImageScrubber(cluster, self.ended)
        self._processors = SpareProcessors(_SPARE_SHARE)
        self._maker = ImageMaker(cluster, self.ended)
        self._retention = RetentionKeeper(cluster, self._maker)

    def tick(self) -> None:
        """Run one round: list images, prune, make or repair one, and scrub a little."""
        row = self._cluster.repository.cluster(self._cluster.name)
        reachable = storage_nodes.reachable_nodes(self._cluster)
        nodes = [each for each in reachable if each.kind is NodeKind.FULL]
        # A round that began just before the cluster's deletion must not touch its files.
        if row is None or row.phase is not Phase.NONE or not nodes:
            return
        self._tidy(nodes)
        abandoned_wal.note_era(self._cluster)
        if row.backtrack_window_s == 0:
            self._retention.remove_all(nodes)
            return
        limits = Limits(row.backtrack_window_s, parse_size_bytes(self._cluster.settings.backtrack_replay_max))
        stored = self._look(nodes)
        library = WalLibrary(self._cluster)
        lineages = self._lineages(library)
        self._retention.decide(stored, library, lineages, limits)
        abandoned_wal.maintain(self._cluster, nodes, library)
        if time.monotonic() >= self._retry_at_s and lineages:
            try:
                self._heal(nodes, stored, library, lineages)
                self._make(nodes, stored, library, lineages, limits)
                after = self._look(nodes)
                if after == stored:
                    self._copy_to_another(nodes, stored, limits)
                    after = self._look(nodes)
                if after != stored:
                    # A new image can be used at once, not only from the next round on.
                    stored = after
                    self._retention.decide(stored, library, lineages, limits)
            except (AuroraError, OSError):
                self._tidied.clear()
                if self._node_was_removed(nodes):
                    return
                self._retry_at_s = time.monotonic() + _RETRY_S
                raise
        self._scrubber.scrub(stored, _TICK_S)

    # Listing

    def _folder(self, node: StorageNode) -> ImageFolder:
        return self._cluster.installation.image_folder(node)

    def _tidy(self, nodes: Sequence[StorageNode]) -> None:
        """Remove unfinished images of an earlier supervisor."""
        for node in nodes:
            if node.identifier not in self._tidied:
                folder = self._folder(node)
                if exists(folder.path):
                    end_all_below(folder.path)
                    folder.tidy()
                self._tidied.add(node.identifier)
        self._remove_of_unknown_nodes()

    def _node_was_removed(self, nodes: Sequence[StorageNode]) -> bool:
        """Return whether one of the nodes was removed from the cluster, which explains a failure."""
        known = {each.identifier for each in self._cluster.storage_nodes()}
        return any(each.identifier not in known for each in nodes)

    def _remove_of_unknown_nodes(self) -> None:
        """Remove images and abandoned WAL of nodes that no longer exist."""
        storage = self._cluster.paths.storage
        installation = self._cluster.installation
        known = {
            folder.path
            for node in self._cluster.storage_nodes()
            for folder in (installation.image_folder(node), installation.past_folder(node))
        }
        for folder in {*storage.glob("*.images"), *storage.glob("*.past")} - known:
            remove_tree(folder)

    def _look(self, nodes: Sequence[StorageNode]) -> list[StoredImage]:
        found = []
        for node in nodes:
            try:
                self._remove_broken(node)
                found += self._folder(node).images()
            except Shortage:
                raise
            except (AuroraError, OSError) as error:
                raise_shortage(error)
                log.warning("%s: its recovery images cannot be read: %s", node.identifier, error)
        return found

    def _remove_broken(self, node: StorageNode) -> None:
        with self._cluster.memory.volume.backtrack.images_lock:
            for identifier in self._folder(node).broken():
                self._folder(node).remove(identifier)
                message = (
                    f"The manifest of the recovery image {identifier} was missing or damaged; the image was removed"
                )
                events.record(self._cluster, events.DAMAGE, node.identifier, message)

    def _lineages(self, library: WalLibrary) -> dict[int, Lineage]:
        eras = self._cluster.eras()
        found = ((era.timeline, library.lineage(era.timeline)) for era in eras)
        return {timeline: lineage for timeline, lineage in found if lineage is not None}

    # Making and repairing

    def _make(
        self,
        nodes: Sequence[StorageNode],
        stored: Sequence[StoredImage],
        library: WalLibrary,
        lineages: dict[int, Lineage],
        limits: Limits,
    ) -> None:
        answer = self._cluster.observer.writer_answer(self._cluster.name)
        eras = self._cluster.eras()
        current = lineages.get(eras[-1].timeline) if eras else None
        if answer is None or answer.checkpoint is None or current is None:
            return
        checkpoint = answer.checkpoint
        memory = self._cluster.memory.volume.backtrack
        on_it = [each for each in stored if each.image in memory.images and each.image.serves(current, answer.lsn)]
        newest = max(on_it, default=None, key=lambda each: each.image.checkpoint_lsn)
        now = self._cluster.now()
        if newest is None:
            self._maker.make_first(nodes, library, current)
            return
        # The observed checkpoint may predate the last backtrack.
        if not current.holds(checkpoint.timeline, checkpoint.lsn) or checkpoint.lsn > answer.lsn:
            return
        if not image_due(newest.image, checkpoint, answer.lsn, limits, now, spare=self._can_spare()):
            return
        if self._failed[newest.image.key] >= _ATTEMPTS:
            self._begin_again(nodes[0], newest)
            return
        # A node needs the WAL up to the checkpoint's own record, after which an idle writer writes nothing.
        node = self._next_node(nodes, stored, min(answer.lsn, checkpoint.lsn + _CHECKPOINT_RECORD_BYTES))
        if node is None:
            return
        image = self._maker.image_at(checkpoint, node)
        log_folder = self._cluster.installation.log_folder(node).path
        restore_command = recovery.node_restore_command(log_folder)
        try:
            self._maker.roll(node, newest, image, restore_command, self._urgent(newest.image, limits))
        except EngineError:
            self._failed[newest.image.key] += 1
            raise

    def _begin_again(self, node: StorageNode, newest: StoredImage) -> None:
        """Make an image from a base backup, because WAL after the newest image is lost on every node."""
        self._failed.clear()
        self._maker.seed_from_backup(node)
        message = (
            f"No recovery image can be made from {newest.image.identifier}, because WAL after it is lost or damaged on every "
            "storage node; one was made from a base backup"
        )
        events.record(self._cluster, events.DAMAGE, node.identifier, message)

    def _copy_to_another(self, nodes: Sequence[StorageNode], stored: Sequence[StoredImage], limits: Limits) -> None:
        """Make a second copy of an image, so that it can be repaired and one of the copies moved."""
        memory = self._cluster.memory.volume.backtrack
        owed = self._owed(nodes)
        # A copy that was moved must be replaced soon; others are made when processors are idle.
        leisure = self._processors.there_for_s() >= _LEISURE_S and not memory.shrunk
        wanted = [each for each in memory.images if leisure or each.identifier in owed]
        room_bytes = -self._retention.over_budget_bytes(memory.image_bytes + memory.log_bytes)
        image = image_to_copy(wanted, room_bytes)
        source = next((each for each in stored if image and each.image.key == image.key), None)
        # A damaged copy is repaired, not replaced, because it may be in use.
        holders = {each.image.node for each in stored if image and each.image.identifier == image.identifier}
        others = [each for each in nodes if each.identifier not in holders]
        if source is None or not others:
            return
        newest = max(memory.images, key=lambda each: each.reached_at)
        try:
            self._maker.mirror(
                self._least_laden(others, stored),
                source,
                urgent=self._urgent(newest, limits),
                wanted=None if source.image.identifier in owed else self._can_spare,
            )
        except NotNow:
            log.info("%s: the second copy of a recovery image is postponed", self._cluster.name)
        else:
            for node in nodes:
                self._folder(node).settle(source.image.identifier)

    def _owed(self, nodes: Sequence[StorageNode]) -> set[str]:
        """Return the images of which a moved copy has not been replaced yet."""
        memory = self._cluster.memory.volume.backtrack
        needed = {each.identifier for each in memory.images}
        owed = {identifier: node for node in nodes for identifier in self._folder(node).owed()}
        for identifier in owed.keys() - needed:
            self._folder(owed[identifier]).settle(identifier)
        return owed.keys() & needed

    def _can_spare(self) -> bool:
        """Return whether processors are idle and the disk budget is kept; otherwise more images would shrink the window."""
        memory = self._cluster.memory.volume.backtrack
        return self._processors.there() and not memory.shrunk

    def _urgent(self, newest: RecoveryImage, limits: Limits) -> Callable[[], bool]:
        urgent_lsn = newest.redo_lsn + round(limits.bound_bytes * _URGENT_SHARE)

        def urgent() -> bool:
            latest = self._cluster.observer.writer_answer(self._cluster.name)
            return latest is not None and latest.lsn > urgent_lsn

        return urgent

    def _next_node(
        self, nodes: Sequence[StorageNode], stored: Sequence[StoredImage], until_lsn: int
    ) -> StorageNode | None:
        """Return the full node with WAL up to `until_lsn` whose newest image is the oldest."""
        memory = self._cluster.memory.volume
        ready = [each for each in nodes if memory.flushed_lsn.get(each.identifier, 0) >= until_lsn]
        return self._least_laden(ready, stored) if ready else None

    def _least_laden(self, nodes: Sequence[StorageNode], stored: Sequence[StoredImage]) -> StorageNode:
        def newest(node: StorageNode) -> int:
            own = (each.image.checkpoint_lsn for each in stored if each.image.node == node.identifier)
            return max(own, default=0)

        return min(nodes, key=newest)

    def _heal(
        self,
        nodes: Sequence[StorageNode],
        stored: Sequence[StoredImage],
        library: WalLibrary,
        lineages: dict[int, Lineage],
    ) -> None:
        """Repair damaged images: from a peer's copy, or from an older image."""
        memory = self._cluster.memory.volume.backtrack
        for each in stored:
            key = each.image.key
            if key not in memory.suspects:
                continue
            # A reader verifies the image afterwards, and must not find it repaired then.
            if not memory.use.begin_remove(key):
                continue
            node = next(node for node in nodes if node.identifier == each.image.node)
            healthy = [other for other in stored if other.image.key not in memory.suspects]
            try:
                how = self._maker.remake(node, each, healthy, library, lineages)
            except DamagedImage:
                # Its source is damaged too, and is now marked so. The next round uses another one.
                continue
            finally:
                memory.use.end_take(key)
            memory.suspects.discard(key)
            message = f"The recovery image {each.image.identifier} was damaged; {how}"
            events.record(self._cluster, events.STORAGE_NODE, each.image.node, message)
