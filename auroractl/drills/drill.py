"""A drill: rounds of load, a fault, recovery and a check for lost rows."""

from __future__ import annotations

import itertools
import os
import signal
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from auroractl.api.progress import Progress
from auroractl.api.request import Request
from auroractl.api.requests.clusters import DescribeStatus, Failover, FailoverHistory
from auroractl.api.requests.faults import (
    AzOutage,
    CrashInstance,
    CrashStorageNode,
    EndFault,
    FaultRequest,
    HangInstance,
)
from auroractl.api.requests.instances import Connection
from auroractl.api.requests.supervisor import SupervisorStatus
from auroractl.api.requests.volumes import DescribeVolumes
from auroractl.control_planes import ControlPlane
from auroractl.core.engine.logical_slots import ANCHOR, KEPT_SINCE
from auroractl.core.errors import AuroraError, InvalidClusterState, SupervisorUnavailable
from auroractl.drills.consumer import Consumer, has_slot
from auroractl.drills.kinds import Kind
from auroractl.drills.workload import Row, Target, Workload
from auroractl.system.waiting import holds_in_time, wait_until

_HEALTHY_TIMEOUT_S = 120.0
_POLL_S = 0.05
_SETTLE_S = 0.5
"""Load after the cluster is healthy again, so that every client's first commit is recorded."""
BUCKET_S = 0.05
_CONSUME_TIMEOUT_S = 60.0
_SLOT_GONE_S = 2.0
_SLOT_TIMEOUT_S = 30.0


Aim = tuple[str, Callable[[], object], Callable[[], bool]]
"""The target of a fault, a function that injects it, and one that ends it and returns whether it was noticed."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What a consumer of changes received in one round."""

    received: int
    lost: int
    """Rows that were acknowledged or are in the table, and that it never received."""
    repeated: int
    repeated_below: int
    """Rows that it received again although it had confirmed them."""
    not_stored: int
    """Rows that it received and that are not in the table; their commit was never acknowledged."""
    connections: int
    slot_kept: bool
    major: int
    """The server's major version."""

    @property
    def slots_survive(self) -> bool:
        """Return whether this version keeps slots through a failover."""
        return self.major >= KEPT_SINCE

    @property
    def passed(self) -> bool:
        """Return whether the consumer received what it may rely on."""
        return self.repeated_below == 0 and (self.lost == 0 or not self.slots_survive)


@dataclass(frozen=True, slots=True)
class Round:
    """The result of one round. Times are in milliseconds since the fault, None if they do not apply."""

    target: str
    detection_ms: float | None
    """Until the failover began."""
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
    """Acknowledged commits in each twentieth of a second, beginning one second before the fault."""
    changes: Changes | None = None
    """The ledger of the consumer of changes, if the drill has one."""


