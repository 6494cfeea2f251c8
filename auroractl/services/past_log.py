"""What backtracks leave behind: the log of histories that are not the current one, on the full nodes, for as long as a moment
of theirs is within the window. It is what makes going forward again possible.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from auroractl.core.storage import NodeKind, StorageNode
from auroractl.core.wal import SEGMENT_BYTES, Lineage, Segment, segment_at
from auroractl.services import storage_nodes
from auroractl.services.log_library import LogLibrary
from auroractl.services.volume_memory import BacktrackMemory
from auroractl.storage.checksums import ChecksumRecord, checksum
from auroractl.storage.folder import LogFolder
from auroractl.storage.valid_log import find_end

if TYPE_CHECKING:
    from auroractl.services.context import Context

log = logging.getLogger(__name__)


def note_era(context: Context, cluster: str) -> None:
    """Remember since when the cluster writes on its timeline, where it has come to a new one by a failover."""
    writer = context.writer(cluster)
    server = context.installation.server(writer)
    if server.pid() is None or (server.data / "standby.signal").exists():
        return
    eras = context.repository.eras(cluster)
    timeline, forks = storage_nodes.lineage(context, writer)
    if eras and eras[-1].timeline == timeline:
        return
    history = server.data / "pg_wal" / f"{timeline:08X}.history"
    began = datetime.fromtimestamp(history.stat().st_mtime, UTC) if eras and history.exists() else context.now()
    if eras and began < eras[-1].began_at:
        began = context.now()
    context.repository.begin_era(cluster, timeline, began, forks[-1].lsn if forks else None)


def set_aside(context: Context, cluster: str, lineage: Lineage) -> None:
    """Sort the log of every node by a new history: what is not of it is set aside on full nodes and removed on tail nodes, and
    what is of it and had been set aside comes back. The nodes must be ended. May be repeated. A node that cannot be reached
    is brought into line when its process starts, and filled from its peers.
    """
    with context.volume_memory(cluster).folders_lock:
        _set_aside(context, cluster, lineage)


def _set_aside(context: Context, cluster: str, lineage: Lineage) -> None:
    for node in storage_nodes.reachable_nodes(context, cluster):
        main, past = context.installation.log_folder(node), context.installation.past_folder(node)
        try:
            if node.kind is NodeKind.FULL and main.path.exists():
                context.installation.make_past_folder(node)
                _sort(main, past, lineage)
            else:
                _drop(main, lineage)
        except OSError as error:
            log.warning("%s: its log cannot be sorted: %s", node.identifier, error)


def _sort(main: LogFolder, past: LogFolder, lineage: Lineage) -> None:
    recorded = {**ChecksumRecord(past.path).load(), **ChecksumRecord(main.path).load()}
    moved: dict[str, str] = {}
    held = main.inventory()
    # Also the segment in which the history was left: beyond that place it is of the past.
    for segment in _not_of(lineage, held.finished):
        if past.finished(segment).exists():
            main.finished(segment).unlink()
        else:
            main.finished(segment).rename(past.finished(segment))
            if segment.name in recorded:
                moved[segment.name] = recorded[segment.name]
    for segment in _not_of(lineage, held.partial):
        if past.finished(segment).exists():
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
    """The number of the segment in which the timeline of a segment was left."""
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


def finish_tail(context: Context, cluster: str, timeline: int) -> int | None:
    """Make the last, unfinished segment of a timeline that was set aside the same on all full nodes; where its log ends.

    The furthest valid content is taken. None where nothing of the timeline is there.
    """
    nodes = [each for each in storage_nodes.reachable_nodes(context, cluster) if each.kind is NodeKind.FULL]
    folders = [context.installation.past_folder(node) for node in nodes]
    inventories = [folder.inventory() for folder in folders]
    own = {segment for each in inventories for segment in each.segments if segment.timeline == timeline}
    if not own:
        return None
    segment = max(own, key=lambda each: each.number)
    ends: dict[bytes, int] = {}
    for folder, inventory in zip(folders, inventories, strict=True):
        for path in (folder.finished(segment), folder.partial(segment)):
            if path.exists():
                content = path.read_bytes()[:SEGMENT_BYTES].ljust(SEGMENT_BYTES, b"\0")
                if content not in ends:
                    ends[content] = _end_of(context, folder, segment, content)
        for other in inventory.partial:
            if other.timeline == timeline and other != segment:
                folder.partial(other).unlink(missing_ok=True)
    best = max(ends, key=lambda content: ends[content])
    for folder in folders:
        if folder.path.exists():
            _put(context, folder, segment, best)
    return ends[best]


def _end_of(context: Context, folder: LogFolder, segment: Segment, content: bytes) -> int:
    scratch = folder.path / "examined"
    LogFolder(scratch, folder.account).remove()
    context.installation.make_scratch_folder(scratch)
    try:
        path = scratch / segment.name
        path.write_bytes(content)
        context.installation.own(path)
        program = context.installation.binaries.program("pg_waldump")
        if not content.strip(b"\0"):
            return segment.start
        return find_end(program, scratch, segment.timeline, segment.start, folder.account).lsn
    finally:
        LogFolder(scratch, folder.account).remove()


def _put(context: Context, folder: LogFolder, segment: Segment, content: bytes) -> None:
    aside = folder.path / f"{segment.name}.filling"
    aside.write_bytes(content)
    context.installation.own(aside)
    aside.rename(folder.finished(segment))
    folder.partial(segment).unlink(missing_ok=True)
    folder.flush()
    digest = checksum(folder.finished(segment))
    if digest:
        ChecksumRecord(folder.path).add({segment.name: digest})


def look_after(context: Context, cluster: str, nodes: Sequence[StorageNode], library: LogLibrary) -> None:
    """Give up what is not needed any more, and fill what is missing from peers.

    The lock is held for one segment at a time: a backtrack that sorts the folders does not wait for all of them.
    """
    lock = context.volume_memory(cluster).folders_lock
    memory = context.volume_memory(cluster).backtrack
    held: dict[str, set[Segment]] = {}
    for node in nodes:
        with lock:
            held[node.identifier] = _prune(context.installation.past_folder(node), memory)
    everything = {segment for segments in held.values() for segment in segments}
    for node in nodes:
        for segment in sorted(everything - held[node.identifier], key=lambda each: each.number):
            with lock:
                _fill(context, node, segment, library)


def _prune(folder: LogFolder, memory: BacktrackMemory) -> set[Segment]:
    """Remove what is not needed; what is left."""
    inventory = folder.inventory()
    unneeded = {segment for segment in inventory.finished if not memory.needs(segment)}
    for segment in unneeded:
        folder.finished(segment).unlink(missing_ok=True)
    kept = set(inventory.finished) - unneeded
    if unneeded:
        ChecksumRecord(folder.path).keep({segment.name for segment in kept})
    return kept


def _fill(context: Context, node: StorageNode, segment: Segment, library: LogLibrary) -> None:
    """Copy a segment from a peer whose copy can be believed; nothing where it has come or gone meanwhile."""
    folder = context.installation.past_folder(node)
    source = library.believed(segment)
    if source is None or folder.finished(segment).exists():
        return
    context.installation.make_past_folder(node)
    folder.take(source, segment.name)
    digest = checksum(folder.finished(segment))
    if digest is not None:
        ChecksumRecord(folder.path).add({segment.name: digest})
