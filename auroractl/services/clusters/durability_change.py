"""modify-cluster --durability, while the cluster runs."""

from __future__ import annotations

from auroractl.core.volume.durability import Durability
from auroractl.engine import durable_data
from auroractl.runtime import events, flushing
from auroractl.runtime.managed_cluster import ManagedCluster
from auroractl.services.instances import durability
from auroractl.services.volume import storage_nodes, unflushed_wal

_PATIENCE_S = 60.0


def is_complete(cluster: ManagedCluster, wanted: Durability) -> bool:
    """Return whether a cluster flushes what is wanted, and no earlier change to that was interrupted."""
    row = cluster.row()
    return row.durability is wanted and wanted.copies_flush is not bool(row.unflushed_boot)


def change_durability(cluster: ManagedCluster, wanted: Durability) -> None:
    """Change what a running cluster flushes, or complete an interrupted change.

    What is not flushed is on record before it begins, and until after it ended: an interruption leaves copies that are not
    trusted after a power cut, never ones that are trusted wrongly. Raises EngineError, TimedOut, OSError as MachineError.
    """
    flushing.require_settled(cluster.repository, cluster.name)
    row = cluster.row()
    before = row.durability
    if before.copies_flush and not row.unflushed_boot:
        # It has always flushed. What it was copied from a moment ago may not be on disk yet.
        durable_data.flush(cluster.installation.server(cluster.writer()))
    with cluster.memory.durability_lock:
        flushing.record_durability(cluster.repository, cluster.name, wanted)
        _apply(cluster)
    if before.copies_flush or wanted.copies_flush:
        storage_nodes.restart_nodes(cluster)
    if wanted.writer_flushes:
        durability.make_durable(cluster)
    if wanted.copies_flush:
        _flush_copies(cluster)
    message = f"The durability of the cluster is {wanted.value} from now on; it was {before.value}"
    events.record(cluster, events.DURABILITY, cluster.name, message)


def _apply(cluster: ManagedCluster) -> None:
    for instance in cluster.instances():
        server = cluster.installation.server(instance)
        if server.has_data():
            cluster.configure(instance, None if instance.is_writer else cluster.writer())
            server.reload()


def _flush_copies(cluster: ManagedCluster) -> None:
    for instance in cluster.instances():
        server = cluster.installation.server(instance)
        if not instance.is_writer and server.has_data():
            if server.is_ready():
                durable_data.begin_flushing(cluster.installation.access(instance), server, _PATIENCE_S)
            else:
                durable_data.flush(server)
    unflushed_wal.flush_nodes(cluster)
    flushing.record_all_flushed(cluster.repository, cluster.name)
