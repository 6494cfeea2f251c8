"""The first recovery image of a cluster, from its template or a base backup."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from auroractl.core.restore.retention import Checkpoint, RecoveryImage
from auroractl.core.volume.quorum import Quorum
from auroractl.core.wal.lsn import format_lsn, parse_lsn
from auroractl.core.wal.segments import Lineage, segment_at
from auroractl.engine import sql, standby
from auroractl.engine.control_file import read_control_data, set_system_identifier
from auroractl.runtime.managed_cluster import ManagedCluster
from auroractl.services.volume.wal_library import WalLibrary
from auroractl.storage.images import ImageFolder, StoredImage
from auroractl.system.files import copy_tree, write_durably
from auroractl.system.waiting import wait_until

NO_QUORUM = Quorum(0, frozenset())
_ORIGIN = "Mock authentication nonce"
"""Random bytes that initdb writes and every copy keeps: equal where data began as one and the same data."""
_CHECKPOINT_TIMEOUT_S = 60.0
_POLL_S = 0.2


def fits(cluster: ManagedCluster, template: Path, library: WalLibrary, current: Lineage) -> bool:
    """Return whether a cluster began with this template's data and the nodes have all WAL since then."""
    eras = cluster.eras()
    if not eras or eras[0].timeline != 1 or not template.exists():
        return False
    installation = cluster.installation
    control = read_control_data(template, cluster.binaries, installation.account)
    # The template may have been created again since, or the data may be from another source.
    if control[_ORIGIN] != installation.server(cluster.writer()).control_data()[_ORIGIN]:
        return False
    first = segment_at(parse_lsn(control["Latest checkpoint location"]))
    held = library.segments(current)
    return bool(held) and held[0] <= first


def from_template(cluster: ManagedCluster, template: Path, folder: ImageFolder, reached_at: datetime) -> StoredImage:
    """Make the image of a cluster's initial state from its template."""
    installation = cluster.installation
    own = installation.server(cluster.writer()).control_data()
    control = read_control_data(template, cluster.binaries, installation.account)
    lsn = parse_lsn(control["Latest checkpoint location"])
    image = RecoveryImage(f"{1:08X}-{lsn:016X}", folder.node, 1, lsn, lsn, reached_at)
    place = folder.begin(image.identifier)
    copy_tree(template, place / "data", installation.account)
    set_system_identifier(place / "data", int(own["Database system identifier"]))
    return folder.complete(image)


def base_backup(cluster: ManagedCluster, folder: ImageFolder) -> tuple[Path, Checkpoint]:
    """Make a base backup, of a reader if one answers; return it with the checkpoint up to which to replay."""
    installation = cluster.installation
    writer = cluster.writer()
    instances = cluster.instances()
    seen = cluster.observer.observed(instances)
    source = next((each for each in instances if not each.is_writer and seen[each.identifier].accepting), writer)
    place = folder.begin("base-backup")
    standby.base_backup(
        installation.access(source), place, cluster.binaries, installation.account, installation.secrets
    )
    with sql.session(installation.access(writer)) as connection:
        # The backup is consistent only from its end, after which an idle writer makes no checkpoint.
        sql.write_something(connection)
        connection.execute("CHECKPOINT")
        row = connection.execute(
            "SELECT timeline_id, checkpoint_lsn, redo_lsn, pg_catalog.pg_current_wal_lsn()"
            " FROM pg_catalog.pg_control_checkpoint()"
        ).fetchone()
    assert row is not None
    checkpoint = Checkpoint(row[0], parse_lsn(row[1]), parse_lsn(row[2]))
    _wait_received(cluster, folder.node, parse_lsn(row[3]))
    for name in ("standby.signal", "postmaster.opts"):
        (place / "data" / name).unlink(missing_ok=True)
    write_durably(place / "data" / "postgresql.auto.conf", "")
    return place, checkpoint


def _wait_received(cluster: ManagedCluster, node: str, lsn: int) -> None:
    def behind() -> str:
        cluster.volume_snapshot()
        flushed_lsn = cluster.memory.volume.flushed_lsn.get(node, 0)
        return "" if flushed_lsn >= lsn else f"it has flushed up to {format_lsn(flushed_lsn)} of {format_lsn(lsn)}"

    wait_until(f"{node} did not receive the WAL of its first recovery image", behind, _CHECKPOINT_TIMEOUT_S, _POLL_S)
