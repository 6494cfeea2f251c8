"""Copies of a cluster brought back to a moment, beside the cluster, which goes on meanwhile.

Everything that may fail or take long happens here: the log is found and believed, the exact place in it is looked up, a page
image is copied, and a server of its own recovers it to that place and stands there, readable. A backtrack then only has to
put it in the writer's place; `peek` only has to ask it.

    clusters/NAME/moments/ID/    data/ (the data directory), log/ (log laid ready), postgresql.log
"""

from __future__ import annotations

import logging
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

from auroractl.core.backtrack import BacktrackStatus, Era, PageImage, choose_image, era_at, goes_on_in
from auroractl.core.errors import (
    EngineError,
    InvalidClusterState,
    InvalidParameterValue,
    MachineError,
    QuorumLost,
)
from auroractl.core.lsn import format_lsn
from auroractl.core.model import Address, Instance
from auroractl.core.moments import Commit, Cut, Target, cut_at
from auroractl.core.quorum import write_quorum
from auroractl.core.sizes import format_size
from auroractl.core.views import timestamp
from auroractl.core.wal import SEGMENT_BYTES, Lineage, segment_at
from auroractl.engine import configuration, recovery, sql
from auroractl.engine.server import Server
from auroractl.process.files import flush_tree, make_folder, read_json, remove_tree, unwritable
from auroractl.process.liveness import kill_all, processes_below, started_at
from auroractl.services import image_damage
from auroractl.services.log_library import LogLibrary
from auroractl.storage.images import DamagedImage, StoredImage, copy_data, shares_blocks
from auroractl.storage.log_contents import Reader

if TYPE_CHECKING:
    from auroractl.services.context import Context

log = logging.getLogger(__name__)

CLIENT = "client.json"
"""Names the process for which a copy is kept."""
_FLUSHED_TIMEOUT_S = 5.0
_RECOVER_TIMEOUT_S = 3600.0
_LATE = timedelta(seconds=2)
"""A transaction may take its time and write it this much later; what is further on in the log is not looked at."""
_BACK_SEGMENTS = 16
"""How many segments at a time are looked through for the last commit before a moment."""
_SPARE_BYTES = 16 * SEGMENT_BYTES
"""What has to stay free beyond a copy: its own log, and that of the cluster which goes on."""
_PAGE_HEADER_BYTES = 41
"""Where a history was left right at the beginning of a segment, that segment may never have been written."""


@dataclass(frozen=True, slots=True)
class Place:
    """The exact place that a target means, and how it is reached."""

    lineage: Lineage
    """The history up to there."""
    whole: Lineage
    """The history that goes on from there."""
    cut: Cut
    image: PageImage
    requested_at: datetime | None

    @property
    def timeline(self) -> int:
        """The timeline on which it lies."""
        return self.lineage.timeline

    @property
    def replay_bytes(self) -> int:
        """How much log is replayed."""
        return max(0, self.cut.lsn - self.image.redo_lsn)

    def to_json(self) -> dict[str, Any]:
        """As the journal keeps it."""
        return {
            "Timeline": self.lineage.timeline,
            "WholeTimeline": self.whole.timeline,
            "Lsn": self.cut.lsn,
            "At": self.cut.at.isoformat(),
            "ImageNode": self.image.node,
            "Image": self.image.identifier,
        }


def find_place(context: Context, cluster: str, target: Target, *, use_earliest: bool = False) -> Place:
    """The place in the log that a target means.

    Raises InvalidParameterValue for a moment in the future or before the earliest (`use_earliest`: the earliest is taken
    then, as AWS's UseEarliestTimeOnPointInTimeUnavailable does), InvalidClusterState where there is no window or no image
    yet, QuorumLost where log that is needed has no copy that can be believed.
    """
    earliest = require_window(context, cluster)
    now = context.now()
    if target.lsn is not None:
        return _place_of_lsn(context, cluster, target.lsn)
    moment = earliest if target.earliest else target.at
    assert moment is not None
    if moment > now:
        raise InvalidParameterValue(
            f"{timestamp(moment)} is in the future; it is {timestamp(now)} now.", "Give a moment that was"
        )
    if moment < earliest:
        if not use_earliest:
            raise InvalidParameterValue(
                f"{timestamp(moment)} is before the earliest moment that can be reached, {timestamp(earliest)}.",
                "Go to that one with --use-earliest, or give a later one",
            )
        moment = earliest
    era = era_at(context.repository.eras(cluster), moment)
    if era is None:
        raise InvalidClusterState(f"Nothing is known of DBCluster {cluster} at {timestamp(moment)}.", "")
    if era.ended_at is None:
        _wait_flushed(context, cluster)
    return place_on(context, cluster, era, moment)


