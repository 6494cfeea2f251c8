"""stop-cluster, start-cluster and reboot-instance."""

from __future__ import annotations

import logging
from functools import partial
from typing import Any

from auroractl.core.errors import AuroraError, InvalidClusterState
from auroractl.core.model import Phase, RunningOperation, Wanted
from auroractl.core.operation_kinds import OperationKind
from auroractl.core.operations import OperationRecord
from auroractl.runtime import events, flushing
from auroractl.runtime.managed_cluster import ManagedCluster
from auroractl.runtime.parallel import side_by_side
from auroractl.runtime.runtime import Runtime
from auroractl.services.clusters import failover, power_cut
from auroractl.services.instances import replication
from auroractl.services.operations import runner
from auroractl.services.operations.cancel import dismiss_all
from auroractl.services.operations.dry_run import end_dry_run
from auroractl.services.operations.runner import Plan, Step, new_record
from auroractl.services.parameters import pending
from auroractl.services.restore import recovered_copy
from auroractl.services.volume import storage_nodes

log = logging.getLogger(__name__)


def stop_cluster(cluster: ManagedCluster) -> bool:
    """Stop a cluster cleanly; False where it already was stopped and nothing of it runs.

    Raises InvalidClusterState for a cluster without instances, and where another operation is in progress.
    """
    if cluster.row().wanted is Wanted.STOPPED and not power_cut.is_running(cluster):
        return False
    _require_instances(cluster)
    _perform(cluster, OperationKind.STOP_CLUSTER, {})
    return True


def _require_instances(cluster: ManagedCluster) -> None:
    if not cluster.instances():
        raise InvalidClusterState(
            f"DBCluster {cluster.name} has no instance, so there is nothing to stop.",
            f"Create one: auroractl create-instance {cluster.name}, or remove the cluster: auroractl delete-cluster {cluster.name}",
        )


def start_cluster(cluster: ManagedCluster, *, allow_data_loss: bool = False) -> bool:
    """Start a stopped cluster, or the missing parts of a running one; return False if nothing was missing.

    If the machine ended, it is first settled which copy is trusted (`power_cut.settle`), and interrupted operations are resumed.

    Waits for a failover in progress. Raises QuorumLost if too few storage nodes acknowledge commits, InvalidClusterState
    if an instance does not answer in the end, or if the cluster is busy or incomplete.
    """
    cluster.require_whole()
    _wait_for_failover(cluster)
    if not flushing.is_settled(cluster.repository, cluster.name):
        end_dry_run()
        power_cut.settle(cluster, allow_data_loss=allow_data_loss)
        _resume_interrupted(cluster)
    if cluster.row().wanted is Wanted.RUNNING and not _missing(cluster):
        return False
    _perform(cluster, OperationKind.START_CLUSTER, {})
    return True


def _resume_interrupted(cluster: ManagedCluster) -> None:
    """Finish or undo what the end of the machine interrupted. What fails is in the journal."""
    for record in cluster.repository.running_operations():
        if record.cluster == cluster.name:
            try:
                runner.resume(cluster, record)
            except AuroraError as error:
                log.warning("%s %s could not be finished: %s", record.kind, cluster.name, error)
    cluster.repository.clear_phases(cluster.name)


def _wait_for_failover(cluster: ManagedCluster) -> None:
    running, cancellation = cluster.locks.current(cluster.name), cluster.locks.cancellation(cluster.name)
    if cancellation is not None and running is not None and running.kind == OperationKind.FAILOVER:
        cluster.locks.wait_ended(cluster.name, cancellation, cluster.settings.start_timeout_s)


def reboot_instance(runtime: Runtime, identifier: str) -> None:
    """Stop an instance and start it again in the same role (on AWS, a reboot without failover).

    Readers that have less of a parameter than the writer is going to have are rebooted before it.

    Raises InstanceNotFound, InvalidInstanceState if it is still to be created, InvalidClusterState.
    """
    instance = runtime.instance(identifier)
    cluster = ManagedCluster(runtime, instance.cluster)
    cluster.require_running()
    arguments = {"Instance": instance.identifier}
    _perform(cluster, OperationKind.REBOOT_INSTANCE, arguments)


