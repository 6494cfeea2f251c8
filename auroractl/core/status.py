"""Aurora's status words, derived from observations."""

from __future__ import annotations

from enum import StrEnum

from auroractl.core.model import ClusterSnapshot, EndpointType, Instance, Phase, Wanted
from auroractl.core.repair_rules import ENDPOINT_PROCESS
from auroractl.core.synchronous_commit.setting import warnings as commit_warnings
from auroractl.core.text.sizes import format_size
from auroractl.core.volume.faults import DNS_TARGET
from auroractl.core.volume.model import NodeState, VolumeSnapshot

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
    """One word for scripts: `status` exits with 0 for ok and 3 for the others."""

    OK = "ok"
    NO_INSTANCES = "no-instances"
    DEGRADED = "degraded"
    DOWN = "down"


def instance_status(snapshot: ClusterSnapshot, instance: Instance) -> str:
    """Return AWS's DBInstanceStatus of an instance.

    A transition by an operation comes first, then the observation: `available` only if a query was answered, `failed`
    if there is no process although one is wanted, `starting` if it does not answer yet.
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
    """Return AWS's cluster status, with four more words where AWS has none.

    `unavailable`: the writer does not answer and no operation is running. `write-quorum-lost`: it answers but commits
    wait. `storage-full`: as AWS's status of an instance. `failed`: the cluster was only partly created or deleted and
    no operation is running on it. A cluster without instances is `available`, as on AWS.
    """
    cluster = snapshot.cluster
    if _was_left(snapshot):
        return FAILED
    if cluster.phase is not Phase.NONE:
        return cluster.phase.value
    if cluster.wanted is not Wanted.RUNNING:
        running = any(snapshot.seen(instance.identifier).pid for instance in snapshot.instances)
        return STOPPING if running else STOPPED
    if snapshot.without_writer:
        return AVAILABLE
    return _volume_word(snapshot) if snapshot.writing else UNAVAILABLE


def _volume_word(snapshot: ClusterSnapshot) -> str:
    volume = snapshot.volume
    if volume is not None and not volume.write_quorum_held:
        return WRITE_QUORUM_LOST
    return STORAGE_FULL if volume is not None and volume.full_since is not None else AVAILABLE


def _was_left(snapshot: ClusterSnapshot) -> bool:
    """Return whether creating or deleting a cluster failed, so that no operation works on its remains."""
    return snapshot.operation is None and snapshot.cluster.phase in {Phase.CREATING, Phase.DELETING}


def problems(snapshot: ClusterSnapshot) -> list[str]:
    """List the problems, one sentence each, worst first; empty for a healthy or a stopped cluster."""
    cluster = snapshot.cluster
    found = []
    if _was_left(snapshot):
        what = "created" if cluster.phase is Phase.CREATING else "deleted"
        found.append(
            f"The cluster was only partly {what}. Remove what is left: auroractl delete-cluster {cluster.identifier}"
        )
    if cluster.wanted is not Wanted.RUNNING:
        return found
    if cluster.phase is not Phase.NONE and not found:
        found.append(f"The cluster is {cluster.phase}.")
    if not snapshot.instances and not found:
        found.append(f"The cluster has no instance. Create one: auroractl create-instance {cluster.identifier}")
    for instance in sorted(snapshot.instances, key=lambda instance: not instance.is_writer):
        problem = _instance_problem(snapshot, instance)
        if problem:
            found.append(problem)
    found += _endpoint_faults(snapshot)
    for name, why in snapshot.endpoint_process.unbound.items():
        found.append(f"The endpoint {name} takes no connections: {why}.")
    if snapshot.endpoint_process.pid is None:
        reason = snapshot.failed.get(ENDPOINT_PROCESS, "")
        found.append(f"The endpoint process is not running{': ' + reason if reason else '.'}")
    elif not snapshot.endpoint_process.responding:
        found.append("The endpoint process does not answer.")
    if snapshot.volume is not None and snapshot.writing:
        found = volume_problems(snapshot.volume) + found
    return found


def durable_instance(snapshot: ClusterSnapshot) -> str | None:
    """Return the instance whose data a power cut would leave as a whole; None if there is none."""
    cluster = snapshot.cluster
    if not cluster.unflushed_boot:
        return snapshot.writer.identifier if snapshot.writer else None
    return cluster.durable_instance or None


def _endpoint_faults(snapshot: ClusterSnapshot) -> list[str]:
    """List the injected faults on the ways to a cluster, one sentence each."""
    found = []
    for endpoint in snapshot.endpoints:
        if (fault := snapshot.fault_on(endpoint.identifier)) is not None:
            what = f"answers {fault.delay_ms} ms late" if fault.delay_ms else "refuses connections"
            found.append(f"The endpoint {endpoint.identifier} {what}: {fault}.")
    if (fault := snapshot.fault_on(DNS_TARGET)) is not None:
        found.append(f"DNS answers a change of roles {fault.delay_ms} ms late: {fault}.")
    return found


def warnings(snapshot: ClusterSnapshot) -> list[str]:
    """List client settings that weaken guarantees, one sentence each; they do not affect health."""
    return commit_warnings(snapshot.commits) if snapshot.writing else []


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
            f"The disk of the {role} {instance.identifier} has stored no WAL for {seen.stalled_s:.0f} s; commits wait."
        )
    if seen.disk_full:
        return f"The disk of the {role} {instance.identifier} is full: it will stop when it cannot write its WAL."
    if instance.is_writer:
        return ""
    if (fault := snapshot.fault_on(instance.identifier)) is not None:
        what = f"applies changes {fault.delay_ms} ms late" if fault.delay_ms else "is cut off from the writer"
        return f"The reader {instance.identifier} {what}: {fault}."
    return "" if seen.following else f"The reader {instance.identifier} is not receiving changes from the writer."


def volume_status(snapshot: ClusterSnapshot) -> str:
    """Return the status of a volume: `available`, `storage-full`, `write-quorum-lost`, or the cluster's if not running."""
    if snapshot.volume is None or not snapshot.writing:
        return cluster_status(snapshot)
    return _volume_word(snapshot)