def require_window(context: Context, cluster: str) -> datetime:
    """The earliest moment that can be reached. Raises InvalidClusterState where none can."""
    row = context.cluster(cluster)
    if row.backtrack_window_s == 0:
        raise InvalidClusterState(
            f"Backtrack is not enabled on DBCluster {cluster}.",
            f"Enable it for what happens from now on: auroractl modify-cluster {cluster} --backtrack-window 24h",
        )
    earliest = context.volume_memory(cluster).backtrack.earliest
    if earliest is None:
        raise InvalidClusterState(
            f"No page image of DBCluster {cluster} can be used yet.", "The first is made within seconds; try again"
        )
    return earliest


def place_on(context: Context, cluster: str, era: Era, moment: datetime) -> Place:
    """The place of a moment of an era. Raises as `find_place`."""
    library = LogLibrary(context, cluster)
    # Where the next era goes on from its end, that one's log holds all of it, also where it was left within a segment.
    whole = library.lineage(goes_on_in(context.repository.eras(cluster), era).timeline)
    if whole is None:
        raise InvalidClusterState(f"The history of timeline {era.timeline} is gone.", "Give a later moment")
    search = _Search(context, cluster, library, whole, era.ended_lsn)
    try:
        found = search.before(moment)
    finally:
        search.close()
    return _reachable(context, cluster, whole, found, moment)


def _place_of_lsn(context: Context, cluster: str, lsn: int) -> Place:
    """The last commit of the current history that begins before an LSN."""
    _wait_flushed(context, cluster)
    era = context.repository.eras(cluster)[-1]
    library = LogLibrary(context, cluster)
    whole = library.lineage(era.timeline)
    if whole is None:
        raise InvalidClusterState(f"The history of timeline {era.timeline} is gone.", "Give a later moment")
    end = (max(library.segments(whole), default=0) + 1) * SEGMENT_BYTES
    if lsn >= end:
        raise InvalidParameterValue(f"The log does not go as far as {format_lsn(lsn)} yet.", "Give an LSN that was")
    return end_of(context, cluster, era.timeline, lsn)


def end_of(context: Context, cluster: str, timeline: int, lsn: int) -> Place:
    """The last commit of a timeline's history that begins before `lsn`. Raises as `find_place`."""
    library = LogLibrary(context, cluster)
    whole = library.lineage(timeline)
    if whole is None:
        raise InvalidClusterState(f"The history of timeline {timeline} is gone.", "")
    if choose_image(_believed_images(context, cluster), whole, lsn - 1) is None:
        raise _too_old(context, cluster)
    search = _Search(context, cluster, library, whole, lsn)
    try:
        found = search.last()
    finally:
        search.close()
    return _reachable(context, cluster, whole, found, None)


def restore_place(context: Context, cluster: str, document: dict[str, Any], requested_at: datetime | None) -> Place:
    """A place from the journal. Raises InvalidClusterState where its image or its history is gone."""
    whole = LogLibrary(context, cluster).lineage(document["WholeTimeline"])
    image = _stored(context, cluster, document["ImageNode"], document["Image"])
    if whole is None or image is None:
        raise InvalidClusterState("What the operation began from is gone.", "Begin it again")
    cut = Cut(document["Lsn"], datetime.fromisoformat(document["At"]))
    return Place(whole.until(cut.lsn), whole, cut, image.image, requested_at)


@dataclass(frozen=True, slots=True)
class _Found:
    """What a search found."""

    cut: Cut | None
    """None where the log that there is holds no commit that counts."""
    free_until_lsn: int
    """No commit begins between the cut and here."""


