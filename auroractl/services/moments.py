"""Copies of a cluster brought back to a moment, beside the cluster, which goes on meanwhile.

Everything that may fail or take long happens here: the log is found and believed, the exact place in it is looked up, a page
image is copied, and a server of its own recovers it to that place and stands there, readable. A backtrack then only has to
put it in the writer's place; `peek` only has to ask it.

    clusters/NAME/moments/ID/    data/ (the data directory), log/ (log laid ready), postgresql.log
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from auroractl.core.backtrack import PageImage
from auroractl.core.lsn import format_lsn
from auroractl.core.model import Address, Instance
from auroractl.core.quorum import write_quorum
from auroractl.core.wal import segment_at
from auroractl.engine import configuration, recovery
from auroractl.engine.server import Server, end_all_below
from auroractl.process.files import flush_tree, make_folder, read_json, remove_tree, unwritable
from auroractl.process.liveness import started_at
from auroractl.process.ports import free_port
from auroractl.services.concurrency import side_by_side
from auroractl.services.image_copy import ImageCopy
from auroractl.services.log_library import LogLibrary
from auroractl.services.places import Place

if TYPE_CHECKING:
    from auroractl.services.context import Context

log = logging.getLogger(__name__)

CLIENT = "client.json"
"""Names the process for which a copy is kept."""
_TELL_INTERVAL_S = 1.0
_RECOVER_TIMEOUT_S = 3600.0


@dataclass(frozen=True, slots=True)
class Moment:
    """A copy of a cluster at a moment, or on its way there."""

    identifier: str
    folder: Path
    server: Server

    @property
    def log_folder(self) -> Path:
        """The log that is laid ready for it."""
        return self.folder / "log"


def moment(context: Context, cluster: str, identifier: str, address: Address) -> Moment:
    """The copy of a name; it need not be there."""
    folder = context.home.cluster(cluster).moments / identifier
    return Moment(identifier, folder, context.installation.server_at(folder, address))


def address_of(context: Context, cluster: str, identifier: str) -> Address | None:
    """Where the running server of a copy listens; None where none runs."""
    server = context.installation.server_at(context.home.cluster(cluster).moments / identifier, Address("", 0))
    return server.listens_at()


def free_address(context: Context, cluster: str) -> Address:
    """Where a copy listens: on the writer's own host, on a port that is free now."""
    host = context.writer_address(cluster).host
    return Address(host, free_port(host))


def begin_copy(context: Context, cluster: str, image: PageImage, copy: Moment) -> ImageCopy:
    """Begin to bring a page image into the folder of a copy; what an earlier attempt left there is removed first.

    Raises InvalidClusterState where the image is gone, MachineError where there is no room or the folder cannot be written.
    """
    with _file_named(copy):
        remove(context, cluster, copy.identifier)
        make_folder(context.home.cluster(cluster).moments, mode=0o755)
        make_folder(copy.folder, owner=context.installation.account)
        return ImageCopy(context, cluster, image, copy.server.data)


def lay_out(
    context: Context,
    cluster: str,
    place: Place,
    copy: Moment,
    image_copy: ImageCopy,
    *,
    durable: bool,
    tell: Callable[[str], None],
) -> None:
    """Wait until the page image is in the copy's folder, and lay the log ready.

    With `durable` the image is compared with its checksums and all is flushed before this returns. Raises DamagedImage,
    QuorumLost, MachineError where a file cannot be read or written.
    """
    tell(f"{'Take' if image_copy.taken else 'Copy'} a page image of {place.image.held_bytes / 1e6:.0f} MB")
    work: list[Callable[[], object]] = [image_copy.wait, lambda: _lay_log(context, cluster, place, copy)]
    if durable:
        work.append(image_copy.check)
    with _file_named(copy):
        side_by_side(lambda piece: piece(), [(piece,) for piece in work])
        _configure(context, cluster, place, copy, durable=durable)
        if durable:
            flush_tree(copy.server.data)
        else:
            recovery.lay_in_place(copy.server.data, copy.log_folder)


def lay_out_durably(context: Context, cluster: str, place: Place, copy: Moment, tell: Callable[[str], None]) -> None:
    """All of it, for a copy that may take the writer's place. Raises as `begin_copy` and `lay_out`."""
    with (
        context.volume_memory(cluster).backtrack.images_lock,
        closing(begin_copy(context, cluster, place.image, copy)) as image_copy,
    ):
        lay_out(context, cluster, place, copy, image_copy, durable=True, tell=tell)


@contextmanager
def _file_named(copy: Moment) -> Iterator[None]:
    """Raises MachineError that names the file, for an OSError."""
    try:
        yield
    except OSError as error:
        raise unwritable(Path(error.filename or copy.folder), error) from error


