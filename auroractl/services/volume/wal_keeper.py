"""The worker that maintains the copies of a volume: checksums, repair, scrubbing and pruning. No writer waits for it."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from auroractl.core.errors import AuroraError
from auroractl.core.text.sizes import format_size, parse_size_bytes
from auroractl.core.volume.copies import Copy, Verdict, judge
from auroractl.core.volume.model import NodeKind, ScrubReport, StorageNode
from auroractl.core.wal.segments import SEGMENT_BYTES, Segment, beyond_fork, segment_at
from auroractl.runtime import events
from auroractl.runtime.background import WalWorker
from auroractl.runtime.caller import caller
from auroractl.runtime.managed_cluster import ManagedCluster
from auroractl.runtime.parallel import side_by_side
from auroractl.storage.checksums import ChecksumRecord, checksum, record_finished
from auroractl.storage.folder import Inventory, LogFolder
from auroractl.system.files import exists
from auroractl.system.limits import raise_shortage
from auroractl.system.waiting import SLICE_S, check_stop

log = logging.getLogger(__name__)

_TICK_S = 1.0
_MB = 1_000_000
_NO_END = 2**62


@dataclass(slots=True)
class _Held:
    """The current contents of a node's folder."""

    node: StorageNode
    folder: LogFolder
    inventory: Inventory
    recorded: dict[str, str]

    @property
    def name(self) -> str:
        return self.node.identifier

    @property
    def top(self) -> int:
        """The number of the segment that it is receiving or received last."""
        held = (*self.inventory.finished, *self.inventory.partial)
        return max((segment.number for segment in held), default=-1)

    def wrong(self, segment: Segment) -> bool:
        """Return whether a finished segment is truncated, without reading it."""
        return self.inventory.finished[segment] != SEGMENT_BYTES

    def whole(self) -> set[Segment]:
        """Return the finished segments of full size."""
        return {segment for segment, size_bytes in self.inventory.finished.items() if size_bytes == SEGMENT_BYTES}