def _reachable(context: Context, cluster: str, whole: Lineage, found: _Found, moment: datetime | None) -> Place:
    images = _believed_images(context, cluster)
    cut = found.cut
    image = choose_image(images, whole, cut.lsn) if cut is not None else None
    if image is None:
        # Where nothing was committed for long, the oldest image is newer than the last commit and holds the same.
        image = choose_image(images, whole, found.free_until_lsn - 1)
        if image is not None:
            cut = Cut(image.checkpoint_lsn, cut.at if cut else min(image.reached_at, moment or image.reached_at))
    if cut is None or image is None:
        raise _too_old(context, cluster)
    return Place(whole.until(cut.lsn), whole, cut, image, moment)


def _too_old(context: Context, cluster: str) -> InvalidParameterValue:
    earliest = context.volume_memory(cluster).backtrack.earliest
    return InvalidParameterValue(
        "No page image is old enough for that place in the log.",
        f"The earliest moment is {timestamp(earliest)}" if earliest else "",
    )


def _believed_images(context: Context, cluster: str) -> list[PageImage]:
    images = context.volume_memory(cluster).backtrack.images
    return [each for each in images if not image_damage.is_suspect(context, cluster, each)]


def from_another_image(context: Context, cluster: str, place: Place) -> Place | None:
    """The same place, reached from an image that is not known to be damaged; None where there is none."""
    image = choose_image(_believed_images(context, cluster), place.whole, place.cut.lsn)
    return replace(place, image=image) if image else None


def _wait_flushed(context: Context, cluster: str) -> None:
    """What was committed before the question was asked has to be on a node before the nodes are looked at."""
    writer = context.writer(cluster)
    if not context.observer.refresh(writer).accepting:
        raise InvalidClusterState(
            f"The writer of DBCluster {cluster} does not answer.", f"See auroractl status {cluster}"
        )
    with sql.session(writer.address, context.installation.secrets.admin) as connection:
        sql.wait_some_node(
            connection, [node.identifier for node in context.repository.storage_nodes(cluster)], _FLUSHED_TIMEOUT_S
        )


