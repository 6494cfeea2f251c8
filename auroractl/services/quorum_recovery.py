"""Reading the log back from the storage nodes: what a promotion after the loss of a writer starts from.

A commit was acknowledged by four of six nodes, so any three that can be read hold it between them. The furthest valid
log among them is laid ready for the instance that is to be promoted; the failed writer's own disk is never asked.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from auroractl.core.copies import Copy, judge
from auroractl.core.errors import EngineError, QuorumLost
from auroractl.core.lsn import format_lsn
from auroractl.core.model import Instance
from auroractl.core.quorum import read_quorum
from auroractl.core.storage import StorageNode
from auroractl.core.wal import SEGMENT_BYTES, Lineage, Segment, segment_at
from auroractl.process.files import make_folder, remove_tree
from auroractl.services.concurrency import side_by_side
from auroractl.services.context import Context
from auroractl.storage.checksums import ChecksumRecord, checksum
from auroractl.storage.folder import Inventory, LogFolder
from auroractl.storage.valid_log import LogEnd, find_end

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RecoveredLog:
    """What was read back."""

    end: LogEnd
    segments: int
    """How many segments were laid ready; 0 where the instance has all of it already."""
    nodes: tuple[str, ...]
    unreadable: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Source:
    node: StorageNode
    folder: LogFolder
    inventory: Inventory


def read_back(context: Context, target: Instance, received_lsn: int, *, allow_data_loss: bool = False) -> RecoveredLog:
    """Lay ready for `target` what the nodes hold beyond `received_lsn`, which it has. The nodes must be ended.

    Raises QuorumLost where fewer than three nodes can be read or a segment that is needed has no copy that can be
    believed; `allow_data_loss` goes on with what there is.
    """
    reading = _Reading(context, target, received_lsn, allow_data_loss)
    try:
        return reading.run()
    except OSError as error:
        raise EngineError(f"The log of {target.cluster} cannot be read back: {error}", "") from error


def clear(context: Context, target: Instance) -> None:
    """Remove what was laid ready."""
    remove_tree(context.home.cluster(target.cluster).instance(target.identifier).recovery)


class _Reading:
    def __init__(self, context: Context, target: Instance, received_lsn: int, allow_data_loss: bool) -> None:
        self._context = context
        self._target = target
        self._received_lsn = received_lsn
        self._allow_data_loss = allow_data_loss
        self._ready = context.home.cluster(target.cluster).instance(target.identifier).recovery
        self._installation = context.installation
        self._unreadable: dict[str, str] = {}

    def run(self) -> RecoveredLog:
        remove_tree(self._ready)
        sources = self._sources()
        timeline = max((source.inventory.timeline for source in sources), default=0)
        forks = next((forks for source in sources if (forks := source.folder.forks(timeline))), ())
        first = segment_at(self._received_lsn)
        chain = Lineage(timeline, forks)
        whole = [source for source in sources if self._is_whole(source, chain, first)]
        self._require_quorum(whole)
        names = tuple(source.node.identifier for source in whole)
        last = max((chain.last(source.inventory.segments) for source in whole), default=-1)
        if last < first or not whole:
            return RecoveredLog(LogEnd(self._received_lsn, self._received_lsn), 0, names, self._unreadable)
        make_folder(self._ready, owner=self._installation.account)
        finished = self._lay_finished(whole, chain, range(first, last + 1))
        end = self._lay_unfinished(whole, chain, last, finished)
        if end.lsn <= self._received_lsn:
            # It has more than the nodes; a shorter copy would replace the segment that it received.
            remove_tree(self._ready)
            return RecoveredLog(end, 0, names, self._unreadable)
        for number in forks:
            self._lay_history(whole, number.timeline)
        self._lay_history(whole, timeline)
        return RecoveredLog(end, last - first + 1, names, self._unreadable)

    def _sources(self) -> list[_Source]:
        """The nodes whose folders can be read, that are not held down and that hold any log."""
        faults = {fault.target for fault in self._context.repository.faults(self._target.cluster)}
        found = []
        for node in self._context.repository.storage_nodes(self._target.cluster):
            folder = self._installation.log_folder(node)
            try:
                inventory = folder.inventory()
            except OSError as error:
                self._unreadable[node.identifier] = error.strerror or str(error)
                continue
            if faults & {node.identifier, node.availability_zone}:
                self._unreadable[node.identifier] = "an injected fault holds it down"
            elif not inventory.finished and not inventory.partial:
                self._unreadable[node.identifier] = "it holds no log"
            else:
                found.append(_Source(node, folder, inventory))
        return found

    def _is_whole(self, source: _Source, chain: Lineage, first: int) -> bool:
        """Whether a node lacks nothing between what the instance has and the end of what the node has."""
        last = chain.last(source.inventory.segments)
        name = source.node.identifier
        for number in range(first, last):
            if chain.at(number) not in source.inventory.finished:
                self._unreadable[name] = f"its segment {chain.at(number).name} is missing"
                return False
        flushed = self._context.volume_memory(self._target.cluster).flushed_lsn.get(name, 0)
        if last < segment_at(max(0, flushed - 1)):
            self._unreadable[name] = f"it has lost log that it had flushed ({format_lsn(flushed)})"
            return False
        return True

    def _require_quorum(self, whole: Sequence[_Source]) -> None:
        members = self._context.repository.storage_nodes(self._target.cluster)
        quorum = read_quorum((node.identifier, node.membership) for node in members)
        present = [source.node.identifier for source in whole]
        if quorum.met_by(present) or self._allow_data_loss:
            return
        missing = "; ".join(f"{name}: {why}" for name, why in sorted(self._unreadable.items()))
        raise QuorumLost(
            f"Only {quorum.count(present)} of the {quorum.required} storage nodes that recovery needs can be read "
            f"({missing}).",
            f"Bring one back, or accept that acknowledged commits may be lost: auroractl failover "
            f"{self._target.cluster} --allow-data-loss",
        )

    def _lay_finished(self, whole: Sequence[_Source], chain: Lineage, numbers: range) -> dict[Segment, Path]:
        """Links to verified copies of finished segments, by segment."""
        laid = {}
        for number in numbers:
            segment = chain.at(number)
            holders = [source for source in whole if segment in source.inventory.finished]
            if not holders:
                continue
            copies = [
                Copy(
                    source.node.identifier,
                    ChecksumRecord(source.folder.path).load().get(segment.name),
                    checksum(source.folder.finished(segment)),
                )
                for source in holders
            ]
            verdict = judge(copies)
            if verdict.damaged:
                log.warning("%s: damaged on %s", segment.name, ", ".join(verdict.damaged))
            healthy = [source for source in holders if source.node.identifier in verdict.healthy]
            if not healthy:
                if not self._allow_data_loss:
                    raise QuorumLost(
                        f"No copy of the segment {segment.name} can be believed.",
                        f"To go on with what is there: auroractl failover {self._target.cluster} --allow-data-loss",
                    )
                healthy = holders
            laid[segment] = healthy[0].folder.finished(segment)
            (self._ready / segment.name).symlink_to(laid[segment])
        return laid

    def _lay_unfinished(
        self, whole: Sequence[_Source], chain: Lineage, last: int, finished: Mapping[Segment, Path]
    ) -> LogEnd:
        """A copy of the furthest valid unfinished segment, where the last one is unfinished; returns the log's end."""
        segment = chain.at(last)
        start = max(segment.start - SEGMENT_BYTES, 0) if chain.at(last - 1) in finished else segment.start
        before = {chain.at(last - 1): finished[chain.at(last - 1)]} if start != segment.start else {}
        if segment in finished:
            return LogEnd(segment.start, segment.end)
        contents = self._distinct_contents(whole, segment)
        ends: dict[str, LogEnd] = {}

        def examine(name: str, content: bytes) -> None:
            ends[name] = self._examine(name, content, segment, before, start)

        side_by_side(examine, list(contents.items()))
        best = max(ends, key=lambda name: ends[name].lsn)
        target = self._ready / segment.name
        _write(target, contents[best], self._installation.log_folder(whole[0].node))
        for name in contents:
            remove_tree(self._ready / name)
        return ends[best]

    def _distinct_contents(self, whole: Sequence[_Source], segment: Segment) -> dict[str, bytes]:
        """What the nodes have of an unfinished segment, each content once, padded as the server pads it."""
        found: dict[str, bytes] = {}
        for source in whole:
            if segment in source.inventory.partial:
                content = source.folder.partial(segment).read_bytes()[:SEGMENT_BYTES].ljust(SEGMENT_BYTES, b"\0")
                found[hashlib.sha256(content).hexdigest()[:16]] = content
        return found

    def _examine(
        self, name: str, content: bytes, segment: Segment, before: Mapping[Segment, Path], start_lsn: int
    ) -> LogEnd:
        folder = self._ready / name
        make_folder(folder, owner=self._installation.account)
        for earlier, path in before.items():
            (folder / earlier.name).symlink_to(path)
        _write(folder / segment.name, content, LogFolder(folder, self._installation.account))
        timeline = segment.timeline
        start_lsn = start_lsn if all(each.timeline == timeline for each in before) else segment.start
        if not content.strip(b"\0"):
            return LogEnd(segment.start, segment.start)
        program = self._installation.binaries.program("pg_waldump")
        return find_end(program, folder, timeline, start_lsn, self._installation.account)

    def _lay_history(self, whole: Sequence[_Source], timeline: int) -> None:
        for source in whole:
            path = source.folder.history(timeline)
            if path.exists() and not (self._ready / path.name).exists():
                (self._ready / path.name).symlink_to(path)


def _write(path: Path, content: bytes, folder: LogFolder) -> None:
    with path.open("wb") as file:
        if folder.account is not None:
            os.fchown(file.fileno(), folder.account.uid, folder.account.gid)
        os.fchmod(file.fileno(), 0o600)
        file.write(content)
        file.flush()
        os.fdatasync(file.fileno())
