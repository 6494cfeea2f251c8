"""Keeping the copies of a volume whole: checksums of what is finished, repair from peers, scrubbing, pruning.

One thread per cluster, away from the watch loop: nothing that it does is waited for by the writer.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Event, Thread
from typing import TYPE_CHECKING

from auroractl.core.copies import Copy, Verdict, judge
from auroractl.core.errors import AuroraError
from auroractl.core.sizes import format_size, parse_size_bytes
from auroractl.core.storage import NodeKind, ScrubReport, StorageNode
from auroractl.core.wal import SEGMENT_BYTES, Segment, beyond_fork, segment_at
from auroractl.services import events, moments
from auroractl.services.concurrency import side_by_side
from auroractl.storage.checksums import ChecksumRecord, checksum
from auroractl.storage.folder import Inventory, LogFolder

if TYPE_CHECKING:
    from auroractl.services.context import Context

log = logging.getLogger(__name__)

_TICK_S = 1.0
_MB = 1_000_000
_NO_END = 2**62
_JOIN_S = 10.0


@dataclass(slots=True)
class _Held:
    """A node's folder at the moment."""

    node: StorageNode
    folder: LogFolder
    inventory: Inventory
    recorded: dict[str, str]

    @property
    def name(self) -> str:
        return self.node.identifier

    @property
    def top(self) -> int:
        """The number of the segment that it is receiving, or received last."""
        held = (*self.inventory.finished, *self.inventory.partial)
        return max((segment.number for segment in held), default=-1)

    def wrong(self, segment: Segment) -> bool:
        """Whether a finished segment is cut short, which shows without reading it."""
        return self.inventory.finished[segment] != SEGMENT_BYTES

    def whole(self) -> set[Segment]:
        """The finished segments that have their full size."""
        return {segment for segment, size_bytes in self.inventory.finished.items() if size_bytes == SEGMENT_BYTES}


