"""The watch loop: observe, decide, act, record."""

from __future__ import annotations

import logging
import math
import os
import signal
import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Event, Lock, Thread

from auroractl.core.errors import AuroraError
from auroractl.core.health import BESIDE_OPERATIONS, Action, Decision, History, Limits, decide
from auroractl.core.model import Cluster, Phase, Wanted
from auroractl.process.programs import reap
from auroractl.services import repair, volume_watch
from auroractl.services.context import Context

log = logging.getLogger(__name__)

_REPAIRS_AT_ONCE = 4
_STANDSTILL_S = 2.0
_FORGET_INTERVAL_S = 3600.0


class WatchLoop:
    """Looks at every cluster a few times a second, and at once when something changed."""

    def __init__(
        self, context: Context, changed: Event, home_is_ours: Callable[[], bool], leave: Callable[[], bool]
    ) -> None:
        """`changed` is set when a look is due at once; `home_is_ours` tells whether the home is still there.

        `leave` decides whether a supervisor without clusters leaves, because nobody has asked for anything for long.
        """
        self._context = context
        self._home_is_ours = home_is_ours
        self._leave = leave
        self._changed = changed
        self._limits = Limits(
            restarts_max=context.settings.restarts_max,
            within_s=context.settings.restarts_within_s,
            detached_after_s=context.settings.detached_after_s,
            suspended_after_s=context.settings.suspended_after_s,
            silent_after_s=context.settings.silent_after_s,
            stalled_after_s=context.settings.stalled_after_s,
        )
        self._history: defaultdict[str, History] = defaultdict(History)
        self._awake_s = time.monotonic()
        self._forgot_s = -math.inf
        self._looked_s: dict[str, float] = {}
        self._repairing: set[tuple[str, str]] = set()
        self._lock = Lock()
        self._pool = ThreadPoolExecutor(_REPAIRS_AT_ONCE, thread_name_prefix="repair")
        self._stopping = False
        self._thread = Thread(target=self._run, name="watch-loop", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Stop watching and wait for repairs that have begun."""
        self._stopping = True
        self._changed.set()
        self._thread.join()
        self._context.keepers.only([])
        self._context.image_keepers.end_all()
        self._pool.shutdown(wait=True)

    def _run(self) -> None:
        while not self._stopping:
            self._changed.wait(self._context.settings.probe_interval_s)
            self._changed.clear()
            if not self._home_is_ours():
                # Another supervisor may own a new home of the same name; touching anything could harm it.
                log.error("the home was removed or replaced; leaving")
                os.kill(os.getpid(), signal.SIGTERM)
                return
            try:
                if not self._context.repository.clusters() and self._leave():
                    log.info("there is no cluster and nobody has asked for anything for long; leaving")
                    os.kill(os.getpid(), signal.SIGTERM)
                    return
                self._look()
            except Exception:
                log.exception("the watch loop met an error; please report it as a bug")
                time.sleep(self._context.settings.probe_interval_s)

    def _look(self) -> None:
        reap()
        self._note_standstill()
        self._forget_history()
        clusters = self._context.repository.clusters()
        watched = [each for each in clusters if each.wanted is Wanted.RUNNING]
        self._context.observer.watch_only(
            instance for cluster in watched for instance in self._context.repository.instances(cluster.identifier)
        )
        settled = [cluster.identifier for cluster in watched if cluster.phase is Phase.NONE]
        self._context.keepers.only(settled)
        self._context.image_keepers.only([] if self._context.repairs_paused else settled)
        for cluster in watched:
            if self._may_wait(cluster.identifier):
                continue
            try:
                self._look_at(cluster)
            except AuroraError as error:
                log.warning("%s cannot be looked after: %s", cluster.identifier, error)

    def _note_standstill(self) -> None:
        """A supervisor that was itself suspended has seen nothing meanwhile and must look again before it acts."""
        now_s, before_s = time.monotonic(), self._awake_s
        self._awake_s = now_s
        if now_s - before_s > self._context.settings.probe_interval_s + _STANDSTILL_S:
            log.warning("the supervisor stood still for %.1f s; it looks again before it acts", now_s - before_s)
            for history in self._history.values():
                history.forget_durations()

    def _forget_history(self) -> None:
        now_s = time.monotonic()
        if now_s - self._forgot_s > _FORGET_INTERVAL_S:
            self._forgot_s = now_s
            kept = timedelta(days=self._context.settings.history_days)
            self._context.repository.forget_history(self._context.now() - kept)

    def _may_wait(self, cluster: str) -> bool:
        """Every step of an operation changes something, and looking at each would take the operation's time."""
        now_s = time.monotonic()
        recently = now_s - self._looked_s.get(cluster, -math.inf) < self._context.settings.probe_interval_s
        if recently and self._context.locks.current(cluster) is not None:
            return True
        self._looked_s[cluster] = now_s
        return False

    def _look_at(self, cluster: Cluster) -> None:
        name = cluster.identifier
        snapshot = self._context.snapshot(cluster)
        now_s = time.monotonic()
        history = self._history[name]
        for instance in snapshot.instances:
            if (name, instance.identifier) in self._context.broken_on_purpose:
                self._context.broken_on_purpose.discard((name, instance.identifier))
                history.restarts.pop(instance.identifier, None)
        if history.writer_is_new(snapshot):
            for reader in snapshot.readers:
                self._context.failed.pop(f"{name}/{reader.identifier}", None)
        history.note(snapshot, now_s)
        if self._context.repairs_paused:
            return
        volume_watch.attend(self._context, snapshot)
        try:
            self._context.publish_routes(name)
        except AuroraError as error:
            log.warning("%s: the endpoint process refused its routes: %s", name, error)
        for decision in decide(snapshot, limits=self._limits, history=history, now_s=now_s):
            self._begin(name, decision)

    def _begin(self, cluster: str, decision: Decision) -> None:
        key = (cluster, decision.name)
        with self._lock:
            if key in self._repairing:
                return
            self._repairing.add(key)
        self._pool.submit(self._repair, cluster, decision)

    def _repair(self, cluster: str, decision: Decision) -> None:
        try:
            # A failover is an operation and holds the cluster itself.
            if decision.rule.subject in BESIDE_OPERATIONS or decision.rule.action is Action.FAIL_OVER:
                self._carry_out(cluster, decision)
            else:
                with self._context.locks.repair(cluster) as free:
                    if free:
                        self._carry_out(cluster, decision)
        except Exception:
            log.exception("a repair of %s met an error; please report it as a bug", decision.name)
        finally:
            with self._lock:
                self._repairing.discard((cluster, decision.name))
            self._changed.set()

    def _carry_out(self, cluster: str, decision: Decision) -> None:
        restarts = self._history[cluster].restarts[decision.name]
        if decision.rule.action is Action.GIVE_UP:
            restarts.clear()
        else:
            now_s = time.monotonic()
            restarts[:] = [*(moment_s for moment_s in restarts if moment_s > now_s - self._limits.within_s), now_s]
        repair.carry_out(self._context, cluster, decision)
        self._history[cluster].since.pop((decision.name, decision.rule.observed), None)