def end_all_processes(runtime: Runtime) -> None:
    """Stop every process of every cluster cleanly; the next supervisor starts them again.

    Raises InvalidClusterState if an operation is running.
    """
    runtime.repairs_paused = True
    try:
        for row in runtime.repository.clusters():
            cluster = ManagedCluster(runtime, row.identifier)
            record = new_record(cluster, OperationKind.STOP_CLUSTER, {})
            operation = RunningOperation(record.identifier, "supervisor stop", record.started_at)
            with cluster.locks.operation(cluster.name, operation, "it stops all processes"):
                for step in _plan_stop(cluster, record).steps[1:-1]:
                    step.do()
    except BaseException:
        runtime.repairs_paused = False
        raise


def _perform(cluster: ManagedCluster, kind: OperationKind, arguments: dict[str, Any]) -> None:
    def prepare() -> OperationRecord:
        if kind is OperationKind.REBOOT_INSTANCE and cluster.instance(arguments["Instance"]).is_writer:
            arguments["ReadersFirst"] = pending.readers_to_restart(cluster)
        if kind is OperationKind.STOP_CLUSTER:
            # It may have waited for the deletion of the last one.
            _require_instances(cluster)
        record = new_record(cluster, kind, dict(arguments))
        cluster.repository.begin_operation(record)
        if kind is OperationKind.STOP_CLUSTER:
            dismiss_all(cluster, "the cluster is being stopped")
        return record

    runner.perform(cluster, kind, prepare=prepare)


def _missing(cluster: ManagedCluster) -> bool:
    """Return whether a part of a cluster that should run is missing, and no injected fault keeps it down."""
    instances = cluster.instances()
    side_by_side(cluster.observer.refresh, [(each,) for each in instances])
    snapshot = cluster.snapshot()
    if not instances:
        return not snapshot.endpoint_process.responding
    nodes = storage_nodes.reachable_nodes(cluster)
    volume = snapshot.volume
    return (
        bool(snapshot.failed)
        or not snapshot.endpoint_process.responding
        or not all(snapshot.seen(each.identifier).accepting for each in instances)
        or volume is None
        or not volume.write_quorum_held
        or not all(volume.seen(each).pid for each in nodes)
    )


def _plan_stop(cluster: ManagedCluster, _record: OperationRecord) -> Plan:
    timeout_s = cluster.settings.stop_timeout_s

    def mark() -> None:
        cluster.repository.update_cluster(cluster.name, wanted=Wanted.STOPPED, phase=Phase.STOPPING)

    def stop_writer() -> None:
        """Stop the writer first, while readers and storage nodes can still receive the end of its WAL."""
        cluster.runtime.image_keepers.end(cluster.name)
        storage_nodes.kill_unresponsive(cluster)
        for instance in cluster.instances():
            if instance.is_writer:
                cluster.installation.server(instance).stop(timeout_s)

    def stop_readers() -> None:
        readers = [instance for instance in cluster.instances() if not instance.is_writer]
        side_by_side(lambda reader: cluster.installation.server(reader).stop(timeout_s), [(each,) for each in readers])

    def stop_nodes() -> None:
        storage_nodes.fence_nodes(cluster)
        recovered_copy.end_servers(cluster)
        try:
            power_cut.flush_all(cluster)
        except (AuroraError, OSError) as error:
            log.warning("%s: its copies are not on disk, and not trusted in another boot: %s", cluster.name, error)

    def finish() -> None:
        cluster.repository.update_cluster(cluster.name, phase=Phase.NONE)
        events.record(cluster, events.CLUSTER_STOPPED, cluster.name, "DB cluster stopped")

    steps = [
        Step("Mark the cluster as stopping", mark),
        Step("Stop the writer", stop_writer),
        Step("Stop the readers", stop_readers),
        Step("Stop the storage nodes", stop_nodes),
        Step("Stop the endpoints", cluster.endpoint_process().stop),
        Step("Mark the cluster stopped", finish),
    ]
    return Plan(steps, point_of_no_return=steps[0].name)


