"""Starting a cluster's storage nodes, taking them from a writer, and making the write quorum what the rows say."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from auroractl.core.errors import AuroraError, EngineError, MachineError, TimedOut
from auroractl.core.growth import initial_groups
from auroractl.core.health import nodes_are_free
from auroractl.core.model import Instance
from auroractl.core.sizes import parse_size_bytes
from auroractl.core.storage import StorageNode, StorageVolume, place_nodes
from auroractl.core.wal import Fork, Segment, parse_history, parse_segment
from auroractl.engine import sql
from auroractl.process.liveness import kill_all
from auroractl.services.concurrency import side_by_side
from auroractl.storage.folder import LogFolder

if TYPE_CHECKING:
    from auroractl.services.context import Context

log = logging.getLogger(__name__)

_STREAMING_TIMEOUT_S = 30.0
_POLL_S = 0.01


def make_volume(context: Context, cluster: str) -> None:
    """Record a volume with six nodes and make their folders; what exists is left as it is."""
    row = context.cluster(cluster)
    settings = context.settings
    group_bytes = parse_size_bytes(settings.storage_group_size)
    volume = StorageVolume(
        cluster=cluster,
        auto_grow=True,
        max_capacity_bytes=max(group_bytes, parse_size_bytes(settings.storage_max_capacity)),
        increment_bytes=group_bytes,
        headroom_percent=settings.storage_headroom_percent,
        group_bytes=group_bytes,
        created_at=context.now(),
    )
    if context.repository.volume(cluster) is None:
        nodes = place_nodes(cluster, row.availability_zones, context.now())
        context.repository.create_volume(volume, nodes, initial_groups(volume, 0))
    context.installation.make_storage_folder(cluster)
    for node in context.repository.storage_nodes(cluster):
        context.installation.make_node_folder(node)


def lineage(context: Context, writer: Instance) -> tuple[int, tuple[Fork, ...]]:
    """The writer's timeline and where the earlier ones were left, from its history files."""
    log_folder = context.installation.server(writer).data / "pg_wal"
    newest = max(log_folder.glob("*.history"), default=None)
    if newest is None:
        return 1, ()
    return int(newest.stem, 16), parse_history(newest.read_text())


def start_nodes(context: Context, cluster: str, source: Instance | None = None) -> None:
    """Start every storage node that runs not and is not held down by a fault. For operations.

    They receive from `source`, else from the writer. A standby as the source may be promoted afterwards: they follow it
    onto its new timeline. A node that cannot be started is logged and left to the watch loop: the quorum does without it.
    """
    writer = source or context.writer(cluster)
    nodes = reachable_nodes(context, cluster)
    with context.volume_memory(cluster).nodes_lock:
        side_by_side(_start_or_log, [(context, node, writer) for node in nodes])


def reachable_nodes(context: Context, cluster: str) -> list[StorageNode]:
    """The storage nodes that no injected fault holds down."""
    held_down = {fault.target for fault in context.repository.faults(cluster)}
    nodes = context.repository.storage_nodes(cluster)
    return [node for node in nodes if not held_down & {node.identifier, node.availability_zone}]


def _start_or_log(context: Context, node: StorageNode, writer: Instance) -> None:
    try:
        _start(context, node, writer)
    except (AuroraError, OSError) as error:
        log.warning("%s %s cannot be started: %s", node.cluster, node.identifier, error)


def start_node(context: Context, node: StorageNode) -> None:
    """Start one storage node, unless an operation that owns the nodes has begun meanwhile. For the watch loop.

    Raises MachineError or OSError where it cannot be started.
    """
    with context.volume_memory(node.cluster).nodes_lock:
        # Looked at again under the lock: an operation or a fault may have begun since this was decided.
        held_down = {fault.target for fault in context.repository.faults(node.cluster)}
        if held_down & {node.identifier, node.availability_zone}:
            return
        if nodes_are_free(context.locks.current(node.cluster)):
            _start(context, node, context.writer(node.cluster))


def _start(context: Context, node: StorageNode, writer: Instance) -> None:
    receiver = context.installation.receiver(node)
    if receiver.pid() is not None:
        return
    folder = context.installation.log_folder(node)
    context.installation.make_node_folder(node)
    timeline, forks = lineage(context, writer)
    for done in folder.make_ready(forks, timeline):
        log.info("%s: %s", node.identifier, done)
    if _lacks_what_is_sent(context, folder, writer):
        _take_newest(context, node)
    begun = folder.begin_with_last_of(forks)
    if begun is not None:
        log.info("%s: goes on with %s, in which several timelines were left", node.identifier, begun.name)
    pid = receiver.start(writer.address)
    if pid is not None:
        context.observer.watch_exit(pid)


