"""After the end of the machine: which copy of a cluster is trusted, and what becomes of the others.

Processes that did not flush have lost what the kernel had not yet written, in any order. Their data may even start. So
what is known to be on disk is trusted and nothing else: the data of one instance, and WAL with a recorded checksum.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from auroractl.core.errors import AuroraError, EngineError
from auroractl.core.model import Instance
from auroractl.core.operation_kinds import OperationKind
from auroractl.core.operations import OperationStatus
from auroractl.core.volume.durability import Durability
from auroractl.runtime import events, flushing
from auroractl.runtime.managed_cluster import ManagedCluster
from auroractl.runtime.runtime import Runtime
from auroractl.services.instances import durability
from auroractl.services.instances.lineage import lineage, lineage_of
from auroractl.services.volume import unflushed_wal
from auroractl.system.files import exists, flush_folder, remove_tree
from auroractl.system.limits import raise_shortage

log = logging.getLogger(__name__)


def settle_all(runtime: Runtime) -> None:
    """Settle every cluster that ran in another boot of the machine; called before anything of it is started."""
    for row in runtime.repository.clusters():
        cluster = ManagedCluster(runtime, row.identifier)
        try:
            settle(cluster)
        except (AuroraError, OSError) as error:
            # Nothing of it starts. start-cluster and the next supervisor try again.
            log.warning("%s is not settled after the end of the machine: %s", row.identifier, error)
            message = f"{error} Nothing of the cluster is started"
            for instance in cluster.instances():
                cluster.memory.failed[instance.identifier] = message
            events.record(cluster, events.POWER_CUT, cluster.name, message)


def settle(cluster: ManagedCluster, *, allow_data_loss: bool = False) -> bool:
    """Decide which copy is trusted, if the machine ended while the cluster ran; return whether that was to be decided.

    What would take acknowledged commits from the cluster is done only with `allow_data_loss`, and what has them is kept.
    May be repeated. Raises EngineError, and changes nothing, if no copy can be trusted; OSError as MachineError.
    """
    if flushing.is_settled(cluster.repository, cluster.name):
        return False
    with cluster.memory.durability_lock:
        if any(_data_processes(cluster)):
            log.warning("%s runs although the boot of the machine has another name: it is the same", cluster.name)
            flushing.record_same_boot(cluster.repository, cluster.name)
        elif not cluster.instances():
            _trust_base(cluster)
        else:
            _trust(cluster, *_chosen(cluster, allow_data_loss=allow_data_loss))
    return True


def is_running(cluster: ManagedCluster) -> bool:
    """Return whether any process of a cluster is running."""
    return any([*_data_processes(cluster), cluster.endpoint_process().pid()])


def _data_processes(cluster: ManagedCluster) -> list[int | None]:
    """Return the processes of instances and storage nodes, which start only once it is settled what is trusted."""
    installation = cluster.installation
    pids = [installation.server(each).pid() for each in cluster.instances()]
    return pids + [installation.receiver(each).pid() for each in cluster.storage_nodes()]


def _chosen(cluster: ManagedCluster, *, allow_data_loss: bool) -> tuple[Instance, bool]:
    """Return the instance to trust, and whether commits may be lost by that. Raises EngineError if there is none."""
    row = cluster.row()
    there = [each for each in cluster.instances() if _has_data(cluster, each)]
    durable = next((each for each in there if each.identifier == row.durable_instance), None)
    writer = next((each for each in there if each.is_writer), None)
    if durable is not None and durable.is_writer:
        return durable, False
    chosen = durable or writer
    if allow_data_loss and chosen is not None:
        return chosen, True
    if durable is not None:
        why = (
            f"the power was cut before all of the new writer was on disk. {durable.identifier}, the writer before it, is, "
            "but lacks what was committed since the failover"
        )
        what = f"go back to {durable.identifier}, and keep the rest aside"
    else:
        why = f"the data of {row.durable_instance}, the only copy that was on disk as a whole, is gone"
        if not row.durable_instance:
            none = row.durability is Durability.NONE
            why = "its durability is none" if none else "no copy was on disk as a whole yet"
        what = f"trust what the writer {writer.identifier} has" if writer else ""
    hint = f"To {what}: auroractl start-cluster {cluster.name} --allow-data-loss. " if what else ""
    raise EngineError(
        f"The machine ended while DBCluster {cluster.name} ran, and no copy is trusted unasked: {why}.",
        f"{hint}To remove it: auroractl delete-cluster {cluster.name}",
    )


def _has_data(cluster: ManagedCluster, instance: Instance) -> bool:
    server = cluster.installation.server(instance)
    replaced = server.data.with_name("data.replaced")
    if not exists(server.data) and exists(replaced):
        # A backtrack was about to put recovered data in its place. It is resumed with the data that it found.
        replaced.rename(server.data)
        flush_folder(replaced.parent)
    return server.has_data()


def _trust_base(cluster: ManagedCluster) -> None:
    """Trust the data of a cluster without instances, which was flushed before it was kept."""
    base = cluster.paths.base
    if not exists(base):
        raise EngineError(
            f"The volume of DBCluster {cluster.name} has no data directory: {base}",
            f"Put it back, or remove the cluster: auroractl delete-cluster {cluster.name}",
        )
    timeline, _ = lineage_of(base, "the volume")
    kept = unflushed_wal.remove_untrusted(cluster, timeline, keep=False)
    _done(cluster, "The machine ended; the data that the last instance left with the volume is trusted", kept)


def _trust(cluster: ManagedCluster, trusted: Instance, loses: bool) -> None:
    """Make an instance's data the only one that is trusted. What other copies may have more is kept if it `loses` that."""
    timeline, _ = lineage(cluster, trusted)
    others = [each for each in cluster.instances() if each.identifier != trusted.identifier]
    _end_failover(cluster, trusted)
    kept = [aside for each in others if (aside := _set_aside(cluster, each, keep=loses)) is not None and loses]
    kept += unflushed_wal.remove_untrusted(cluster, timeline, keep=loses)
    (cluster.installation.server(trusted).data / "standby.signal").unlink(missing_ok=True)
    if not trusted.is_writer:
        cluster.repository.set_writer(cluster.name, trusted.identifier)
    if loses:
        message = (
            f"The machine ended; {trusted.identifier} is the writer as --allow-data-loss says; commits may be lost"
        )
        if not trusted.is_writer:
            message = (
                f"The machine ended before all of the new writer was on disk. {trusted.identifier}, the writer before it, is "
                "the writer again; commits since the failover are lost"
            )
        events.record(cluster, events.DATA_LOSS, cluster.name, message)
    later = {era.timeline for era in cluster.eras() if era.timeline > timeline}
    cluster.repository.forget_eras(cluster.name, later)
    copied = ", ".join(each.identifier for each in others) or "no other instance"
    _done(cluster, f"The machine ended; {trusted.identifier} is trusted, {copied} will be copied from it", kept)