def silent_nodes(volume: VolumeSnapshot) -> str:
    """List the storage nodes that do not acknowledge, with reasons, for a sentence; empty if all do."""
    found = []
    for node in volume.nodes:
        if node.identifier not in volume.writable:
            why = volume.reason(node) or str(volume.state(node))
            found.append(f"{node.identifier}: {why.rstrip('.')}")
    return "; ".join(found)


def volume_problems(volume: VolumeSnapshot) -> list[str]:
    """List the problems of a volume whose writer is running, one sentence each, worst first."""
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
            f"reads continue, writes are refused. Make room with DROP or TRUNCATE, or: auroractl storage-autogrow"
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
    """Return the health of a cluster.

    `degraded`: something is missing but writes work. `no-instances`: there is no writer yet, or no longer.
    `down`: the writer endpoint takes no writes for another reason.
    """
    if _was_left(snapshot):
        return Health.DOWN
    running = snapshot.cluster.wanted is Wanted.RUNNING
    if running and snapshot.cluster.phase is Phase.NONE and snapshot.without_writer:
        return Health.NO_INSTANCES
    if not problems(snapshot):
        return Health.OK if running else Health.DOWN
    volume = snapshot.volume
    writable = volume is None or (volume.write_quorum_held and volume.full_since is None)
    endpoint = snapshot.endpoint(EndpointType.WRITER).identifier
    refusing, process = snapshot.fault_on(endpoint), snapshot.endpoint_process
    listening = process.responding and endpoint not in process.unbound
    reachable = listening and (refusing is None or refusing.delay_ms is not None)
    serving = snapshot.writing and reachable and writable
    return Health.DEGRADED if serving else Health.DOWN
