"""The copy of a cluster that a power cut leaves: the writer's data, once all of it is on disk.

A reader does not flush. When it is promoted it begins to, but until what it had is flushed as well, the data of the
writer before it is the only copy that is known to be on disk, and nothing may change that. So a failover is as fast as
without, and a power cut shortly after it takes the cluster back to where it began.
"""

from __future__ import annotations

import logging
import time

from auroractl.core.errors import AuroraError, EngineError
from auroractl.core.model import Instance
from auroractl.engine import durable_data
from auroractl.engine.configuration import says_flush
from auroractl.runtime import events, flushing
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
        pid = server.pid()
        if not says_flush(server.data):
            # Its promotion was interrupted before it was configured as the writer.
            cluster.configure(writer, None, only_as_writer=True)
        durable_data.begin_flushing(cluster.installation.access(writer), server, _PATIENCE_S)
        _record(cluster, writer, pid, began_s)


def make_new_durable(cluster: ManagedCluster) -> None:
    """Flush the files that a writer which has always flushed was begun with, and record that its data is durable."""
    with cluster.memory.durability_lock:
        if not is_due(cluster):
            return
        writer = cluster.writer()
        began_s = time.monotonic()
        server = cluster.installation.server(writer)
        pid = server.pid()
        durable_data.flush(server)
        _record(cluster, writer, pid, began_s)


def _record(cluster: ManagedCluster, writer: Instance, pid: int | None, began_s: float) -> None:
    _flush_finished_wal(cluster)
    # Another server than the one that was flushed may have been a reader meanwhile.
    same = pid is not None and cluster.installation.server(writer).pid() == pid
    if same and cluster.repository.record_durable(cluster.name, writer.identifier):
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

    If the writer is lost, that cannot be: this copy is needed now to continue, and then none is known to be on disk.
    Raises as `make_durable` does, and as `flushing.require_settled`; the data must not be changed then.
    """
    flushing.require_settled(cluster.repository, cluster.name)
    row = cluster.row()
    if row.durable_instance != instance.identifier or not is_due(cluster):
        return
    writer = next((each for each in cluster.instances() if each.is_writer), None)
    if writer is None or writer.identifier == instance.identifier:
        return
    if not _is_lost(cluster, writer):
        make_durable(cluster)
        return
    flushing.record_nothing_durable(cluster.repository, cluster.name)
    message = (
        f"The writer {writer.identifier} is lost before all of it was on disk, so {instance.identifier} is used to "
        "continue; until another writer is on disk as a whole, a power cut may cost the cluster"
    )
    events.record(cluster, events.DURABILITY, cluster.name, message)


def _is_lost(cluster: ManagedCluster, writer: Instance) -> bool:
    """Return whether a writer has no data, or is no longer restarted because that failed too often."""
    server = cluster.installation.server(writer)
    given_up = writer.identifier in cluster.memory.failed
    return server.pid() is None and (given_up or not server.has_data())


def abandon(cluster: ManagedCluster, instance: Instance) -> None:
    """Let an instance's data be removed, as a user asked, after trying to make the writer durable."""
    try:
        release(cluster, instance)
    except AuroraError as error:
        log.warning("%s: %s is removed before the writer is durable: %s", cluster.name, instance.identifier, error)
        flushing.record_nothing_durable(cluster.repository, cluster.name)


def flush_stopped(cluster: ManagedCluster) -> None:
    """Flush the data of all instances, which have ended. Raises EngineError if one has not, MachineError, TimedOut."""
    for instance in cluster.instances():
        server = cluster.installation.server(instance)
        if server.pid() is not None:
            raise EngineError(f"{instance.identifier} still runs.", "")
        if server.has_data():
            durable_data.flush(server)
