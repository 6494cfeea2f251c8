"""Who uses page images now, so that none is taken away from under somebody who reads it, and no last copy at all."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from threading import Lock
from typing import TYPE_CHECKING

from auroractl.core.errors import MachineError
from auroractl.services import image_damage, storage_nodes

if TYPE_CHECKING:
    from auroractl.services.context import Context
    from auroractl.storage.images import StoredImage

log = logging.getLogger(__name__)

Key = tuple[str, str]
"""Node and image; copies of one image have the same identifier."""
Look = Callable[[], Sequence[Key]]
"""Tells which copies of an image there are; asked while nobody else can begin or end."""


class ImageUse:
    """The images of one cluster that are being read, and those that are being taken away."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._read: Counter[Key] = Counter()
        self._taken: set[Key] = set()

    def begin_take(self, look: Look) -> Key | None:
        """Reserve one of the copies of an image that nobody uses, if another one stays; None where there is none."""
        with self._lock:
            left = self._left(look)
            return self._reserve(left) if len(left) > 1 else None

    def begin_remove(self, key: Key, look: Look | None = None) -> bool:
        """Reserve an image that nobody uses to remove or replace it; with `look` only if another copy stays."""
        with self._lock:
            stays = look is None or any(each != key for each in self._left(look))
            return stays and key not in self._taken and self._reserve([key]) is not None

    def begin_read(self, look: Look) -> Key | None:
        """Keep one of the copies of an image from being taken away; None where there is none any more."""
        with self._lock:
            key = next(iter(self._left(look)), None)
            if key is not None:
                self._read[key] += 1
            return key

    def end_take(self, key: Key) -> None:
        """It has been taken away, removed or replaced, or stays."""
        with self._lock:
            self._taken.discard(key)

    def end_read(self, key: Key) -> None:
        """It is not read any more."""
        with self._lock:
            self._read[key] -= 1

    def _left(self, look: Look) -> list[Key]:
        return [each for each in look() if each not in self._taken]

    def _reserve(self, keys: Sequence[Key]) -> Key | None:
        key = next((each for each in keys if not self._read[each]), None)
        if key is not None:
            self._taken.add(key)
        return key


class StoredCopies:
    """The copies of an image on the nodes that can be reached, without those that are known to be damaged."""

    def __init__(self, context: Context, cluster: str, identifier: str) -> None:
        self._context = context
        self._cluster = cluster
        self._identifier = identifier
        self._seen: dict[Key, StoredImage] = {}

    def look(self) -> list[Key]:
        """Which there are now."""
        found = []
        for node in storage_nodes.reachable_nodes(self._context, self._cluster):
            try:
                stored = self._context.installation.image_folder(node).image(self._identifier)
            except (OSError, MachineError) as error:
                log.warning("%s: the image %s cannot be read: %s", node.identifier, self._identifier, error)
                continue
            if stored is not None and not image_damage.is_suspect(self._context, self._cluster, stored.image):
                self._seen[stored.image.key] = stored
                found.append(stored.image.key)
        return found

    def __getitem__(self, key: Key) -> StoredImage:
        """One that was there at a look."""
        return self._seen[key]
