"""Retention of recovery images and WAL, for the backtrack window and within the disk budget."""

from __future__ import annotations

import logging
import shutil
import time
from collections import deque
from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise

from auroractl.core.restore.retention import (
    Era,
    Limits,
    RecoveryImage,
    Retention,
    retain,
    shrink_to_budget,
    thin_out,
    window_start,
)
from auroractl.core.text.sizes import format_size, parse_size_bytes
from auroractl.core.volume.model import StorageNode
from auroractl.core.wal.segments import Lineage
from auroractl.runtime import events
from auroractl.runtime.managed_cluster import ManagedCluster
from auroractl.services.recovery_images.builder import ImageMaker
from auroractl.services.recovery_images.stored_copies import StoredCopies
from auroractl.services.volume.wal_library import WalLibrary
from auroractl.storage.images import ImageFolder, StoredImage

log = logging.getLogger(__name__)

_SAMPLES = 720
_SAMPLE_INTERVAL_S = 5.0
_FREE_BYTES_MIN = 2 * 1024**3
_FREE_SHARE_MIN = 0.05


class RetentionKeeper:
    """Decides what to keep for one cluster, prunes recovery images, and reports when the window shrinks."""

    def __init__(self, cluster: ManagedCluster, maker: ImageMaker) -> None:
        self._cluster = cluster
        self._maker = maker
        self._samples: deque[tuple[float, int, int]] = deque(maxlen=_SAMPLES)
        """End of the WAL and bytes of images made, by time. After a restart: measured again."""

    def remove_all(self, nodes: Sequence[StorageNode]) -> None:
        """Remove all images and abandoned WAL, because the cluster has no backtrack window."""
        memory = self._cluster.memory.volume.backtrack
        with memory.images_lock:
            for node in nodes:
                self._cluster.installation.image_folder(node).wipe()
                self._cluster.installation.past_folder(node).remove()
        memory.images, memory.retention, memory.earliest, memory.shrunk = (), Retention(None), None, False
        memory.known, memory.image_bytes, memory.log_bytes = True, 0, 0
        # Their WAL is gone, so that a later window begins with the current timeline.
        earlier = {era.timeline for era in self._cluster.eras()[:-1]}
        if earlier:
            self._cluster.repository.forget_eras(self._cluster.name, earlier)

    def decide(
        self, stored: Sequence[StoredImage], library: WalLibrary, lineages: dict[int, Lineage], limits: Limits
    ) -> None:
        """Decide which images and how much WAL the window needs, and prune the other images."""
        memory = self._cluster.memory.volume.backtrack
        usable = [each.image for each in stored if each.image.key not in memory.suspects]
        memory.image_bytes = sum(each.image.held_bytes for each in stored)
        memory.log_bytes = library.held_bytes()
        self._sample()
        eras = self._cluster.eras()
        pins = self._cluster.repository.pins(self._cluster.name)
        since = min([window_start(self._cluster.now(), limits.window_s), *pins])
        self._forget_eras(eras, since)
        over_bytes = self.over_budget_bytes(memory.image_bytes + memory.log_bytes)
        plain = retain(eras, lineages, usable, since)
        retention = plain
        if over_bytes > 0 and not pins:
            needed = [each for each in usable if each.key in plain.images]
            over_bytes -= _held_bytes(usable) - _held_bytes(needed)
            thinner = thin_out(needed, lineages.values(), limits.bound_bytes, over_bytes, plain.first_lsn)
            over_bytes -= _held_bytes(needed) - _held_bytes(thinner)
            retention = shrink_to_budget(eras, lineages, thinner, since, over_bytes, _freed_bytes(thinner))
        memory.images = tuple(each for each in usable if each.key in retention.images)
        memory.decide(retention, over_budget=over_bytes > 0)
        self._report_window(shrunk=retention.earliest != plain.earliest, earliest=retention.earliest)
        if retention.earliest is not None:
            with memory.images_lock:
                for each in stored:
                    # A damaged image stays until it is repaired, because its manifest is needed for that.
                    if each.image.key not in retention.images and each.image.key not in memory.suspects:
                        self._give_up(each, retention)

    def _give_up(self, stored: StoredImage, retention: Retention) -> None:
        """Remove an unused image; of a needed image, only a copy beside another one."""
        image = stored.image
        use = self._cluster.memory.volume.backtrack.use
        needed = any(identifier == image.identifier for _, identifier in retention.images)
        copies = StoredCopies(self._cluster, image.identifier)
        if not use.begin_remove(image.key, copies.look if needed else None):
            return
        try:
            log.info("%s: the recovery image %s is pruned", image.node, image.identifier)
            ImageFolder(image.node, stored.folder.parent).remove(image.identifier)
        finally:
            use.end_take(image.key)

    def _forget_eras(self, eras: Sequence[Era], since: datetime) -> None:
        """Remove the timelines that ended before the window, because each costs time in every round."""
        over = {era.timeline for era in eras if era.ended_at is not None and era.ended_at <= since}
        if over:
            self._cluster.repository.forget_eras(self._cluster.name, over)

    def over_budget_bytes(self, held_bytes: int) -> int:
        """Return how much must be freed for the budget or for the minimum of free disk space."""
        budget = parse_size_bytes(self._cluster.settings.backtrack_disk_budget)
        disk = shutil.disk_usage(self._cluster.paths.storage)
        least_free = min(_FREE_BYTES_MIN, round(disk.total * _FREE_SHARE_MIN))
        return max(held_bytes - budget, least_free - disk.free)

    def _report_window(self, *, shrunk: bool, earliest: datetime | None) -> None:
        memory = self._cluster.memory.volume.backtrack
        if shrunk == memory.shrunk:
            return
        memory.shrunk = shrunk
        if shrunk and earliest is not None:
            actual_s = (self._cluster.now() - earliest).total_seconds()
            message = (
                f"The actual Backtrack window is smaller than the target Backtrack window you specified: {actual_s:.0f} s. "
                f"Recovery images and WAL use {format_size(memory.image_bytes + memory.log_bytes)}; "
                "see backtrack_disk_budget and the free disk space"
            )
            events.record(self._cluster, events.BACKTRACK_WINDOW_SMALL, self._cluster.name, message)
        elif not shrunk:
            message = "The actual Backtrack window is the same as the target Backtrack window."
            events.record(self._cluster, events.BACKTRACK_WINDOW_RESTORED, self._cluster.name, message)

    def _sample(self) -> None:
        answer = self._cluster.observer.writer_answer(self._cluster.name)
        now_s = time.monotonic()
        if answer is None or (self._samples and now_s - self._samples[-1][0] < _SAMPLE_INTERVAL_S):
            return
        if self._samples and answer.lsn < self._samples[-1][1]:
            self._samples.clear()  # a backtrack continued from an earlier LSN
        self._samples.append((now_s, answer.lsn, self._maker.made_bytes))
        memory = self._cluster.memory.volume.backtrack
        first, last = self._samples[0], self._samples[-1]
        if last[0] - first[0] > _SAMPLE_INTERVAL_S:
            hours = (last[0] - first[0]) / 3600
            memory.log_bytes_per_hour = round((last[1] - first[1]) / hours)
            memory.image_bytes_per_hour = round((last[2] - first[2]) / hours)


def _held_bytes(images: Sequence[RecoveryImage]) -> int:
    return sum(each.held_bytes for each in images)


def _freed_bytes(images: Sequence[RecoveryImage]) -> dict[tuple[str, str], int]:
    """Return what removing each image frees: itself, and on three nodes the WAL up to the next image."""
    ordered = sorted(images, key=lambda each: each.redo_lsn)
    freed = {each.key: each.held_bytes for each in ordered}
    for each, following in pairwise(ordered):
        freed[each.key] += 3 * (following.redo_lsn - each.redo_lsn)
    return freed
