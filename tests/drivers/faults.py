"""Faults under which drivers write, and what an application on each of them saw."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tests.drivers.harness import DEADLINE_S, Command, Recorder

POLL_S = 0.1
FAULTS = ("az-outage", "writer-crash", "planned", "writer-hang")
"""The outage is first: AWS's drivers trust what they know for 10 s after a failover, and then the old writer must be there."""


@dataclass(frozen=True)
class Seen:
    """What the application on a driver saw of a fault."""

    driver: str
    fault: str
    gap_s: float
    """The longest time between two acknowledged rows."""
    errors: tuple[str, ...]


class Faults:
    """Injects faults into a cluster while drivers write, and waits until all of them write again."""

    def __init__(
        self, command: Command, cluster: str, recorder: Recorder, drivers: Sequence[str], rest_s: float = 1.0
    ) -> None:
        """Prepare; `rest_s` is the time of load before each fault."""
        self._command, self._cluster, self._recorder, self._drivers = command, cluster, recorder, drivers
        self._rest_s = rest_s

    def begin(self) -> None:
        """Wait until every driver writes."""
        self._wait_for_all(0.0)

    def inject(self, fault: str, then: Callable[[], object] = bool) -> list[Seen]:
        """Inject a fault and wait for the new writer and for every driver; then end it, and wait for the cluster.

        Returns what was seen.
        """
        time.sleep(self._rest_s)
        old = self._writer()
        name, zone = str(old["DBInstanceIdentifier"]), str(old["AvailabilityZone"])
        began_s = time.monotonic()
        self._act(fault, name, zone)
        _wait(f"a new writer after {fault}", lambda: self._writer()["DBInstanceIdentifier"] != name)
        moved_s = time.monotonic()
        self._wait_for_all(moved_s)
        if fault == "az-outage":
            self._command("inject-fault", "az-restore", zone)
        written_s = time.monotonic()
        then()
        self._command("wait", "cluster-available", self._cluster, "--timeout", f"{DEADLINE_S:g}s")
        _wait("the cluster to be healthy", lambda: self._cluster_view()["Health"] == "ok")
        until_s = time.monotonic()
        return [
            Seen(
                driver,
                fault,
                self._recorder.longest_gap_s(driver, began_s, written_s),
                tuple(self._recorder.errors_between(driver, began_s, until_s)),
            )
            for driver in self._drivers
        ]

    def _act(self, fault: str, writer: str, zone: str) -> None:
        command = {
            "writer-crash": ("inject-fault", "crash-instance", writer),
            "writer-hang": ("inject-fault", "hang-instance", writer),
            "planned": ("failover", self._cluster),
            "az-outage": ("inject-fault", "az-outage", zone),
        }[fault]
        self._command(*command)

    def _cluster_view(self) -> Any:
        return json.loads(self._command("describe-clusters", self._cluster, "--output", "json"))["DBClusters"][0]

    def _writer(self) -> Any:
        found = json.loads(self._command("describe-instances", self._cluster, "--output", "json"))["DBInstances"]
        return next(each for each in found if each["IsClusterWriter"])

    def _wait_for_all(self, since_s: float) -> None:
        def silent() -> list[str]:
            return [driver for driver in self._drivers if self._recorder.last_s(driver) <= since_s]

        def explain() -> str:
            last = {driver: self._recorder.errors[driver][-1:] for driver in silent()}
            return f"silent: {last}; {''.join(self._recorder.noise[-20:])}"

        _wait("every driver to write", lambda: not silent(), explain)


def _wait(what: str, holds: Callable[[], bool], explain: Callable[[], str] = str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {DEADLINE_S:g} s for {what}; {explain()}")
        time.sleep(POLL_S)
