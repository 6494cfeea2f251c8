"""The tour for first-time users: a real cluster under load, a crash and a backtrack."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from auroractl.api.progress import Progress, Silent
from auroractl.api.request import Request
from auroractl.api.requests.clusters import (
    CreateCluster,
    DeleteCluster,
    DescribeClusters,
    DescribeEvents,
    DescribeStatus,
)
from auroractl.api.requests.faults import CrashInstance
from auroractl.api.requests.instances import Connection
from auroractl.api.requests.restore import Backtrack
from auroractl.control_planes import ControlPlane
from auroractl.core.errors import ClusterAlreadyExists
from auroractl.core.text.timestamps import timestamp
from auroractl.drills.drill import longest_gap
from auroractl.drills.workload import Target, Workload
from auroractl.system.waiting import holds_in_time, wait_until

_CLIENTS = 4
_TABLE = "auroractl_demo"
_LOAD_S = 3.0
_HEALTHY_TIMEOUT_S = 120.0
_POLL_S = 0.1
_BEFORE_THE_MISTAKE_S = 1.0
"""Separates the time to go back to from the mistake itself."""


@dataclass(slots=True)
class TourResult:
    """The figures that the tour measured."""

    create_ms: float = 0.0
    rows_acknowledged: int = 0
    rows_lost: int = 0
    killed: str = ""
    promoted: str = ""
    gap_ms: float = 0.0
    backtracked_rows: int = 0
    """The number of rows that the backtrack recovered."""


class Tour:
    """Sends requests as commands do, and runs a load as a database client.

    `tell` receives one line at a time; `pause` is called between scenes.
    """

    def __init__(
        self,
        control_plane: Callable[[], ControlPlane],
        cluster: str,
        tell: Callable[[str], None],
        pause: Callable[[], None],
    ) -> None:
        self._control_plane, self._cluster = control_plane, cluster
        self._tell, self._pause = tell, pause
        self._known_events: set[tuple[str, str]] = set()
        self._created = False

    def run(self, progress: Progress) -> TourResult:
        """Run all scenes. Raises ClusterAlreadyExists, and the errors of the commands that it runs."""
        result = TourResult()
        self._create(result, progress)
        self._pause()
        self._tell("")
        self._tell(f"2. Write: {_CLIENTS} clients remember every acknowledged row.")
        load = Workload(self._target("writer"), self._target("reader"), _TABLE, _CLIENTS)
        load.start()
        try:
            time.sleep(_LOAD_S)
            self._tell(f"   {load.commits():,} rows in {_LOAD_S:g} s, each flushed to at least four of six copies.")
            self._pause()
            self._kill_writer(result, load)
        finally:
            load.stop()
        self._count(result, load)
        self._pause()
        self._go_back(result, load, progress)
        return result

    def has_cluster(self) -> bool:
        """Return whether the tour's cluster exists or is being created."""
        return self._created and self._own() is not None

    def delete(self, progress: Progress) -> None:
        """Delete the tour's cluster after its running operation, if any."""

        def idle() -> bool:
            own = self._own()
            return own is None or own["Operation"] is None

        holds_in_time(idle, _HEALTHY_TIMEOUT_S, _POLL_S)
        if self._own() is not None:
            self._send(DeleteCluster(cluster=self._cluster), progress)

    def _own(self) -> Any:
        found = self._send(DescribeClusters())["DBClusters"]
        return next((each for each in found if each["DBClusterIdentifier"] == self._cluster.lower()), None)

    def _create(self, result: TourResult, progress: Progress) -> None:
        self._tell("1. Create a cluster: a writer, two readers and six copies in three zones.")
        self._command(f"create-cluster {self._cluster}")
        if self._own() is not None:
            raise ClusterAlreadyExists(self._cluster)
        # From here on a cluster of that name is the tour's own, even if its creation is interrupted.
        self._created = True
        began_s = time.monotonic()
        document = self._send(CreateCluster(cluster=self._cluster, readers=2), progress)
        result.create_ms = (time.monotonic() - began_s) * 1000
        view = document["DBCluster"]
        self._tell(f"   Available after {result.create_ms / 1000:.1f} s, at {view['Endpoint']}:{view['Port']}.")

    def _kill_writer(self, result: TourResult, load: Workload) -> None:
        result.killed = self._writer()
        self._tell("")
        self._tell(f"3. Kill the writer {result.killed} (SIGKILL) while the clients write.")
        self._command(f"inject-fault crash-instance {result.killed} --cluster {self._cluster}")
        self._events()
        began_s = time.monotonic()
        self._send(CrashInstance(cluster=self._cluster, target=result.killed))

        def not_healed() -> str:
            self._tell_new_events()
            return "" if self._healed(result.killed) else "an instance is not available"

        hint = f"auroractl status {self._cluster}"
        wait_until(f"DBCluster {self._cluster} did not recover", not_healed, _HEALTHY_TIMEOUT_S, _POLL_S, hint=hint)
        self._tell_new_events()
        before = load.commits()
        holds_in_time(lambda: load.commits() >= before + _CLIENTS, _HEALTHY_TIMEOUT_S, _POLL_S)
        result.promoted = self._writer()
        gap_s, _ = longest_gap(load.ledger.commits_s, began_s)
        result.gap_ms = gap_s * 1000
        self._tell(f"   {result.promoted} is the writer now; {result.killed} is back as a reader.")
        self._tell(f"   Clients kept the same address and could not write for {gap_s:.2f} s.")

    def _count(self, result: TourResult, load: Workload) -> None:
        stored = load.stored_rows()
        result.rows_acknowledged = len(load.ledger.acknowledged)
        result.rows_lost = len(load.ledger.acknowledged - stored)
        found = result.rows_acknowledged - result.rows_lost
        self._pause()
        self._tell("")
        self._tell("4. Count the acknowledged rows.")
        self._tell(f"   {found:,} of {result.rows_acknowledged:,} rows are in the table; {result.rows_lost} lost.")

    def _go_back(self, result: TourResult, load: Workload, progress: Progress) -> None:
        self._tell("")
        self._tell("5. Drop the table by mistake, and backtrack to the time before.")
        moment = timestamp(datetime.now(UTC))
        time.sleep(_BEFORE_THE_MISTAKE_S)
        load.drop()
        self._tell("   DROP TABLE: all rows are gone.")
        self._command(f"backtrack {self._cluster} --to {moment}")
        request = Backtrack(cluster=self._cluster, to=datetime.fromisoformat(moment))
        done = self._send(request, progress)["DBClusterBacktrack"]
        result.backtracked_rows = len(load.stored_rows())
        downtime_s = done["DowntimeMilliseconds"] / 1000
        self._tell(f"   {result.backtracked_rows:,} rows are back, after {downtime_s:.2f} s without a writer.")

    def _send(self, request: Request, progress: Progress | None = None) -> Any:
        return self._control_plane().request(request.verb, request.to_json(), progress or Silent())

    def _command(self, text: str) -> None:
        self._tell(f"   $ auroractl {text}")

    def _target(self, role: str) -> Target:
        found = self._send(Connection(cluster=self._cluster, role=role))
        return Target.of(found)

    def _status(self) -> Any:
        return self._send(DescribeStatus(cluster=self._cluster))

    def _writer(self) -> str:
        return next(
            str(each["DBInstanceIdentifier"]) for each in self._status()["DBInstances"] if each["IsClusterWriter"]
        )

    def _healed(self, killed: str) -> bool:
        status = self._status()
        moved = any(
            each["IsClusterWriter"] and each["DBInstanceIdentifier"] != killed for each in status["DBInstances"]
        )
        return moved and status["DBCluster"]["Health"] == "ok" and status["Operation"] is None

    def _events(self) -> list[Any]:
        """Return the events that were not returned before."""
        events = self._send(DescribeEvents(source=self._cluster, duration_s=600, max_records=100))["Events"]
        new = [each for each in events if (each["Date"], each["Message"]) not in self._known_events]
        self._known_events |= {(each["Date"], each["Message"]) for each in new}
        return new

    def _tell_new_events(self) -> None:
        for event in self._events():
            self._tell(f"     {event['Date'][11:23]}  {event['Message']}")
