"""The DNS answers of a cluster and their recent changes, which an injected fault delays."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from auroractl.core.dns_answers import Answers, answers
from auroractl.core.model import ClusterSnapshot
from auroractl.core.routing_table import RoutingTable
from auroractl.core.volume.faults import DNS_TARGET

_CHANGES_MAX = 32


@dataclass(slots=True)
class DnsMemory:
    """Answers by name. Read by the DNS server's thread while another one replaces them."""

    _changes: Mapping[str, tuple[tuple[float, tuple[str, ...]], ...]] = field(default_factory=dict)
    """The addresses of each name, with the monotonic time from which they are right. After a restart: the current ones."""
    _zones: frozenset[str] = frozenset()
    """The domains directly below which the names are. After a restart: those of the current names."""
    _lag_s: float = 0.0
    """How long a change stays unknown. After a restart: as the fault in the database says."""

    @property
    def newest(self) -> Answers:
        """Return the answers that are right now."""
        return {name: changes[-1][1] for name, changes in self._changes.items()}

    def learn(self, snapshot: ClusterSnapshot, table: RoutingTable, *, follow_roles: bool) -> None:
        """Replace all answers by those for a snapshot and its routes."""
        fault = snapshot.fault_on(DNS_TARGET)
        found = answers(snapshot, table, self.newest, follow_roles=follow_roles)
        self.keep(found, (fault.delay_ms or 0) / 1000 if fault else 0, time.monotonic())

    def keep(self, answers: Answers, lag_s: float, now_s: float) -> None:
        """Replace all answers; a name that is missing does not exist any more."""
        changes = {}
        for name, hosts in answers.items():
            known = self._changes.get(name, ())
            changes[name] = known if known and known[-1][1] == hosts else (*known[1 - _CHANGES_MAX :], (now_s, hosts))
        self._changes, self._lag_s = changes, lag_s
        self._zones = frozenset(name.partition(".")[2] for name in changes)

    def hosts(self, name: str, now_s: float) -> tuple[str, ...] | None:
        """Return the addresses of a name as they were before the lag; None for no name."""
        changes = self._changes.get(name)
        if changes is None:
            return None
        told = [hosts for since_s, hosts in changes if since_s <= now_s - self._lag_s]
        return told[-1] if told else changes[0][1]

    def zones(self) -> frozenset[str]:
        """Return the domains directly below which the names are."""
        return self._zones
