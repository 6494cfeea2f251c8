"""Leases on recovery images: no image is removed while it is read, and the last copy is never taken.

A lease is either a read lease, of which an image may have several, or an exclusive lease to take, remove or replace it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from threading import Lock

Key = tuple[str, str]
"""Node and image; copies of one image have the same identifier."""
Look = Callable[[], Sequence[Key]]
"""Lists the copies of an image; called while no lease can begin or end."""


class ImageUse:
    """The images of one cluster that are leased for reading or for removal.

    None of it survives a restart of the supervisor. The holders are its threads, and end with it.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._read: Counter[Key] = Counter()
        """Read leases. After a restart: none."""
        self._taken: set[Key] = set()
        """Exclusive leases. After a restart: none."""

    def begin_take(self, look: Look) -> Key | None:
        """Lease an idle copy of an image for taking, provided another copy remains; return None otherwise."""
        with self._lock:
            left = self._left(look)
            return self._reserve(left) if len(left) > 1 else None

    def begin_remove(self, key: Key, look: Look | None = None) -> bool:
        """Lease an idle image for removal or replacement; with `look` only if another copy remains."""
        with self._lock:
            stays = look is None or any(each != key for each in self._left(look))
            return stays and key not in self._taken and self._reserve([key]) is not None

    def begin_read(self, look: Look) -> Key | None:
        """Lease a copy of an image for reading; return None if there is none any more."""
        with self._lock:
            key = next(iter(self._left(look)), None)
            if key is not None:
                self._read[key] += 1
            return key

    def end_take(self, key: Key) -> None:
        """End an exclusive lease: the image has been taken, removed or replaced, or remains."""
        with self._lock:
            self._taken.discard(key)

    def end_read(self, key: Key) -> None:
        """End a read lease."""
        with self._lock:
            self._read[key] -= 1

    def _left(self, look: Look) -> list[Key]:
        return [each for each in look() if each not in self._taken]

    def _reserve(self, keys: Sequence[Key]) -> Key | None:
        key = next((each for each in keys if not self._read[each]), None)
        if key is not None:
            self._taken.add(key)
        return key