def _lacks_what_is_sent(context: Context, folder: LogFolder, writer: Instance) -> bool:
    """Whether the writer no longer has the log that a node would ask it for."""
    newest = folder.inventory().newest_finished
    log_folder = context.installation.server(writer).data / "pg_wal"
    sent = [segment.number for path in log_folder.iterdir() if (segment := parse_segment(path.name)) is not None]
    return newest is None or newest.number + 1 < min(sent, default=0)


def _take_newest(context: Context, node: StorageNode) -> None:
    """Copy the newest finished segment from a peer, so that the node goes on from there; the keeper fills the rest.

    The writer may no longer have what the node lacks, and would be asked from the node's last segment on.
    """
    folder = context.installation.log_folder(node)
    own = folder.inventory().newest_finished
    newest: tuple[Segment, StorageNode] | None = None
    for peer in context.repository.storage_nodes(node.cluster):
        try:
            segment = context.installation.log_folder(peer).inventory().newest_finished
        except OSError:
            continue
        if segment is not None and (newest is None or segment.number > newest[0].number):
            newest = segment, peer
    if newest is None or (own is not None and own.number >= newest[0].number):
        return
    segment, peer = newest
    source = context.installation.log_folder(peer)
    for timeline in source.inventory().histories:
        folder.take(source.history(timeline), source.history(timeline).name)
    folder.take(source.finished(segment), segment.name)
    folder.flush()
    log.info("%s goes on from %s, taken from %s", node.identifier, segment.name, peer.identifier)


def take_away(context: Context, cluster: str) -> None:
    """End every storage node, so that whatever writer is left can acknowledge nothing. Raises EngineError if one stays."""
    with context.volume_memory(cluster).nodes_lock:
        receivers = [context.installation.receiver(node) for node in context.repository.storage_nodes(cluster)]
        left = kill_all([pid for receiver in receivers if (pid := receiver.pid()) is not None])
    if left:
        raise EngineError(
            f"Storage nodes of {cluster} cannot be ended: {left}", "See what holds them: ps -o stat,wchan"
        )


def end_unresponsive(context: Context, cluster: str) -> None:
    """End nodes that do not acknowledge: a clean shutdown of the writer would wait for them."""
    snapshot = context.volume_snapshot(cluster)
    if snapshot is None:
        return
    for node in snapshot.nodes:
        if snapshot.seen(node).suspended:
            context.installation.receiver(node).kill()


def wait_streaming(context: Context, cluster: str, names: Iterable[str]) -> None:
    """Wait until the writer sends to all these nodes. Raises TimedOut with those that are missing."""
    wanted = set(names)
    writer = context.writer(cluster)
    deadline = time.monotonic() + _STREAMING_TIMEOUT_S
    with sql.session(writer.address, context.installation.secrets.admin) as connection:
        while missing := wanted - sql.streaming_standbys(connection):
            if time.monotonic() > deadline:
                raise TimedOut(
                    f"Storage nodes did not begin to receive within {_STREAMING_TIMEOUT_S:g} s: "
                    f"{', '.join(sorted(missing))}.",
                    f"Their logs are in {context.home.cluster(cluster).storage}",
                )
            time.sleep(_POLL_S)
    context.observer.refresh(writer)


def apply_quorum(context: Context, cluster: str) -> None:
    """Write the quorum that the rows say into every instance and return when the writer acts on it.

    Every process that sends log reads its configuration before it sends more, so once a commit that was made after
    the change has reached the nodes that are there, none goes by the old quorum any more. Raises TimedOut, EngineError.
    """
    writer = context.writer(cluster)
    for instance in context.repository.instances(cluster):
        server = context.installation.server(instance)
        if server.has_data():
            context.configure(instance, None if instance.is_writer else writer.address)
            server.reload()
    snapshot = context.volume_snapshot(cluster)
    if snapshot is None or context.installation.server(writer).pid() is None:
        return
    with sql.session(writer.address, context.installation.secrets.admin) as connection:
        sql.wait_quorum(connection, snapshot.write_quorum, sorted(snapshot.writable), _STREAMING_TIMEOUT_S)


def end_nodes(context: Context, nodes: Sequence[StorageNode]) -> None:
    """End storage nodes in an orderly way, all at once."""
    side_by_side(lambda node: context.installation.receiver(node).stop(), [(node,) for node in nodes])


def require_usable(context: Context, node: StorageNode) -> None:
    """Raise MachineError where a node's folder cannot be used."""
    try:
        context.installation.log_folder(node).inventory()
    except OSError as error:
        raise MachineError(f"The folder of {node.identifier} cannot be used: {error.strerror}.", "") from error
