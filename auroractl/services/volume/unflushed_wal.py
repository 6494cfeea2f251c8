"""WAL that storage nodes have not flushed: made durable at a stop, removed after a power cut."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection
from pathlib import Path

from auroractl.core.errors import EngineError
from auroractl.core.volume.model import NodeKind, StorageNode
from auroractl.core.wal.segments import parse_history
from auroractl.runtime.managed_cluster import ManagedCluster
from auroractl.storage.checksums import ChecksumRecord
from auroractl.storage.folder import LogFolder
from auroractl.system.files import exists, flush_folder, flush_tree, make_folder, write_durably
from auroractl.system.limits import raise_shortage
from auroractl.system.safe_open import NotOurs, read_regular

_LOST = "lost-wal"
"""A file in a node's folder whose WAL was removed after the end of the machine, from this segment on, until it continues."""


def flush_nodes(cluster: ManagedCluster) -> None:
    """Make the WAL of the storage nodes durable, which must be stopped or flush. Raises OSError."""
    for node in cluster.storage_nodes():
        for folder in (cluster.installation.log_folder(node), cluster.installation.past_folder(node)):
            if exists(folder.path):
                flush_tree(folder.path)


def remove_untrusted(cluster: ManagedCluster, timeline: int, *, keep: bool) -> list[Path]:
    """Remove WAL of stopped nodes that may not be on disk, and set later timelines aside.

    A checksum is recorded only after its segment was flushed. All other WAL is received again from the writer, which
    sends none that it has not flushed itself, or copied from peers. It is removed, or with `keep` set aside too. Return
    the folders of what is kept. Raises EngineError if a node cannot be looked through: it would be trusted wrongly.
    """
    stamp = _stamp(cluster)
    kept = []
    for node in cluster.storage_nodes():
        main, past = cluster.installation.log_folder(node), cluster.installation.past_folder(node)
        folders = [main, past] if node.kind is NodeKind.FULL else [main]
        try:
            for folder in folders:
                aside = folder.path.with_name(f"{folder.path.name}.kept-{stamp}")
                if exists(folder.path):
                    later = _later(folder, timeline) if folder is main else []
                    _take_away(folder, later, aside, keep=keep)
                if exists(aside):
                    kept.append(aside)
        except OSError as error:
            raise_shortage(error)
            raise EngineError(
                f"The WAL of {node.identifier} cannot be looked through: {error}",
                f"Mend its folder, or empty it if it is lost: {main.path}",
            ) from error
    return kept


def _take_away(folder: LogFolder, later: Collection[Path], aside: Path, *, keep: bool) -> None:
    """Set WAL of later timelines aside; remove what is unfinished, or finished without a recorded checksum."""
    inventory, record = folder.inventory(measured=False), ChecksumRecord(folder.path)
    recorded = record.load()
    doubtful = [folder.finished(each) for each in inventory.finished if each.name not in recorded]
    doubtful += [folder.partial(each) for each in inventory.partial]
    if doubtful:
        numbers = [each.number for each in inventory.segments if each.name not in recorded or each in inventory.partial]
        write_durably(folder.path / _LOST, f"{min([*numbers, lost_from(folder) or numbers[0]])}\n")
    _move([*later, *(doubtful if keep else ())], aside)
    for path in doubtful:
        path.unlink(missing_ok=True)
    for timeline in inventory.histories:
        if exists(folder.history(timeline)) and not _is_history(folder, timeline):
            folder.history(timeline).unlink()
    left = {each.name for each in folder.inventory(measured=False).finished}
    if recorded.keys() - left:
        record.keep(left)
    folder.flush()


def _move(paths: Collection[Path], aside: Path) -> None:
    """Move files to a folder, which may be on another disk, and make them durable there."""
    there = [path for path in dict.fromkeys(paths) if exists(path)]
    if not there:
        return
    make_folder(aside)
    for path in there:
        shutil.move(path, aside / path.name)
    flush_tree(aside)
    flush_folder(aside.parent)


def _later(folder: LogFolder, timeline: int) -> list[Path]:
    """Return WAL and histories of later timelines, which the trusted instance does not know."""
    inventory = folder.inventory(measured=False)
    later = [folder.finished(each) for each in inventory.finished if each.timeline > timeline]
    later += [folder.partial(each) for each in inventory.partial if each.timeline > timeline]
    return later + [folder.history(each) for each in inventory.histories if each > timeline]


def set_all_aside(cluster: ManagedCluster, node: StorageNode) -> Path:
    """Set aside all that a stopped node has, WAL and recovery images; return the folder. Raises OSError."""
    folder = cluster.installation.log_folder(node)
    aside = folder.path.with_name(f"{folder.path.name}.kept-{_stamp(cluster)}")
    make_folder(aside)
    for name, path in (
        ("wal", folder.path),
        ("past", cluster.installation.past_folder(node).path),
        ("images", cluster.installation.image_folder(node).path),
    ):
        if exists(path):
            _move([Path(each.path) for each in os.scandir(path)], aside / name)
    cluster.installation.make_node_folder(node)
    return aside


def lost_from(folder: LogFolder) -> int | None:
    """Return the number of the first segment that a node lost with the machine; None if it has continued since."""
    try:
        return int(read_regular(folder.path / _LOST))
    except (FileNotFoundError, NotOurs, ValueError):
        return None


def note_continues(folder: LogFolder) -> None:
    """Note that a node continues, with WAL that the writer has."""
    (folder.path / _LOST).unlink(missing_ok=True)


def _stamp(cluster: ManagedCluster) -> str:
    return f"{cluster.now():%Y%m%dT%H%M%S}"


def _is_history(folder: LogFolder, timeline: int) -> bool:
    """Return whether the history file of a timeline says anything: after a power cut it may be empty."""
    try:
        return bool(parse_history(read_regular(folder.history(timeline)).decode()))
    except (NotOurs, ValueError, IndexError):
        return False
