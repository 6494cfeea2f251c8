"""The volume's controller: expired faults, lost and regained quorums, growth."""

from __future__ import annotations

from auroractl.core.model import ClusterSnapshot, Phase
from auroractl.core.repair_rules import nodes_are_due
from auroractl.core.volume.model import VolumeSnapshot
from auroractl.runtime import events
from auroractl.runtime.managed_cluster import ManagedCluster
from auroractl.services.faults import injection
from auroractl.services.volume import growth


def attend(cluster: ManagedCluster, snapshot: ClusterSnapshot) -> None:
    """Act on the observations of a running cluster's volume."""
    if snapshot.volume is None or snapshot.cluster.phase not in {Phase.NONE, Phase.MODIFYING}:
        return
    injection.end_expired(cluster)
    if not nodes_are_due(snapshot):
        return
    _note_quorum(cluster, snapshot.volume)
    if snapshot.used_bytes is not None:
        growth.evaluate(cluster, snapshot.used_bytes)


def _note_quorum(cluster: ManagedCluster, volume: VolumeSnapshot) -> None:
    """Record when commits begin and cease to wait for the write quorum, which PostgreSQL does not report."""
    memory = cluster.memory.volume
    quorum, held = volume.write_quorum, volume.write_quorum_held
    there = quorum.count(volume.writable)
    if not held and memory.quorum_lost_since is None:
        memory.quorum_lost_since = cluster.now()
        missing = ", ".join(sorted(quorum.nodes - volume.writable))
        message = (
            f"Write quorum lost: {there} storage nodes acknowledge, {quorum.required} are needed; commits wait "
            f"(missing: {missing})"
        )
        events.record(cluster, events.QUORUM_LOST, cluster.name, message)
    elif held and memory.quorum_lost_since is not None:
        waited_s = (cluster.now() - memory.quorum_lost_since).total_seconds()
        memory.quorum_lost_since = None
        message = f"Write quorum held again after {waited_s:.1f} s: {there} storage nodes acknowledge; commits continue"
        events.record(cluster, events.QUORUM_HELD, cluster.name, message)