class _Search:
    """Looks for commits in laid-out log, from a place backwards."""

    def __init__(
        self, context: Context, cluster: str, library: LogLibrary, whole: Lineage, end_lsn: int | None
    ) -> None:
        self._cluster = cluster
        self._library = library
        self._whole = whole
        self._end_lsn = end_lsn
        numbers = library.segments(whole)
        self._held = frozenset(numbers)
        if end_lsn is not None:
            numbers = [number for number in numbers if number <= segment_at(end_lsn)]
            if not numbers or numbers[-1] < segment_at(max(0, end_lsn - _PAGE_HEADER_BYTES)):
                raise _log_is_gone(cluster)
        self._numbers = numbers
        self._folder = context.home.cluster(cluster).moments / f"search-{time.monotonic_ns()}"
        self._in_use = context.volume_memory(cluster).backtrack.in_use
        self._in_use.add(self._folder.name)
        self._reader = Reader(context.installation.binaries.program("pg_waldump"), context.installation.account)

    def close(self) -> None:
        """Remove what was laid out."""
        remove_tree(self._folder)
        self._in_use.discard(self._folder.name)

    def before(self, moment: datetime) -> _Found:
        """The latest exact cut that is not after a moment. Raises QuorumLost where log in between is missing."""
        until = next(
            (place for place, number in enumerate(self._numbers) if self._written(number) > moment + _LATE),
            len(self._numbers) - 1,
        )
        commits: list[Commit] = []
        stop = min(until + 2, len(self._numbers))
        end_lsn = self._end_of(self._numbers[:stop])
        while stop > 0:
            start = max(0, stop - _BACK_SEGMENTS) if commits or stop <= until else max(0, until - 1)
            commits = self._read(self._numbers[start:stop]) + commits
            cut = cut_at(commits, moment)
            # What stands before the stretch could still be later than the first commits in it.
            if cut is not None and (start == 0 or cut.at - commits[0].at > _LATE):
                return _located(commits, cut, end_lsn)
            stop = start
        return _located(commits, cut_at(commits, moment), end_lsn)

    def last(self) -> _Found:
        """The last commit before the end. Raises as `before`."""
        stop = len(self._numbers)
        end_lsn = self._end_of(self._numbers)
        while stop > 0:
            start = max(0, stop - _BACK_SEGMENTS)
            commits = self._read(self._numbers[start:stop])
            if commits:
                return _Found(Cut(commits[-1].lsn, max(commit.at for commit in commits)), end_lsn)
            stop = start
        return _Found(None, end_lsn)

    def _end_of(self, numbers: list[int]) -> int:
        end = (numbers[-1] + 1) * SEGMENT_BYTES if numbers else 0
        return end if self._end_lsn is None else min(end, self._end_lsn)

    def _written(self, number: int) -> datetime:
        return self._library.written_at(self._whole.at(number)) or datetime.max.replace(tzinfo=UTC)

    def _read(self, numbers: list[int]) -> list[Commit]:
        """The commits of consecutive segments, a stretch of one timeline at a time."""
        if numbers[-1] - numbers[0] >= len(numbers):
            raise _log_is_gone(self._cluster)
        found: list[Commit] = []
        for timeline in dict.fromkeys(self._whole.at(number).timeline for number in numbers):
            found += self._read_on(timeline, [each for each in numbers if self._whole.at(each).timeline == timeline])
        return found

    def _read_on(self, timeline: int, numbers: list[int]) -> list[Commit]:
        """The commits of consecutive segments of one timeline; the last may go on into the next segment."""
        fork = next((fork for fork in self._whole.forks if fork.timeline == timeline), None)
        lineage = self._whole.until(fork.lsn - 1) if fork else self._whole
        following = numbers[-1] + 1
        laid = [*numbers, following] if following in self._held else numbers
        self._library.lay(lineage, laid, self._folder, whole=self._whole)
        found = self._reader.decisions(
            self._folder, timeline, numbers[0] * SEGMENT_BYTES, (laid[-1] + 1) * SEGMENT_BYTES
        )
        end_lsn = self._end_of(numbers)
        return [commit for commit in found if commit.lsn < end_lsn]


def _located(commits: list[Commit], cut: Cut | None, end_lsn: int) -> _Found:
    after = (commit.lsn for commit in commits if cut is None or commit.lsn > cut.lsn)
    return _Found(cut, next(after, end_lsn))


def _log_is_gone(cluster: str) -> QuorumLost:
    return QuorumLost(
        f"No storage node has all log of DBCluster {cluster} that is needed for that.",
        f"Give a later moment, or see auroractl describe-volumes {cluster}",
    )


# Bringing a copy there


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
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((host, 0))
        return Address(host, probe.getsockname()[1])


def lay_out(
    context: Context, cluster: str, place: Place, copy: Moment, *, durable: bool, tell: Callable[[str], None]
) -> None:
    """Copy the page image and lay the log ready; what is there already of an earlier attempt is removed first.

    With `durable` the image is compared with its checksums and flushed before this returns. Raises DamagedImage, QuorumLost,
    MachineError where there is no room or a file cannot be read or written.
    """
    try:
        _lay_out(context, cluster, place, copy, durable=durable, tell=tell)
    except OSError as error:
        raise unwritable(copy.folder, error) from error


