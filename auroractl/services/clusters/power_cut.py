"""After the end of the machine: which copy of a cluster is trusted, and what becomes of the others.

Processes that did not flush have lost what the kernel had not yet written, in any order. Their data may even start. So
what is known to be on disk is trusted and nothing else: the data of one instance, and WAL with a recorded checksum.
"""

from __future__ import annotations

import logging

from auroractl.core.errors import AuroraError
from auroractl.core.model import Instance
from auroractl.core.operation_kinds import OperationKind
from auroractl.core.operations import OperationStatus
from auroractl.core.volume.durability import Durability
from auroractl.runtime import events, flushing
from auroractl.runtime.managed_cluster import ManagedCluster
from auroractl.runtime.runtime import Runtime
from auroractl.services.instances import durability
from auroractl.services.instances.lineage import lineage
from auroractl.services.volume import unflushed_wal
from auroractl.system.files import flush_folder, remove_tree
from auroractl.system.limits import raise_shortage

log = logging.getLogger(__name__)


def settle_all(runtime: Runtime) -> None:
    """Settle every cluster that ran in another boot of the machine; called before anything of it is started."""
    for row in runtime.repository.clusters():
        cluster = ManagedCluster(runtime, row.identifier)
        if flushing.is_settled(runtime.repository, row.identifier):
            continue
        try:
            _settle(cluster)
        except (AuroraError, OSError) as error:
            # Nothing of it starts; the next supervisor tries again.
            log.warning("%s could not be settled after the end of the machine: %s", row.identifier, error)


def _settle(cluster: ManagedCluster) -> None:
    name = cluster.row().durable_instance
    durable = next((each for each in cluster.instances() if each.identifier == name), None)
    if durable is None or not cluster.installation.server(durable).has_data():
        _refuse(cluster, durable)
    else:
        trust(cluster, durable)


def trust(cluster: ManagedCluster, durable: Instance) -> None:
    """Make an instance's data the only one that is trusted. May be repeated."""
    others = [each for each in cluster.instances() if each.identifier != durable.identifier]
    _end_failover(cluster, durable)
    for instance in others:
        _set_aside(cluster, instance)
    data = cluster.installation.server(durable).data
    if not durable.is_writer:
        (data / "standby.signal").unlink(missing_ok=True)
        former = next(each for each in others if each.is_writer)
        cluster.repository.set_writer(cluster.name, durable.identifier, durable=True)
        message = (
            f"The machine ended before all of the new writer {former.identifier} was on disk. {durable.identifier}, the "
            f"writer before it, is the writer again; commits since the failover are lost"
        )
        events.record(cluster, events.DATA_LOSS, cluster.name, message)
    timeline, _ = lineage(cluster, durable)
    unflushed_wal.remove_untrusted(cluster, timeline)
    later = {era.timeline for era in cluster.eras() if era.timeline > timeline}
    cluster.repository.forget_eras(cluster.name, later)
    copied = ", ".join(each.identifier for each in others) or "no other instance"
    _done(cluster, f"The machine ended; {durable.identifier} is trusted, {copied} will be copied from it")


def _done(cluster: ManagedCluster, message: str) -> None:
    cluster.repository.change_durability(cluster.name, unflushed_boot="")
    events.record(cluster, events.POWER_CUT, cluster.name, message)


def _end_failover(cluster: ManagedCluster, durable: Instance) -> None:
    """End an interrupted failover to an instance that is not trusted. It would be finished otherwise."""
    for record in cluster.repository.running_operations():
        wanted = record.arguments.get("To")
        if record.cluster == cluster.name and record.kind is OperationKind.FAILOVER and wanted != durable.identifier:
            reason = f"the machine ended before all of {wanted} was on disk"
            cluster.repository.finish_operation(record.identifier, OperationStatus.FAILED, reason, cluster.now())


def _set_aside(cluster: ManagedCluster, instance: Instance) -> None:
    """Rename data that is not trusted. It is removed once a new copy begins, from a writer that works."""
    data = cluster.installation.server(instance).data
    aside = cluster.paths.instance(instance.identifier).unverified
    try:
        if data.is_dir():
            remove_tree(aside)
            data.rename(aside)
            flush_folder(data.parent)
    except OSError as error:
        raise_shortage(error)
        log.warning("%s: its data cannot be set aside: %s", instance.identifier, error)
        raise


def _refuse(cluster: ManagedCluster, durable: Instance | None) -> None:
    """Leave everything as it is, and say why."""
    if durable is not None:
        why = f"the data of {durable.identifier}, the only copy that was on disk as a whole, is gone"
    elif cluster.row().durability is Durability.NONE:
        why = "its durability is none"
    else:
        why = "no copy was on disk as a whole yet"
    message = f"The machine ended, and no copy is trustworthy: {why}. Nothing of the cluster is started"
    for instance in cluster.instances():
        cluster.memory.failed[instance.identifier] = message
    events.record(cluster, events.DATA_LOSS, cluster.name, message)


def flush_all(cluster: ManagedCluster) -> None:
    """After a clean stop: flush all copies, so that each is trustworthy in the next boot. A failure is logged."""
    row = cluster.row()
    if not row.unflushed_boot or not flushing.is_settled(cluster.repository, cluster.name):
        return
    try:
        durability.flush_stopped(cluster)
        unflushed_wal.flush_nodes(cluster)
    except (AuroraError, OSError) as error:
        log.warning("%s: its copies cannot be flushed, and are not trusted in another boot: %s", cluster.name, error)
    else:
        cluster.repository.change_durability(cluster.name, unflushed_boot="")
