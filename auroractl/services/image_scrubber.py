"""Page images are read again, slowly, to find decay before they are needed."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Event
from typing import TYPE_CHECKING

from auroractl.services import image_damage
from auroractl.storage.images import DamagedImage, StoredImage

if TYPE_CHECKING:
    from auroractl.services.context import Context

_MB = 1_000_000
_SHARE = 0.15
"""Of the pace that is set for finished log."""
_ROUNDS_TOGETHER = 3
"""Looking where to go on takes time too, the more images there are."""


class ImageScrubber:
    """Reads the page images of one cluster, a little in each round, until `ended`."""

    def __init__(self, context: Context, cluster: str, ended: Event) -> None:
        self._context = context
        self._cluster = cluster
        self._ended = ended
        self._budget_bytes = 0.0
        self._scrubbed: tuple[str, str, int] = ("", "", 0)

    def go_on(self, stored: Sequence[StoredImage], round_s: float) -> None:
        """Read on where the last round stopped, now and then, as much as rounds of `round_s` seconds allow."""
        pace_bytes = self._context.settings.scrub_rate_mb_per_s * _MB * round_s * _SHARE
        self._budget_bytes = min(self._budget_bytes + pace_bytes, 10 * pace_bytes)
        if self._budget_bytes < _ROUNDS_TOGETHER * pace_bytes:
            return
        order = [
            ((*each.image.key, place), each, name)
            for each in sorted(stored, key=lambda each: each.image.key)
            for place, name in enumerate(each.files)
        ]
        rest = [entry for entry in order if entry[0] > self._scrubbed]
        for key, each, name in rest or order:
            if self._budget_bytes <= 0 or self._ended.is_set():
                return
            self._scrubbed = key
            self._budget_bytes -= each.files[name][0] + 4096
            if each.folder.exists():
                self._verify(each, name)

    def _verify(self, stored: StoredImage, name: str) -> None:
        """Read one file of an image again; a damaged image is noted and told of."""
        try:
            stored.verify(name)
        except DamagedImage as error:
            if stored.folder.exists():
                image_damage.note(self._context, self._cluster, stored.image, error)