def _lay_out(
    context: Context, cluster: str, place: Place, copy: Moment, *, durable: bool, tell: Callable[[str], None]
) -> None:
    remove(context, cluster, copy.identifier)
    make_folder(context.home.cluster(cluster).moments, mode=0o755)
    make_folder(copy.folder, owner=context.installation.account)
    stored = _stored(context, cluster, place.image.node, place.image.identifier)
    if stored is None:
        raise InvalidClusterState(f"The page image {place.image.identifier} is gone.", "Try again")
    _require_room(stored, copy)
    checks: list[DamagedImage] = []
    checking = Thread(target=_check, args=(stored, checks), daemon=True)
    tell(f"Copy a page image of {place.image.held_bytes / 1e6:.0f} MB")
    copy_data(stored.data, copy.server.data, context.installation.account)
    if durable:
        checking.start()
    library = LogLibrary(context, cluster)
    held = library.segments(place.whole)
    # The last record may go on into the next segment; where the history was left, nothing of it does.
    fork = next((fork for fork in place.whole.forks if fork.timeline == place.timeline), None)
    last = segment_at(place.cut.lsn) + 1
    if fork is not None:
        last = min(last, segment_at(fork.lsn - 1))
    numbers = [number for number in held if segment_at(place.image.redo_lsn) <= number <= last]
    library.lay(place.lineage, numbers, copy.log_folder, whole=place.whole)
    _configure(context, cluster, place, copy, durable=durable)
    if durable:
        flush_tree(copy.server.data)
        checking.join()
    if checks:
        image_damage.note(context, cluster, place.image, checks[0])
        raise checks[0]


def _require_room(stored: StoredImage, copy: Moment) -> None:
    """Before anything is copied: a disk that is filled to its end would harm the running cluster."""
    if shares_blocks(stored, copy.folder):
        return
    free_bytes = shutil.disk_usage(copy.folder).free
    needed_bytes = stored.image.held_bytes + _SPARE_BYTES
    if free_bytes < needed_bytes:
        raise MachineError(
            f"There is not enough room for a copy of the cluster: {format_size(needed_bytes)} are needed and "
            f"{format_size(free_bytes)} are free on the disk of {copy.folder.parent}.",
            "Make room, then repeat the command",
        )


def lay_histories(context: Context, cluster: str, copy: Moment) -> None:
    """Show a copy the history files that there are now."""
    LogLibrary(context, cluster).lay_histories(copy.log_folder)


def _check(stored: StoredImage, found: list[DamagedImage]) -> None:
    try:
        stored.verify_all()
    except DamagedImage as error:
        found.append(error)


def _configure(context: Context, cluster: str, place: Place, copy: Moment, *, durable: bool) -> None:
    writer = context.writer(cluster)
    nodes = context.repository.storage_nodes(cluster)
    quorum = write_quorum((node.identifier, node.membership) for node in nodes)
    stand_in: Instance = replace(writer, address=copy.server.address)
    base = context.installation.parameters(stand_in, None, configuration.VolumeSettings(quorum))
    own = context.installation.server(writer)
    values = recovery.moment_values(
        base, place.timeline, place.cut.lsn, copy.log_folder, _most_connections(copy.server, own), durable=durable
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
    began_s = time.monotonic()
    password = context.installation.secrets.admin
    copy.server.begin_start()

    def progress(lsn: int) -> None:
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
    left = kill_all(processes_below(folder))
    if left:
        raise EngineError(f"Processes of {folder} cannot be ended: {left}", "See what holds them: ps -o stat,wchan")
    remove_tree(folder)


def end_servers(context: Context, cluster: str) -> None:
    """End the servers of all copies; those that a person has yet to decide about can be made to recover again."""
    left = kill_all(processes_below(context.home.cluster(cluster).moments))
    if left:
        raise EngineError(f"Processes of copies of {cluster} cannot be ended: {left}", "See ps -o stat,wchan")


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
    waiting = {BacktrackStatus.PENDING, BacktrackStatus.APPLYING}
    wanted |= {each.identifier for each in context.repository.backtracks(cluster) if each.status in waiting}
    for name in found:
        if name not in wanted and not _client_lives(folder / name):
            log.info("%s: removing %s, which nobody wants any more", cluster, name)
            remove(context, cluster, name)


def _client_lives(folder: Path) -> bool:
    document = read_json(folder / CLIENT)
    if document is None or document["StartedAt"] is None:
        return False
    return bool(started_at(document["ProcessId"]) == document["StartedAt"])


def _stored(context: Context, cluster: str, node: str, identifier: str) -> StoredImage | None:
    for each in context.repository.storage_nodes(cluster):
        if each.identifier == node:
            try:
                return context.installation.image_folder(each).image(identifier)
            except (OSError, MachineError) as error:
                log.warning("%s: the image %s cannot be read: %s", node, identifier, error)
    return None
