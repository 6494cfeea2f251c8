"""The copy of a cluster that a power cut leaves: the writer's data, once all of it is on disk.

A reader does not flush. When it is promoted it begins to, but until what it had is flushed as well, the data of the
writer before it is the only copy that is known to be on disk, and nothing may change that. So a failover is as fast as
without, and a power cut shortly after it takes the cluster back to where it began.
"""

from __future__ import annotations

import logging
import time

from auroractl.core.errors import AuroraError, InvalidClusterState
from auroractl.core.model import Instance
from auroractl.engine import durable_data
from auroractl.runtime.managed_cluster import ManagedCluster
from auroractl.storage.checksums import ChecksumRecord, record_finished
from auroractl.system.limits import raise_shortage

log = logging.getLogger(__name__)

_PATIENCE_S = 10.0
"""How long statements that began before the promotion may keep a writer from being durable, until the next attempt."""


def is_due(cluster: ManagedCluster) -> bool:
    """Return whether a writer that is to survive power cuts is not known to be on disk as a whole."""
    row = cluster.row()
    return row.durability.writer_flushes and bool(row.unflushed_boot) and not _is_durable(cluster)


def _is_durable(cluster: ManagedCluster) -> bool:
    durable = cluster.row().durable_instance
    return any(each.is_writer and each.identifier == durable for each in cluster.instances())


def make_durable(cluster: ManagedCluster) -> None:
    """Flush all that the running writer has, and record that its data is the copy to trust.

    Raises EngineError or TimedOut if that cannot be done now.
    """
    with cluster.memory.durability_lock:
        if _is_durable(cluster):
            return
        writer = cluster.writer()
        began_s = time.monotonic()
        server = cluster.installation.server(writer)
        durable_data.begin_flushing(cluster.installation.access(writer), server, _PATIENCE_S)
        _flush_finished_wal(cluster)
        if cluster.writer().identifier != writer.identifier:
            return
        cluster.repository.change_durability(cluster.name, durable_instance=writer.identifier)
        took_s = time.monotonic() - began_s
        log.info("%s: all of %s is on disk (%.2f s)", cluster.name, writer.identifier, took_s)


def _flush_finished_wal(cluster: ManagedCluster) -> None:
    """Flush what storage nodes have finished: the writer may not have the WAL from before it was copied."""
    for node in cluster.storage_nodes():
        folder = cluster.installation.log_folder(node)
        try:
            record_finished(folder, ChecksumRecord(folder.path).load(), flush=True)
        except OSError as error:
            raise_shortage(error)
            log.warning("%s: its WAL cannot be flushed: %s", node.identifier, error)


def release(cluster: ManagedCluster, instance: Instance) -> None:
    """Let an instance's data be changed. If it is the only copy on disk, first make the writer durable.

    Raises as `make_durable` does; the data must not be changed then.
    """
    row = cluster.row()
    if row.durable_instance != instance.identifier or not is_due(cluster):
        return
    try:
        writer = cluster.writer()
    except InvalidClusterState:
        return
    if writer.identifier != instance.identifier:
        make_durable(cluster)


def abandon(cluster: ManagedCluster, instance: Instance) -> None:
    """Let an instance's data be removed, as a user asked, after trying to make the writer durable."""
    try:
        release(cluster, instance)
    except AuroraError as error:
        log.warning("%s: %s is removed before the writer is durable: %s", cluster.name, instance.identifier, error)
        cluster.repository.change_durability(cluster.name, durable_instance="")


def flush_stopped(cluster: ManagedCluster) -> None:
    """Flush the data of all instances, which have ended, and record that the writer's is the copy to trust.

    Raises MachineError, TimedOut.
    """
    for instance in cluster.instances():
        server = cluster.installation.server(instance)
        if server.has_data() and server.pid() is None:
            durable_data.flush(server)
            if instance.is_writer:
                cluster.repository.change_durability(cluster.name, durable_instance=instance.identifier)
