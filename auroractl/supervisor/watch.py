"""The watch loop: observe, decide, act, record."""

from __future__ import annotations

import logging
import math
import os
import signal
import time
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Event, Lock, Thread

from auroractl.core.errors import AuroraError
from auroractl.core.model import Cluster, Phase, Wanted
from auroractl.runtime.log_sizes import bound_logs
from auroractl.runtime.managed_cluster import ManagedCluster
from auroractl.runtime.runtime import Runtime
from auroractl.services.healing.controllers import controllers
from auroractl.system.leftovers import end_orphans
from auroractl.system.locks import LockFile
from auroractl.system.programs import reap

log = logging.getLogger(__name__)

_REPAIRS_AT_ONCE = 4
_SUSPENSION_S = 2.0
_PRUNE_INTERVAL_S = 3600.0
_BOUND_INTERVAL_S = 10.0


class WatchLoop:
    """Attends to every cluster several times a second, and immediately after a change.

    None of it survives a restart of the supervisor: what is due at an interval is then due at once.
    """

    def __init__(self, runtime: Runtime, changed: Event, lock: LockFile, leave: Callable[[], bool]) -> None:
        """Set up the loop; `changed` wakes it at once, and `lock` on the home shows whether the home still exists.

        `leave` decides whether a supervisor without clusters exits because it is idle.
        """
        self._runtime = runtime
        self._lock_on_home = lock
        self._root = runtime.home.root.resolve()
        self._exits = leave
        self._changed = changed
        self._controllers = controllers(runtime.settings)
        self._awake_s = time.monotonic()
        self._pruned_s = -math.inf
        self._bounded_s = -math.inf
        self._attended_s: dict[str, float] = {}
        self._tasks: set[tuple[str, str]] = set()
        self._lock = Lock()
        self._pool = ThreadPoolExecutor(_REPAIRS_AT_ONCE, thread_name_prefix="repair")
        self._stopping = False
        self._thread = Thread(target=self._run, name="watch-loop", daemon=True)

    def start(self) -> None:
        """Start the loop's thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the loop and wait for repairs in progress."""
        self._stopping = True
        self._changed.set()
        self._thread.join()
        for controller in self._controllers:
            controller.stop()
        self._runtime.wal_keepers.only([])
        self._runtime.image_keepers.end_all()
        self._pool.shutdown(wait=True)

    def _run(self) -> None:
        while not self._stopping:
            self._changed.wait(self._runtime.settings.probe_interval_s)
            self._changed.clear()
            if not self._lock_on_home.still_named():
                self._exit_lost_home()
                return
            try:
                if not self._runtime.repository.clusters() and self._exits():
                    log.info("there is no cluster and no recent request; the supervisor exits")
                    os.kill(os.getpid(), signal.SIGTERM)
                    return
                self._round()
            except Exception:
                log.exception("the watch loop failed; please report it as a bug")
                time.sleep(self._runtime.settings.probe_interval_s)

    def _exit_lost_home(self) -> None:
        # Another supervisor may own a new home at the same path. Its processes and files must not be touched.
        log.error("the home was removed or replaced; the supervisor exits")
        try:
            if self._lock_on_home.is_removed():
                log.error("killed the processes of the removed home: %s", end_orphans(self._root))
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    def _round(self) -> None:
        reap()
        self._bound_logs()
        self._note_suspension()
        self._prune_history()
        clusters = self._runtime.repository.clusters()
        self._keep_only({each.identifier for each in clusters})
        watched = [each for each in clusters if each.wanted is Wanted.RUNNING]
        self._runtime.observer.watch_only(
            instance for cluster in watched for instance in self._runtime.repository.instances(cluster.identifier)
        )
        settled = [cluster.identifier for cluster in watched if cluster.phase is Phase.NONE]
        self._runtime.wal_keepers.only(settled)
        # Recovery images are made with the help of a writer.
        served = [] if self._runtime.repairs_paused else [each for each in settled if self._has_instances(each)]
        self._runtime.image_keepers.only(served)
        for cluster in watched:
            if self._can_wait(cluster.identifier):
                continue
            try:
                self._attend(cluster)
            except AuroraError as error:
                log.warning("the controllers failed for %s: %s", cluster.identifier, error)
            except Exception:
                # The other clusters must not suffer from it.
                log.exception("the controllers failed for %s; please report it as a bug", cluster.identifier)

    def _keep_only(self, clusters: Collection[str]) -> None:
        """Forget deleted clusters."""
        for name in self._attended_s.keys() - set(clusters):
            del self._attended_s[name]
        for controller in self._controllers:
            controller.keep_only(clusters)

    def _has_instances(self, cluster: str) -> bool:
        return bool(self._runtime.repository.instances(cluster))

    def _note_suspension(self) -> None:
        """Detect that the supervisor itself was suspended. Its observations are stale then, and it must observe again."""
        now_s, before_s = time.monotonic(), self._awake_s
        self._awake_s = now_s
        if now_s - before_s > self._runtime.settings.probe_interval_s + _SUSPENSION_S:
            log.warning("the supervisor was suspended for %.1f s; it observes again before it acts", now_s - before_s)
            for controller in self._controllers:
                controller.after_suspension()

    def _prune_history(self) -> None:
        now_s = time.monotonic()
        if now_s - self._pruned_s > _PRUNE_INTERVAL_S:
            self._pruned_s = now_s
            kept = timedelta(days=self._runtime.settings.history_days)
            self._runtime.repository.forget_history(self._runtime.now() - kept)

    def _bound_logs(self) -> None:
        now_s = time.monotonic()
        if now_s - self._bounded_s > _BOUND_INTERVAL_S:
            self._bounded_s = now_s
            bound_logs(self._runtime.home)

    def _can_wait(self, cluster: str) -> bool:
        """Return whether a cluster can wait. Each step of an operation wakes the loop; attending each time would slow it."""
        now_s = time.monotonic()
        recently = now_s - self._attended_s.get(cluster, -math.inf) < self._runtime.settings.probe_interval_s
        if recently and self._runtime.locks.current(cluster) is not None:
            return True
        self._attended_s[cluster] = now_s
        return False

    def _attend(self, row: Cluster) -> None:
        cluster = ManagedCluster(self._runtime, row.identifier)
        snapshot = cluster.snapshot(row)
        now_s = time.monotonic()
        if self._runtime.repairs_paused:
            return
        for controller in self._controllers:
            for task in controller.attend(cluster, snapshot, now_s):
                self._start_task((cluster.name, task.subject), task.act, beside=task.beside_operations)

    def _start_task(self, key: tuple[str, str], act: Callable[[], None], *, beside: bool) -> None:
        """Start a task in the thread pool, unless one with the same cluster and subject is in progress.

        Unless `beside` operations, it runs only while no operation holds the cluster.
        """
        with self._lock:
            if key in self._tasks:
                return
            self._tasks.add(key)
        try:
            self._pool.submit(self._run_task, key, act, beside)
        except RuntimeError:
            # No thread can be started, or the supervisor is stopping. Queued tasks may still run.
            with self._lock:
                self._tasks.discard(key)
            raise

    def _run_task(self, key: tuple[str, str], act: Callable[[], None], beside: bool) -> None:
        try:
            if beside:
                act()
            else:
                with self._runtime.locks.repair(key[0]) as free:
                    if free:
                        act()
        except AuroraError as error:
            log.warning("%s: a repair of %s failed: %s", *key, error)
        except Exception:
            log.exception("a repair of %s failed; please report it as a bug", key[1])
        finally:
            with self._lock:
                self._tasks.discard(key)
            self._changed.set()
