"""Who uses page images now, so that none is taken away from under somebody who reads it, and no last copy at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from threading import Lock

Key = tuple[str, str]
"""Node and image; copies of one image have the same identifier."""


class ImageUse:
    """The images of one cluster that are being read, and those that are about to be taken away."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._read: Counter[Key] = Counter()
        self._taken: set[Key] = set()

    def begin_take(self, copies: Sequence[Key]) -> Key | None:
        """Reserve one of the copies of an image that nobody reads, if another one stays; None where there is none."""
        with self._lock:
            left = self._left(copies)
            key = next((each for each in left if not self._read[each]), None) if len(left) > 1 else None
            if key is not None:
                self._taken.add(key)
            return key

    def begin_read(self, copies: Sequence[Key]) -> Key | None:
        """Keep one of the copies of an image from being taken away; None where there is none any more."""
        with self._lock:
            key = next(iter(self._left(copies)), None)
            if key is not None:
                self._read[key] += 1
            return key

    def end_take(self, key: Key) -> None:
        """It has been taken away or stays."""
        with self._lock:
            self._taken.discard(key)

    def end_read(self, key: Key) -> None:
        """It is not read any more."""
        with self._lock:
            self._read[key] -= 1

    def _left(self, copies: Sequence[Key]) -> list[Key]:
        return [each for each in copies if each not in self._taken]
