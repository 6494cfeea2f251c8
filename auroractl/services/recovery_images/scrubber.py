"""Scrubbing of recovery images, to find damage before they are needed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from threading import Event

from auroractl.runtime.managed_cluster import ManagedCluster
from auroractl.services.recovery_images import suspect_images
from auroractl.storage.images import DamagedImage, StoredImage
from auroractl.system.files import exists

_MB = 1_000_000
_SHARE = 0.15
"""The share of the pace that is set for finished WAL."""
_ROUNDS_TOGETHER = 3
"""Rounds are combined, because finding the next file takes time with many images."""


class ImageScrubber:
    """Reads the recovery images of one cluster, a part in each round, until `ended` is set."""

    def __init__(self, cluster: ManagedCluster, ended: Event) -> None:
        self._cluster = cluster
        self._ended = ended
        self._budget_bytes = 0.0
        """What may be read now. After a restart: nothing until the next round."""
        self._scrubbed: tuple[str, str, int] = ("", "", 0)
        """The last file that was read. After a restart: from the beginning."""

    def scrub(self, stored: Sequence[StoredImage], round_s: float) -> None:
        """Continue where the last round stopped, and read as much as `round_s` seconds allow."""
        pace_bytes = self._cluster.settings.scrub_rate_mb_per_s * _MB * round_s * _SHARE
        self._budget_bytes = min(self._budget_bytes + pace_bytes, 10 * pace_bytes)
        if self._budget_bytes < _ROUNDS_TOGETHER * pace_bytes:
            return
        for key, each, name in self._rest(stored):
            if self._budget_bytes <= 0 or self._ended.is_set():
                return
            self._scrubbed = key
            self._budget_bytes -= each.files[name][0] + 4096
            if exists(each.folder):
                self._verify(each, name)

    def _rest(self, stored: Sequence[StoredImage]) -> Iterator[tuple[tuple[str, str, int], StoredImage, str]]:
        """Yield the files from where the last round stopped, with their positions; all of them after the last one."""
        order = sorted(stored, key=lambda each: each.image.key)
        node, identifier, last = self._scrubbed
        rest = [each for each in order if each.image.key > (node, identifier)]
        begun = [each for each in order if each.image.key == (node, identifier)]
        if not rest and not any(last + 1 < len(each.files) for each in begun):
            rest, begun = order, []
        for each in begun:
            for place, name in islice(enumerate(each.files), last + 1, None):
                yield (*each.image.key, place), each, name
        for each in rest:
            for place, name in enumerate(each.files):
                yield (*each.image.key, place), each, name

    def _verify(self, stored: StoredImage, name: str) -> None:
        """Verify one file of an image; mark a damaged image and record an event."""
        try:
            stored.verify(name)
        except DamagedImage as error:
            if exists(stored.folder):
                suspect_images.note(self._cluster, stored.image, error)