def _plan_start(cluster: ManagedCluster, _record: OperationRecord) -> Plan:

    def mark() -> None:
        cluster.forget()
        cluster.repository.update_cluster(cluster.name, wanted=Wanted.RUNNING, phase=Phase.STARTING)

    def start_endpoints() -> None:
        cluster.endpoint_process().begin_start()

    def start_instances() -> None:
        storage_nodes.make_volume(cluster)
        if not cluster.instances():
            return
        writer = cluster.writer()
        if failover.has_lost_its_data(cluster, writer):
            failover.recover_writer(cluster, writer)
            return
        replication.start_writer(cluster, writer)
        storage_nodes.start_nodes(cluster)
        readers = [instance for instance in cluster.instances() if not instance.is_writer]
        side_by_side(replication.recover_reader, [(cluster, each) for each in readers])

    def connect() -> None:
        process = cluster.endpoint_process()
        process.wait_ready(process.begin_start())
        side_by_side(cluster.observer.refresh, [(instance,) for instance in cluster.instances()])
        cluster.publish_routes()

    def wait_available() -> None:
        if cluster.instances():
            storage_nodes.wait_write_quorum(cluster, cluster.settings.start_timeout_s)
        snapshot = cluster.snapshot()
        for each in snapshot.instances:
            seen = snapshot.seen(each.identifier)
            # The creation of one that is only announced has not begun.
            if each.phase is not Phase.CREATING and not seen.accepting:
                raise InvalidClusterState(
                    f"DBInstance {each.identifier} does not answer: {seen.detail}",
                    f"See auroractl status {cluster.name}",
                )

    def finish() -> None:
        cluster.repository.update_cluster(cluster.name, phase=Phase.NONE)
        events.record(cluster, events.CLUSTER_STARTED, cluster.name, "DB cluster started")

    steps = [
        Step("Mark the cluster as starting", mark),
        Step("Start the endpoints", start_endpoints),
        Step("Start the instances", start_instances),
        Step("Connect the endpoints", connect),
        Step("Wait for the write quorum", wait_available),
        Step("Mark the cluster available", finish),
    ]
    return Plan(steps, point_of_no_return=steps[0].name)


def _plan_reboot(cluster: ManagedCluster, record: OperationRecord) -> Plan:
    chosen: str = record.arguments["Instance"]
    everyone = [*record.arguments.get("ReadersFirst", []), chosen]

    def stop(identifier: str) -> None:
        cluster.repository.update_instance(identifier, phase=Phase.REBOOTING)
        cluster.memory.failed.pop(identifier, None)
        cluster.installation.server(cluster.instance(identifier)).stop(cluster.settings.stop_timeout_s)

    def start(identifier: str) -> None:
        instance = cluster.instance(identifier)
        if instance.is_writer:
            replication.start_writer(cluster, instance)
        else:
            replication.start_reader(cluster, instance, cluster.writer())
        cluster.observer.refresh(instance)
        if identifier != chosen:
            cluster.repository.update_instance(identifier, phase=Phase.NONE)

    def finish() -> None:
        cluster.repository.update_instance(chosen, phase=Phase.NONE)
        cluster.publish_routes()
        for identifier in everyone:
            pending.note_rebooted(cluster, cluster.instance(identifier))
            events.record(cluster, events.INSTANCE_RESTARTED, identifier, "DB instance restarted")

    steps = []
    for identifier in everyone:
        steps.append(Step(f"Stop {identifier}", partial(stop, identifier)))
        steps.append(Step(f"Start {identifier}", partial(start, identifier)))
    steps.append(Step("Connect the endpoints", finish))
    return Plan(steps, point_of_no_return=steps[0].name)


runner.PLANNERS[OperationKind.STOP_CLUSTER] = _plan_stop
runner.PLANNERS[OperationKind.START_CLUSTER] = _plan_start
runner.PLANNERS[OperationKind.REBOOT_INSTANCE] = _plan_reboot
