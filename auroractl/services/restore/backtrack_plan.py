"""The plan of a backtrack: recovery point, recovery image, estimated time and the changes that it would undo."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

from auroractl.core.text.timestamps import exact_timestamp, timestamp
from auroractl.core.wal.lsn import format_lsn
from auroractl.core.wal.segments import SEGMENT_BYTES, Lineage, segment_at
from auroractl.engine import sql
from auroractl.runtime.managed_cluster import ManagedCluster
from auroractl.services.restore import backtrack, recovered_copy
from auroractl.services.restore.backtrack import BacktrackRequest
from auroractl.services.restore.recovery_point import RecoveryPoint
from auroractl.services.volume.wal_library import WalLibrary
from auroractl.storage.wal_contents import Reader
from auroractl.system.files import remove_tree

_READ_BYTES_MAX = 64 * 1024**2
"""The amount of WAL to read for the undone changes; more would take longer than the backtrack itself."""
_COPY_BYTES_PER_S = 500_000_000
_TAKE_BYTES_PER_S = 2_000_000_000
"""One of two copies of an image is moved, which only takes its verification."""
_SWITCH_MS = 1000


def plan(cluster: ManagedCluster, request: BacktrackRequest) -> dict[str, Any]:
    """Return the plan of a backtrack without changing anything. Raises as `backtrack.backtrack`."""
    cluster.require_running()
    place = backtrack.find(cluster, request)
    memory = cluster.memory.volume.backtrack
    copies = sum(each.identifier == place.image.identifier for each in memory.images)
    laid_bytes_per_s = _TAKE_BYTES_PER_S if copies > 1 else _COPY_BYTES_PER_S
    seconds = place.image.held_bytes / laid_bytes_per_s + place.replay_bytes / memory.replay_bytes_per_s
    return {
        "DBClusterIdentifier": cluster.name,
        "BacktrackTo": timestamp(place.requested_at or place.cut.at),
        "ConsistentTime": exact_timestamp(place.cut.at),
        "ConsistentLsn": format_lsn(place.cut.lsn),
        "Timeline": place.timeline,
        "PageImage": {
            "Identifier": place.image.identifier,
            "StorageNodeIdentifier": place.image.node,
            "Bytes": place.image.held_bytes,
            "ReachedTime": timestamp(place.image.reached_at),
        },
        "ReplayBytes": place.replay_bytes,
        "EstimatedMilliseconds": round(seconds * 1000) + _SWITCH_MS,
        "EstimatedDowntimeMilliseconds": _SWITCH_MS,
        "Undone": _undone(cluster, place),
        "DryRun": True,
    }


def _undone(cluster: ManagedCluster, place: RecoveryPoint) -> dict[str, Any]:
    """Return the commits after the recovery point, or after its lineage and the current one diverge."""
    library = WalLibrary(cluster)
    current = library.lineage(cluster.eras()[-1].timeline)
    assert current is not None
    start_lsn = _common_until(current, place) + 1
    numbers = [number for number in library.segments(current) if number >= segment_at(start_lsn)]
    answer = cluster.observer.writer_answer(cluster.name)
    end_lsn = answer.lsn if answer else (max(numbers, default=0) + 1) * SEGMENT_BYTES
    read = [number for number in numbers if number * SEGMENT_BYTES < start_lsn + _READ_BYTES_MAX]
    folder = cluster.paths.moments / f"plan-{time.monotonic_ns()}"
    commits, changes = 0, Counter[tuple[int, int]]()
    reader = Reader(cluster.binaries.program("pg_waldump"), cluster.installation.account)
    with recovered_copy.in_use(cluster, folder.name):
        try:
            there = library.stage(current, read, folder)
            for timeline in dict.fromkeys(current.at(number).timeline for number in there):
                own = [number for number in there if current.at(number).timeline == timeline]
                stretch = max(start_lsn, own[0] * SEGMENT_BYTES), (own[-1] + 1) * SEGMENT_BYTES
                commits += reader.count_commits(folder, timeline, *stretch)
                changes += reader.changed_relations(folder, timeline, *stretch)
        finally:
            remove_tree(folder)
    return {
        "LogBytes": max(0, end_lsn - start_lsn),
        "Commits": commits,
        "Complete": len(read) == len(numbers),
        "Tables": _tables(cluster, changes),
    }


def _common_until(current: Lineage, place: RecoveryPoint) -> int:
    if current.holds(place.timeline, place.cut.lsn):
        return place.cut.lsn
    common = 0
    for fork in current.forks:
        last = min(fork.lsn, place.cut.lsn) - 1
        if place.lineage.owner(last) == fork.timeline:
            common = last
    return common


def _tables(cluster: ManagedCluster, changes: Counter[tuple[int, int]]) -> list[dict[str, Any]]:
    """Return the tables of changed blocks; indexes and TOAST are counted with their tables."""
    access = cluster.installation.access(cluster.writer())
    names: dict[tuple[int, int], tuple[str, str | None]] = {}
    with sql.session(access) as connection:
        databases = sql.databases(connection)
    for oid, database in databases.items():
        if any(key[0] == oid for key in changes):
            with sql.session(access, database=database) as connection:
                found = sql.table_of_files(connection)
            names |= {(oid, number): (database, table) for number, table in found.items()}
    counted = Counter[tuple[str | None, str | None]]()
    for key, count in changes.items():
        where, table = names.get(key, (databases.get(key[0], ""), None))
        if key[0] and (table is None or not table.startswith("pg_")):
            counted[where, table] += count
    return [
        {"Database": database, "Table": table, "Changes": count} for (database, table), count in counted.most_common()
    ]
