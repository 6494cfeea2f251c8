"""The first page image of a cluster: what it was made from, or a base backup."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from auroractl.core.backtrack import Checkpoint, PageImage
from auroractl.core.errors import TimedOut
from auroractl.core.lsn import parse_lsn
from auroractl.core.quorum import Quorum
from auroractl.core.wal import Lineage, segment_at
from auroractl.engine import sql, standby
from auroractl.engine.control_file import read_control_data, set_system_identifier
from auroractl.process.files import write_durably
from auroractl.services.log_library import LogLibrary
from auroractl.storage.images import ImageFolder, StoredImage, copy_data

if TYPE_CHECKING:
    from auroractl.services.context import Context

NO_QUORUM = Quorum(0, frozenset())
_CHECKPOINT_TIMEOUT_S = 60.0
_POLL_S = 0.2


def fits(context: Context, cluster: str, template: Path, library: LogLibrary, current: Lineage) -> bool:
    """Whether a cluster was made from this template and the nodes have all log since then."""
    eras = context.repository.eras(cluster)
    if not eras or eras[0].timeline != 1 or not template.exists():
        return False
    # A template that was made again later is another one.
    if template.stat().st_mtime > eras[0].began_at.timestamp():
        return False
    installation = context.installation
    control = read_control_data(template, installation.binaries, installation.account)
    first = segment_at(parse_lsn(control["Latest checkpoint location"]))
    held = library.segments(current)
    return bool(held) and held[0] <= first


def from_template(
    context: Context, cluster: str, template: Path, folder: ImageFolder, reached_at: datetime
) -> StoredImage:
    """Make the image of a cluster's very beginning from the template that it was made from."""
    installation = context.installation
    own = installation.server(context.writer(cluster)).control_data()
    control = read_control_data(template, installation.binaries, installation.account)
    lsn = parse_lsn(control["Latest checkpoint location"])
    image = PageImage(f"{1:08X}-{lsn:016X}", folder.node, 1, lsn, lsn, reached_at)
    place = folder.begin(image.identifier)
    copy_data(template, place / "data", installation.account)
    set_system_identifier(place / "data", int(own["Database system identifier"]))
    return folder.complete(image)


def base_backup(context: Context, cluster: str, folder: ImageFolder) -> tuple[Path, Checkpoint]:
    """A copy of a running instance, a reader where one answers, and the checkpoint up to which it has to be rolled."""
    installation = context.installation
    writer = context.writer(cluster)
    instances = context.repository.instances(cluster)
    seen = context.observer.observed(instances)
    source = next(
        (each for each in instances if not each.is_writer and seen[each.identifier].accepting), writer
    ).address
    place = folder.begin("base-backup")
    standby.base_backup(source, place, installation.binaries, installation.account, installation.secrets)
    with sql.session(writer.address, installation.secrets.admin) as connection:
        # The backup is consistent only where it ended, and an idle writer makes no checkpoint after that.
        sql.write_something(connection)
        connection.execute("CHECKPOINT")
        row = connection.execute(
            "SELECT timeline_id, checkpoint_lsn, redo_lsn, pg_current_wal_lsn() FROM pg_control_checkpoint()"
        ).fetchone()
    assert row is not None
    checkpoint = Checkpoint(row[0], parse_lsn(row[1]), parse_lsn(row[2]))
    _wait_received(context, cluster, folder.node, parse_lsn(row[3]))
    for name in ("standby.signal", "postmaster.opts"):
        (place / "data" / name).unlink(missing_ok=True)
    write_durably(place / "data" / "postgresql.auto.conf", "", owner=installation.account)
    return place, checkpoint


def _wait_received(context: Context, cluster: str, node: str, lsn: int) -> None:
    deadline = time.monotonic() + _CHECKPOINT_TIMEOUT_S
    while context.volume_memory(cluster).flushed_lsn.get(node, 0) < lsn:
        if time.monotonic() > deadline:
            raise TimedOut(f"{node} did not receive the log of its first page image.", "")
        context.volume_snapshot(cluster)
        time.sleep(_POLL_S)