class Drill:
    """Injects faults and reads status through the supervisor, and runs the load as a database client."""

    def __init__(self, control_plane: Callable[[], ControlPlane], cluster: str, progress: Progress) -> None:
        self._control_plane, self._cluster, self._progress = control_plane, cluster, progress

    def run(self, kind: Kind, *, clients: int, rounds: int, duration_s: float) -> list[Round]:
        """Run a number of rounds; `duration_s` is the time of load before each fault.

        Raises InvalidClusterState if the cluster is not healthy or lacks a reader that the drill needs, TimedOut if it
        does not recover in time.
        """
        self._require_healthy(kind)
        return [self._round(kind, number, clients, duration_s) for number in range(1, rounds + 1)]

    def plan(self, kind: Kind, *, clients: int, duration_s: float) -> list[str]:
        """Return the steps of a round without running them. Raises InvalidClusterState as `run` does."""
        self._require_healthy(kind)
        target, _, _ = self._aim(_fault_of(kind, 1))
        consumes = kind is Kind.CDC_FAILOVER
        return [
            *(["Create a publication and a logical slot, and consume the changes"] if consumes else []),
            f"Write through the writer endpoint with {clients} clients for {duration_s:g} s",
            f"{_fault_of(kind, 1)} on {target}",
            "Wait until the cluster is healthy and every client commits again",
            *(
                ["Wait until every acknowledged row is consumed, and drop the slot and the publication"]
                if consumes
                else []
            ),
            "Check for every acknowledged row and drop the table",
        ]

    def _send(self, request: Request) -> Any:
        return self._control_plane().request(request.verb, request.to_json(), self._progress)

    def _status(self) -> Any:
        return self._send(DescribeStatus(cluster=self._cluster))

    def _healthy(self) -> bool:
        cluster = self._status()["DBCluster"]
        return bool(cluster["Health"] == "ok" and cluster["Operation"] is None)

    def _moved(self, writer: str) -> bool:
        """Return whether another instance is the writer. Before a fault is noticed, the cluster appears healthy."""
        instances = self._status()["DBInstances"]
        return any(each["IsClusterWriter"] and each["DBInstanceIdentifier"] != writer for each in instances)

    def _require_healthy(self, kind: Kind) -> None:
        status = self._status()
        if status["DBCluster"]["Health"] != "ok":
            raise InvalidClusterState(
                f"DBCluster {self._cluster} is not healthy; a drill needs a healthy cluster.",
                f"See auroractl status {self._cluster}",
            )
        if len(status["DBInstances"]) < 2 and kind not in {Kind.STORAGE_NODE, Kind.SUPERVISOR_CRASH}:
            raise InvalidClusterState(
                f"DBCluster {self._cluster} has no reader, which this drill needs.",
                f"Add one: auroractl scale-readers {self._cluster} --add 1",
            )
        if kind is Kind.CDC_FAILOVER:
            self._require_decoding()

    def _require_decoding(self) -> None:
        query = "SELECT current_setting('wal_level') = 'logical' AND rolreplication FROM pg_roles WHERE rolname = current_user"
        with self._target("writer").connect() as connection:
            if connection.execute(query.encode()).fetchone() != (True,):
                raise InvalidClusterState(
                    f"DBCluster {self._cluster} does not replicate logically, which this drill needs.",
                    "Set rds.logical_replication = 1 in its parameter group, reboot its instances, and wait a few seconds",
                )

    def _target(self, role: str) -> Target:
        return Target.of(self._send(Connection(cluster=self._cluster, role=role)))

    def _round(self, kind: Kind, number: int, clients: int, duration_s: float) -> Round:
        self._progress.message(f"Round {number}: {kind}")
        table = f"auroractl_drill_{uuid.uuid4().hex[:12]}"
        load = Workload(self._target("writer"), self._target("reader"), table, clients)
        if kind is not Kind.CDC_FAILOVER:
            return self._under_load(kind, load, clients, duration_s)
        with Consumer(self._target("writer"), table) as consumer:
            return self._under_load(_fault_of(kind, number), load, clients, duration_s, consumer)

    def _under_load(
        self, kind: Kind, load: Workload, clients: int, duration_s: float, consumer: Consumer | None = None
    ) -> Round:
        """Inject a fault under load and report; the table is dropped at the end."""
        try:
            load.start(*([lambda: self._consume(consumer)] if consumer else []))
            time.sleep(duration_s)
            target, act, over = self._aim(kind)
            began_at, began_s = datetime.now(UTC), time.monotonic()
            act()
            self._wait(lambda: over() and self._healthy(), "recover")
            healthy_s = time.monotonic()
            before = load.commits()
            self._wait(lambda: load.commits() >= before + clients, "acknowledge commits")
            time.sleep(_SETTLE_S)
        finally:
            load.stop()
        stored = load.stored_rows()
        changes = _consumed(consumer, load.ledger.acknowledged, stored) if consumer else None
        load.drop()
        return replace(self._report(load, stored, target, began_at, began_s, healthy_s), changes=changes)

    def _consume(self, consumer: Consumer) -> None:
        """Start a consumer, with its slot on all instances if this version keeps slots.

        In the first seconds after logical replication was switched on, a reader cannot have it.
        """
        names = [each["DBInstanceIdentifier"] for each in self._status()["DBInstances"]]
        instances = [Target.of(self._send(Connection(cluster=self._cluster, instance=each))) for each in names]
        keeps = consumer.keeps_slots()
        if keeps:
            holds_in_time(lambda: all(has_slot(each, ANCHOR) for each in instances), _SLOT_TIMEOUT_S, _POLL_S)
        consumer.start()
        if keeps:
            holds_in_time(lambda: all(has_slot(each, consumer.slot) for each in instances), _SLOT_TIMEOUT_S, _POLL_S)

    def _wait(self, condition: Callable[[], bool], what: str) -> None:
        wait_until(
            f"DBCluster {self._cluster} did not {what}",
            lambda: "" if _holds(condition) else "it has not recovered",
            _HEALTHY_TIMEOUT_S,
            _POLL_S,
            explain=lambda: f"its health is {self._status()['DBCluster']['Health']}",
            hint=f"See auroractl status {self._cluster}",
        )

    def _aim(self, kind: Kind) -> Aim:
        """Choose the target of a fault and the functions that inject and end it."""
        instances = self._status()["DBInstances"]
        writer = next(each for each in instances if each["IsClusterWriter"])
        name, zone = str(writer["DBInstanceIdentifier"]), str(writer["AvailabilityZone"])
        match kind:
            case Kind.WRITER_CRASH:
                aim: Aim = name, lambda: self._fault(CrashInstance, name), lambda: self._moved(name)
            case Kind.WRITER_HANG:
                aim = name, lambda: self._fault(HangInstance, name), lambda: self._moved(name)
            case Kind.PLANNED | Kind.LIKE_AWS:
                aim = name, lambda: self._fail_over(like_aws=kind is Kind.LIKE_AWS), lambda: self._moved(name)
            case Kind.AZ_OUTAGE:
                aim = zone, lambda: self._fault(AzOutage, zone), lambda: self._restore(zone, name)
            case Kind.READER_CRASH:
                reader = next(str(each["DBInstanceIdentifier"]) for each in instances if not each["IsClusterWriter"])
                aim = reader, lambda: self._fault(CrashInstance, reader), lambda: True
            case Kind.STORAGE_NODE:
                volume = self._send(DescribeVolumes(cluster=self._cluster))["StorageVolumes"][0]
                node = str(volume["StorageNodes"][0]["StorageNodeIdentifier"])
                aim = node, lambda: self._fault(CrashStorageNode, node), lambda: True
            case _:
                pid = int(self._send(SupervisorStatus())["ProcessId"])
                aim = f"process {pid}", lambda: os.kill(pid, signal.SIGKILL), lambda: True
        return aim

    def _fail_over(self, *, like_aws: bool) -> None:
        self._send(Failover(cluster=self._cluster, like_aws=like_aws))

    def _fault(self, kind: type[FaultRequest], target: str) -> None:
        self._send(kind(cluster=self._cluster, target=target))

    def _restore(self, zone: str, writer: str) -> bool:
        """End the outage of a zone once another instance is the writer."""
        status = self._status()
        if not self._moved(writer) or status["DBCluster"]["Operation"] is not None:
            return False
        if any(fault["Target"] == zone for fault in status["StorageVolume"]["Faults"]):
            self._fault(EndFault, zone)
        return True

    def _report(
        self, load: Workload, stored: set[Row], target: str, began_at: datetime, began_s: float, healthy_s: float
    ) -> Round:
        ledger = load.ledger
        gap_s, first_s = longest_gap(ledger.commits_s, began_s)
        steps, started_ms = self._failover_since(began_at)
        buckets = [0] * (1 + int((ledger.commits_s[-1] - began_s + 1) / BUCKET_S))
        for moment_s in ledger.commits_s:
            if moment_s >= began_s - 1:
                buckets[int((moment_s - began_s + 1) / BUCKET_S)] += 1
        return Round(
            target=target,
            detection_ms=started_ms,
            fence_ms=_duration_ms(steps, "Fence the writer", "Stop the writer"),
            promotion_ms=_duration_ms(steps, "Promote"),
            first_commit_ms=(first_s - began_s) * 1000,
            longest_gap_ms=gap_s * 1000,
            healthy_ms=(healthy_s - began_s) * 1000,
            commits=len(ledger.acknowledged),
            rows_lost=len(ledger.acknowledged - stored),
            rows_in_doubt=len(ledger.in_doubt),
            rows_in_doubt_there=len(ledger.in_doubt & stored),
            reads=ledger.reads,
            reads_failed=ledger.reads_failed,
            commits_by_bucket=tuple(buckets),
        )

    def _failover_since(self, moment: datetime) -> tuple[list[Any], float | None]:
        for view in self._send(FailoverHistory(cluster=self._cluster))["Failovers"]:
            started_at = datetime.fromisoformat(view["StartTime"])
            if started_at >= moment:
                return view["Steps"], (started_at - moment).total_seconds() * 1000
            break
        return [], None


