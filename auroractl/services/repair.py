"""Carrying out what the health table decides: restarting what ended, reattaching what came off."""

from __future__ import annotations

import logging

from auroractl.core.errors import AuroraError
from auroractl.core.health import ENDPOINT_PROCESS, Action, Decision
from auroractl.core.model import Instance
from auroractl.services import events, failover, following, storage_nodes
from auroractl.services.context import Context

log = logging.getLogger(__name__)

_STARTS_ON_ITS_DATA = 2
_KINDS = {Action.GIVE_UP: events.GIVEN_UP, Action.START_STORAGE_NODE: events.STORAGE_NODE}


def carry_out(context: Context, cluster: str, decision: Decision) -> None:
    """Do what was decided for one thing of a cluster. A failure is logged; the next look decides again."""
    comment = decision.rule.comment
    source = cluster if decision.name == ENDPOINT_PROCESS else decision.name
    events.record(context, cluster, _KINDS.get(decision.rule.action, events.REPAIR), source, comment)
    try:
        match decision.rule.action:
            case Action.START_ENDPOINT_PROCESS:
                process = context.endpoint_process(cluster)
                process.wait_ready(process.begin_start())
            case Action.FAIL_OVER:
                failover.fail_over(context, cluster, comment)
            case Action.END_INSTANCE:
                context.installation.server(context.instance(decision.name)).kill()
            case Action.RESTART_INSTANCE:
                instance = context.instance(decision.name)
                context.installation.server(instance).kill()
                _start(context, instance)
            case Action.START_INSTANCE:
                _start(context, context.instance(decision.name))
            case Action.REJOIN_READER:
                _rejoin(context, context.instance(decision.name))
            case Action.START_STORAGE_NODE:
                _start_node(context, cluster, decision.name)
            case Action.GIVE_UP:
                context.failed[f"{cluster}/{decision.name}"] = comment
    except (AuroraError, OSError) as error:
        log.warning("%s %s: %s failed: %s", cluster, decision.name, decision.rule.action, error)
    context.publish_routes(cluster)


def _start(context: Context, instance: Instance) -> None:
    if instance.is_writer:
        following.start_writer(context, instance)
    else:
        _start_reader(context, instance)
    context.observer.refresh(instance)


def _start_node(context: Context, cluster: str, identifier: str) -> None:
    for node in context.repository.storage_nodes(cluster):
        if node.identifier == identifier:
            storage_nodes.start_node(context, node)


def _start_reader(context: Context, reader: Instance) -> None:
    """On the data it has; where that is gone or twice does not start, a new copy of the writer.

    Twice, because what was killed while it started says nothing about its data. One that ended as the writer has a
    history of its own and is rewound first.
    """
    writer = context.writer(reader.cluster)
    if following.ended_as_writer(context, reader):
        following.rejoin(context, reader, writer, diverged=True)
        return
    for _ in range(_STARTS_ON_ITS_DATA):
        try:
            following.start_reader(context, reader, writer)
        except AuroraError as error:
            log.info("%s does not start on its data: %s", reader.identifier, error)
            context.installation.server(reader).abort()
        else:
            return
    log.info("%s is copied anew", reader.identifier)
    following.copy_from_writer(context, reader, writer.address)
    following.start_reader(context, reader, writer)


def _rejoin(context: Context, reader: Instance) -> None:
    way = following.rejoin(context, reader, context.writer(reader.cluster))
    message = f"Read replica has been disconnected from the writer instance and reconnected ({way})."
    events.record(context, reader.cluster, events.REPAIR, reader.identifier, message)
    context.observer.refresh(reader)
