"""stop-cluster, start-cluster and reboot-instance."""

from __future__ import annotations

from auroractl.core.model import Instance, Phase, RunningOperation, Wanted
from auroractl.core.operations import OperationKind, OperationRecord
from auroractl.services import events, failover, following, moments, operations, storage_nodes
from auroractl.services.concurrency import side_by_side
from auroractl.services.context import Context
from auroractl.services.operations import Plan, Progress, Step, new_record


def stop_cluster(context: Context, name: str, progress: Progress) -> bool:
    """Stop a cluster cleanly; False where it already was stopped."""
    if context.cluster(name).wanted is Wanted.STOPPED:
        return False
    _perform(context, OperationKind.STOP_CLUSTER, name, {}, progress)
    return True


def start_cluster(context: Context, name: str, progress: Progress) -> bool:
    """Start a stopped cluster, or what is missing of a running one; False where nothing was missing."""
    cluster = context.cluster(name)
    if cluster.wanted is Wanted.RUNNING and not context.failed and _complete(context, name):
        return False
    _perform(context, OperationKind.START_CLUSTER, name, {}, progress)
    return True


def reboot_instance(context: Context, identifier: str, progress: Progress) -> None:
    """Stop an instance and start it in place; its role stays (AWS: a reboot without failover).

    Raises InstanceNotFound, InvalidClusterState.
    """
    instance = context.instance(identifier)
    context.require_running(instance.cluster)
    arguments = {"Instance": instance.identifier}
    _perform(context, OperationKind.REBOOT_INSTANCE, instance.cluster, arguments, progress)


def end_all_processes(context: Context) -> None:
    """End every process of every cluster cleanly; what is wanted stays, so that the next start brings them back.

    Raises InvalidClusterState where an operation is running.
    """
    context.repairs_paused = True
    try:
        for cluster in context.repository.clusters():
            name = cluster.identifier
            record = new_record(context, OperationKind.STOP_CLUSTER, name, {})
            with context.locks.operation(
                name, RunningOperation(record.identifier, "supervisor stop", record.started_at)
            ):
                for step in _plan_stop(context, record).steps[1:-1]:
                    step.do()
    except BaseException:
        context.repairs_paused = False
        raise


def _perform(
    context: Context, kind: OperationKind, cluster: str, arguments: dict[str, str], progress: Progress
) -> None:
    def prepare() -> OperationRecord:
        record = new_record(context, kind, cluster, dict(arguments))
        context.repository.begin_operation(record)
        return record

    operations.perform(context, kind, cluster, prepare=prepare, progress=progress)


def _complete(context: Context, name: str) -> bool:
    instances = context.repository.instances(name)
    running = all(context.installation.server(instance).pid() for instance in instances)
    return running and context.endpoint_process(name).observe().responding


def _plan_stop(context: Context, record: OperationRecord) -> Plan:
    name = record.cluster
    timeout_s = context.settings.stop_timeout_s

    def mark() -> None:
        context.repository.update_cluster(name, wanted=Wanted.STOPPED, phase=Phase.STOPPING)

    def stop_writer() -> None:
        """First, while the readers and the storage nodes can still receive the end of the log."""
        context.image_keepers.end(name)
        storage_nodes.end_unresponsive(context, name)
        context.installation.server(context.writer(name)).stop(timeout_s)

    def stop_readers() -> None:
        readers = [instance for instance in context.repository.instances(name) if not instance.is_writer]
        side_by_side(lambda reader: context.installation.server(reader).stop(timeout_s), [(each,) for each in readers])

    def stop_nodes() -> None:
        storage_nodes.take_away(context, name)
        moments.end_servers(context, name)

    def finish() -> None:
        context.repository.update_cluster(name, phase=Phase.NONE)
        events.record(context, name, events.CLUSTER_STOPPED, name, "DB cluster stopped")

    steps = [
        Step("Mark the cluster as stopping", mark),
        Step("Stop the writer", stop_writer),
        Step("Stop the readers", stop_readers),
        Step("Stop the storage nodes", stop_nodes),
        Step("Stop the endpoints", context.endpoint_process(name).stop),
        Step("Mark the cluster stopped", finish),
    ]
    return Plan(steps, point_of_no_return=steps[0].name)


def _plan_start(context: Context, record: OperationRecord) -> Plan:
    name = record.cluster

    def mark() -> None:
        context.forget(name)
        context.repository.update_cluster(name, wanted=Wanted.RUNNING, phase=Phase.STARTING)

    def start_endpoints() -> None:
        context.endpoint_process(name).begin_start()

    def start_instances() -> None:
        storage_nodes.make_volume(context, name)
        writer = context.writer(name)
        if failover.has_lost_its_data(context, writer):
            failover.recover_writer(context, writer)
            return
        following.start_writer(context, writer)
        storage_nodes.start_nodes(context, name)
        readers = [instance for instance in context.repository.instances(name) if not instance.is_writer]
        side_by_side(lambda reader: following.start_reader(context, reader, writer), [(each,) for each in readers])

    def connect() -> None:
        process = context.endpoint_process(name)
        process.wait_ready(process.begin_start())
        side_by_side(context.observer.refresh, [(instance,) for instance in context.repository.instances(name)])
        context.publish_routes(name)

    def finish() -> None:
        context.repository.update_cluster(name, phase=Phase.NONE)
        events.record(context, name, events.CLUSTER_STARTED, name, "DB cluster started")

    steps = [
        Step("Mark the cluster as starting", mark),
        Step("Start the endpoints", start_endpoints),
        Step("Start the instances", start_instances),
        Step("Connect the endpoints", connect),
        Step("Mark the cluster available", finish),
    ]
    return Plan(steps, point_of_no_return=steps[0].name)


def _plan_reboot(context: Context, record: OperationRecord) -> Plan:
    name = record.cluster
    identifier = record.arguments["Instance"]

    def instance() -> Instance:
        return context.instance(identifier)

    def stop() -> None:
        context.repository.update_instance(identifier, phase=Phase.REBOOTING)
        context.failed.pop(f"{name}/{identifier}", None)
        context.installation.server(instance()).stop(context.settings.stop_timeout_s)

    def start() -> None:
        if instance().is_writer:
            following.start_writer(context, instance())
        else:
            following.start_reader(context, instance(), context.writer(name))
        context.observer.refresh(instance())

    def finish() -> None:
        context.repository.update_instance(identifier, phase=Phase.NONE)
        context.publish_routes(name)
        events.record(context, name, events.INSTANCE_RESTARTED, identifier, "DB instance restarted")

    steps = [
        Step(f"Stop {identifier}", stop),
        Step(f"Start {identifier}", start),
        Step("Connect the endpoints", finish),
    ]
    return Plan(steps, point_of_no_return=steps[0].name)


operations.PLANNERS[OperationKind.STOP_CLUSTER] = _plan_stop
operations.PLANNERS[OperationKind.START_CLUSTER] = _plan_start
operations.PLANNERS[OperationKind.REBOOT_INSTANCE] = _plan_reboot
