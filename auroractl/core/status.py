"""Aurora's status words, derived from what was observed."""

from __future__ import annotations

from enum import StrEnum

from auroractl.core.health import ENDPOINT_PROCESS
from auroractl.core.model import ClusterSnapshot, EndpointType, Instance, Phase, Wanted
from auroractl.core.sizes import format_size
from auroractl.core.storage import NodeState, VolumeSnapshot

AVAILABLE = "available"
STOPPED = "stopped"
STARTING = "starting"
STOPPING = "stopping"
FAILED = "failed"
UNAVAILABLE = "unavailable"
STORAGE_FULL = "storage-full"
WRITE_QUORUM_LOST = "write-quorum-lost"


_STALL_TOLD_S = 3.0


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
    """AWS's cluster status; where AWS has no word, `unavailable` (the writer does not answer and nothing is under way),
    `write-quorum-lost` (it answers and commits wait) and `storage-full` (AWS: of an instance).
    """
    cluster = snapshot.cluster
    if cluster.phase is not Phase.NONE:
        return cluster.phase.value
    if cluster.wanted is not Wanted.RUNNING:
        running = any(snapshot.seen(instance.identifier).pid for instance in snapshot.instances)
        return STOPPING if running else STOPPED
    if not snapshot.writing:
        return UNAVAILABLE
    if snapshot.volume is not None and not snapshot.volume.write_quorum_held:
        return WRITE_QUORUM_LOST
    if snapshot.volume is not None and snapshot.volume.full_since is not None:
        return STORAGE_FULL
    return AVAILABLE


def problems(snapshot: ClusterSnapshot) -> list[str]:
    """What is not as it should be, one sentence each, worst first; empty for a healthy or a stopped cluster."""
    cluster = snapshot.cluster
    if cluster.wanted is not Wanted.RUNNING:
        return []
    found = []
    if cluster.phase is not Phase.NONE:
        found.append(f"The cluster is {cluster.phase}.")
    for instance in sorted(snapshot.instances, key=lambda instance: not instance.is_writer):
        problem = _instance_problem(snapshot, instance)
        if problem:
            found.append(problem)
    for endpoint in snapshot.endpoints:
        if (fault := snapshot.fault_on(endpoint.identifier)) is not None:
            what = f"answers {fault.delay_ms} ms late" if fault.delay_ms else "refuses connections"
            found.append(f"The endpoint {endpoint.identifier} {what}: {fault}.")
    if snapshot.endpoint_process.pid is None:
        reason = snapshot.failed.get(ENDPOINT_PROCESS, "")
        found.append(f"The endpoint process is not running{': ' + reason if reason else '.'}")
    elif not snapshot.endpoint_process.responding:
        found.append("The endpoint process does not answer.")
    if snapshot.volume is not None and snapshot.writing:
        found = volume_problems(snapshot.volume) + found
    return found


def _instance_problem(snapshot: ClusterSnapshot, instance: Instance) -> str:
    status = instance_status(snapshot, instance)
    role = "writer" if instance.is_writer else "reader"
    seen = snapshot.seen(instance.identifier)
    if status != AVAILABLE:
        reason = snapshot.failed.get(instance.identifier) or seen.detail
        if snapshot.in_outage(instance.availability_zone):
            reason = f"its Availability Zone {instance.availability_zone} is out"
        return f"The {role} {instance.identifier} is {status}{': ' + reason if reason else '.'}"
    if seen.stalled_s > _STALL_TOLD_S:
        return (
            f"The disk of the {role} {instance.identifier} has taken no log for {seen.stalled_s:.0f} s; commits wait."
        )
    if seen.disk_full:
        return f"The disk of the {role} {instance.identifier} is full: it ends when it cannot write its log."
    if instance.is_writer:
        return ""
    if (fault := snapshot.fault_on(instance.identifier)) is not None:
        what = f"applies changes {fault.delay_ms} ms late" if fault.delay_ms else "is cut off from the writer"
        return f"The reader {instance.identifier} {what}: {fault}."
    return "" if seen.following else f"The reader {instance.identifier} is not receiving changes from the writer."


def volume_status(snapshot: ClusterSnapshot) -> str:
    """One word for a volume: `available`, `storage-full`, `write-quorum-lost`, or the cluster's where it does not run."""
    volume = snapshot.volume
    if volume is None or not snapshot.writing:
        return cluster_status(snapshot)
    if not volume.write_quorum_held:
        return WRITE_QUORUM_LOST
    return STORAGE_FULL if volume.full_since is not None else AVAILABLE


def volume_problems(volume: VolumeSnapshot) -> list[str]:
    """What is not as it should be with a volume whose writer runs, one sentence each, worst first."""
    found = []
    quorum = volume.write_quorum
    if not volume.write_quorum_held:
        waiting = f"; {volume.waiting_commits} commits wait" if volume.waiting_commits else ""
        found.append(
            f"The write quorum is lost: {quorum.count(volume.writable)} storage nodes acknowledge and {quorum.required} "
            f"are needed, so commits wait{waiting}."
        )
    if volume.full_since is not None:
        found.append(
            f"The volume is full ({format_size(volume.used_bytes or 0)} of {format_size(volume.allocated_bytes)}): "
            f"reads go on, writes are refused. Make room with DROP or TRUNCATE, or: auroractl storage-autogrow"
        )
    for node in volume.nodes:
        seen, state = volume.seen(node), volume.state(node)
        if state is not NodeState.AVAILABLE:
            reason = volume.reason(node)
            if not reason and seen.missing_segments:
                reason = f"{seen.missing_segments} segments are missing or damaged"
            found.append(f"The storage node {node.identifier} is {state}{': ' + reason if reason else '.'}")
    return found


def health(snapshot: ClusterSnapshot) -> Health:
    """`ok`, `degraded` (something is missing but writes work) or `down` (no writes through the writer endpoint)."""
    if not problems(snapshot):
        return Health.OK if snapshot.cluster.wanted is Wanted.RUNNING else Health.DOWN
    volume = snapshot.volume
    writable = volume is None or (volume.write_quorum_held and volume.full_since is None)
    refusing = snapshot.fault_on(snapshot.endpoint(EndpointType.WRITER).identifier)
    reachable = snapshot.endpoint_process.responding and (refusing is None or refusing.delay_ms is not None)
    serving = snapshot.writing and reachable and writable
    return Health.DEGRADED if serving else Health.DOWN
