"""What every look of the watch loop does about a volume: quorum lost and held again, growth, faults that are over."""

from __future__ import annotations

from auroractl.core.health import nodes_are_free
from auroractl.core.model import ClusterSnapshot, Phase
from auroractl.core.storage import VolumeSnapshot
from auroractl.services import events, faults, growth
from auroractl.services.context import Context


def attend(context: Context, snapshot: ClusterSnapshot) -> None:
    """Act on what was seen of a running cluster's volume."""
    if snapshot.volume is None or snapshot.cluster.phase not in {Phase.NONE, Phase.MODIFYING}:
        return
    faults.end_expired(context, snapshot.cluster.identifier)
    if not snapshot.writing or not nodes_are_free(snapshot.operation):
        return
    _note_quorum(context, snapshot.volume)
    if snapshot.used_bytes is not None:
        growth.evaluate(context, snapshot.volume, snapshot.used_bytes)


def _note_quorum(context: Context, volume: VolumeSnapshot) -> None:
    """Commits that wait inside PostgreSQL say nothing, so this does."""
    cluster = volume.volume.cluster
    memory = context.volume_memory(cluster)
    quorum, held = volume.write_quorum, volume.write_quorum_held
    there = quorum.count(volume.writable)
    if not held and memory.quorum_lost_since is None:
        memory.quorum_lost_since = context.now()
        missing = ", ".join(sorted(quorum.nodes - volume.writable))
        message = (
            f"Write quorum lost: {there} storage nodes acknowledge and {quorum.required} are needed; commits wait "
            f"(missing: {missing})"
        )
        events.record(context, cluster, events.QUORUM_LOST, cluster, message)
    elif held and memory.quorum_lost_since is not None:
        waited_s = (context.now() - memory.quorum_lost_since).total_seconds()
        memory.quorum_lost_since = None
        message = f"Write quorum held again after {waited_s:.1f} s: {there} storage nodes acknowledge; commits go on"
        events.record(context, cluster, events.QUORUM_HELD, cluster, message)
