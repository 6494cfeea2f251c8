"""Recovery of WAL from the storage nodes, before a promotion after the loss of the writer.

Every commit was acknowledged by four of six nodes, so that any three readable nodes hold it between them. The furthest
valid WAL among them is staged for the instance to promote. The failed writer's own disk is never used.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from auroractl.core.errors import EngineError, InvalidInstanceState, QuorumLost
from auroractl.core.model import Instance
from auroractl.core.volume.copies import Copy, judge
from auroractl.core.volume.model import StorageNode
from auroractl.core.volume.quorum import read_quorum
from auroractl.core.wal.lsn import format_lsn
from auroractl.core.wal.segments import SEGMENT_BYTES, Lineage, Segment, parse_segment, segment_at
from auroractl.engine.server import Server
from auroractl.engine.server_log import last_error
from auroractl.runtime.managed_cluster import ManagedCluster
from auroractl.runtime.parallel import side_by_side
from auroractl.storage.checksums import ChecksumRecord, checksum
from auroractl.storage.folder import Inventory, LogFolder
from auroractl.storage.valid_wal import LogEnd, find_end
from auroractl.system.files import exists, make_folder, remove_tree
from auroractl.system.limits import raise_shortage
from auroractl.system.safe_open import make_regular, read_start
from auroractl.system.waiting import wait_until

log = logging.getLogger(__name__)

_TIMELINE_TIMEOUT_S = 30.0
_TIMELINE_POLL_S = 0.01


@dataclass(frozen=True, slots=True)
class RecoveredWal:
    """The result of a recovery from the storage nodes."""

    end: LogEnd
    segments: int
    """The number of staged segments; 0 if the instance has all WAL already."""
    timeline: int
    """The newest timeline of which the nodes have WAL; 0 if they have none."""
    nodes: tuple[str, ...]
    unreadable: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Source:
    node: StorageNode
    folder: LogFolder
    inventory: Inventory


def recover_wal(
    cluster: ManagedCluster, target: Instance, received_lsn: int, *, allow_data_loss: bool = False
) -> RecoveredWal:
    """Stage for `target` the nodes' WAL beyond `received_lsn`, which it has. The nodes must be stopped.

    Raises QuorumLost if fewer than three nodes can be read or a needed segment has no trustworthy copy,
    InvalidInstanceState if the target has diverged from the cluster's lineage. With `allow_data_loss`, the WAL that can
    be read is used.
    """
    reading = _Reading(cluster, target, received_lsn, allow_data_loss)
    try:
        return reading.run()
    except OSError as error:
        raise EngineError(f"The WAL of {target.cluster} cannot be recovered: {error}", "") from error


def clear(cluster: ManagedCluster, target: Instance) -> None:
    """Remove the staged WAL."""
    remove_tree(cluster.paths.instance(target.identifier).recovery)


def newest_timeline(server: Server) -> int:
    """Return the newest timeline of which a standby has WAL, and which it therefore follows.

    A history file proves less, because it is received before the server acts on it. Raises OSError if the WAL folder
    cannot be listed.
    """
    found = [parse_segment(path.name) for path in (server.data / "pg_wal").iterdir()]
    return max((each.timeline for each in found if each is not None), default=0)


def await_timeline(cluster: ManagedCluster, target: Instance, timeline: int) -> None:
    """Wait until a reader follows the timeline of the staged WAL. Raises TimedOut.

    A server ends recovery on the timeline that it knows. Without this wait, a reader that missed the last failover would
    be promoted on the timeline before it.
    """
    server = cluster.installation.server(target)

    def behind() -> str:
        try:
            own = newest_timeline(server)
        except OSError as error:
            return f"its WAL cannot be listed: {error}"
        return "" if own >= timeline else f"it is on timeline {own}, the storage nodes are on {timeline}"

    what = f"{target.identifier} did not replay the WAL of the storage nodes"
    wait_until(what, behind, _TIMELINE_TIMEOUT_S, _TIMELINE_POLL_S, explain=lambda: last_error(server.log))


class _Reading:
    def __init__(self, cluster: ManagedCluster, target: Instance, received_lsn: int, allow_data_loss: bool) -> None:
        self._cluster = cluster
        self._target = target
        self._received_lsn = received_lsn
        self._allow_data_loss = allow_data_loss
        self._ready = cluster.paths.instance(target.identifier).recovery
        self._installation = cluster.installation
        self._unreadable: dict[str, str] = {}

    def run(self) -> RecoveredWal:
        remove_tree(self._ready)
        sources = self._sources()
        timeline = max((source.inventory.timeline for source in sources), default=0)
        forks = next((forks for source in sources if (forks := source.folder.forks(timeline))), ())
        first = segment_at(self._received_lsn)
        chain = Lineage(timeline, forks)
        self._require_common_history(chain)
        whole = [source for source in sources if self._is_whole(source, chain, first)]
        self._require_quorum(whole)
        names = tuple(source.node.identifier for source in whole)
        last = max((chain.last(source.inventory.segments) for source in whole), default=-1)
        if last < first or not whole:
            return RecoveredWal(LogEnd(self._received_lsn, self._received_lsn), 0, timeline, names, self._unreadable)
        make_folder(self._ready)
        finished = self._stage_finished(whole, chain, range(first, last + 1))
        end = self._stage_unfinished(whole, chain, last, finished)
        if end.lsn <= self._received_lsn:
            # The instance has more than the nodes; a shorter copy would replace the segment that it received.
            remove_tree(self._ready)
            return RecoveredWal(end, 0, timeline, names, self._unreadable)
        # Stage all histories, not only those of the chain, because a server probes newer timelines by consecutive numbers.
        for number in range(2, timeline + 1):
            self._stage_history(whole, number)
        return RecoveredWal(end, last - first + 1, timeline, names, self._unreadable)

    def _require_common_history(self, chain: Lineage) -> None:
        """Refuse a reader that received more of an old timeline than belongs to the cluster's lineage."""
        own = newest_timeline(self._installation.server(self._target))
        left = next((fork for fork in chain.forks if fork.timeline == own), None)
        if left is not None and self._received_lsn > left.lsn and not self._allow_data_loss:
            raise InvalidInstanceState(
                f"DBInstance {self._target.identifier} has diverged from the cluster at {format_lsn(left.lsn)}: "
                f"it did not follow an earlier failover.",
                f"Promote another reader: auroractl failover {self._target.cluster} --target NAME",
            )

    def _sources(self) -> list[_Source]:
        """Return the nodes with readable folders and any WAL that no injected fault keeps down."""
        faults = {fault.target for fault in self._cluster.faults()}
        found = []
        for node in self._cluster.storage_nodes():
            folder = self._installation.log_folder(node)
            try:
                inventory = folder.inventory()
            except OSError as error:
                raise_shortage(error)
                self._unreadable[node.identifier] = error.strerror or str(error)
                continue
            if faults & {node.identifier, node.availability_zone}:
                self._unreadable[node.identifier] = "an injected fault keeps it down"
            elif not inventory.finished and not inventory.partial:
                self._unreadable[node.identifier] = "it holds no WAL"
            else:
                found.append(_Source(node, folder, inventory))
        return found

    def _is_whole(self, source: _Source, chain: Lineage, first: int) -> bool:
        """Return whether a node has all segments from the instance's position to its own end."""
        last = chain.last(source.inventory.segments)
        name = source.node.identifier
        for number in range(first, last):
            if chain.at(number) not in source.inventory.finished:
                self._unreadable[name] = f"its segment {chain.at(number).name} is missing"
                return False
        flushed = self._cluster.memory.volume.flushed_lsn.get(name, 0)
        if last < segment_at(max(0, flushed - 1)) and not self._ends_before_fork(source, chain, flushed):
            self._unreadable[name] = f"it has lost WAL that it had flushed ({format_lsn(flushed)})"
            return False
        return True

    def _ends_before_fork(self, source: _Source, chain: Lineage, flushed_lsn: int) -> bool:
        """Return whether a node has all that it had flushed on the timeline before the last failover.

        It had not begun to receive the new timeline when that writer died, so it acknowledged nothing of it.
        """
        fork = chain.forks[-1] if chain.forks else None
        if fork is None or flushed_lsn > fork.lsn:
            return False
        return Segment(segment_at(max(0, flushed_lsn - 1)), fork.timeline) in source.inventory.segments

    def _require_quorum(self, whole: Sequence[_Source]) -> None:
        members = self._cluster.storage_nodes()
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

    def _stage_finished(self, whole: Sequence[_Source], chain: Lineage, numbers: range) -> dict[Segment, Path]:
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
                        f"The WAL segment {segment.name} has no trustworthy copy.",
                        f"To accept data loss: auroractl failover {self._target.cluster} --allow-data-loss",
                    )
                healthy = holders
            laid[segment] = healthy[0].folder.finished(segment)
            (self._ready / segment.name).symlink_to(laid[segment])
        return laid

    def _stage_unfinished(
        self, whole: Sequence[_Source], chain: Lineage, last: int, finished: Mapping[Segment, Path]
    ) -> LogEnd:
        """Stage the furthest valid copy of the last segment if that is unfinished; return the end of the WAL."""
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
        _write(target, contents[best])
        for name in contents:
            remove_tree(self._ready / name)
        return ends[best]

    def _distinct_contents(self, whole: Sequence[_Source], segment: Segment) -> dict[str, bytes]:
        """Return the distinct contents of an unfinished segment on the nodes, padded as the server pads them."""
        found: dict[str, bytes] = {}
        for source in whole:
            if segment in source.inventory.partial:
                content = read_start(source.folder.partial(segment), SEGMENT_BYTES).ljust(SEGMENT_BYTES, b"\0")
                found[hashlib.sha256(content).hexdigest()[:16]] = content
        return found

    def _examine(
        self, name: str, content: bytes, segment: Segment, before: Mapping[Segment, Path], start_lsn: int
    ) -> LogEnd:
        folder = self._ready / name
        make_folder(folder)
        for earlier, path in before.items():
            (folder / earlier.name).symlink_to(path)
        _write(folder / segment.name, content)
        timeline = segment.timeline
        start_lsn = start_lsn if all(each.timeline == timeline for each in before) else segment.start
        if not content.strip(b"\0"):
            return LogEnd(segment.start, segment.start)
        program = self._cluster.binaries.program("pg_waldump")
        return find_end(program, folder, timeline, start_lsn, self._installation.account)

    def _stage_history(self, whole: Sequence[_Source], timeline: int) -> None:
        for source in whole:
            path = source.folder.history(timeline)
            if exists(path) and not exists(self._ready / path.name):
                (self._ready / path.name).symlink_to(path)


def _write(path: Path, content: bytes) -> None:
    with make_regular(path) as file:
        file.write(content)
        file.flush()
        os.fdatasync(file.fileno())
