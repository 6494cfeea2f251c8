"""The logical slots of a cluster: every reader has those of the writer, so that they survive a failover."""

from __future__ import annotations

import logging
import time
from contextlib import suppress

from auroractl.core.engine.logical_slots import ANCHOR, KEPT_SINCE
from auroractl.core.errors import AuroraError
from auroractl.core.model import Instance
from auroractl.core.parameters.values import is_on
from auroractl.engine import logical_slots, slot_files, sql
from auroractl.engine.logical_slots import SlotsOfWriter
from auroractl.runtime import events
from auroractl.runtime.managed_cluster import ManagedCluster
from auroractl.runtime.parallel import side_by_side
from auroractl.services.instances.lineage import lineage
from auroractl.system.waiting import holds_in_time

log = logging.getLogger(__name__)

_TIMEOUT_S = 10.0
_TAKE_OVER_TIMEOUT_S = 2.0
_ANCHOR_TIMEOUT_S = 5.0
_SNAPSHOT_INTERVAL_S = 0.5
_INTERVAL_S, _INTERVAL_MAX_S = 1.0, 5.0
_SHARE_MAX = 0.1
"""The share of time to spend on slots; a slot with a long transaction is decoded from its beginning each time."""


def decodes(cluster: ManagedCluster) -> bool:
    """Return whether rds.logical_replication is on for a cluster, if perhaps only after its reboot."""
    return is_on(cluster.chosen_parameters(), "rds.logical_replication")


def keeps(cluster: ManagedCluster) -> bool:
    """Return whether the slots of a cluster are to survive a failover."""
    return decodes(cluster) and cluster.binaries.major >= KEPT_SINCE


def keep(cluster: ManagedCluster) -> None:
    """Bring the slots of all readers to the positions of the writer's. Raises EngineError."""
    memory, began_s = cluster.memory.slots, time.monotonic()
    memory.due_s = began_s + _INTERVAL_S
    access = cluster.installation.access(cluster.writer())
    with sql.session(access, statement_timeout_s=_TIMEOUT_S) as connection:
        found = logical_slots.of_writer(connection)
        if found is None:
            return
        if found.anchor is None:
            logical_slots.make_anchor(connection)
        lowest_lsn = min((_follow(cluster, reader, found) for reader in _readers(cluster)), default=found.lsn)
        # One round behind the readers, because they do not tell the writer what rows they need while they are
        # disconnected.
        if found.anchor is not None and found.anchor.confirmed_lsn < memory.lowest_lsn:
            logical_slots.advance(connection, ANCHOR, memory.lowest_lsn)
        memory.lowest_lsn = lowest_lsn
    now_s = time.monotonic()
    memory.due_s = now_s + min(max(_INTERVAL_S, (now_s - began_s) / _SHARE_MAX), _INTERVAL_MAX_S)


def _readers(cluster: ManagedCluster) -> list[Instance]:
    snapshot = cluster.snapshot()
    return [each for each in snapshot.readers if snapshot.seen(each.identifier).accepting]


def _follow(cluster: ManagedCluster, reader: Instance, writer: SlotsOfWriter) -> int:
    """Bring a reader's slots up to date and return where its anchor was before."""
    access = cluster.installation.access(reader)
    try:
        before = logical_slots.follow(access, writer, _TIMEOUT_S)
        if before is None:
            return writer.lsn
        if ANCHOR not in {each.name for each in before if each.valid}:
            _make_anchor(cluster, reader)
    except AuroraError as error:
        log.info("the slots of %s were left as they are: %s", reader.identifier, error)
        return writer.lsn
    return min((each.confirmed_lsn for each in before if each.valid and each.name == ANCHOR), default=writer.lsn)


def _make_anchor(cluster: ManagedCluster, reader: Instance) -> None:
    """Create a reader's anchor, which waits until the writer has logged its running transactions."""
    made = []

    def make() -> None:
        with sql.session(cluster.installation.access(reader), statement_timeout_s=_ANCHOR_TIMEOUT_S) as connection:
            logical_slots.make_anchor(connection)
            made.append(True)

    def help_along() -> None:
        with sql.session(cluster.installation.access(cluster.writer())) as connection:

            def anchored() -> bool:
                if not made:
                    logical_slots.log_snapshot(connection)
                return bool(made)

            holds_in_time(anchored, _ANCHOR_TIMEOUT_S, _SNAPSHOT_INTERVAL_S)

    side_by_side(lambda act: act(), [(make,), (help_along,)])


def take_over(cluster: ManagedCluster, source: Instance, target: Instance, *, planned: bool) -> None:
    """Bring the slots of a promoted reader to where consumers were when the old writer ended.

    After a crash the positions are those that the old writer had saved. Its consumers may have received more than the
    target and the storage nodes did; the target then leaves these positions out, because a consumer that continues there
    would never see what is written below.

    A slot that cannot be advanced stays where it was, and its consumer may receive again what it has.
    """
    if not keeps(cluster):
        return
    data = cluster.installation.server(source).data
    access = cluster.installation.access(target)
    try:
        wanted = slot_files.logical_slots(data)
        if not wanted:
            # It has at least an anchor, unless its data is lost.
            return
        with sql.session(access, statement_timeout_s=_TAKE_OVER_TIMEOUT_S) as connection:
            has = logical_slots.of_writer(connection)
            if has is None:
                return
            if not planned and any(each.name != ANCHOR for each in wanted):
                logical_slots.pass_over(connection, slot_files.wal_end(data, has.lsn))
            _, forks = lineage(cluster, target)
            began_lsn = forks[-1].lsn if forks else 0
            logical_slots.catch_up(access, connection, wanted, has.slots, began_lsn, _TAKE_OVER_TIMEOUT_S)
    except (AuroraError, OSError) as error:
        log.warning("the slots of %s were left as they are: %s", target.identifier, error)


def copy_from_writer(cluster: ManagedCluster, reader: Instance, writer: Instance) -> None:
    """Give a reader that was rewound or copied, and is stopped, the slots of the writer."""
    if not keeps(cluster):
        return
    servers = cluster.installation.server(writer), cluster.installation.server(reader)
    try:
        slot_files.copy_logical_slots(servers[0].data, servers[1].data)
    except OSError as error:
        # Without them it follows even so, and gets the slots of consumers that continue.
        log.warning("%s was given no slots: %s", reader.identifier, error)
        with suppress(OSError):
            slot_files.remove_logical_slots(servers[1].data)


def fit(cluster: ManagedCluster, instance: Instance, *, reader: bool) -> None:
    """Remove the slots of a stopped server that it could not start with, or that would only hold WAL there."""
    if keeps(cluster) or (decodes(cluster) and not reader):
        return
    try:
        removed = slot_files.remove_logical_slots(cluster.installation.server(instance).data)
    except OSError as error:
        log.warning("the slots of %s were left as they are: %s", instance.identifier, error)
        return
    for name in removed:
        if name != ANCHOR:
            why = "a reader keeps none" if decodes(cluster) else "rds.logical_replication is off"
            events.record(
                cluster, events.INTERNALS, instance.identifier, f"The logical slot {name} was dropped: {why}."
            )
