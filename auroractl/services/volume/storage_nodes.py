"""Start and fencing of a cluster's storage nodes, and configuration of the write quorum."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import psycopg

from auroractl.core.errors import AuroraError, EngineError, QuorumLost, TimedOut
from auroractl.core.model import Instance
from auroractl.core.repair_rules import nodes_are_free
from auroractl.core.status import silent_nodes
from auroractl.core.text.sizes import parse_size_bytes
from auroractl.core.volume.growth import initial_groups
from auroractl.core.volume.model import StorageNode, StorageVolume, place_nodes
from auroractl.core.volume.quorum import write_quorum
from auroractl.core.wal.segments import Segment, parse_segment
from auroractl.engine import admission, sql
from auroractl.engine.configuration import awaits_admission
from auroractl.runtime import admitted_senders, events, flushing
from auroractl.runtime.managed_cluster import ManagedCluster
from auroractl.runtime.parallel import side_by_side
from auroractl.services.instances.lineage import lineage
from auroractl.services.volume import unflushed_wal
from auroractl.storage.checksums import forget_unfinished
from auroractl.storage.folder import LogFolder
from auroractl.system.limits import raise_shortage
from auroractl.system.liveness import kill_all
from auroractl.system.waiting import Check, stopping_when, wait_until

log = logging.getLogger(__name__)

_STREAMING_TIMEOUT_S = 30.0
_QUORUM_POLL_S = 0.05
_LOOK_INTERVAL_S = 0.5
_RESTART_INTERVAL_S = 2.0


def make_volume(cluster: ManagedCluster) -> None:
    """Create a volume with six nodes and their folders; existing ones are left unchanged."""
    row = cluster.row()
    settings = cluster.settings
    group_bytes = parse_size_bytes(settings.storage_group_size)
    volume = StorageVolume(
        cluster=cluster.name,
        auto_grow=True,
        max_capacity_bytes=max(group_bytes, parse_size_bytes(settings.storage_max_capacity)),
        increment_bytes=group_bytes,
        headroom_percent=settings.storage_headroom_percent,
        group_bytes=group_bytes,
        created_at=cluster.now(),
    )
    if cluster.repository.volume(cluster.name) is None:
        nodes = place_nodes(cluster.name, row.availability_zones, cluster.now())
        cluster.repository.create_volume(volume, nodes, initial_groups(volume, 0))
    cluster.installation.make_storage_folder(cluster.name)
    for node in cluster.storage_nodes():
        cluster.installation.make_node_folder(node)


def start_nodes(cluster: ManagedCluster, source: Instance | None = None) -> None:
    """Start every stopped storage node that no injected fault keeps down; used by operations.

    They receive from `source`, by default the writer. If `source` is a standby that is promoted later, they follow it to
    its new timeline. A node that cannot be started is logged and left to the watch loop.
    """
    writer = source or cluster.writer()
    nodes = reachable_nodes(cluster)
    with cluster.memory.volume.nodes_lock:
        side_by_side(_start_or_log, [(cluster, node, writer) for node in nodes])


def reachable_nodes(cluster: ManagedCluster) -> list[StorageNode]:
    """Return the storage nodes that no injected fault keeps down."""
    held_down = {fault.target for fault in cluster.faults()}
    nodes = cluster.storage_nodes()
    return [node for node in nodes if not held_down & {node.identifier, node.availability_zone}]


def _start_or_log(cluster: ManagedCluster, node: StorageNode, writer: Instance) -> None:
    try:
        _start(cluster, node, writer)
    except (AuroraError, OSError) as error:
        log.warning("%s %s cannot be started: %s", node.cluster, node.identifier, error)


def start_node(cluster: ManagedCluster, node: StorageNode) -> None:
    """Start one storage node, unless an operation now owns the nodes; used by the watch loop.

    Raises MachineError or OSError if it cannot be started.
    """
    with cluster.memory.volume.nodes_lock:
        # Checked again under the lock, because an operation or a fault may have begun since the decision.
        held_down = {fault.target for fault in cluster.faults()}
        if held_down & {node.identifier, node.availability_zone}:
            return
        if nodes_are_free(cluster.locks.current(node.cluster)):
            _start(cluster, node, cluster.writer())


def _start(cluster: ManagedCluster, node: StorageNode, writer: Instance) -> None:
    """Start a node; record why if it cannot be started."""
    condition = cluster.memory.volume.condition(node.identifier)
    try:
        _start_receiver(cluster, node, writer)
    except (AuroraError, OSError) as error:
        condition.unusable = str(error)
        raise
    condition.unusable = ""


def _start_receiver(cluster: ManagedCluster, node: StorageNode, writer: Instance) -> None:
    receiver = cluster.installation.receiver(node)
    if receiver.pid() is not None:
        return
    flushes = flushing.record_start(cluster.repository, cluster.name, copy=True)
    folder = cluster.installation.log_folder(node)
    cluster.installation.make_node_folder(node)
    timeline, forks = lineage(cluster, writer)
    for done in folder.make_ready(forks, timeline):
        log.info("%s: %s", node.identifier, done)
    if not flushes:
        forget_unfinished(folder)
    if lacks := _lacks_sent_wal(cluster, folder, writer):
        _copy_newest(cluster, node)
        lacks = _lacks_sent_wal(cluster, folder, writer)
    if lacks:
        _begin_later(cluster, node, writer)
    else:
        unflushed_wal.note_continues(folder)
    begun = folder.begin_next(forks, timeline)
    if begun is not None:
        log.info("%s: continues with %s, because an earlier timeline ends before or in it", node.identifier, begun.name)
    pid = cluster.installation.start_receiver(node, writer, flushes=flushes)
    if pid is not None:
        cluster.observer.watch_exit(pid)


def _begin_later(cluster: ManagedCluster, node: StorageNode, writer: Instance) -> None:
    """Let a node begin with the oldest WAL that the writer has, if it has lost WAL with the machine.

    Its peers have it neither. If the writer has all that was lost, the node receives it again. Otherwise no commit needs
    the rest, but backtracks would: the window begins there. What the node has is set aside.
    """
    folder = cluster.installation.log_folder(node)
    lost, sent = unflushed_wal.lost_from(folder), _sent(cluster, writer)
    if lost is None or not sent:
        return
    oldest = min(sent, key=lambda each: (each.number, each.timeline))
    if folder.inventory().newest_finished is None and oldest.number <= lost:
        again = [each for each in sent if each.number >= lost]
        folder.partial(min(again, default=oldest, key=lambda each: (each.number, each.timeline))).touch(mode=0o600)
        return
    aside = unflushed_wal.set_all_aside(cluster, node)
    folder.partial(oldest).touch(mode=0o600)
    message = (
        f"No copy has the WAL before {oldest.name} since the machine ended; {node.identifier} and the backtrack window "
        f"begin with it. What it had is kept in {aside} until you remove it"
    )
    events.record(cluster, events.DAMAGE, node.identifier, message)


def _sent(cluster: ManagedCluster, writer: Instance) -> list[Segment]:
    log_folder = cluster.installation.server(writer).data / "pg_wal"
    return [segment for path in log_folder.iterdir() if (segment := parse_segment(path.name)) is not None]


def _lacks_sent_wal(cluster: ManagedCluster, folder: LogFolder, writer: Instance) -> bool:
    """Return whether the writer no longer has the WAL that a node would request."""
    newest = folder.inventory().newest_finished
    sent = [segment.number for segment in _sent(cluster, writer)]
    return newest is None or newest.number + 1 < min(sent, default=0)


def _copy_newest(cluster: ManagedCluster, node: StorageNode) -> None:
    """Copy the newest finished segment from a peer, so that the node continues from there.

    Otherwise the node would request WAL from its own last segment on, which the writer may no longer have. The log
    keeper fills the gap later.
    """
    folder = cluster.installation.log_folder(node)
    own = folder.inventory().newest_finished
    newest: tuple[Segment, StorageNode] | None = None
    for peer in cluster.storage_nodes():
        try:
            segment = cluster.installation.log_folder(peer).inventory().newest_finished
        except OSError as error:
            raise_shortage(error)
            continue
        if segment is not None and (newest is None or segment.number > newest[0].number):
            newest = segment, peer
    if newest is None or (own is not None and own.number >= newest[0].number):
        return
    segment, peer = newest
    source = cluster.installation.log_folder(peer)
    folder.take_histories(source, source.inventory().histories)
    folder.take(source.finished(segment), segment.name)
    folder.flush()
    log.info("%s continues from %s, copied from %s", node.identifier, segment.name, peer.identifier)


def restart_nodes(cluster: ManagedCluster) -> None:
    """Restart the storage nodes one after another, so that no commit waits. Raises TimedOut if one does not receive.

    One that an injected fault keeps down or frozen is only ended, so that it does not continue as it was started.
    """
    reachable = reachable_nodes(cluster)
    for node in cluster.storage_nodes():
        with cluster.memory.volume.nodes_lock:
            cluster.installation.receiver(node).kill()
        if node in reachable:
            start_nodes(cluster)
            wait_streaming(cluster, [node.identifier])


def fence_nodes(cluster: ManagedCluster) -> None:
    """Kill every storage node, so that no old writer can acknowledge anything. Raises EngineError if one survives."""
    with cluster.memory.volume.nodes_lock:
        receivers = [cluster.installation.receiver(node) for node in cluster.storage_nodes()]
        left = kill_all([pid for receiver in receivers if (pid := receiver.pid()) is not None])
    if left:
        raise EngineError(
            f"Storage nodes of {cluster.name} cannot be killed: {left}", "See what blocks them: ps -o stat,wchan"
        )


def kill_unresponsive(cluster: ManagedCluster) -> None:
    """Kill suspended nodes, because a clean shutdown of the writer would wait for them."""
    snapshot = cluster.volume_snapshot()
    if snapshot is None:
        return
    for node in snapshot.nodes:
        if snapshot.seen(node).suspended:
            cluster.installation.receiver(node).kill()


def wait_streaming(cluster: ManagedCluster, names: Iterable[str]) -> None:
    """Wait until the writer streams to all these nodes. Raises TimedOut, which names missing nodes and reasons."""
    wanted = set(names)
    writer = cluster.writer()
    with sql.session(cluster.installation.access(writer)) as connection:

        def missing() -> str:
            admit(cluster)
            return ", ".join(sorted(wanted - sql.streaming_standbys(connection)))

        def reasons() -> str:
            snapshot = cluster.volume_snapshot()
            return silent_nodes(snapshot) if snapshot else ""

        wait_until(
            "the storage nodes did not begin to receive",
            missing,
            _STREAMING_TIMEOUT_S,
            explain=reasons,
            hint=_logs(cluster),
        )
    cluster.observer.refresh(writer)


def admit(cluster: ManagedCluster) -> None:
    """Let the writer count the storage nodes that it sends WAL to, where it counts none unasked.

    A failure is logged: what waits for the quorum calls this again, and so does the watch loop.
    """
    writer = cluster.writer()
    server = cluster.installation.server(writer)
    if not awaits_admission(server.data):
        return
    try:
        admission.admit(cluster.installation.access(writer), server.data, cluster.write_quorum())
    except (AuroraError, OSError) as error:
        log.info("%s counts no storage node yet: %s", writer.identifier, error)
    else:
        cluster.observer.refresh(writer)


def _logs(cluster: ManagedCluster) -> str:
    return f"Their logs are in {cluster.paths.storage}"


def wait_write_quorum(cluster: ManagedCluster, timeout_s: float) -> None:
    """Wait until enough storage nodes acknowledge commits; nodes that end meanwhile are restarted.

    Raises QuorumLost, which names silent nodes and reasons, at once if injected faults keep too many of them down.
    """
    writer = cluster.writer()
    due_s = time.monotonic() + _RESTART_INTERVAL_S

    def missing() -> str:
        nonlocal due_s
        cluster.observer.refresh(writer)
        admit(cluster)
        snapshot = cluster.volume_snapshot()
        if snapshot is None or snapshot.write_quorum_held:
            return ""
        if time.monotonic() > due_s:
            start_nodes(cluster)
            due_s = time.monotonic() + _RESTART_INTERVAL_S
        return silent_nodes(snapshot)

    try:
        wait_until(
            "the write quorum was not reached",
            missing,
            timeout_s,
            _QUORUM_POLL_S,
            _quorum_check(cluster, lambda: [each.identifier for each in reachable_nodes(cluster)]),
        )
    except TimedOut:
        require_write_quorum(cluster)
        raise


@contextmanager
def committing_session(cluster: ManagedCluster) -> Iterator[psycopg.Connection]:
    """Open a session on the writer that commits while nodes are not restarted.

    Raises as `sql.session` does, and QuorumLost if too few nodes run or acknowledge its commits.
    """

    def running() -> list[str]:
        nodes = cluster.storage_nodes()
        return [node.identifier for node in nodes if cluster.installation.receiver(node).pid() is not None]

    access, timeout_s = cluster.installation.access(cluster.writer()), cluster.settings.start_timeout_s
    try:
        with (
            stopping_when(_quorum_check(cluster, running)),
            sql.session(access, statement_timeout_s=timeout_s) as connection,
        ):
            yield connection
    except TimedOut:
        require_write_quorum(cluster)
        raise


def _quorum_check(cluster: ManagedCluster, candidates: Callable[[], list[str]]) -> Check:
    due_s = time.monotonic() + _LOOK_INTERVAL_S

    def check() -> None:
        nonlocal due_s
        if time.monotonic() < due_s:
            return
        due_s = time.monotonic() + _LOOK_INTERVAL_S
        members = cluster.storage_nodes()
        if not write_quorum((node.identifier, node.membership) for node in members).met_by(candidates()):
            require_write_quorum(cluster)

    return check


def require_write_quorum(cluster: ManagedCluster) -> None:
    """Raise QuorumLost, naming silent nodes and reasons, if too few nodes acknowledge commits."""
    cluster.observer.refresh(cluster.writer())
    snapshot = cluster.volume_snapshot()
    if snapshot is None or snapshot.write_quorum_held:
        return
    quorum = snapshot.write_quorum
    raise QuorumLost(
        f"Commits wait: {quorum.count(snapshot.writable)} storage nodes acknowledge them, but {quorum.required} are "
        f"needed ({silent_nodes(snapshot)}).",
        _logs(cluster),
    )


def apply_quorum(cluster: ManagedCluster) -> None:
    """Configure the recorded quorum on every instance, and return when the writer applies it.

    Every process that sends WAL rereads its configuration before it sends more. So once a commit after the change has
    reached the available nodes, none uses the old quorum. Raises TimedOut, EngineError.
    """
    writer = cluster.writer()
    for instance in cluster.instances():
        server = cluster.installation.server(instance)
        if server.has_data():
            cluster.configure(instance, None if instance.is_writer else writer)
            admitted_senders.reload(cluster.installation, instance)
    if awaits_admission(cluster.installation.server(writer).data):
        # Senders that were admitted to the old quorum drop out when they read the new one.
        admit(cluster)
    snapshot = cluster.volume_snapshot()
    if snapshot is None or cluster.installation.server(writer).pid() is None:
        return
    with sql.session(cluster.installation.access(writer)) as connection:
        sql.wait_quorum(connection, snapshot.write_quorum, sorted(snapshot.writable), _STREAMING_TIMEOUT_S)
