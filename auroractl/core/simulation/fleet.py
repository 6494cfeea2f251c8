"""Event-driven simulation of a volume over years.

Placement, quorums and growth are the code that a real volume runs on (`storage`, `quorum`, `growth`). Failures of
copies and zones are random, and a repair takes as long as the transfer of its bytes at the given bandwidth.
"""

from __future__ import annotations

import heapq
import math
import random
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from auroractl.core.simulation.durability import YEAR_S, Assumptions, Loss, Scheme
from auroractl.core.volume.growth import initial_groups, plan_growth
from auroractl.core.volume.model import StorageVolume

_GROWTH_STEP_S = 86_400.0
_Z = 1.959964
"""95 % quantile (two-sided) of the normal distribution."""
_POISSON_ZERO = 3.688879
"""Upper 95 % bound (two-sided) of a Poisson mean after no occurrences."""


@dataclass(slots=True)
class LossTally:
    """Number and duration of losses in one run."""

    groups: int = 0
    """Losses, each group counted separately."""
    volume_s: float = 0.0
    """Time during which at least one group had lost it."""
    now: int = 0
    """Groups that have currently lost it."""
    since_s: float = 0.0


@dataclass(slots=True)
class Run:
    """One run through all years."""

    losses: dict[Loss, LossTally] = field(default_factory=lambda: {loss: LossTally() for loss in Loss})
    failures: int = 0
    outages: int = 0
    repaired_bytes: int = 0
    growths: int = 0
    groups: int = 0
    """Groups at the end."""


class _Volume:
    """The state of all groups; only those with a destroyed copy are stored individually."""

    def __init__(self, scheme: Scheme, assumptions: Assumptions, source: random.Random) -> None:
        self._scheme, self._assumptions, self._random = scheme, assumptions, source
        self._copies = len(scheme.zone_of)
        self._destroyed: dict[int, int] = {}
        self._unreachable = 0
        self._row = _volume_row(assumptions)
        self._events: list[tuple[float, int, str, int]] = []
        self._order = 0
        self.run = Run()
        held_bytes = assumptions.initial_bytes or assumptions.size_bytes
        self._groups = plan_growth(self._row, initial_groups(self._row, held_bytes), held_bytes).groups_after

    def simulate(self) -> Run:
        """Simulate from beginning to end."""
        end_s = self._assumptions.years * YEAR_S
        for zone in range(len(self._scheme.zone_masks)):
            self._plan_outage(zone, 0.0)
        if self._assumptions.initial_bytes is not None:
            self._plan(_GROWTH_STEP_S, "grow", 0)
        now_s = 0.0
        while True:
            # Exponential lifetimes are memoryless, so the next failure may be drawn again after every event.
            failure_s = now_s + self._random.expovariate(
                self._groups * self._copies / self._assumptions.node_mttf_s
            )  # fmt: skip
            if self._events and self._events[0][0] <= min(failure_s, end_s):
                now_s, _, kind, subject = heapq.heappop(self._events)
                getattr(self, f"_{kind}")(subject, now_s)
            elif failure_s <= end_s:
                now_s = failure_s
                self._fail(now_s)
            else:
                break
        for tally in self.run.losses.values():
            if tally.now:
                tally.volume_s += end_s - tally.since_s
        self.run.groups = self._groups
        return self.run

    def _plan(self, at_s: float, kind: str, subject: int) -> None:
        self._order += 1
        heapq.heappush(self._events, (at_s, self._order, kind, subject))

    def _plan_outage(self, zone: int, now_s: float) -> None:
        if self._assumptions.az_outages_per_year:
            apart_s = self._random.expovariate(self._assumptions.az_outages_per_year / YEAR_S)
            self._plan(now_s + apart_s, "outage", zone)

    def _fail(self, now_s: float) -> None:
        number = int(self._random.random() * self._groups * self._copies)
        group, copy = divmod(number, self._copies)
        before = self._destroyed.get(group, 0)
        if before >> copy & 1:
            return
        self._destroyed[group] = before | 1 << copy
        self.run.failures += 1
        self._plan(now_s + self._assumptions.repair_s, "repair", number)
        self._count(before, before | 1 << copy, now_s)

    def _repair(self, number: int, now_s: float) -> None:
        group, copy = divmod(number, self._copies)
        before = self._destroyed[group]
        after = before & ~(1 << copy)
        if after:
            self._destroyed[group] = after
        else:
            del self._destroyed[group]
        self.run.repaired_bytes += self._assumptions.group_bytes
        self._count(before, after, now_s)

    def _outage(self, zone: int, now_s: float) -> None:
        self.run.outages += 1
        self._plan(now_s + self._assumptions.az_outage_s, "restore", zone)
        self._reach(self._unreachable | self._zone_mask(zone), now_s)

    def _restore(self, zone: int, now_s: float) -> None:
        self._plan_outage(zone, now_s)
        self._reach(self._unreachable & ~self._zone_mask(zone), now_s)

    def _zone_mask(self, zone: int) -> int:
        return list(self._scheme.zone_masks.values())[zone]

    def _grow(self, _subject: int, now_s: float) -> None:
        self._plan(now_s + _GROWTH_STEP_S, "grow", 0)
        assumptions = self._assumptions
        initial_bytes = assumptions.initial_bytes or assumptions.size_bytes
        grown = (assumptions.size_bytes - initial_bytes) * now_s / (assumptions.years * YEAR_S)
        plan = plan_growth(self._row, self._groups, initial_bytes + int(grown))
        if plan.groups_after != plan.groups_before:
            self.run.growths += 1
            # New groups are as reachable as all others; they may lack a quorum from the beginning.
            for loss, table in self._scheme.lost.items():
                if loss is not Loss.DATA and table[self._unreachable]:
                    self._change(loss, plan.groups_after - plan.groups_before, now_s)
            self._groups = plan.groups_after

    def _count(self, before: int, after: int, now_s: float) -> None:
        """Update the counts after a change of one group's destroyed copies."""
        for loss, table in self._scheme.lost.items():
            unreachable = 0 if loss is Loss.DATA else self._unreachable
            change = table[after | unreachable] - table[before | unreachable]
            if change:
                self._change(loss, change, now_s)

    def _reach(self, unreachable: int, now_s: float) -> None:
        """Update all groups after an outage or the return of zones."""
        for loss, table in self._scheme.lost.items():
            if loss is Loss.DATA:
                continue
            states = self._destroyed.values()
            lost = sum(table[each | unreachable] and not table[each | self._unreachable] for each in states)
            back = sum(table[each | self._unreachable] and not table[each | unreachable] for each in states)
            whole = self._groups - len(self._destroyed)
            whole_change = table[unreachable] - table[self._unreachable]
            self._change(loss, lost + whole * max(whole_change, 0), now_s)
            self._change(loss, -back + whole * min(whole_change, 0), now_s)
        self._unreachable = unreachable

    def _change(self, loss: Loss, groups: int, now_s: float) -> None:
        tally = self.run.losses[loss]
        if groups > 0:
            tally.groups += groups
            if not tally.now:
                tally.since_s = now_s
        tally.now += groups
        if groups < 0 and not tally.now:
            tally.volume_s += now_s - tally.since_s


