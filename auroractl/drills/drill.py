"""One drill: rounds of load, a fault, recovery and the check of what was promised."""

from __future__ import annotations

import itertools
import os
import signal
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from auroractl.backends import Backend, Progress
from auroractl.core.errors import AuroraError, InvalidClusterState, SupervisorUnavailable, TimedOut
from auroractl.drills.kinds import Kind
from auroractl.drills.workload import Row, Target, Workload

_HEALTHY_TIMEOUT_S = 120.0
_POLL_S = 0.05
_SETTLE_S = 0.5
"""Load after the cluster is well again, so that the first commits of everybody are seen."""
BUCKET_S = 0.05


Aim = tuple[str, Callable[[], object], Callable[[], bool]]
"""On whom a fault is, what brings it about, and what tells that it was noticed and ends one that lasts."""


@dataclass(frozen=True, slots=True)
class Round:
    """What one round showed; times in milliseconds from the fault on, None where there is nothing of the kind."""

    target: str
    detection_ms: float | None
    """Until a failover began."""
    fence_ms: float | None
    promotion_ms: float | None
    first_commit_ms: float
    """Until the commit that ended the longest gap."""
    longest_gap_ms: float
    healthy_ms: float
    commits: int
    rows_lost: int
    rows_in_doubt: int
    rows_in_doubt_there: int
    reads: int
    reads_failed: int
    commits_by_bucket: tuple[int, ...]
    """Acknowledged commits in each twentieth of a second, from one second before the fault on."""


