"""Clusters to decide about, in plain values."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from auroractl.core.addresses import AddressPlan
from auroractl.core.model import (
    Cluster,
    ClusterSnapshot,
    Endpoint,
    EndpointProcessObservation,
    EndpointType,
    Instance,
    InstanceObservation,
    Phase,
    Wanted,
)

NOW = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
PLAN = AddressPlan("127.20.30", 5432)


def cluster(wanted: Wanted = Wanted.RUNNING, phase: Phase = Phase.NONE) -> Cluster:
    """The cluster demo."""
    return Cluster(
        "demo", "cluster-X", "18.6", "us-east-1", 5432, "127.20.30", "postgres", "postgres", 86_400, False, {}, NOW, wanted, phase
    )  # fmt: skip


def instance(number: int, *, tier: int = 1, age_s: int = 0, wanted: Wanted = Wanted.RUNNING) -> Instance:
    """Instance i1 is the writer, the others are readers."""
    zones = cluster().availability_zones
    address = list(PLAN.instances(()))[number - 1]
    created_at = NOW - timedelta(seconds=age_s)
    return Instance(f"i{number}", "demo", zones[(number - 1) % 3], number == 1, tier, address, created_at, wanted)


def well(number: int) -> InstanceObservation:
    """An instance that answers, and follows if it is a reader."""
    return InstanceObservation(
        at=NOW, pid=100 + number, accepting=True, in_recovery=number != 1, lsn=1000, following=number != 1, lag_bytes=0
    )


def gone() -> InstanceObservation:
    """An instance without a process."""
    return InstanceObservation(at=NOW, detail="there is no server process")


def silent(number: int) -> InstanceObservation:
    """An instance whose process does not answer."""
    return InstanceObservation(at=NOW, pid=100 + number, detail="it did not answer in time")


def snapshot(
    *seen: InstanceObservation,
    row: Cluster | None = None,
    endpoint_process: EndpointProcessObservation | None = None,
    failed: dict[str, str] | None = None,
) -> ClusterSnapshot:
    """A cluster with one instance per observation."""
    rows = tuple(instance(number) for number in range(1, len(seen) + 1))
    return ClusterSnapshot(
        at=NOW,
        cluster=row or cluster(),
        instances=rows,
        endpoints=tuple(
            Endpoint(f"demo-{kind.value.lower()}", "demo", kind, PLAN.endpoint(kind))
            for kind in (EndpointType.WRITER, EndpointType.READER)
        ),
        observed={each.identifier: observation for each, observation in zip(rows, seen, strict=True)},
        endpoint_process=endpoint_process or EndpointProcessObservation(at=NOW, pid=99, responding=True),
        failed=failed or {},
    )