def _done(cluster: ManagedCluster, message: str, kept: Sequence[Path]) -> None:
    flushing.record_all_flushed(cluster.repository, cluster.name)
    if kept:
        message += f". Kept until you remove it: {', '.join(map(str, kept))}"
    events.record(cluster, events.POWER_CUT, cluster.name, message)


def _end_failover(cluster: ManagedCluster, durable: Instance) -> None:
    """End an interrupted failover to an instance that is not trusted. It would be finished otherwise."""
    for record in cluster.repository.running_operations():
        wanted = record.arguments.get("To")
        if record.cluster == cluster.name and record.kind is OperationKind.FAILOVER and wanted != durable.identifier:
            reason = f"the machine ended before all of {wanted} was on disk"
            cluster.repository.finish_operation(record.identifier, OperationStatus.FAILED, reason, cluster.now())


def _set_aside(cluster: ManagedCluster, instance: Instance, *, keep: bool) -> Path | None:
    """Rename data that is not trusted; return its new path. Unless it is to be kept, the next copy replaces it."""
    data, paths = cluster.installation.server(instance).data, cluster.paths.instance(instance.identifier)
    aside = paths.kept(f"{cluster.now():%Y%m%dT%H%M%S}") if keep else paths.unverified
    if not exists(data):
        return None
    try:
        if not keep:
            remove_tree(aside)
        data.rename(aside)
        flush_folder(data.parent)
    except OSError as error:
        raise_shortage(error)
        raise EngineError(f"The data of {instance.identifier} cannot be set aside: {error}", f"See {data}") from error
    return aside


def flush_all(cluster: ManagedCluster) -> None:
    """After a clean stop: flush all copies, so that each is trusted in the next boot.

    Raises EngineError, MachineError, TimedOut or OSError if that fails.
    """
    if cluster.row().unflushed_boot and flushing.is_settled(cluster.repository, cluster.name):
        durability.flush_stopped(cluster)
        unflushed_wal.flush_nodes(cluster)
        flushing.record_all_flushed(cluster.repository, cluster.name)
