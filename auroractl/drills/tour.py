"""A walk through what a cluster does, for someone who sees it for the first time; on a real one, under load."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from auroractl.backends import Backend, Progress
from auroractl.core.errors import ClusterAlreadyExists, TimedOut
from auroractl.core.timestamps import timestamp
from auroractl.drills.drill import longest_gap
from auroractl.drills.workload import Target, Workload

_CLIENTS = 4
_TABLE = "auroractl_demo"
_LOAD_S = 3.0
_WELL_TIMEOUT_S = 120.0
_POLL_S = 0.1
_BEFORE_THE_MISTAKE_S = 1.0
"""So that the moment before is not taken for the mistake's own."""


@dataclass(slots=True)
class Seen:
    """What the tour showed."""

    create_ms: float = 0.0
    rows_acknowledged: int = 0
    rows_lost: int = 0
    killed: str = ""
    promoted: str = ""
    gap_ms: float = 0.0
    backtracked_rows: int = 0
    """How many rows the backtrack brought back."""


class Tour:
    """Asks the supervisor as commands do, and is a client of the database.

    `tell` is given a sentence at a time; `pause` is called between scenes.
    """

    def __init__(
        self, backend: Callable[[], Backend], cluster: str, tell: Callable[[str], None], pause: Callable[[], None]
    ) -> None:
        self._backend, self._cluster = backend, cluster
        self._tell, self._pause = tell, pause
        self._told: set[tuple[str, str]] = set()
        self._created = False

    def run(self, progress: Progress) -> Seen:
        """All scenes. Raises ClusterAlreadyExists, and what the commands it shows raise."""
        seen = Seen()
        self._create(seen, progress)
        self._pause()
        self._tell("")
        self._tell(f"2. Write: {_CLIENTS} clients remember every row that was acknowledged.")
        load = Workload(self._target("writer"), self._target("reader"), _TABLE, _CLIENTS)
        load.start()
        try:
            time.sleep(_LOAD_S)
            self._tell(f"   {load.commits():,} rows in {_LOAD_S:g} s; each was flushed to four of six copies first.")
            self._pause()
            self._kill_writer(seen, load)
        finally:
            load.stop()
        self._count(seen, load)
        self._pause()
        self._go_back(seen, load, progress)
        return seen

    def left_something(self) -> bool:
        """Whether there is a cluster that the tour made, or is still making."""
        return self._created and self._own() is not None

    def delete(self, progress: Progress) -> None:
        """Remove what was made, once nothing works on it any more."""
        deadline = time.monotonic() + _WELL_TIMEOUT_S
        while (there := self._own()) is not None and there["Operation"] is not None and time.monotonic() < deadline:
            time.sleep(_POLL_S)
        if there is not None:
            self._ask("delete-cluster", progress, DBClusterIdentifier=self._cluster)

    def _own(self) -> Any:
        found = self._ask("describe-clusters", DBClusterIdentifier=None)["DBClusters"]
        return next((each for each in found if each["DBClusterIdentifier"] == self._cluster.lower()), None)

    def _create(self, seen: Seen, progress: Progress) -> None:
        self._tell("1. Create a cluster: a writer, two readers, six copies, in three zones.")
        self._command(f"create-cluster {self._cluster}")
        if self._own() is not None:
            raise ClusterAlreadyExists(self._cluster)
        # From here on whatever is there of that name was made by this, also where it is interrupted.
        self._created = True
        began_s = time.monotonic()
        nothing = (
            "EngineVersion", "DatabaseName", "MasterUsername", "MasterUserPassword", "Port", "Region",
            "BacktrackWindow",
        )  # fmt: skip
        document = self._ask(
            "create-cluster", progress, DBClusterIdentifier=self._cluster, Readers=2, DeletionProtection=False, Tags={},
            Retain=False, NoWait=False, **dict.fromkeys(nothing),
        )  # fmt: skip
        seen.create_ms = (time.monotonic() - began_s) * 1000
        view = document["DBCluster"]
        self._tell(f"   Available after {seen.create_ms / 1000:.1f} s, at {view['Endpoint']}:{view['Port']}.")

    def _kill_writer(self, seen: Seen, load: Workload) -> None:
        seen.killed = self._writer()
        self._tell("")
        self._tell(f"3. Kill the writer {seen.killed} (SIGKILL) while they write.")
        self._command(f"inject-fault crash-instance {seen.killed} --cluster {self._cluster}")
        self._events()
        began_s = time.monotonic()
        self._ask("inject-fault", DBClusterIdentifier=self._cluster, Kind="crash-instance", Target=seen.killed,
                  DurationSeconds=None)  # fmt: skip
        deadline = began_s + _WELL_TIMEOUT_S
        while not self._healed(seen.killed):
            if time.monotonic() > deadline:
                raise TimedOut(
                    f"{self._cluster} did not heal in {_WELL_TIMEOUT_S:g} s.", f"auroractl status {self._cluster}"
                )
            self._tell_new_events()
            time.sleep(_POLL_S)
        self._tell_new_events()
        before = load.commits()
        while load.commits() < before + _CLIENTS and time.monotonic() < deadline:
            time.sleep(_POLL_S)
        seen.promoted = self._writer()
        gap_s, _ = longest_gap(load.seen.commits_s, began_s)
        seen.gap_ms = gap_s * 1000
        self._tell(f"   {seen.promoted} writes now; {seen.killed} is back as a reader.")
        self._tell(f"   Clients kept their address and could not write for {gap_s:.2f} s.")

    def _count(self, seen: Seen, load: Workload) -> None:
        there = load.there()
        seen.rows_acknowledged = len(load.seen.acknowledged)
        seen.rows_lost = len(load.seen.acknowledged - there)
        found = seen.rows_acknowledged - seen.rows_lost
        self._pause()
        self._tell("")
        self._tell("4. Count what was acknowledged, before and after.")
        self._tell(f"   {found:,} of {seen.rows_acknowledged:,} rows are there; {seen.rows_lost} lost.")

    def _go_back(self, seen: Seen, load: Workload, progress: Progress) -> None:
        self._tell("")
        self._tell("5. Drop the table by mistake, and go back to before.")
        moment = timestamp(datetime.now(UTC))
        time.sleep(_BEFORE_THE_MISTAKE_S)
        load.drop()
        self._tell("   DROP TABLE: all rows are gone.")
        self._command(f"backtrack {self._cluster} --to {moment}")
        flags = ("UseEarliestTimeOnPointInTimeUnavailable", "Undo", "DryRun", "WaitAt", "Accept", "Cancel", "NoWait")
        done = self._ask(
            "backtrack", progress, DBClusterIdentifier=self._cluster, BacktrackTo=moment, Lsn=None,
            **dict.fromkeys(flags, False),
        )["DBClusterBacktrack"]  # fmt: skip
        seen.backtracked_rows = len(load.there())
        downtime_s = done["DowntimeMilliseconds"] / 1000
        self._tell(f"   {seen.backtracked_rows:,} rows are there again, after {downtime_s:.2f} s without a writer.")

    def _ask(self, verb: str, progress: Progress | None = None, **body: Any) -> Any:
        return self._backend().request(verb, body, progress or _Nobody())

    def _command(self, text: str) -> None:
        self._tell(f"   $ auroractl {text}")

    def _target(self, role: str) -> Target:
        there = self._ask("connection", DBClusterIdentifier=self._cluster, Role=role, DBInstanceIdentifier=None)
        return Target(there["Host"], there["Port"], there["User"], there["Password"], there["Database"])

    def _status(self) -> Any:
        return self._ask("describe-status", DBClusterIdentifier=self._cluster)

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
        """Events that were not among those seen before."""
        events = self._ask("describe-events", SourceIdentifier=self._cluster, DurationSeconds=600, MaxRecords=100)[
            "Events"
        ]
        new = [each for each in events if (each["Date"], each["Message"]) not in self._told]
        self._told |= {(each["Date"], each["Message"]) for each in new}
        return new

    def _tell_new_events(self) -> None:
        for event in self._events():
            self._tell(f"     {event['Date'][11:23]}  {event['Message']}")


class _Nobody:
    """Is told nothing."""

    def step(self, name: str, state: str, elapsed_ms: float | None) -> None:
        """Nothing."""

    def message(self, text: str) -> None:
        """Nothing."""
