"""What a backtrack would do, before it does it: the exact moment, what it begins from, how long, and what it would undo."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

from auroractl.core.lsn import format_lsn
from auroractl.core.timestamps import exact_timestamp, timestamp
from auroractl.core.wal import SEGMENT_BYTES, Lineage, segment_at
from auroractl.engine import sql
from auroractl.process.files import remove_tree
from auroractl.services import backtrack, moments
from auroractl.services.backtrack import BacktrackRequest
from auroractl.services.context import Context
from auroractl.services.log_library import LogLibrary
from auroractl.services.places import Place
from auroractl.storage.log_contents import Reader

_READ_BYTES_MAX = 64 * 1024**2
"""Of what would be undone is read so much; more would take longer than a backtrack."""
_COPY_BYTES_PER_S = 500_000_000
_TAKE_BYTES_PER_S = 2_000_000_000
"""One of two copies of an image is only compared with its checksums."""
_SWITCH_MS = 1000


def plan(context: Context, cluster: str, request: BacktrackRequest) -> dict[str, Any]:
    """What a backtrack would do now; nothing is changed. Raises as `backtrack.backtrack`."""
    context.require_running(cluster)
    place = backtrack.find(context, cluster, request)
    memory = context.volume_memory(cluster).backtrack
    copies = sum(each.identifier == place.image.identifier for each in memory.images)
    laid_bytes_per_s = _TAKE_BYTES_PER_S if copies > 1 else _COPY_BYTES_PER_S
    seconds = place.image.held_bytes / laid_bytes_per_s + place.replay_bytes / memory.replay_bytes_per_s
    return {
        "DBClusterIdentifier": cluster,
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
        "Undone": _undone(context, cluster, place),
        "DryRun": True,
    }


def _undone(context: Context, cluster: str, place: Place) -> dict[str, Any]:
    """The commits after the moment, or after where the moment's history and the current one part."""
    library = LogLibrary(context, cluster)
    current = library.lineage(context.repository.eras(cluster)[-1].timeline)
    assert current is not None
    start_lsn = _common_until(current, place) + 1
    numbers = [number for number in library.segments(current) if number >= segment_at(start_lsn)]
    answer = context.observer.writer_answer(cluster)
    end_lsn = answer.lsn if answer else (max(numbers, default=0) + 1) * SEGMENT_BYTES
    read = [number for number in numbers if number * SEGMENT_BYTES < start_lsn + _READ_BYTES_MAX]
    folder = context.home.cluster(cluster).moments / f"plan-{time.monotonic_ns()}"
    commits, changes = 0, Counter[tuple[int, int]]()
    reader = Reader(context.installation.binaries.program("pg_waldump"), context.installation.account)
    with moments.in_use(context, cluster, folder.name):
        try:
            there = library.lay(current, read, folder)
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
        "Tables": _tables(context, cluster, changes),
    }


def _common_until(current: Lineage, place: Place) -> int:
    if current.holds(place.timeline, place.cut.lsn):
        return place.cut.lsn
    common = 0
    for fork in current.forks:
        last = min(fork.lsn, place.cut.lsn) - 1
        if place.lineage.owner(last) == fork.timeline:
            common = last
    return common


def _tables(context: Context, cluster: str, changes: Counter[tuple[int, int]]) -> list[dict[str, Any]]:
    """Names of the tables that changes of blocks belong to, indexes and TOAST counted with their tables."""
    password = context.installation.secrets.admin
    address = context.writer_address(cluster)
    names: dict[tuple[int, int], tuple[str, str | None]] = {}
    with sql.session(address, password) as connection:
        databases = sql.databases(connection)
    for oid, database in databases.items():
        if any(key[0] == oid for key in changes):
            with sql.session(address, password, database=database) as connection:
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
