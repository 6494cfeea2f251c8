"""WAL that storage nodes have not flushed: made durable at a stop, removed after a power cut."""

from __future__ import annotations

import logging

from auroractl.core.volume.model import NodeKind
from auroractl.core.wal.segments import parse_history
from auroractl.runtime.managed_cluster import ManagedCluster
from auroractl.storage.checksums import ChecksumRecord
from auroractl.storage.folder import LogFolder
from auroractl.system.files import exists, flush_tree
from auroractl.system.limits import raise_shortage
from auroractl.system.safe_open import NotOurs, read_regular

log = logging.getLogger(__name__)


def flush_nodes(cluster: ManagedCluster) -> None:
    """Make the WAL of the storage nodes durable, which must be stopped or flush. Raises OSError."""
    for node in cluster.storage_nodes():
        for folder in (cluster.installation.log_folder(node), cluster.installation.past_folder(node)):
            if exists(folder.path):
                flush_tree(folder.path)


def remove_untrusted(cluster: ManagedCluster, timeline: int) -> None:
    """Remove the WAL of stopped nodes that may not be on disk, or is of a later timeline.

    A checksum is recorded only after its segment was flushed. All other WAL is received again from the writer, which
    sends none that it has not flushed itself, or copied from peers.
    """
    for node in cluster.storage_nodes():
        main, past = cluster.installation.log_folder(node), cluster.installation.past_folder(node)
        try:
            removed = _keep_recorded(main) + _keep_timelines(main, timeline)
            if node.kind is NodeKind.FULL and exists(past.path):
                removed += _keep_recorded(past)
        except OSError as error:
            raise_shortage(error)
            log.warning("%s: its WAL cannot be looked through: %s", node.identifier, error)
        else:
            log.info("%s: removed %d files of WAL that may not be on disk", node.identifier, removed)


def _keep_recorded(folder: LogFolder) -> int:
    """Remove what is unfinished, and what is finished without a recorded checksum; return the number of files."""
    inventory, recorded = folder.inventory(measured=False), ChecksumRecord(folder.path).load()
    unknown = [folder.finished(each) for each in inventory.finished if each.name not in recorded]
    unknown += [folder.partial(each) for each in inventory.partial]
    for path in unknown:
        path.unlink(missing_ok=True)
    for timeline in inventory.histories:
        if not _is_history(folder, timeline):
            folder.history(timeline).unlink(missing_ok=True)
    if unknown:
        folder.flush()
    return len(unknown)


def _is_history(folder: LogFolder, timeline: int) -> bool:
    """Return whether the history file of a timeline says anything: after a power cut it may be empty."""
    try:
        return bool(parse_history(read_regular(folder.history(timeline)).decode()))
    except (NotOurs, ValueError, IndexError):
        return False


def _keep_timelines(folder: LogFolder, timeline: int) -> int:
    """Remove WAL and histories of later timelines, which no surviving instance knows."""
    inventory = folder.inventory(measured=False)
    later = [folder.finished(each) for each in inventory.finished if each.timeline > timeline]
    later += [folder.history(each) for each in inventory.histories if each > timeline]
    for path in later:
        path.unlink(missing_ok=True)
    return len(later)
