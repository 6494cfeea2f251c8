"""WAL of abandoned timelines, which full nodes keep as long as the backtrack window reaches back to it.

It makes it possible to undo a backtrack.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from auroractl.core.volume.model import NodeKind, StorageNode
from auroractl.core.wal.segments import SEGMENT_BYTES, Lineage, Segment, segment_at
from auroractl.runtime.managed_cluster import ManagedCluster
from auroractl.runtime.volume_memory import BacktrackMemory
from auroractl.services.instances.lineage import lineage
from auroractl.services.volume import storage_nodes
from auroractl.services.volume.wal_library import WalLibrary
from auroractl.storage.checksums import ChecksumRecord, checksum
from auroractl.storage.folder import LogFolder
from auroractl.storage.valid_wal import find_end
from auroractl.system.files import exists, make_folder
from auroractl.system.safe_open import make_regular, read_start
from auroractl.system.waiting import held as holding

log = logging.getLogger(__name__)

_LOCK_TIMEOUT_S = 600.0


def note_era(cluster: ManagedCluster) -> None:
    """Record when the cluster began its current timeline, if a failover has started a new one."""
    writer = cluster.writer()
    server = cluster.installation.server(writer)
    if server.pid() is None or exists(server.data / "standby.signal"):
        return
    eras = cluster.eras()
    timeline, forks = lineage(cluster, writer)
    if eras and eras[-1].timeline == timeline:
        return
    history = server.data / "pg_wal" / f"{timeline:08X}.history"
    began = datetime.fromtimestamp(history.lstat().st_mtime, UTC) if eras and exists(history) else cluster.now()
    if eras and began < eras[-1].began_at:
        began = cluster.now()
    cluster.repository.begin_era(cluster.name, timeline, began, forks[-1].lsn if forks else None)


def set_aside(cluster: ManagedCluster, lineage: Lineage) -> None:
    """Separate the WAL of every node by a new lineage. The nodes must be stopped; may be repeated.

    WAL outside the lineage is set aside on full nodes and removed on tail nodes. WAL of the lineage that was set aside is
    put back. An unreachable node does this when its process starts, and is then filled from its peers. Raises TimedOut if
    the folders stay in use.
    """
    lock = cluster.memory.volume.folders_lock
    with holding(lock, "the WAL of the storage nodes is being read", _LOCK_TIMEOUT_S):
        _set_aside(cluster, lineage)


def _set_aside(cluster: ManagedCluster, lineage: Lineage) -> None:
    for node in storage_nodes.reachable_nodes(cluster):
        main, past = cluster.installation.log_folder(node), cluster.installation.past_folder(node)
        try:
            if node.kind is NodeKind.FULL and exists(main.path):
                cluster.installation.make_past_folder(node)
                _sort(main, past, lineage)
            else:
                _drop(main, lineage)
        except OSError as error:
            log.warning("%s: its WAL cannot be set aside: %s", node.identifier, error)


def _sort(main: LogFolder, past: LogFolder, lineage: Lineage) -> None:
    recorded = {**ChecksumRecord(past.path).load(), **ChecksumRecord(main.path).load()}
    moved: dict[str, str] = {}
    held = main.inventory()
    # This includes the segment with the fork, because the WAL after the fork is abandoned.
    for segment in _not_of(lineage, held.finished):
        if exists(past.finished(segment)):
            main.finished(segment).unlink()
        else:
            main.finished(segment).rename(past.finished(segment))
            if segment.name in recorded:
                moved[segment.name] = recorded[segment.name]
    for segment in _not_of(lineage, held.partial):
        if exists(past.finished(segment)):
            main.partial(segment).unlink()
        else:
            main.partial(segment).rename(past.partial(segment))
    if moved:
        ChecksumRecord(past.path).add(moved)
    for segment in past.inventory().finished:
        if lineage.at(segment.number) == segment and segment.number < _last_of(lineage, segment):
            past.finished(segment).rename(main.finished(segment))
            if segment.name in recorded:
                ChecksumRecord(main.path).add({segment.name: recorded[segment.name]})
    past.flush()
    main.flush()


def _last_of(lineage: Lineage, segment: Segment) -> int:
    """Return the number of the segment in which the timeline of a segment ends."""
    fork = next((fork for fork in lineage.forks if fork.timeline == segment.timeline), None)
    return segment_at(fork.lsn) if fork else 2**62


def _not_of(lineage: Lineage, segments: Iterable[Segment]) -> list[Segment]:
    return [segment for segment in segments if lineage.at(segment.number) != segment]


def _drop(main: LogFolder, lineage: Lineage) -> None:
    held = main.inventory()
    for segment in _not_of(lineage, held.finished):
        main.finished(segment).unlink(missing_ok=True)
    for segment in _not_of(lineage, held.partial):
        main.partial(segment).unlink(missing_ok=True)


def finish_tail(cluster: ManagedCluster, timeline: int) -> int | None:
    """Make the last segment of an abandoned timeline identical on all full nodes; return its end LSN.

    The content with the furthest valid end is used. Returns None if no node has WAL of the timeline.
    """
    nodes = [each for each in storage_nodes.reachable_nodes(cluster) if each.kind is NodeKind.FULL]
    folders = [cluster.installation.past_folder(node) for node in nodes]
    inventories = [folder.inventory() for folder in folders]
    own = {segment for each in inventories for segment in each.segments if segment.timeline == timeline}
    if not own:
        return None
    segment = max(own, key=lambda each: each.number)
    ends: dict[bytes, int] = {}
    for folder, inventory in zip(folders, inventories, strict=True):
        for path in (folder.finished(segment), folder.partial(segment)):
            if exists(path):
                content = read_start(path, SEGMENT_BYTES).ljust(SEGMENT_BYTES, b"\0")
                if content not in ends:
                    ends[content] = _end_of(cluster, folder, segment, content)
        for other in inventory.partial:
            if other.timeline == timeline and other != segment:
                folder.partial(other).unlink(missing_ok=True)
    best = max(ends, key=lambda content: ends[content])
    for folder in folders:
        if exists(folder.path):
            _put(folder, segment, best)
    return ends[best]


def _end_of(cluster: ManagedCluster, folder: LogFolder, segment: Segment, content: bytes) -> int:
    scratch = folder.path / "examined"
    LogFolder(scratch).remove()
    make_folder(scratch)
    try:
        path = scratch / segment.name
        with make_regular(path) as file:
            file.write(content)
        program = cluster.binaries.program("pg_waldump")
        if not content.strip(b"\0"):
            return segment.start
        return find_end(program, scratch, segment.timeline, segment.start, cluster.installation.account).lsn
    finally:
        LogFolder(scratch).remove()


def _put(folder: LogFolder, segment: Segment, content: bytes) -> None:
    aside = folder.path / f"{segment.name}.filling"
    with make_regular(aside) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    aside.rename(folder.finished(segment))
    folder.partial(segment).unlink(missing_ok=True)
    folder.flush()
    digest = checksum(folder.finished(segment))
    if digest:
        ChecksumRecord(folder.path).add({segment.name: digest})


def maintain(cluster: ManagedCluster, nodes: Sequence[StorageNode], library: WalLibrary) -> None:
    """Prune WAL that is no longer needed, and fill missing segments from peers.

    The lock is held for one segment at a time, so that a backtrack does not have to wait for all of them.
    """
    lock = cluster.memory.volume.folders_lock
    memory = cluster.memory.volume.backtrack
    held: dict[str, set[Segment]] = {}
    for node in nodes:
        with lock:
            held[node.identifier] = _prune(cluster.installation.past_folder(node), memory)
    everything = {segment for segments in held.values() for segment in segments}
    for node in nodes:
        for segment in sorted(everything - held[node.identifier], key=lambda each: each.number):
            with lock:
                _fill(cluster, node, segment, library)


def _prune(folder: LogFolder, memory: BacktrackMemory) -> set[Segment]:
    """Remove unneeded segments; return the remaining ones."""
    inventory = folder.inventory()
    unneeded = {segment for segment in inventory.finished if not memory.needs(segment)}
    for segment in unneeded:
        folder.finished(segment).unlink(missing_ok=True)
    kept = set(inventory.finished) - unneeded
    if unneeded:
        ChecksumRecord(folder.path).keep({segment.name for segment in kept})
    return kept


def _fill(cluster: ManagedCluster, node: StorageNode, segment: Segment, library: WalLibrary) -> None:
    """Copy a segment from a peer with a trustworthy copy, unless it has appeared or disappeared meanwhile."""
    folder = cluster.installation.past_folder(node)
    source = library.trustworthy_copy(segment)
    if source is None or exists(folder.finished(segment)):
        return
    cluster.installation.make_past_folder(node)
    folder.take(source, segment.name)
    digest = checksum(folder.finished(segment))
    if digest is not None:
        ChecksumRecord(folder.path).add({segment.name: digest})
