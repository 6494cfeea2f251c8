"""Logical replication slots, and how the slots of a reader follow those of the writer.

PostgreSQL creates a logical slot only at the present position. Every instance therefore has an anchor, an internal slot
that is never used but kept a little behind. A slot of the writer is created on a reader as a copy of the reader's anchor
and then advanced to the writer's position.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

ANCHOR = "rdsadmin_anchor"
"""The name of the internal slot. It belongs to the database rdsadmin, where no client can read from it."""
KEPT_SINCE = 17
"""The first major version whose slots survive a failover, as on Aurora PostgreSQL."""


@dataclass(frozen=True, slots=True)
class LogicalSlot:
    """A logical slot as a server has it."""

    name: str
    plugin: str
    database: int
    """Its database's oid, which is the same on all instances."""
    confirmed_lsn: int
    """What its consumer has confirmed; 0 while the slot is being created."""
    valid: bool = True
    """False if the server has removed WAL or rows that it needs."""


@dataclass(frozen=True, slots=True)
class SlotChanges:
    """What brings a reader's slots to the state of the writer's."""

    drop: tuple[str, ...]
    copy: tuple[LogicalSlot, ...]
    """Slots to create as copies of the anchor, and to advance."""
    advance: tuple[LogicalSlot, ...]
    late: tuple[LogicalSlot, ...]
    """Slots that the reader cannot have yet, because their consumers are behind its anchor."""
    anchor_lsn: int
    """How far the anchor may advance: never past a slot that is missing."""


def changes(wanted: Iterable[LogicalSlot], present: Iterable[LogicalSlot], lsn: int) -> SlotChanges:
    """Compare the writer's slots with a reader's, both without anchors except for the reader's.

    `lsn` is a position of the writer from before its slots were read: any slot that is missing from them begins there
    or later.
    """
    has = {each.name: each for each in present}
    anchor = has.pop(ANCHOR, None)
    wants = {each.name: each for each in wanted if each.name != ANCHOR}
    creating = any(each.confirmed_lsn == 0 for each in wants.values())
    kept = {name: each for name, each in has.items() if name in wants and _same(each, wants[name])}
    ready = [each for each in wants.values() if each.valid and each.confirmed_lsn]
    missing = [each for each in ready if each.name not in kept]
    anchored_lsn = anchor.confirmed_lsn if anchor is not None and anchor.valid else None
    copy = tuple(each for each in missing if anchored_lsn is not None and each.confirmed_lsn >= anchored_lsn)
    return SlotChanges(
        drop=tuple(name for name in has if name not in kept),
        copy=copy,
        advance=tuple(
            each for each in ready if each.name in kept and kept[each.name].confirmed_lsn < each.confirmed_lsn
        ),
        late=tuple(each for each in missing if each not in copy),
        anchor_lsn=0 if creating else min([lsn, *(each.confirmed_lsn for each in copy)]),
    )


def _same(mine: LogicalSlot, wanted: LogicalSlot) -> bool:
    return mine.valid and (mine.plugin, mine.database) == (wanted.plugin, wanted.database)