def _lay_log(context: Context, cluster: str, place: Place, copy: Moment) -> None:
    library = LogLibrary(context, cluster)
    held = library.segments(place.whole)
    # The last record may go on into the next segment; where the history was left, nothing of it does.
    fork = next((fork for fork in place.whole.forks if fork.timeline == place.timeline), None)
    last = segment_at(place.cut.lsn) + 1
    if fork is not None:
        last = min(last, segment_at(fork.lsn - 1))
    numbers = [number for number in held if segment_at(place.image.redo_lsn) <= number <= last]
    library.lay(place.lineage, numbers, copy.log_folder, whole=place.whole)


def lay_histories(context: Context, cluster: str, copy: Moment) -> None:
    """Show a copy the history files that there are now."""
    LogLibrary(context, cluster).lay_histories(copy.log_folder)


def _configure(context: Context, cluster: str, place: Place, copy: Moment, *, durable: bool) -> None:
    writer = context.writer(cluster)
    nodes = context.repository.storage_nodes(cluster)
    quorum = write_quorum((node.identifier, node.membership) for node in nodes)
    stand_in: Instance = replace(writer, address=copy.server.address)
    base = context.installation.parameters(stand_in, None, configuration.VolumeSettings(quorum))
    own = context.installation.server(writer)
    connections = _most_connections(copy.server, own)
    values = recovery.moment_values(
        base, place.timeline, place.cut.lsn, copy.log_folder, connections, throw_away=not durable
    )
    configuration.write_configuration(copy.server.data, values, standby=False, account=copy.server.account)
    _take_over_settings(own.data, copy.server.data)
    recovery.begin_recovery(copy.server.data, copy.server)


def _most_connections(*servers: Server) -> int:
    return max(int(server.control_data()["max_connections setting"]) for server in servers if server.has_data())


def _take_over_settings(source: Path, target: Path) -> None:
    """ALTER SYSTEM writes no log; what is set so now stays set."""
    content = source / "postgresql.auto.conf"
    if content.exists():
        (target / "postgresql.auto.conf").write_bytes(content.read_bytes())


def recover(context: Context, cluster: str, place: Place, copy: Moment, tell: Callable[[str], None]) -> None:
    """Start the copy's server and wait until it stands at its place. Raises EngineError, TimedOut."""
    began_s = told_s = time.monotonic()
    password = context.installation.secrets.admin
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
            tell(
                f"Replayed up to {format_lsn(lsn)} of {format_lsn(place.cut.lsn)}: "
                f"{max(0, done) / 1e6:.0f} of {place.replay_bytes / 1e6:.0f} MB, about {left * took_s / done:.0f} s left"
            )

    recovery.wait_paused(copy.server, password, _RECOVER_TIMEOUT_S, progress)
    took_s = max(time.monotonic() - began_s, 0.001)
    context.volume_memory(cluster).backtrack.replay_bytes_per_s = max(1, round(place.replay_bytes / took_s))


def remove(context: Context, cluster: str, identifier: str) -> None:
    """End a copy and remove it; nothing where there is none."""
    folder = context.home.cluster(cluster).moments / identifier
    if not folder.exists():
        return
    context.installation.server_at(folder, Address("127.0.0.1", 0)).abort()
    end_all_below(folder)
    remove_tree(folder)


def end_servers(context: Context, cluster: str) -> None:
    """End the servers of all copies; those that a person has yet to decide about can be made to recover again."""
    end_all_below(context.home.cluster(cluster).moments)


@contextmanager
def in_use(context: Context, cluster: str, name: str) -> Iterator[None]:
    """Keep a folder of that name from being tidied away."""
    names = context.volume_memory(cluster).backtrack.in_use
    names.add(name)
    try:
        yield
    finally:
        names.discard(name)


def tidy(context: Context, cluster: str) -> None:
    """Remove the copies that nobody wants any more: what an ended supervisor or client left behind."""
    folder = context.home.cluster(cluster).moments
    found = [each.name for each in folder.iterdir()] if folder.exists() else []
    if not found:
        return
    wanted = set(context.volume_memory(cluster).backtrack.in_use)
    wanted |= {each.identifier for each in context.repository.unfinished_backtracks(cluster)}
    for name in found:
        if name not in wanted and not _client_lives(folder / name):
            log.info("%s: removing %s, which nobody wants any more", cluster, name)
            remove(context, cluster, name)


def _client_lives(folder: Path) -> bool:
    document = read_json(folder / CLIENT)
    if document is None or document["StartedAt"] is None:
        return False
    return bool(started_at(document["ProcessId"]) == document["StartedAt"])
