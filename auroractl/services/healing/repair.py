"""Execution of the health table's decisions: restarts, failovers and reattachments."""

from __future__ import annotations

import logging

from auroractl.core.errors import AuroraError
from auroractl.core.model import Instance
from auroractl.core.repair_rules import ENDPOINT_PROCESS, Action, Decision
from auroractl.engine.server import AddressTaken
from auroractl.runtime import events
from auroractl.runtime.managed_cluster import ManagedCluster
from auroractl.services.clusters import failover
from auroractl.services.instances import durability, replication
from auroractl.services.volume import storage_nodes
from auroractl.system.limits import Shortage, shortage

log = logging.getLogger(__name__)

_KINDS = {Action.GIVE_UP: events.GIVEN_UP, Action.START_STORAGE_NODE: events.STORAGE_NODE}


def carry_out(cluster: ManagedCluster, decision: Decision) -> bool:
    """Carry out a decision about one part of a cluster. A failure is logged, and the next round decides again.

    Return whether this counts as an attempt. It does not if a foreign process took an instance's address first, if
    this process lacked resources, or if a reader waits for a writer that is not ready or not on disk as a whole.
    """
    comment = decision.rule.comment
    source = cluster.name if decision.name == ENDPOINT_PROCESS else decision.name
    events.record(cluster, _KINDS.get(decision.rule.action, events.REPAIR), source, comment)
    counts = True
    try:
        match decision.rule.action:
            case Action.START_ENDPOINT_PROCESS:
                process = cluster.endpoint_process()
                process.wait_ready(process.begin_start())
            case Action.FAIL_OVER:
                failover.fail_over(cluster, comment)
            case Action.END_INSTANCE:
                cluster.installation.server(cluster.instance(decision.name)).kill()
            case Action.RESTART_INSTANCE:
                instance = cluster.instance(decision.name)
                cluster.installation.server(instance).kill()
                _start(cluster, instance)
            case Action.START_INSTANCE:
                _start(cluster, cluster.instance(decision.name))
            case Action.REJOIN_READER:
                _rejoin(cluster, cluster.instance(decision.name))
            case Action.START_STORAGE_NODE:
                _start_node(cluster, decision.name)
            case Action.GIVE_UP:
                cluster.memory.failed[decision.name] = comment
    except (AuroraError, OSError) as error:
        log.warning("%s %s: %s failed: %s", cluster.name, decision.name, decision.rule.action, error)
        counts = not (
            isinstance(error, AddressTaken | Shortage) or shortage(error) or _awaits_writer(cluster, decision)
        )
    cluster.publish_routes()
    return counts


def _awaits_writer(cluster: ManagedCluster, decision: Decision) -> bool:
    """Return whether an instance could not start because its writer is not on disk, or not there, yet."""
    row = cluster.repository.cluster(cluster.name)
    if row is None or not row.unflushed_boot:
        return False
    if decision.name == row.durable_instance and durability.is_due(cluster):
        return True
    instances = {each.identifier: each for each in cluster.instances()}
    writer = next((each for each in instances.values() if each.is_writer), None)
    failed = instances.get(decision.name)
    if decision.rule.action is not Action.START_INSTANCE or writer is None or failed is None or failed is writer:
        return False
    if writer.identifier in cluster.memory.failed:
        return False
    server = cluster.installation.server
    return not server(failed).has_data() and not server(writer).is_ready()


def _start(cluster: ManagedCluster, instance: Instance) -> None:
    if instance.is_writer:
        replication.start_writer(cluster, instance)
    else:
        replication.recover_reader(cluster, instance)
    cluster.observer.refresh(instance)


def _start_node(cluster: ManagedCluster, identifier: str) -> None:
    for node in cluster.storage_nodes():
        if node.identifier == identifier:
            storage_nodes.start_node(cluster, node)


def _rejoin(cluster: ManagedCluster, reader: Instance) -> None:
    way = replication.rejoin(cluster, reader, cluster.writer())
    message = f"Read replica has been disconnected from the writer instance and reconnected ({way})."
    events.record(cluster, events.REPAIR, reader.identifier, message)
    cluster.observer.refresh(reader)