class Keeper:
    """Looks after the copies of one cluster's volume. Methods may be called by several threads."""

    def __init__(self, context: Context, cluster: str) -> None:
        self._context = context
        self._cluster = cluster
        self._lock = context.volume_memory(cluster).folders_lock
        self._recorded: dict[str, dict[str, str]] = {}
        self._damage: dict[str, set[str]] = {}
        """Segments that reading showed to be damaged, by node, until they are repaired."""
        self._beyond_repair: set[str] = set()
        self._counted: dict[str, set[str]] = {}
        """Segments whose damage was counted, by node, until they are restored."""
        self._needed = 0
        """The number of the oldest segment that a running instance may still need."""
        self._floor = 0
        """The number of the oldest segment that is kept."""
        self._next_scrubbed = 0
        self._scrub_budget_bytes = 0.0
        self._ended = Event()
        self._thread = Thread(target=self._run, name=f"keeper-{cluster}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; what is being copied is finished first."""
        self._ended.set()

    def wait_ended(self) -> None:
        """Wait until it has ended."""
        if self._thread.is_alive():
            self._thread.join(_JOIN_S)

    def works(self) -> bool:
        """Whether it has been started and has not ended yet."""
        return self._thread.is_alive()

    def _run(self) -> None:
        while not self._ended.wait(_TICK_S):
            try:
                self.tick()
            except AuroraError as error:
                log.warning("%s: the volume cannot be looked after: %s", self._cluster, error)
            except Exception:
                log.exception("the keeper of %s met an error; please report it as a bug", self._cluster)

    def tick(self) -> None:
        """One round: see what is there, record checksums, repair, scrub a little, prune."""
        moments.tidy(self._context, self._cluster)
        with self._lock:
            held = self._look()
            self._record(held)
            self._repair(held)
            self._scrub_some(held)
            self._prune(held)

    def scrub(self, tell: Callable[[str], None]) -> ScrubReport:
        """Read all finished segments of all nodes now, repair what is damaged, and say what was found."""
        began_s = time.monotonic()
        with self._lock:
            held = self._look()
            found = {each.name: {segment.name for segment in missing} for each, missing in self._missing(held)}
            self._record(held)
            segments = sorted({segment for each in held for segment in each.inventory.finished}, key=_order)
            read_bytes = 0
            for number, segment in enumerate(segments, 1):
                for name in self._examine(segment, held):
                    found[name].add(segment.name)
                read_bytes += SEGMENT_BYTES * sum(segment in each.inventory.finished for each in held)
                if number % 64 == 0:
                    tell(f"Read {number} of {len(segments)} segments")
            repaired = self._repair(self._look())
            return ScrubReport(
                segments=len(segments),
                read_bytes=read_bytes,
                damaged={name: len(segments) for name, segments in found.items() if segments},
                repaired=repaired,
                beyond_repair=tuple(sorted(self._beyond_repair)),
                duration_s=time.monotonic() - began_s,
            )

    # Seeing

    def _look(self) -> list[_Held]:
        """The folders that can be read; what is known of the others is noted as unusable."""
        memory = self._context.volume_memory(self._cluster)
        volume = self._context.repository.volume_rows(self._cluster)
        if volume is None:
            return []
        held = []
        down = {fault.target for fault in volume.faults}
        for node in volume.nodes:
            condition = memory.condition(node.identifier)
            if down & {node.identifier, node.availability_zone}:
                continue
            folder = self._context.installation.log_folder(node)
            try:
                inventory = folder.inventory()
                usable = folder.path.exists()
            except OSError as error:
                condition.unusable = f"its folder cannot be used: {error.strerror}"
                continue
            condition.unusable = "" if usable else "its folder is gone"
            condition.held_bytes = inventory.held_bytes
            held.append(_Held(node, folder, inventory, self._load(node, folder)))
        self._end_emptied(held)
        self._note_floor(held)
        for each, missing in self._missing(held):
            memory.condition(each.name).missing_segments = len(missing)
        return held

    def _load(self, node: StorageNode, folder: LogFolder) -> dict[str, str]:
        recorded = self._recorded.get(node.identifier)
        if recorded is None:
            folder.tidy()
            recorded = self._recorded[node.identifier] = ChecksumRecord(folder.path).load()
        return recorded

    def _end_emptied(self, held: Sequence[_Held]) -> None:
        """A receiver whose files were removed goes on writing into nothing and acknowledges it: it must end at once."""
        snapshot = self._context.volume_snapshot(self._cluster)
        for each in held:
            if snapshot is None or each.inventory.partial or each.inventory.finished:
                continue
            if snapshot.seen(each.node).streaming:
                message = f"The files of {each.name} are gone; it is filled again from its peers"
                events.record(self._context, self._cluster, events.DAMAGE, each.name, message)
                self._recorded.pop(each.name, None)
                self._context.volume_memory(self._cluster).flushed_lsn.pop(each.name, None)
                self._context.installation.receiver(each.node).kill()

    def _missing(self, held: Sequence[_Held]) -> list[tuple[_Held, list[Segment]]]:
        """For every node the finished segments that it should have and has not whole, oldest first."""
        timeline = max((each.inventory.timeline for each in held), default=0)
        forks = next((forks for each in held if (forks := each.folder.forks(timeline))), ())
        there = {segment for each in held for segment in each.whole()}
        expected = {each for each in there if not beyond_fork(each, forks, timeline)}
        result = []
        for each in held:
            top = each.top if each.top >= 0 else _NO_END
            floor = self._floor_of(each)
            lacking = {segment for segment in expected - each.whole() if floor <= segment.number < top}
            damaged = self._damage.get(each.name, set())
            lacking |= {
                segment for segment in each.inventory.finished if segment.name in damaged or each.wrong(segment)
            }
            result.append((each, sorted(lacking, key=_order)))
        return result

    # Checksums

    def _record(self, held: Sequence[_Held]) -> None:
        """Take the checksums of segments that have been finished since the last look."""

        def record(each: _Held) -> None:
            new = {}
            for segment in sorted(each.inventory.finished, key=_order):
                if segment.name not in each.recorded:
                    digest = checksum(each.folder.finished(segment))
                    if digest is not None:
                        new[segment.name] = digest
            if new:
                each.recorded.update(new)
                ChecksumRecord(each.folder.path).add(new)

        self._each(record, held)

    def _each(self, call: Callable[[_Held], None], held: Sequence[_Held]) -> None:
        """Call for one node after the other; one whose folder cannot be used is noted and passed over."""
        for each in held:
            try:
                call(each)
            except OSError as error:
                self._context.volume_memory(self._cluster).condition(
                    each.name
                ).unusable = f"its folder cannot be used: {error.strerror}"

    def _judge(self, segment: Segment, holders: Sequence[_Held]) -> Verdict:
        return judge(
            [
                Copy(each.name, each.recorded.get(segment.name), checksum(each.folder.finished(segment)))
                for each in holders
            ]
        )

    def _examine(self, segment: Segment, held: Sequence[_Held]) -> list[str]:
        """Read all copies of a segment; those that are damaged are noted for repair. Returns their nodes."""
        holders = [each for each in held if segment in each.inventory.finished]
        verdict = self._judge(segment, holders)
        if verdict.checksum is None:
            self._give_up(segment, "no copy of it can be believed")
            for each in holders:
                self._damage.setdefault(each.name, set()).add(segment.name)
            return [each.name for each in holders]
        self._beyond_repair.discard(segment.name)
        for name in verdict.damaged:
            self._damage.setdefault(name, set()).add(segment.name)
        for each in holders:
            each.recorded[segment.name] = verdict.checksum
        return list(verdict.damaged)

    def _give_up(self, segment: Segment, why: str) -> None:
        if segment.name not in self._beyond_repair:
            self._beyond_repair.add(segment.name)
            message = f"The log segment {segment.name} is damaged beyond repair: {why}"
            events.record(self._context, self._cluster, events.DAMAGE, self._cluster, message)

    # Repair

    def _repair(self, held: Sequence[_Held]) -> dict[str, int]:
        """Fill every node with what it lacks, from peers; returns how many segments were restored on which."""
        lacking = [(each, missing) for each, missing in self._missing(held) if missing]
        restored: dict[str, int] = {}

        def repair(each: _Held, missing: Sequence[Segment]) -> None:
            try:
                restored[each.name] = self._fill(each, missing, held)
            except (AuroraError, OSError) as error:
                condition = self._context.volume_memory(self._cluster).condition(each.name)
                condition.unusable = f"it cannot be repaired: {error}"
                log.warning("%s %s cannot be repaired: %s", self._cluster, each.name, error)

        side_by_side(repair, lacking, self._context.settings.repairs_at_once)
        return {name: count for name, count in restored.items() if count}

    def _fill(self, each: _Held, missing: Sequence[Segment], held: Sequence[_Held]) -> int:
        memory = self._context.volume_memory(self._cluster)
        condition = memory.condition(each.name)
        began_s, filled = time.monotonic(), 0
        rate_bytes_per_s = self._context.settings.repair_rate_mb_per_s * _MB
        self._count_found(each, missing)
        try:
            for segment in missing:
                if self._ended.is_set():
                    break
                condition.repairing = f"{filled} of {len(missing)} segments copied from its peers"
                filled += self._restore(each, segment, held)
                condition.missing_segments = len(missing) - filled
                ahead_s = filled * SEGMENT_BYTES / rate_bytes_per_s - (time.monotonic() - began_s)
                if ahead_s > 0:
                    self._ended.wait(ahead_s)
            each.folder.flush()
        finally:
            condition.repairing = ""
        self._report(each, filled, len(missing), time.monotonic() - began_s)
        return filled

    def _count_found(self, each: _Held, missing: Sequence[Segment]) -> None:
        """Count each damage once, however often its repair is tried."""
        counted = self._counted.setdefault(each.name, set())
        new = {segment.name for segment in missing} - counted
        counted |= new
        if new:
            self._context.repository.count_damage(self._cluster, each.name, found=len(new), repaired=0)

    def _report(self, each: _Held, filled: int, missing: int, took_s: float) -> None:
        if filled:
            self._context.repository.count_damage(self._cluster, each.name, found=0, repaired=filled)
            rate = format_size(round(filled * SEGMENT_BYTES / max(took_s, 0.001)))
            message = f"Restored {filled} of {missing} missing or damaged log segments from peers in {took_s:.1f} s ({rate}/s)"
            events.record(self._context, self._cluster, events.STORAGE_NODE, each.name, message)
            self._context.wake()

    def _restore(self, each: _Held, segment: Segment, held: Sequence[_Held]) -> bool:
        """Copy one segment from the peer that can be believed; False where there is none."""
        others = [other for other in held if other is not each and segment in other.inventory.finished]
        source, digest = self._believed(each, segment, others)
        if source is None or digest is None:
            self._give_up(segment, f"no peer of {each.name} has a copy that can be believed")
            return False
        each.folder.take(source.folder.finished(segment), segment.name)
        if checksum(each.folder.finished(segment)) != digest:
            log.warning("%s: the copy of %s from %s is not what it should be", each.name, segment.name, source.name)
            return False
        for timeline in source.inventory.histories:
            if timeline not in each.inventory.histories:
                each.folder.take(source.folder.history(timeline), source.folder.history(timeline).name)
        each.folder.partial(segment).unlink(missing_ok=True)
        for noted in (self._damage, self._counted):
            noted.get(each.name, set()).discard(segment.name)
        if each.recorded.get(segment.name) != digest:
            each.recorded[segment.name] = digest
            ChecksumRecord(each.folder.path).add({segment.name: digest})
        return True

    def _believed(self, each: _Held, segment: Segment, others: Sequence[_Held]) -> tuple[_Held | None, str | None]:
        """A peer whose copy is what most records say; all copies are read where that is not clear at once."""
        recorded = Counter(digest for other in (each, *others) if (digest := other.recorded.get(segment.name)))
        for digest, votes in recorded.most_common(1):
            if votes * 2 > recorded.total():
                for other in others:
                    if checksum(other.folder.finished(segment)) == digest:
                        return other, digest
                    self._damage.setdefault(other.name, set()).add(segment.name)
        verdict = self._judge(segment, [each, *others])
        for other in others:
            if other.name in verdict.healthy:
                return other, verdict.checksum
        return None, None

    # Scrubbing and pruning

    def _scrub_some(self, held: Sequence[_Held]) -> None:
        """Read on where the last round stopped, at the pace that is set."""
        segments = sorted({segment for each in held for segment in each.inventory.finished}, key=_order)
        pace_bytes = self._context.settings.scrub_rate_mb_per_s * _MB * _TICK_S
        self._scrub_budget_bytes = min(self._scrub_budget_bytes + pace_bytes, 10 * pace_bytes)
        for _ in segments:
            cost_bytes = SEGMENT_BYTES * len(held)
            if self._scrub_budget_bytes < cost_bytes:
                return
            self._scrub_budget_bytes -= cost_bytes
            self._examine(segments[self._next_scrubbed % len(segments)], held)
            self._next_scrubbed = (self._next_scrubbed + 1) % len(segments)
            if self._next_scrubbed == 0:
                return

    def _prune(self, held: Sequence[_Held]) -> None:
        """Remove the log that is older than what is kept."""

        def prune(each: _Held) -> None:
            floor = self._floor_of(each)
            old = [segment for segment in each.inventory.finished if segment.number < floor]
            for segment in old:
                each.folder.finished(segment).unlink(missing_ok=True)
                each.recorded.pop(segment.name, None)
            for segment in each.inventory.partial:
                if segment.number < min(floor, each.top):
                    each.folder.partial(segment).unlink(missing_ok=True)
            if old:
                kept = each.inventory.finished.keys() - set(old)
                ChecksumRecord(each.folder.path).keep({segment.name for segment in kept})

        self._each(prune, held)

    def _floor_of(self, each: _Held) -> int:
        """The oldest segment that a node keeps.

        Full nodes keep all that backtrack may need (SIGMOD 2018, section 4.2), tail nodes no more than a setting's worth of
        it; without a window all keep a setting's worth. What a reader may still need is always kept.
        """
        backtrack = self._context.volume_memory(self._cluster).backtrack
        if not backtrack.known or backtrack.earliest is None:
            return self._floor if backtrack.known or each.node.kind is NodeKind.TAIL else 0
        window = min(self._needed, backtrack.floor)
        return window if each.node.kind is NodeKind.FULL else max(self._floor, window)

    def _note_floor(self, held: Sequence[_Held]) -> None:
        """A setting's worth of log, and all that a reader may still need; nothing new while nobody can be asked."""
        keep = parse_size_bytes(self._context.settings.log_keep_size) // SEGMENT_BYTES
        instances = self._context.repository.instances(self._cluster)
        seen = self._context.observer.observed(instances)
        positions = [each.lsn for each in seen.values() if each.accepting and each.lsn is not None]
        if positions:
            self._needed = segment_at(min(positions))
            self._floor = max(self._floor, min(self._needed, max((each.top for each in held), default=0) - keep))


def _order(segment: Segment) -> tuple[int, int]:
    return segment.number, segment.timeline
