"""Disk congestion: storage nodes that write and acknowledge late, as in Aurora's `aurora_inject_disk_congestion`.

A congested node is suspended for a random time between the two delays, then runs until it has written and acknowledged
what came meanwhile, and is suspended again. So a write waits for what is left of a delay, and a commit until that is over
on four of six nodes. Without a supervisor a node stays as it is: the next one continues, or ends the fault if it has
expired.
"""

from __future__ import annotations

import contextlib
import logging
import random
import time
from threading import Event, Thread

import psutil

from auroractl.core.errors import AuroraError
from auroractl.core.volume.faults import ALL_DISKS, Fault, FaultKind, disk_of
from auroractl.core.volume.model import StorageNode
from auroractl.runtime.managed_cluster import ManagedCluster
from auroractl.system.waiting import holds_in_time

log = logging.getLogger(__name__)

_AT_WORK_S_MAX = 0.05
_POLL_S = 0.0003
"""How long after its work a node may run: less than a client needs for its next commit."""
_ABSENT_S = 0.2
_LOOKED_UP_S = 0.5
_ROUND_S_MIN = 0.01
"""A node is suspended at most a hundred times per second, whatever a client asks for: each time costs processor time."""
_END_TIMEOUT_S = 2.0


def congestion_of(cluster: ManagedCluster, node: StorageNode) -> Fault | None:
    """Return the fault that makes a storage node late now; None if there is none, or another one has it."""
    found = {fault.target: fault for fault in cluster.faults()}
    fault = found.get(ALL_DISKS) or found.get(disk_of(node.identifier))
    if fault is None or fault.kind is not FaultKind.DISK_CONGESTION or node.identifier in found:
        return None
    return fault if fault.until is None or cluster.now() < fault.until else None


class CongestedNode:
    """A thread that makes one storage node late for as long as the fault is in force."""

    def __init__(self, cluster: ManagedCluster, node: StorageNode) -> None:
        """Begin."""
        self._cluster = cluster
        self._node = node
        self._ended = Event()
        self._process: psutil.Process | None = None
        self._looked_up_s = 0.0
        self._thread = Thread(target=self._run, name=f"congestion-{node.identifier}", daemon=True)
        self._thread.start()

    @property
    def lives(self) -> bool:
        """Return whether the node is still made late."""
        return self._thread.is_alive()

    def end(self) -> None:
        """End; the node runs afterwards."""
        self._ended.set()
        self._thread.join(_END_TIMEOUT_S)

    def _run(self) -> None:
        congested = self._cluster.memory.volume.congested
        congested.add(self._node.identifier)
        try:
            while not self._ended.is_set() and (fault := congestion_of(self._cluster, self._node)) is not None:
                self._delay(fault)
        except AuroraError as error:
            log.warning("%s is no longer congested: %s", self._node.identifier, error)
        finally:
            congested.discard(self._node.identifier)

    def _delay(self, fault: Fault) -> None:
        process = self._found()
        lasts_s = random.uniform(fault.delay_min_ms or 0, fault.delay_ms or 0) / 1000  # noqa: S311
        late = random.uniform(0, 100) < (fault.percentage or 0)  # noqa: S311
        if process is None or not late:
            self._ended.wait(max(lasts_s, _ROUND_S_MIN) if process else _ABSENT_S)
            return
        try:
            process.suspend()
            try:
                self._ended.wait(lasts_s)
            finally:
                if not self._hangs():
                    process.resume()
            _let_work(process)
        except psutil.Error:
            # It has ended, and is started again.
            self._process = None
        self._ended.wait(max(0.0, _ROUND_S_MIN - lasts_s))

    def _found(self) -> psutil.Process | None:
        """Return the node's process, looked for now and then; None if there is none."""
        now_s = time.monotonic()
        if self._process is None or now_s - self._looked_up_s > _LOOKED_UP_S:
            self._looked_up_s = now_s
            pid = self._cluster.installation.receiver(self._node).pid()
            with contextlib.suppress(psutil.Error):
                self._process = None if pid is None else psutil.Process(pid)
        return self._process

    def _hangs(self) -> bool:
        """Return whether another fault wants the node suspended."""
        mine = self._node.identifier
        return any(each.target == mine and each.kind is FaultKind.HANG_STORAGE_NODE for each in self._cluster.faults())


def _let_work(process: psutil.Process) -> None:
    """Wait until a process has nothing to do, but not for long. Raises psutil.Error."""
    time.sleep(_POLL_S)
    holds_in_time(lambda: process.status() == psutil.STATUS_SLEEPING, _AT_WORK_S_MAX, _POLL_S)