class Drill:
    """Asks the supervisor for faults and views, and is a client of the database for everything else."""

    def __init__(self, backend: Callable[[], Backend], cluster: str, progress: Progress) -> None:
        self._backend, self._cluster, self._progress = backend, cluster, progress

    def run(self, kind: Kind, *, clients: int, rounds: int, duration_s: float) -> list[Round]:
        """So many rounds; `duration_s` is the load before each fault.

        Raises InvalidClusterState where the cluster is not well to begin with or lacks what the drill needs, TimedOut
        where it is not well again in time.
        """
        self._require_well(kind)
        return [self._round(kind, number, clients, duration_s) for number in range(1, rounds + 1)]

    def plan(self, kind: Kind, *, clients: int, duration_s: float) -> list[str]:
        """The steps of a round, as things are now; nothing is done. Raises InvalidClusterState as `run` does."""
        self._require_well(kind)
        target, _, _ = self._aim(kind)
        return [
            f"Write through the writer endpoint with {clients} clients for {duration_s:g} s",
            f"{kind} on {target}",
            "Wait until the cluster is well again and every client commits again",
            "Look for every acknowledged row and drop the table",
        ]

    def _ask(self, verb: str, **body: Any) -> Any:
        return self._backend().request(verb, body, self._progress)

    def _status(self) -> Any:
        return self._ask("describe-status", DBClusterIdentifier=self._cluster)

    def _well(self) -> bool:
        cluster = self._status()["DBCluster"]
        return bool(cluster["Health"] == "ok" and cluster["Operation"] is None)

    def _moved(self, writer: str) -> bool:
        """Whether another instance writes; a fault that was not noticed yet looks like a cluster that is well."""
        instances = self._status()["DBInstances"]
        return any(each["IsClusterWriter"] and each["DBInstanceIdentifier"] != writer for each in instances)

    def _require_well(self, kind: Kind) -> None:
        status = self._status()
        if status["DBCluster"]["Health"] != "ok":
            raise InvalidClusterState(
                f"DBCluster {self._cluster} is not well, so a drill would tell nothing.",
                f"See auroractl status {self._cluster}",
            )
        if len(status["DBInstances"]) < 2 and kind not in {Kind.STORAGE_NODE, Kind.SUPERVISOR_CRASH}:
            raise InvalidClusterState(
                f"DBCluster {self._cluster} has no reader; this drill needs one.",
                f"Add one: auroractl scale-readers {self._cluster} --add 1",
            )

    def _target(self, role: str) -> Target:
        there = self._ask("connection", DBClusterIdentifier=self._cluster, Role=role, DBInstanceIdentifier=None)
        return Target(there["Host"], there["Port"], there["User"], there["Password"], there["Database"])

    def _round(self, kind: Kind, number: int, clients: int, duration_s: float) -> Round:
        self._progress.message(f"Round {number}: {kind}")
        table = f"auroractl_drill_{uuid.uuid4().hex[:12]}"
        load = Workload(self._target("writer"), self._target("reader"), table, clients)
        load.start()
        try:
            time.sleep(duration_s)
            target, act, over = self._aim(kind)
            began_at, began_s = datetime.now(UTC), time.monotonic()
            act()
            self._wait(lambda: over() and self._well(), "to be well again")
            healthy_s = time.monotonic()
            before = load.commits()
            self._wait(lambda: load.commits() >= before + clients, "to acknowledge commits")
            time.sleep(_SETTLE_S)
        finally:
            load.stop()
        there = load.there()
        load.drop()
        return self._report(load, there, target, began_at, began_s, healthy_s)

    def _wait(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + _HEALTHY_TIMEOUT_S
        while not _holds(condition):
            if time.monotonic() > deadline:
                raise TimedOut(
                    f"DBCluster {self._cluster} took more than {_HEALTHY_TIMEOUT_S:g} s {what}.",
                    f"See auroractl status {self._cluster}",
                )
            time.sleep(_POLL_S)

    def _aim(self, kind: Kind) -> Aim:
        """What a drill does to the cluster as it is now."""
        instances = self._status()["DBInstances"]
        writer = next(each for each in instances if each["IsClusterWriter"])
        name, zone = str(writer["DBInstanceIdentifier"]), str(writer["AvailabilityZone"])
        match kind:
            case Kind.WRITER_CRASH:
                aim: Aim = name, lambda: self._fault("crash-instance", name), lambda: self._moved(name)
            case Kind.WRITER_HANG:
                aim = name, lambda: self._fault("hang-instance", name), lambda: self._moved(name)
            case Kind.PLANNED:
                aim = name, self._fail_over, lambda: self._moved(name)
            case Kind.AZ_OUTAGE:
                aim = zone, lambda: self._fault("az-outage", zone), lambda: self._restore(zone, name)
            case Kind.READER_CRASH:
                reader = next(str(each["DBInstanceIdentifier"]) for each in instances if not each["IsClusterWriter"])
                aim = reader, lambda: self._fault("crash-instance", reader), lambda: True
            case Kind.STORAGE_NODE:
                volume = self._ask("describe-volumes", DBClusterIdentifier=self._cluster)["StorageVolumes"][0]
                node = str(volume["StorageNodes"][0]["StorageNodeIdentifier"])
                aim = node, lambda: self._fault("crash-storage-node", node), lambda: True
            case Kind.SUPERVISOR_CRASH:
                pid = int(self._ask("supervisor-status")["ProcessId"])
                aim = f"process {pid}", lambda: os.kill(pid, signal.SIGKILL), lambda: True
        return aim

    def _fail_over(self) -> None:
        self._ask("failover", DBClusterIdentifier=self._cluster, TargetDBInstanceIdentifier=None, AllowDataLoss=False)

    def _fault(self, kind: str, target: str) -> None:
        self._ask("inject-fault", DBClusterIdentifier=self._cluster, Kind=kind, Target=target, DurationSeconds=None)

    def _restore(self, zone: str, writer: str) -> bool:
        """Once another instance writes, the zone comes back."""
        status = self._status()
        if not self._moved(writer) or status["DBCluster"]["Operation"] is not None:
            return False
        if any(fault["Target"] == zone for fault in status["StorageVolume"]["Faults"]):
            self._fault("restore", zone)
        return True

    def _report(
        self, load: Workload, there: set[Row], target: str, began_at: datetime, began_s: float, healthy_s: float
    ) -> Round:
        seen = load.seen
        gap_s, first_s = longest_gap(seen.commits_s, began_s)
        steps, started_ms = self._failover_since(began_at)
        buckets = [0] * (1 + int((seen.commits_s[-1] - began_s + 1) / BUCKET_S))
        for moment_s in seen.commits_s:
            if moment_s >= began_s - 1:
                buckets[int((moment_s - began_s + 1) / BUCKET_S)] += 1
        return Round(
            target=target,
            detection_ms=started_ms,
            fence_ms=_took(steps, "End the writer", "Stop the writer"),
            promotion_ms=_took(steps, "Promote"),
            first_commit_ms=(first_s - began_s) * 1000,
            longest_gap_ms=gap_s * 1000,
            healthy_ms=(healthy_s - began_s) * 1000,
            commits=len(seen.acknowledged),
            rows_lost=len(seen.acknowledged - there),
            rows_in_doubt=len(seen.in_doubt),
            rows_in_doubt_there=len(seen.in_doubt & there),
            reads=seen.reads,
            reads_failed=seen.reads_failed,
            commits_by_bucket=tuple(buckets),
        )

    def _failover_since(self, moment: datetime) -> tuple[list[Any], float | None]:
        for view in self._ask("failover-history", DBClusterIdentifier=self._cluster)["Failovers"]:
            started_at = datetime.fromisoformat(view["StartTime"])
            if started_at >= moment:
                return view["Steps"], (started_at - moment).total_seconds() * 1000
            break
        return [], None


def _holds(condition: Callable[[], bool]) -> bool:
    """A supervisor that was killed is not there for a moment; asking starts the next one."""
    try:
        return condition()
    except SupervisorUnavailable:
        return False


def longest_gap(commits_s: list[float], since_s: float) -> tuple[float, float]:
    """The longest time between two acknowledged commits that ends after a moment, and when it ended.

    Raises AuroraError where nothing was acknowledged after it.
    """
    moments_s = sorted(commits_s)
    gaps = [(later - earlier, later) for earlier, later in itertools.pairwise(moments_s) if later > since_s]
    if not gaps:
        raise AuroraError("No commit was acknowledged after the fault.", "See auroractl status")
    return max(gaps)


def _took(steps: list[Any], *names: str) -> float | None:
    found = [step["DurationMilliseconds"] for step in steps if step["Name"].startswith(names)]
    return found[0] if found else None
