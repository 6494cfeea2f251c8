"""Page images: made in the background from the nodes' own log, kept as long as the window needs them, healed.

One thread per cluster. A new image begins as a copy of the newest one; a server of its own, which nobody can reach and which
gives way to everybody, replays the log of the storage node up to the writer's last checkpoint and stops. The writer does
nothing for it, and the nodes take turns.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import pairwise
from threading import Event, Thread
from typing import TYPE_CHECKING

from auroractl.core.backtrack import (
    Era,
    Limits,
    PageImage,
    Retention,
    image_due,
    image_to_copy,
    retain,
    shrink_to_budget,
    thin_out,
    window_start,
)
from auroractl.core.errors import AuroraError, EngineError
from auroractl.core.model import Phase
from auroractl.core.sizes import format_size, parse_size_bytes
from auroractl.core.storage import NodeKind, StorageNode
from auroractl.core.wal import Lineage
from auroractl.engine import recovery
from auroractl.engine.server import end_all_below
from auroractl.process.files import remove_tree
from auroractl.process.priority import SpareProcessors
from auroractl.services import events, past_log, storage_nodes
from auroractl.services.image_maker import ImageMaker, NotNow
from auroractl.services.image_scrubber import ImageScrubber
from auroractl.services.image_use import StoredCopies
from auroractl.services.log_library import LogLibrary
from auroractl.storage.images import DamagedImage, ImageFolder, StoredImage

if TYPE_CHECKING:
    from auroractl.services.context import Context

log = logging.getLogger(__name__)

_TICK_S = 1.0
_URGENT_SHARE = 0.7
"""Of the bound has passed: from here on an image is made as fast as it goes."""
_SPARE_SHARE = 0.25
"""Of the processors is idle: a page image is made on them although it could wait."""
_CHECKPOINT_RECORD_BYTES = 8192
_RETRY_S = 10.0
_ATTEMPTS = 2
"""To make an image from the newest one."""
_JOIN_S = 10.0
_LEISURE_S = 30.0
"""Processors have been idle for so long: second copies are made, which nobody waits for."""
_SAMPLES = 720
_SAMPLE_INTERVAL_S = 5.0
_FREE_BYTES_MIN = 2 * 1024**3
_FREE_SHARE_MIN = 0.05


class ImageKeeper:
    """Looks after the page images of one cluster."""

    def __init__(self, context: Context, cluster: str) -> None:
        self._context = context
        self._cluster = cluster
        self._ended = Event()
        self._tidied: set[str] = set()
        self._retry_at_s = 0.0
        self._failed = Counter[tuple[str, str]]()
        self._scrubber = ImageScrubber(context, cluster, self._ended)
        self._samples: deque[tuple[float, int, int]] = deque(maxlen=_SAMPLES)
        self._processors = SpareProcessors(_SPARE_SHARE)
        self._maker = ImageMaker(context, cluster, self._ended)
        self._thread = Thread(target=self._run, name=f"images-{cluster}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; what is being made is given up."""
        self._ended.set()

    def wait_ended(self) -> None:
        """Wait until it has ended."""
        if self._thread.is_alive():
            self._thread.join(_JOIN_S)

    def works(self) -> bool:
        """Whether it has been started and has not ended yet."""
        return self._thread.is_alive()

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                self.tick()
            except InterruptedError:
                return
            except (AuroraError, OSError) as error:
                if not self._ended.is_set():
                    log.warning("%s: page images cannot be looked after: %s", self._cluster, error)
            except Exception:
                log.exception("the image keeper of %s met an error; please report it as a bug", self._cluster)
            self._ended.wait(_TICK_S)

    def tick(self) -> None:
        """One round: see what there is, give up what is not needed, make or heal an image, read a little again."""
        row = self._context.repository.cluster(self._cluster)
        reachable = storage_nodes.reachable_nodes(self._context, self._cluster)
        nodes = [each for each in reachable if each.kind is NodeKind.FULL]
        # One that was begun while the cluster's end was decided must not touch what is being removed.
        if row is None or row.phase is not Phase.NONE or not nodes:
            return
        self._tidy(nodes)
        past_log.note_era(self._context, self._cluster)
        if row.backtrack_window_s == 0:
            self._keep_nothing(nodes)
            return
        limits = Limits(row.backtrack_window_s, parse_size_bytes(self._context.settings.backtrack_replay_max))
        stored = self._look(nodes)
        library = LogLibrary(self._context, self._cluster)
        lineages = self._lineages(library)
        self._decide_retention(stored, library, lineages, limits)
        past_log.look_after(self._context, self._cluster, nodes, library)
        if time.monotonic() >= self._retry_at_s and lineages:
            try:
                self._heal(nodes, stored, library, lineages)
                self._make(nodes, stored, library, lineages, limits)
                after = self._look(nodes)
                if after == stored:
                    self._copy_to_another(nodes, stored, limits)
                    after = self._look(nodes)
                if after != stored:
                    # What has just been made can be used from now on, and not from the next round on.
                    stored = after
                    self._decide_retention(stored, library, lineages, limits)
            except (AuroraError, OSError):
                self._tidied.clear()
                if self._removed_meanwhile(nodes):
                    return
                self._retry_at_s = time.monotonic() + _RETRY_S
                raise
        self._scrubber.go_on(stored, _TICK_S)

    # Seeing

    def _folder(self, node: StorageNode) -> ImageFolder:
        return self._context.installation.image_folder(node)

    def _tidy(self, nodes: Sequence[StorageNode]) -> None:
        """What an ended supervisor was making."""
        for node in nodes:
            if node.identifier not in self._tidied:
                folder = self._folder(node)
                if folder.path.exists():
                    end_all_below(folder.path)
                    folder.tidy()
                self._tidied.add(node.identifier)
        self._remove_of_unknown_nodes()

    def _removed_meanwhile(self, nodes: Sequence[StorageNode]) -> bool:
        """Whether one of them is not the cluster's any more, so that what was being made for it may well have failed."""
        known = {each.identifier for each in self._context.repository.storage_nodes(self._cluster)}
        return any(each.identifier not in known for each in nodes)

    def _remove_of_unknown_nodes(self) -> None:
        """What was begun for a node just when it was removed, and what had been set aside on it."""
        storage = self._context.home.cluster(self._cluster).storage
        installation = self._context.installation
        known = {
            folder.path
            for node in self._context.repository.storage_nodes(self._cluster)
            for folder in (installation.image_folder(node), installation.past_folder(node))
        }
        for folder in {*storage.glob("*.images"), *storage.glob("*.past")} - known:
            remove_tree(folder)

    def _look(self, nodes: Sequence[StorageNode]) -> list[StoredImage]:
        found = []
        for node in nodes:
            try:
                self._give_up_broken(node)
                found += self._folder(node).images()
            except (AuroraError, OSError) as error:
                log.warning("%s: its page images cannot be read: %s", node.identifier, error)
        return found

    def _give_up_broken(self, node: StorageNode) -> None:
        with self._context.volume_memory(self._cluster).backtrack.images_lock:
            for identifier in self._folder(node).broken():
                self._folder(node).remove(identifier)
                message = f"The manifest of the page image {identifier} was missing or damaged; the image was given up"
                events.record(self._context, self._cluster, events.DAMAGE, node.identifier, message)

    def _lineages(self, library: LogLibrary) -> dict[int, Lineage]:
        eras = self._context.repository.eras(self._cluster)
        found = ((era.timeline, library.lineage(era.timeline)) for era in eras)
        return {timeline: lineage for timeline, lineage in found if lineage is not None}

    # What is kept

    def _keep_nothing(self, nodes: Sequence[StorageNode]) -> None:
        memory = self._context.volume_memory(self._cluster).backtrack
        with memory.images_lock:
            for node in nodes:
                self._folder(node).wipe()
                self._context.installation.past_folder(node).remove()
        memory.images, memory.retention, memory.earliest, memory.shrunk = (), Retention(None), None, False
        memory.known, memory.image_bytes, memory.log_bytes = True, 0, 0
        # Their log is gone: a window that is set again begins with the current one.
        earlier = {era.timeline for era in self._context.repository.eras(self._cluster)[:-1]}
        if earlier:
            self._context.repository.forget_eras(self._cluster, earlier)

    def _decide_retention(
        self, stored: Sequence[StoredImage], library: LogLibrary, lineages: dict[int, Lineage], limits: Limits
    ) -> None:
        memory = self._context.volume_memory(self._cluster).backtrack
        usable = [each.image for each in stored if each.image.key not in memory.suspects]
        memory.image_bytes = sum(each.image.held_bytes for each in stored)
        memory.log_bytes = library.held_bytes()
        self._sample()
        eras = self._context.repository.eras(self._cluster)
        since = min([window_start(self._context.now(), limits.window_s), *memory.pins.values(), *self._awaited()])
        self._forget_eras(eras, since)
        over_bytes = self._over_budget(memory.image_bytes + memory.log_bytes)
        plain = retain(eras, lineages, usable, since)
        retention = plain
        if over_bytes > 0 and not memory.pins:
            needed = [each for each in usable if each.key in plain.images]
            over_bytes -= _held_bytes(usable) - _held_bytes(needed)
            thinner = thin_out(needed, lineages.values(), limits.bound_bytes, over_bytes)
            over_bytes -= _held_bytes(needed) - _held_bytes(thinner)
            retention = shrink_to_budget(eras, lineages, thinner, since, over_bytes, _freed_bytes(thinner))
        memory.images = tuple(each for each in usable if each.key in retention.images)
        memory.decide(retention, over_budget=over_bytes > 0)
        self._tell_of_window(shrunk=retention.earliest != plain.earliest, earliest=retention.earliest)
        if retention.earliest is not None:
            with memory.images_lock:
                for each in stored:
                    # A damaged one stays until it is healed: it tells what it was.
                    if each.image.key not in retention.images and each.image.key not in memory.suspects:
                        self._give_up(each, retention)

    def _give_up(self, stored: StoredImage, retention: Retention) -> None:
        """Remove an image that nobody uses now; the second copy of one that is needed only while there is another."""
        image = stored.image
        use = self._context.volume_memory(self._cluster).backtrack.use
        needed = any(identifier == image.identifier for _, identifier in retention.images)
        copies = StoredCopies(self._context, self._cluster, image.identifier)
        if not use.begin_remove(image.key, copies.look if needed else None):
            return
        try:
            log.info("%s: the page image %s is given up", image.node, image.identifier)
            ImageFolder(image.node, stored.folder.parent).remove(image.identifier)
        finally:
            use.end_take(image.key)

    def _forget_eras(self, eras: Sequence[Era], since: datetime) -> None:
        """Those that were over before the window begins; every one costs a look at its history file each round."""
        over = {era.timeline for era in eras if era.ended_at is not None and era.ended_at <= since}
        if over:
            self._context.repository.forget_eras(self._cluster, over)

    def _awaited(self) -> list[datetime]:
        """The moments of backtracks that wait for a decision, which another supervisor may have begun."""
        rows = self._context.repository.unfinished_backtracks(self._cluster)
        return [row.consistent_at for row in rows if row.consistent_at]

    def _over_budget(self, held_bytes: int) -> int:
        """How much has to be freed: what is held beyond the budget, or what the disk lacks."""
        budget = parse_size_bytes(self._context.settings.backtrack_disk_budget)
        disk = shutil.disk_usage(self._context.home.cluster(self._cluster).storage)
        least_free = min(_FREE_BYTES_MIN, round(disk.total * _FREE_SHARE_MIN))
        return max(held_bytes - budget, least_free - disk.free)

    def _tell_of_window(self, *, shrunk: bool, earliest: datetime | None) -> None:
        memory = self._context.volume_memory(self._cluster).backtrack
        if shrunk == memory.shrunk:
            return
        memory.shrunk = shrunk
        if shrunk and earliest is not None:
            actual_s = (self._context.now() - earliest).total_seconds()
            message = (
                f"The actual Backtrack window is smaller than the target Backtrack window you specified: {actual_s:.0f} s. "
                f"Page images and log take {format_size(memory.image_bytes + memory.log_bytes)}; "
                "see backtrack_disk_budget and the room on the disk"
            )
            events.record(self._context, self._cluster, events.BACKTRACK_WINDOW_SMALL, self._cluster, message)
        elif not shrunk:
            message = "The actual Backtrack window is the same as the target Backtrack window."
            events.record(self._context, self._cluster, events.BACKTRACK_WINDOW_RESTORED, self._cluster, message)

    def _sample(self) -> None:
        answer = self._context.observer.writer_answer(self._cluster)
        now_s = time.monotonic()
        if answer is None or (self._samples and now_s - self._samples[-1][0] < _SAMPLE_INTERVAL_S):
            return
        if self._samples and answer.lsn < self._samples[-1][1]:
            self._samples.clear()  # a backtrack has begun anew from an earlier place
        self._samples.append((now_s, answer.lsn, self._maker.made_bytes))
        memory = self._context.volume_memory(self._cluster).backtrack
        first, last = self._samples[0], self._samples[-1]
        if last[0] - first[0] > _SAMPLE_INTERVAL_S:
            hours = (last[0] - first[0]) / 3600
            memory.log_bytes_per_hour = round((last[1] - first[1]) / hours)
            memory.image_bytes_per_hour = round((last[2] - first[2]) / hours)

    # Making and healing

    def _make(
        self,
        nodes: Sequence[StorageNode],
        stored: Sequence[StoredImage],
        library: LogLibrary,
        lineages: dict[int, Lineage],
        limits: Limits,
    ) -> None:
        answer = self._context.observer.writer_answer(self._cluster)
        eras = self._context.repository.eras(self._cluster)
        current = lineages.get(eras[-1].timeline) if eras else None
        if answer is None or answer.checkpoint is None or current is None:
            return
        checkpoint = answer.checkpoint
        memory = self._context.volume_memory(self._cluster).backtrack
        on_it = [each for each in stored if each.image in memory.images and each.image.serves(current, answer.lsn)]
        newest = max(on_it, default=None, key=lambda each: each.image.checkpoint_lsn)
        now = self._context.now()
        if newest is None:
            self._maker.seed(nodes, library, current)
            return
        # The checkpoint may still be one from before the last backtrack.
        if not current.holds(checkpoint.timeline, checkpoint.lsn) or checkpoint.lsn > answer.lsn:
            return
        if not image_due(newest.image, checkpoint, answer.lsn, limits, now, spare=self._can_spare()):
            return
        if self._failed[newest.image.key] >= _ATTEMPTS:
            self._begin_anew(nodes[0], newest)
            return
        # A node that has all of it, or enough for the checkpoint's own record; an idle writer writes no more than that.
        node = self._next_node(nodes, stored, min(answer.lsn, checkpoint.lsn + _CHECKPOINT_RECORD_BYTES))
        if node is None:
            return
        image = self._maker.image_at(checkpoint, node)
        log_folder = self._context.installation.log_folder(node).path
        restore_command = recovery.node_restore_command(log_folder)
        try:
            self._maker.roll(node, newest, image, restore_command, self._urgent(newest.image, limits))
        except EngineError:
            self._failed[newest.image.key] += 1
            raise

    def _begin_anew(self, node: StorageNode, newest: StoredImage) -> None:
        """Log that follows the newest image is lost on every node: what is written from now on is to be reached again."""
        self._failed.clear()
        self._maker.seed_from_backup(node)
        message = (
            f"No page image can be made from {newest.image.identifier}, because log that follows it is lost or damaged on every "
            "storage node; one was made from a base backup"
        )
        events.record(self._context, self._cluster, events.DAMAGE, node.identifier, message)

    def _copy_to_another(self, nodes: Sequence[StorageNode], stored: Sequence[StoredImage], limits: Limits) -> None:
        """One more copy of an image that only one node has: so that it can be healed, and one of them be taken away."""
        memory = self._context.volume_memory(self._cluster).backtrack
        owed = self._owed(nodes)
        # What was taken away would have had to be copied then; what nobody has asked for yet is copied at leisure.
        leisure = self._processors.there_for_s() >= _LEISURE_S and not memory.shrunk
        wanted = [each for each in memory.images if leisure or each.identifier in owed]
        room_bytes = -self._over_budget(memory.image_bytes + memory.log_bytes)
        image = image_to_copy(wanted, room_bytes)
        source = next((each for each in stored if image and each.image.key == image.key), None)
        # A damaged copy is healed, and not replaced while somebody may be reading it.
        holders = {each.image.node for each in stored if image and each.image.identifier == image.identifier}
        others = [each for each in nodes if each.identifier not in holders]
        if source is None or not others:
            return
        newest = max(memory.images, key=lambda each: each.reached_at)
        try:
            self._maker.mirror(
                self._least_laden(others, stored),
                source,
                urgent=self._urgent(newest, limits),
                wanted=None if source.image.identifier in owed else self._can_spare,
            )
        except NotNow:
            log.info("%s: a second copy of a page image is made later", self._cluster)
        else:
            for node in nodes:
                self._folder(node).settle(source.image.identifier)

    def _owed(self, nodes: Sequence[StorageNode]) -> set[str]:
        """The images of which a copy was taken that has not been replaced yet."""
        memory = self._context.volume_memory(self._cluster).backtrack
        needed = {each.identifier for each in memory.images}
        owed = {identifier: node for node in nodes for identifier in self._folder(node).owed()}
        for identifier in owed.keys() - needed:
            self._folder(owed[identifier]).settle(identifier)
        return owed.keys() & needed

    def _can_spare(self) -> bool:
        """Whether processors are idle, and room is left: more images would only make the window smaller where it is not."""
        memory = self._context.volume_memory(self._cluster).backtrack
        return self._processors.there() and not memory.shrunk

    def _urgent(self, newest: PageImage, limits: Limits) -> Callable[[], bool]:
        urgent_lsn = newest.redo_lsn + round(limits.bound_bytes * _URGENT_SHARE)

        def urgent() -> bool:
            latest = self._context.observer.writer_answer(self._cluster)
            return latest is not None and latest.lsn > urgent_lsn

        return urgent

    def _next_node(
        self, nodes: Sequence[StorageNode], stored: Sequence[StoredImage], until_lsn: int
    ) -> StorageNode | None:
        """The full node whose turn it is: that has the log up to there and whose newest image is oldest."""
        memory = self._context.volume_memory(self._cluster)
        ready = [each for each in nodes if memory.flushed_lsn.get(each.identifier, 0) >= until_lsn]
        return self._least_laden(ready, stored) if ready else None

    def _least_laden(self, nodes: Sequence[StorageNode], stored: Sequence[StoredImage]) -> StorageNode:
        def newest(node: StorageNode) -> int:
            own = (each.image.checkpoint_lsn for each in stored if each.image.node == node.identifier)
            return max(own, default=0)

        return min(nodes, key=newest)

    def _heal(
        self,
        nodes: Sequence[StorageNode],
        stored: Sequence[StoredImage],
        library: LogLibrary,
        lineages: dict[int, Lineage],
    ) -> None:
        """Replace images that were found to be damaged: by a peer's of the same name, else from an older one."""
        memory = self._context.volume_memory(self._cluster).backtrack
        for each in stored:
            key = each.image.key
            if key not in memory.suspects:
                continue
            # Who reads it compares it afterwards, and is not to find it whole then.
            if not memory.use.begin_remove(key):
                continue
            node = next(node for node in nodes if node.identifier == each.image.node)
            healthy = [other for other in stored if other.image.key not in memory.suspects]
            try:
                how = self._maker.remake(node, each, healthy, library, lineages)
            except DamagedImage:
                # What it was to be made from is damaged too and has been noted; the next round takes another.
                continue
            finally:
                memory.use.end_take(key)
            memory.suspects.discard(key)
            message = f"The page image {each.image.identifier} was damaged; {how}"
            events.record(self._context, self._cluster, events.STORAGE_NODE, each.image.node, message)


def _held_bytes(images: Sequence[PageImage]) -> int:
    return sum(each.held_bytes for each in images)


def _freed_bytes(images: Sequence[PageImage]) -> dict[tuple[str, str], int]:
    """What giving each image up frees: itself, and on three nodes the log up to the next newer one."""
    ordered = sorted(images, key=lambda each: each.redo_lsn)
    freed = {each.key: each.held_bytes for each in ordered}
    for each, following in pairwise(ordered):
        freed[each.key] += 3 * (following.redo_lsn - each.redo_lsn)
    return freed
