"""Aurora's status words, derived from what was observed."""

from __future__ import annotations

from enum import StrEnum

from auroractl.core.health import ENDPOINT_PROCESS
from auroractl.core.model import ClusterSnapshot, Instance, Phase, Wanted

AVAILABLE = "available"
STOPPED = "stopped"
STARTING = "starting"
STOPPING = "stopping"
FAILED = "failed"
UNAVAILABLE = "unavailable"


class Health(StrEnum):
    """One word for a script: `status` exits 0 for ok and 3 for the others."""

    OK = "ok"
    DEGRADED = "degraded"
    DOWN = "down"


def instance_status(snapshot: ClusterSnapshot, instance: Instance) -> str:
    """AWS's DBInstanceStatus for an instance.

    A transition that an operation is making comes first, then what was seen: `available` only if a query was
    answered, `failed` if there is no process although one is wanted, `starting` if it does not answer yet.
    """
    if instance.phase is not Phase.NONE:
        return instance.phase.value
    seen = snapshot.seen(instance.identifier)
    if instance.wanted is not Wanted.RUNNING or snapshot.cluster.wanted is not Wanted.RUNNING:
        return STOPPED if seen.pid is None else STOPPING
    if seen.accepting:
        return AVAILABLE
    return FAILED if seen.pid is None else STARTING


def cluster_status(snapshot: ClusterSnapshot) -> str:
    """AWS's cluster status, and `unavailable` where AWS has no word: the writer does not answer and nothing is under way."""
    cluster = snapshot.cluster
    if cluster.phase is not Phase.NONE:
        return cluster.phase.value
    if cluster.wanted is not Wanted.RUNNING:
        running = any(snapshot.seen(instance.identifier).pid for instance in snapshot.instances)
        return STOPPING if running else STOPPED
    writer = snapshot.writer
    if writer is not None and snapshot.seen(writer.identifier).accepting:
        return AVAILABLE
    return UNAVAILABLE


def problems(snapshot: ClusterSnapshot) -> list[str]:
    """What is not as it should be, one sentence each, worst first; empty for a healthy or a stopped cluster."""
    cluster = snapshot.cluster
    if cluster.wanted is not Wanted.RUNNING:
        return []
    found = []
    if cluster.phase is not Phase.NONE:
        found.append(f"The cluster is {cluster.phase}.")
    for instance in sorted(snapshot.instances, key=lambda instance: not instance.is_writer):
        status = instance_status(snapshot, instance)
        role = "writer" if instance.is_writer else "reader"
        seen = snapshot.seen(instance.identifier)
        if status != AVAILABLE:
            reason = snapshot.failed.get(instance.identifier) or seen.detail
            found.append(f"The {role} {instance.identifier} is {status}{': ' + reason if reason else '.'}")
        elif not instance.is_writer and not seen.following:
            found.append(f"The reader {instance.identifier} is not receiving changes from the writer.")
    if snapshot.endpoint_process.pid is None:
        reason = snapshot.failed.get(ENDPOINT_PROCESS, "")
        found.append(f"The endpoint process is not running{': ' + reason if reason else '.'}")
    elif not snapshot.endpoint_process.responding:
        found.append("The endpoint process does not answer.")
    return found


def health(snapshot: ClusterSnapshot) -> Health:
    """`ok`, `degraded` (something is missing but writes work) or `down` (no writes through the writer endpoint)."""
    if not problems(snapshot):
        return Health.OK if snapshot.cluster.wanted is Wanted.RUNNING else Health.DOWN
    writer = snapshot.writer
    serving = writer is not None and snapshot.seen(writer.identifier).accepting and snapshot.endpoint_process.responding
    return Health.DEGRADED if serving else Health.DOWN
