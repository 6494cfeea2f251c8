"""What the SQL functions of an instance show of its cluster, and what the supervisor keeps in memory for them."""

from __future__ import annotations

import math
import os
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from auroractl.core.model import Instance, InstanceObservation
from auroractl.core.volume.quorum import write_quorum
from auroractl.engine.aurora_topology import ListedInstance, Topology
from auroractl.state.volumes import VolumeRows
from auroractl.system.liveness import cpu_time_s

_SESSIONS = uuid.UUID("6f6f3a0e-1c55-4c0e-9d0a-0a6f1c9d7b52")
"""Namespace of the session identifiers of readers."""


@dataclass(slots=True)
class Figures:
    """The figures of one instance."""

    answered_at: datetime | None = None
    """When it last answered a probe. After a restart: None until it does."""
    cpu_percent: float | None = None
    """Share of the machine's processors that its processes used lately. After a restart: None until measured twice."""
    _used: tuple[int, float, float] | None = None
    """Its process, the CPU seconds of that and its descendants, and the monotonic time. After a restart: measured."""

    def measure_cpu(self, pid: int) -> None:
        """Measure the CPU time that a server has used since the last measurement."""
        now_s, used_s = time.monotonic(), cpu_time_s(pid)
        if self._used is not None and self._used[0] == pid and now_s > self._used[2]:
            # Processes that have ended are missing from the sum.
            share = max(used_s - self._used[1], 0.0) / (now_s - self._used[2])
            self.cpu_percent = round(min(share / (os.cpu_count() or 1), 1.0) * 100, 2)
        self._used = (pid, used_s, now_s)


@dataclass(slots=True)
class AuroraMemory:
    """What is remembered of a cluster for Aurora's SQL functions."""

    figures: dict[str, Figures] = field(default_factory=dict)
    """By instance. After a restart: begun again."""
    timeline: int | None = None
    """The timeline on which databases were checked. After a restart: None, and all are checked again."""
    checked: frozenset[int] = frozenset()
    """The databases on it that have the functions, by oid. After a restart: none."""
    injected_s: float = -math.inf
    """When a function last injected a fault, on the monotonic clock. After a restart: long ago."""
    due_s: float = 0.0
    """When a failed installation is tried again, on the monotonic clock. After a restart: at once."""

    def of(self, instance: str) -> Figures:
        """Return the figures of an instance."""
        return self.figures.setdefault(instance, Figures())


def topology(
    writer: str,
    instances: list[Instance],
    observed: Mapping[str, InstanceObservation],
    volume: VolumeRows | None,
    memory: AuroraMemory,
) -> Topology:
    """Return what the instances of a cluster show. All are listed, also those that are down."""
    nodes = volume.nodes if volume is not None else ()
    return Topology(
        writer=writer,
        instances=tuple(_listed(each, observed.get(each.identifier), memory) for each in instances),
        write_quorum=write_quorum((node.identifier, node.membership) for node in nodes).required,
        disks=volume.groups if volume is not None else 0,
        nodes=len(nodes),
    )


def topology_of_copy(name: str, at: datetime) -> Topology:
    """Return what a recovered copy shows: itself alone, which is no writer and has no storage volume.

    It has the name of the writer, as the server of which it is a copy.
    """
    session = str(uuid.uuid5(_SESSIONS, f"copy of {name} {at.isoformat()}"))
    listed = ListedInstance(id=name, session=session, seen_at_s=at.timestamp())
    return Topology(writer="", instances=(listed,), write_quorum=0, disks=0, nodes=0)


def _listed(instance: Instance, seen: InstanceObservation | None, memory: AuroraMemory) -> ListedInstance:
    figures = memory.of(instance.identifier)
    if seen is not None and seen.accepting:
        figures.answered_at = seen.at
    return ListedInstance(
        id=instance.identifier,
        session=str(uuid.uuid5(_SESSIONS, f"{instance.identifier} {instance.created_at.isoformat()}")),
        seen_at_s=(figures.answered_at or instance.created_at).timestamp(),
        lsn=seen.lsn if seen is not None else None,
        lag_ms=seen.lag_ms if seen is not None else None,
        cpu_percent=figures.cpu_percent,
    )