def _holds(condition: Callable[[], bool]) -> bool:
    """Return whether a condition holds. A request to a killed supervisor fails once and starts the next one."""
    try:
        return condition()
    except SupervisorUnavailable:
        return False


def _fault_of(kind: Kind, number: int) -> Kind:
    """Return the fault of a round; the failovers under a consumer of changes are planned and crashes in turn."""
    if kind is not Kind.CDC_FAILOVER:
        return kind
    return Kind.PLANNED if number % 2 else Kind.WRITER_CRASH


def _consumed(consumer: Consumer, acknowledged: set[Row], stored: set[Row]) -> Changes:
    """Wait until the consumer has everything, or its slot is gone, and count."""
    wanted, received = acknowledged | stored, consumer.received
    # Several answers that the slot does not exist: after a failover the routes may lag behind.
    missing_since_s: list[float] = []

    def settled() -> bool:
        if not consumer.slot_missing:
            missing_since_s.clear()
        elif not missing_since_s:
            missing_since_s.append(time.monotonic())
        gone = bool(missing_since_s) and time.monotonic() - missing_since_s[0] > _SLOT_GONE_S
        return gone or wanted <= received.rows.keys()

    holds_in_time(settled, _CONSUME_TIMEOUT_S, _POLL_S)
    rows = set(received.rows)
    return Changes(
        received=len(rows),
        lost=len(wanted - rows),
        repeated=received.repeated,
        repeated_below=received.repeated_below,
        not_stored=len(rows - stored),
        connections=received.connections,
        slot_kept=not consumer.slot_missing,
        major=consumer.major,
    )


def longest_gap(commits_s: list[float], since_s: float) -> tuple[float, float]:
    """Return the longest time between two acknowledged commits that ends after `since_s`, and its end.

    Raises AuroraError if no commit was acknowledged after `since_s`.
    """
    moments_s = sorted(commits_s)
    gaps = [(later - earlier, later) for earlier, later in itertools.pairwise(moments_s) if later > since_s]
    if not gaps:
        raise AuroraError("No commit was acknowledged after the fault.", "See auroractl status")
    return max(gaps)


def _duration_ms(steps: list[Any], *names: str) -> float | None:
    found = [step["DurationMilliseconds"] for step in steps if step["Name"].startswith(names)]
    return found[0] if found else None
