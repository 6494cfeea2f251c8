"""Recovered copies: separate servers that are recovered to a recovery point while the cluster keeps running.

Everything that may fail or take long happens here. WAL is found and verified, a recovery image is staged, and a separate
server replays up to the recovery point and pauses there, readable. A backtrack then only has to replace the writer's
data with it; `peek` only has to query it.

    clusters/NAME/moments/ID/    data/ (the data directory), log/ (staged WAL), postgresql.log
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from auroractl.core.address import Address
from auroractl.core.model import Instance
from auroractl.core.restore.retention import RecoveryImage
from auroractl.core.volume.quorum import write_quorum
from auroractl.core.wal.lsn import format_lsn
from auroractl.core.wal.segments import segment_at
from auroractl.engine import configuration, recovery
from auroractl.engine.aurora_topology import write_topology
from auroractl.engine.server import Server, end_all_below
from auroractl.runtime.caller import caller
from auroractl.runtime.managed_cluster import ManagedCluster
from auroractl.runtime.parallel import side_by_side
from auroractl.runtime.topology import topology_of_copy
from auroractl.services.recovery_images.staging import ImageCopy
from auroractl.services.restore.recovery_point import RecoveryPoint
from auroractl.services.volume.wal_library import WalLibrary
from auroractl.system.files import exists, flush_tree, has_name, make_folder, read_json, remove_tree, unwritable
from auroractl.system.liveness import started_at
from auroractl.system.ports import free_port
from auroractl.system.safe_open import make_regular, read_regular
from auroractl.system.waiting import held

log = logging.getLogger(__name__)

CLIENT = "client.json"
"""The file that names the client process of a copy."""
_TELL_INTERVAL_S = 1.0
_RECOVER_TIMEOUT_S = 3600.0


@dataclass(frozen=True, slots=True)
class RecoveredCopy:
    """A recovered copy, or one in recovery."""

    identifier: str
    folder: Path
    server: Server

    @property
    def log_folder(self) -> Path:
        """The folder of its staged WAL."""
        return self.folder / "log"


def copy_named(cluster: ManagedCluster, identifier: str, address: Address) -> RecoveredCopy:
    """Return the copy with a name; it need not exist."""
    folder = cluster.paths.moments / identifier
    return RecoveredCopy(identifier, folder, cluster.installation.server_at(folder, address))


def address_of(cluster: ManagedCluster, identifier: str) -> Address | None:
    """Return the address of the running server of a copy; None if it is not running."""
    server = cluster.installation.server_at(cluster.paths.moments / identifier, Address("", 0))
    return server.listens_at()


def free_address(cluster: ManagedCluster) -> Address:
    """Return an address for a copy: the writer's host with a free port."""
    host = cluster.writer().address.host
    return Address(host, free_port(host))


def begin_copy(cluster: ManagedCluster, image: RecoveryImage, copy: RecoveredCopy) -> ImageCopy:
    """Begin to stage a recovery image in the folder of a copy; remains of an earlier attempt are removed first.

    Raises InvalidClusterState if the image is gone, MachineError without enough space or if the folder is not writable.
    """
    with _file_named(copy):
        remove(cluster, copy.identifier)
        make_folder(copy.folder)
        return ImageCopy(cluster, image, copy.server.data)


def stage(
    cluster: ManagedCluster,
    place: RecoveryPoint,
    copy: RecoveredCopy,
    image_copy: ImageCopy,
    *,
    durable: bool,
) -> None:
    """Stage the WAL of a copy, and wait until its recovery image is staged.

    With `durable`, the image is verified and everything is flushed before this returns. Raises DamagedImage, QuorumLost,
    MachineError if a file cannot be read or written.
    """
    caller().progress.message(
        f"{'Move' if image_copy.taken else 'Copy'} a recovery image of {place.image.held_bytes / 1e6:.0f} MB"
    )
    work: list[Callable[[], object]] = [image_copy.wait, lambda: _stage_wal(cluster, place, copy)]
    if durable:
        work.append(image_copy.check)
    with _file_named(copy):
        side_by_side(lambda piece: piece(), [(piece,) for piece in work])
        _configure(cluster, place, copy, durable=durable)
        if durable:
            flush_tree(copy.server.data)
        else:
            recovery.lay_in_place(copy.server.data, copy.log_folder)


def stage_durably(cluster: ManagedCluster, place: RecoveryPoint, copy: RecoveredCopy) -> None:
    """Stage image and WAL durably, for a copy that may replace the writer. Raises as `begin_copy` and `stage`."""
    lock = cluster.memory.volume.backtrack.images_lock
    with (
        held(lock, "another recovery image is being copied", _RECOVER_TIMEOUT_S),
        closing(begin_copy(cluster, place.image, copy)) as image_copy,
    ):
        stage(cluster, place, copy, image_copy, durable=True)


@contextmanager
def _file_named(copy: RecoveredCopy) -> Iterator[None]:
    """Convert an OSError to a MachineError that names the file."""
    try:
        yield
    except OSError as error:
        raise unwritable(Path(error.filename or copy.folder), error) from error


