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

    def works(self) -> bool:
        """Whether it has been started and has not ended yet."""


Kept = TypeVar("Kept", bound=Background)


class PerCluster(Generic[Kept]):
    """Makes, starts and ends them by cluster. Methods may be called by several threads."""

    def __init__(self, make: Callable[[str], Kept]) -> None:
        self._make = make
        self._lock = RLock()
        self._kept: dict[str, Kept] = {}
        self._ending: dict[str, Kept] = {}
        """Told to end, and perhaps still in the middle of something."""

    def only(self, clusters: Sequence[str]) -> None:
        """Keep exactly these from now on."""
        with self._lock:
            for name in self._kept.keys() - set(clusters):
                self._ending[name] = self._kept.pop(name)
                self._ending[name].stop()
            self._ending = {name: each for name, each in self._ending.items() if each.works()}
            # Two would be in each other's way; the next call comes soon.
            for name in set(clusters) - self._kept.keys() - self._ending.keys():
                self._kept[name] = self._make(name)
                self._kept[name].start()

    def of(self, cluster: str) -> Kept:
        """That of a cluster; one that has none gets one for the moment, which is not started."""
        with self._lock:
            return self._kept.get(cluster) or self._make(cluster)

    def end(self, cluster: str) -> None:
        """End that of a cluster and wait for it, also where it was told to end before; nothing where there is none."""
        with self._lock:
            found = [self._ending.pop(cluster, None), self._kept.pop(cluster, None)]
        for each in found:
            if each is not None:
                each.stop()
                each.wait_ended()
                if each.works():
                    with self._lock:
                        self._ending[cluster] = each

    def end_all(self) -> None:
        """End all and wait for them."""
        with self._lock:
            names = {*self._kept, *self._ending}
        for name in names:
            self.end(name)