class WalKeeper(WalWorker):
    """Maintains the copies of one cluster's volume. Methods may be called by several threads."""

    def __init__(self, cluster: ManagedCluster) -> None:
        super().__init__(f"log-keeper-{cluster.name}", _TICK_S, first_after_s=_TICK_S)
        self._cluster = cluster
        self._lock = cluster.memory.volume.folders_lock
        self._recorded: dict[str, dict[str, str]] = {}
        """Checksums by node. After a restart: read from the record in the node's folder."""
        self._damage: dict[str, set[str]] = {}
        """Damaged segments by node, until they are repaired. After a restart: read again."""
        self._beyond_repair: set[str] = set()
        """After a restart: reported once more."""
        self._counted: dict[str, set[str]] = {}
        """Segments by node whose damage was counted, until they are restored. After a restart: counted once more."""
        self._needed = 0
        """The number of the oldest segment that a running instance may need. After a restart: 0, so all are kept."""
        self._floor = 0
        """The number of the oldest segment to keep. After a restart: determined from the instances' positions."""
        self._next_scrubbed = 0
        self._scrub_budget_bytes = 0.0

    def tick(self) -> None:
        """Run one round: list segments, record checksums, repair, scrub a part, prune."""
        with self._lock:
            held = self._look()
            self._record(held)
            self._repair(held)
            self._scrub_some(held)
            self._prune(held)

    def scrub(self) -> ScrubReport:
        """Read all finished segments of all nodes, repair damage, and return a report."""
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
                    caller().progress.message(f"Read {number} of {len(segments)} segments")
            repaired = self._repair(self._look())
            return ScrubReport(
                segments=len(segments),
                read_bytes=read_bytes,
                damaged={name: len(segments) for name, segments in found.items() if segments},
                repaired=repaired,
                beyond_repair=tuple(sorted(self._beyond_repair)),
                duration_s=time.monotonic() - began_s,
            )

    # Listing

    def _look(self) -> list[_Held]:
        """List the readable folders; mark nodes with unreadable ones as unusable."""
        memory = self._cluster.memory.volume
        volume = self._cluster.repository.volume_rows(self._cluster.name)
        if volume is None:
            return []
        held = []
        down = {fault.target for fault in volume.faults}
        for node in volume.nodes:
            condition = memory.condition(node.identifier)
            if down & {node.identifier, node.availability_zone}:
                continue
            folder = self._cluster.installation.log_folder(node)
            try:
                inventory, usable = folder.inventory(), exists(folder.path)
            except OSError as error:
                raise_shortage(error)
                condition.unusable = f"its folder cannot be used: {error.strerror}"
                continue
            condition.unusable = "" if usable else "its folder is gone"
            condition.held_bytes = inventory.held_bytes
            held.append(_Held(node, folder, inventory, self._load(node, folder, inventory.partial)))
        self._kill_emptied(held)
        self._note_floor(held)
        for each, missing in self._missing(held):
            memory.condition(each.name).missing_segments = len(missing)
        return held

    def _load(self, node: StorageNode, folder: LogFolder, unfinished: Iterable[Segment]) -> dict[str, str]:
        recorded = self._recorded.get(node.identifier)
        if recorded is None:
            folder.tidy()
            recorded = self._recorded[node.identifier] = ChecksumRecord(folder.path).load()
        for segment in unfinished:
            # It is received again, because a later timeline begins in it.
            recorded.pop(segment.name, None)
        return recorded

    def _kill_emptied(self, held: Sequence[_Held]) -> None:
        """Kill a receiver whose files were removed, because it would continue to acknowledge WAL that is lost."""
        snapshot = self._cluster.volume_snapshot()
        for each in held:
            if snapshot is None or each.inventory.partial or each.inventory.finished:
                continue
            if snapshot.seen(each.node).streaming:
                message = f"The files of {each.name} are gone; it is refilled from its peers"
                events.record(self._cluster, events.DAMAGE, each.name, message)
                self._recorded.pop(each.name, None)
                self._cluster.memory.volume.flushed_lsn.pop(each.name, None)
                self._cluster.installation.receiver(each.node).kill()

    def _missing(self, held: Sequence[_Held]) -> list[tuple[_Held, list[Segment]]]:
        """Return for every node the segments that it should have but lacks or has damaged, oldest first."""
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
        """Record the checksums of newly finished segments, once these are on disk."""
        row = self._cluster.repository.cluster(self._cluster.name)
        flush = row is not None and bool(row.unflushed_boot)

        def record(each: _Held) -> None:
            if any(segment.name not in each.recorded for segment in each.inventory.finished):
                each.recorded.update(record_finished(each.folder, each.recorded, flush=flush))

        self._each(record, held)

    def _each(self, call: Callable[[_Held], None], held: Sequence[_Held]) -> None:
        """Call a function for each node; skip those whose folder is unusable, and mark them."""
        for each in held:
            try:
                call(each)
            except OSError as error:
                raise_shortage(error)
                condition = self._cluster.memory.volume.condition(each.name)
                condition.unusable = f"its folder cannot be used: {error.strerror}"

    def _judge(self, segment: Segment, holders: Sequence[_Held]) -> Verdict:
        return judge(
            [
                Copy(each.name, each.recorded.get(segment.name), checksum(each.folder.finished(segment)))
                for each in holders
            ]
        )

    def _examine(self, segment: Segment, held: Sequence[_Held]) -> list[str]:
        """Read all copies of a segment; mark damaged ones for repair and return their nodes."""
        holders = [each for each in held if segment in each.inventory.finished]
        verdict = self._judge(segment, holders)
        if verdict.checksum is None:
            self._give_up(segment, "it has no trustworthy copy")
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
            message = f"The WAL segment {segment.name} is damaged beyond repair: {why}"
            events.record(self._cluster, events.DAMAGE, self._cluster.name, message)

    # Repair

    def _repair(self, held: Sequence[_Held]) -> dict[str, int]:
        """Restore missing segments of all nodes from peers; return the number of restored segments by node."""
        lacking = [(each, missing) for each, missing in self._missing(held) if missing]
        restored: dict[str, int] = {}

        def repair(each: _Held, missing: Sequence[Segment]) -> None:
            try:
                restored[each.name] = self._fill(each, missing, held)
            except (AuroraError, OSError) as error:
                condition = self._cluster.memory.volume.condition(each.name)
                condition.unusable = f"it cannot be repaired: {error}"
                log.warning("%s %s cannot be repaired: %s", self._cluster.name, each.name, error)

        side_by_side(repair, lacking, self._cluster.settings.repairs_at_once)
        return {name: count for name, count in restored.items() if count}

    def _fill(self, each: _Held, missing: Sequence[Segment], held: Sequence[_Held]) -> int:
        memory = self._cluster.memory.volume
        condition = memory.condition(each.name)
        began_s, filled = time.monotonic(), 0
        rate_bytes_per_s = self._cluster.settings.repair_rate_mb_per_s * _MB
        self._count_damage(each, missing)
        try:
            for segment in missing:
                if self.ended.is_set():
                    break
                check_stop()
                condition.repairing = f"{filled} of {len(missing)} segments copied from its peers"
                filled += self._restore(each, segment, held)
                condition.missing_segments = len(missing) - filled
                ahead_s = filled * SEGMENT_BYTES / rate_bytes_per_s - (time.monotonic() - began_s)
                while ahead_s > 0 and not self.ended.wait(min(ahead_s, SLICE_S)):
                    check_stop()
                    ahead_s -= SLICE_S
            each.folder.flush()
        finally:
            condition.repairing = ""
        self._report(each, filled, len(missing), time.monotonic() - began_s)
        return filled

    def _count_damage(self, each: _Held, missing: Sequence[Segment]) -> None:
        """Count each damaged segment once, even if its repair is retried."""
        counted = self._counted.setdefault(each.name, set())
        new = {segment.name for segment in missing} - counted
        counted |= new
        if new:
            self._cluster.repository.count_damage(self._cluster.name, each.name, found=len(new), repaired=0)

    def _report(self, each: _Held, filled: int, missing: int, took_s: float) -> None:
        if filled:
            self._cluster.repository.count_damage(self._cluster.name, each.name, found=0, repaired=filled)
            rate = format_size(round(filled * SEGMENT_BYTES / max(took_s, 0.001)))
            message = f"Restored {filled} of {missing} missing or damaged WAL segments from peers in {took_s:.1f} s ({rate}/s)"
            events.record(self._cluster, events.STORAGE_NODE, each.name, message)
            self._cluster.wake()

    def _restore(self, each: _Held, segment: Segment, held: Sequence[_Held]) -> bool:
        """Copy one segment from a trustworthy peer; return False if there is none."""
        others = [other for other in held if other is not each and segment in other.inventory.finished]
        source, digest = self._trustworthy_peer(each, segment, others)
        if source is None or digest is None:
            self._give_up(segment, f"no peer of {each.name} has a trustworthy copy")
            return False
        each.folder.take(source.folder.finished(segment), segment.name)
        if checksum(each.folder.finished(segment)) != digest:
            log.warning("%s: the copy of %s from %s does not match its checksum", each.name, segment.name, source.name)
            return False
        each.folder.take_histories(source.folder, source.inventory.histories)
        each.folder.partial(segment).unlink(missing_ok=True)
        for noted in (self._damage, self._counted):
            noted.get(each.name, set()).discard(segment.name)
        if each.recorded.get(segment.name) != digest:
            each.recorded[segment.name] = digest
            ChecksumRecord(each.folder.path).add({segment.name: digest})
        return True

    def _trustworthy_peer(
        self, each: _Held, segment: Segment, others: Sequence[_Held]
    ) -> tuple[_Held | None, str | None]:
        """Return a peer whose copy matches the majority of records; read all copies if there is no majority."""
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
        """Continue where the last round stopped, at the configured pace."""
        segments = sorted({segment for each in held for segment in each.inventory.finished}, key=_order)
        pace_bytes = self._cluster.settings.scrub_rate_mb_per_s * _MB * _TICK_S
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
        """Remove segments below the floor."""

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
        """Return the number of the oldest segment that a node keeps.

        Full nodes keep all WAL that a backtrack may need (SIGMOD 2018, section 4.2). Tail nodes, and without a window all
        nodes, keep the amount of log_keep_size. WAL that a reader may need is always kept.
        """
        backtrack = self._cluster.memory.volume.backtrack
        if not backtrack.known or backtrack.earliest is None:
            return self._floor if backtrack.known or each.node.kind is NodeKind.TAIL else 0
        window = min(self._needed, backtrack.floor)
        return window if each.node.kind is NodeKind.FULL else max(self._floor, window)

    def _note_floor(self, held: Sequence[_Held]) -> None:
        """Update the floor by log_keep_size and the readers' positions; keep it while no instance answers."""
        keep = parse_size_bytes(self._cluster.settings.log_keep_size) // SEGMENT_BYTES
        instances = self._cluster.instances()
        seen = self._cluster.observer.observed(instances)
        positions = [each.lsn for each in seen.values() if each.accepting and each.lsn is not None]
        if positions:
            self._needed = segment_at(min(positions))
            self._floor = max(self._floor, min(self._needed, max((each.top for each in held), default=0) - keep))


def _order(segment: Segment) -> tuple[int, int]:
    return segment.number, segment.timeline