def _stage_wal(cluster: ManagedCluster, place: RecoveryPoint, copy: RecoveredCopy) -> None:
    library = WalLibrary(cluster)
    held = library.segments(place.whole)
    # The last record may extend into the next segment, unless the timeline ends there.
    fork = next((fork for fork in place.whole.forks if fork.timeline == place.timeline), None)
    last = segment_at(place.cut.lsn) + 1
    if fork is not None:
        last = min(last, segment_at(fork.lsn - 1))
    numbers = [number for number in held if segment_at(place.image.redo_lsn) <= number <= last]
    library.stage(place.lineage, numbers, copy.log_folder, whole=place.whole)


def stage_histories(cluster: ManagedCluster, copy: RecoveredCopy) -> None:
    """Stage the current history files for a copy."""
    WalLibrary(cluster).stage_histories(copy.log_folder)


def _configure(cluster: ManagedCluster, place: RecoveryPoint, copy: RecoveredCopy, *, durable: bool) -> None:
    writer = cluster.writer()
    nodes = cluster.storage_nodes()
    quorum = write_quorum((node.identifier, node.membership) for node in nodes)
    stand_in: Instance = replace(writer, address=copy.server.address)
    base = cluster.parameters(stand_in, configuration.VolumeSettings(quorum))
    own = cluster.installation.server(writer)
    least = cluster.standby_least(copy.server, own)
    cluster.installation.make_socket_folder(copy.server)
    values = recovery.moment_values(base, place.timeline, place.cut.lsn, copy.log_folder, least, throw_away=not durable)
    values["unix_socket_directories"] = configuration.socket_directories(copy.server.socket_folder)
    # `peek` logs in as the master user with its password of that time, also if it is a member of rds_iam.
    access = cluster.iam_access()
    iam = access and access.without(cluster.row().master_username)
    sockets = copy.server.uses_socket()
    configuration.write_configuration(copy.server.data, values, standby=False, sockets=sockets, iam=iam)
    _copy_settings(own.data, copy.server.data)
    if cluster.settings.aurora_sql:
        shown = topology_of_copy(writer.identifier, cluster.now())
        write_topology(copy.server.data, shown)
    recovery.begin_recovery(copy.server.data)


def _copy_settings(source: Path, target: Path) -> None:
    """Copy the settings of ALTER SYSTEM, which writes no WAL. Current settings stay in force."""
    content = source / "postgresql.auto.conf"
    if exists(content):
        settings = read_regular(content)
        with make_regular(target / "postgresql.auto.conf") as file:
            file.write(settings)


def recover(cluster: ManagedCluster, place: RecoveryPoint, copy: RecoveredCopy) -> None:
    """Start the copy's server and wait until it reaches its recovery point. Raises EngineError, TimedOut."""
    began_s = told_s = time.monotonic()
    password = cluster.installation.secrets.admin
    copy.server.begin_start()

    def progress(lsn: int) -> None:
        nonlocal told_s
        if time.monotonic() - told_s < _TELL_INTERVAL_S:
            return
        told_s = time.monotonic()
        done = lsn - place.image.redo_lsn
        took_s = time.monotonic() - began_s
        left = place.replay_bytes - done
        if done > 0 and left > 0:
            caller().progress.message(
                f"Replayed up to {format_lsn(lsn)} of {format_lsn(place.cut.lsn)}: "
                f"{max(0, done) / 1e6:.0f} of {place.replay_bytes / 1e6:.0f} MB, about {left * took_s / done:.0f} s left"
            )

    recovery.wait_paused(copy.server, password, _RECOVER_TIMEOUT_S, progress)
    took_s = max(time.monotonic() - began_s, 0.001)
    cluster.memory.volume.backtrack.replay_bytes_per_s = max(1, round(place.replay_bytes / took_s))


def remove(cluster: ManagedCluster, identifier: str) -> None:
    """Stop a copy and remove it, if it exists."""
    folder = cluster.paths.moments / identifier
    if not has_name(folder):
        return
    server = cluster.installation.server_at(folder, Address("127.0.0.1", 0))
    server.abort()
    end_all_below(folder)
    cluster.installation.remove_socket_folder(server)
    remove_tree(folder)


def end_servers(cluster: ManagedCluster) -> None:
    """Stop the servers of all copies. Pending ones can be recovered again later."""
    end_all_below(cluster.paths.moments)


@contextmanager
def in_use(cluster: ManagedCluster, name: str) -> Iterator[None]:
    """Protect a folder of that name from removal."""
    names = cluster.memory.volume.backtrack.in_use
    names.add(name)
    try:
        yield
    finally:
        names.discard(name)


def remove_unused(cluster: ManagedCluster) -> None:
    """Remove unused copies of ended clients and supervisors."""
    folder = cluster.paths.moments
    found = [each.name for each in folder.iterdir()] if exists(folder) else []
    if not found:
        return
    wanted = set(cluster.memory.volume.backtrack.in_use)
    wanted |= {each.identifier for each in cluster.repository.unfinished_backtracks(cluster.name)}
    for name in found:
        if name not in wanted and ((folder / name).is_symlink() or not _client_lives(folder / name)):
            log.info("%s: removing the unused copy %s", cluster.name, name)
            remove(cluster, name)


def _client_lives(folder: Path) -> bool:
    document = read_json(folder / CLIENT)
    if document is None or document["StartedAt"] is None:
        return False
    return bool(started_at(document["ProcessId"]) == document["StartedAt"])
