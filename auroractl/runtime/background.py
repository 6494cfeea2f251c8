"""Background workers, one per running cluster."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from threading import Event, RLock, Thread
from typing import Generic, Protocol, TypeVar

from auroractl.core.errors import AuroraError
from auroractl.core.volume.model import ScrubReport

log = logging.getLogger(__name__)


class Background(Protocol):
    """A worker that runs until it is stopped."""

    def start(self) -> None:
        """Start it."""

    def stop(self) -> None:
        """Ask it to stop; return at once."""

    def wait_ended(self) -> None:
        """Wait until it has ended."""

    def works(self) -> bool:
        """Return whether it has been started and has not ended yet."""


class Worker(ABC):
    """A thread that repeats a round of work until it is asked to stop.

    A subclass defines a round (`tick`). An error ends the round and is logged; the next round starts from the
    beginning.
    """

    _JOIN_S = 10.0

    def __init__(self, name: str, interval_s: float, first_after_s: float = 0.0) -> None:
        """Prepare the thread; `first_after_s` passes before the first round, `interval_s` after each."""
        self.ended = Event()
        """Set when it is asked to stop; long work checks it."""
        self._interval_s = interval_s
        self._first_after_s = first_after_s
        self._thread = Thread(target=self._run, name=name, daemon=True)

    @abstractmethod
    def tick(self) -> None:
        """Do one round. An InterruptedError ends the thread, which was asked to stop."""

    def start(self) -> None:
        """Start it."""
        self._thread.start()

    def stop(self) -> None:
        """Ask it to stop; return at once."""
        self.ended.set()

    def wait_ended(self) -> None:
        """Wait until it has ended, for at most ten seconds."""
        if self._thread.is_alive():
            self._thread.join(self._JOIN_S)

    def works(self) -> bool:
        """Return whether it has been started and has not ended yet."""
        return self._thread.is_alive()

    def _run(self) -> None:
        name = self._thread.name
        wait_s = self._first_after_s
        while not self.ended.wait(wait_s):
            wait_s = self._interval_s
            try:
                self.tick()
            except InterruptedError:
                return
            except (AuroraError, OSError) as error:
                if not self.ended.is_set():
                    log.warning("%s: %s", name, error)
            except Exception:
                log.exception("%s failed; please report it as a bug", name)


class WalWorker(Worker):
    """Maintains the WAL copies of a cluster's volume."""

    @abstractmethod
    def scrub(self) -> ScrubReport:
        """Scrub now: read all finished segments of all nodes, repair the damaged ones, and return the findings."""


Kept = TypeVar("Kept", bound=Background)


class PerCluster(Generic[Kept]):
    """Creates, starts and stops workers by cluster. Safe for use by several threads.

    None of it survives a restart of the supervisor.
    """

    def __init__(self, make: Callable[[str], Kept]) -> None:
        self._make = make
        self._lock = RLock()
        self._kept: dict[str, Kept] = {}
        """Working ones. After a restart: made again by the watch loop's first round."""
        self._ending: dict[str, Kept] = {}
        """Asked to stop, and perhaps still in the middle of their work. After a restart: none."""

    def only(self, clusters: Sequence[str]) -> None:
        """Run workers for exactly these clusters."""
        with self._lock:
            for name in self._kept.keys() - set(clusters):
                self._ending[name] = self._kept.pop(name)
                self._ending[name].stop()
            self._ending = {name: each for name, each in self._ending.items() if each.works()}
            # Two workers would conflict; the next call comes soon.
            for name in set(clusters) - self._kept.keys() - self._ending.keys():
                self._kept[name] = self._make(name)
                self._kept[name].start()

    def of(self, cluster: str) -> Kept:
        """Return a cluster's worker; without one, make a temporary one that is not started."""
        with self._lock:
            return self._kept.get(cluster) or self._make(cluster)

    def end(self, cluster: str) -> None:
        """Stop a cluster's worker, if any, and wait for it, even if it was already asked to stop."""
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
        """Stop all workers and wait for them."""
        with self._lock:
            names = {*self._kept, *self._ending}
        for name in names:
            self.end(name)