def _volume_row(assumptions: Assumptions) -> StorageVolume:
    return StorageVolume(
        cluster="simulated", auto_grow=True, max_capacity_bytes=assumptions.size_bytes,
        increment_bytes=assumptions.group_bytes, headroom_percent=assumptions.headroom_percent,
        group_bytes=assumptions.group_bytes, created_at=datetime(2000, 1, 1, tzinfo=UTC),
    )  # fmt: skip


def simulate(scheme: Scheme, assumptions: Assumptions, runs: int, seed: int) -> Iterator[Run]:
    """Simulate independent runs; the same seed gives the same runs."""
    for number in range(runs):
        yield _Volume(scheme, assumptions, random.Random(f"{seed}/{scheme.name}/{number}")).simulate()  # noqa: S311


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean with its 95 % confidence interval."""

    value: float
    low: float
    high: float


def probability(hits: int, trials: int) -> Estimate:
    """Estimate a share with Wilson's score interval, which holds for small shares too (Wilson 1927).

    >>> probability(0, 100).low, round(probability(0, 100).high, 3)
    (0.0, 0.037)
    """
    share = hits / trials
    scale = 1 + _Z**2 / trials
    middle = (share + _Z**2 / (2 * trials)) / scale
    half = _Z * math.sqrt(share * (1 - share) / trials + _Z**2 / (4 * trials**2)) / scale
    return Estimate(share, max(0.0, middle - half) if hits else 0.0, min(1.0, middle + half))


def mean(values: Sequence[float], years: float = 1.0) -> Estimate:
    """Estimate a mean per year with the normal interval, or with the Poisson bound after no occurrences."""
    total = statistics.fmean(values) / years
    if not any(values):
        return Estimate(0.0, 0.0, _POISSON_ZERO / (len(values) * years))
    half = _Z * statistics.stdev(values) / math.sqrt(len(values)) / years if len(values) > 1 else math.inf
    return Estimate(total, max(0.0, total - half), total + half)
