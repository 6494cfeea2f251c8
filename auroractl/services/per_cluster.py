"""One thing that works in the background for each cluster that runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from threading import RLock
from typing import Generic, Protocol, TypeVar


class Background(Protocol):
    """What works until it is stopped."""

    def start(self) -> None:
        """Begin."""

    def stop(self) -> None:
        """End soon; returns at once."""

    def wait_ended(self) -> None:
        """Wait until it has ended."""


Kept = TypeVar("Kept", bound=Background)


class PerCluster(Generic[Kept]):
    """Makes, starts and ends them by cluster. Methods may be called by several threads."""

    def __init__(self, make: Callable[[str], Kept]) -> None:
        self._make = make
        self._lock = RLock()
        self._kept: dict[str, Kept] = {}

    def only(self, clusters: Sequence[str]) -> None:
        """Keep exactly these from now on."""
        with self._lock:
            for name in self._kept.keys() - set(clusters):
                self._kept.pop(name).stop()
            for name in clusters:
                if name not in self._kept:
                    self._kept[name] = self._make(name)
                    self._kept[name].start()

    def of(self, cluster: str) -> Kept:
        """That of a cluster; one that has none gets one for the moment, which is not started."""
        with self._lock:
            return self._kept.get(cluster) or self._make(cluster)

    def end(self, cluster: str) -> None:
        """End that of a cluster and wait for it; nothing where there is none."""
        with self._lock:
            kept = self._kept.pop(cluster, None)
        if kept is not None:
            kept.stop()
            kept.wait_ended()

    def end_all(self) -> None:
        """End all and wait for them."""
        with self._lock:
            names = list(self._kept)
        for name in names:
            self.end(name)
