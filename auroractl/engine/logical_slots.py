"""Logical slots of running servers: reading, copying, advancing and dropping them."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import psycopg

from auroractl.core.engine.logical_slots import ANCHOR, LogicalSlot, changes
from auroractl.core.wal.lsn import format_lsn, parse_lsn
from auroractl.engine import sql
from auroractl.engine.connections import Access

log = logging.getLogger(__name__)

_SLOTS = """
SELECT slot_name::text, plugin::text, datoid::bigint, coalesce(confirmed_flush_lsn, '0/0')::text, invalidation_reason IS NULL
FROM pg_catalog.pg_replication_slots WHERE slot_type = 'logical' AND NOT temporary
"""
_DROP = """
SELECT pg_catalog.pg_drop_replication_slot(slot_name) FROM pg_catalog.pg_replication_slots
WHERE slot_name = %s AND NOT active AND pg_catalog.pg_is_in_recovery()
"""
"""A server that has been promoted meanwhile has slots of its own."""
_DROP_STALE = """
SELECT pg_catalog.pg_drop_replication_slot(slot_name) FROM pg_catalog.pg_replication_slots
WHERE slot_name = %s AND NOT active
"""
_MESSAGE_BYTES = 1024**2
_STEP_BYTES = 128 * 1024**2


@dataclass(frozen=True, slots=True)
class SlotsOfWriter:
    """The logical slots of a writer, and a position in its WAL from before they were read."""

    lsn: int
    slots: tuple[LogicalSlot, ...]

    @property
    def anchor(self) -> LogicalSlot | None:
        """Return its anchor; None if it has none."""
        return next((each for each in self.slots if each.name == ANCHOR), None)


def of_writer(connection: psycopg.Connection) -> SlotsOfWriter | None:
    """Read a writer's logical slots; None if it is no writer or its WAL cannot be decoded."""
    query = "SELECT pg_catalog.pg_is_in_recovery() OR pg_catalog.current_setting('wal_level') <> 'logical'"
    if connection.execute(query).fetchone() != (False,):
        return None
    row = connection.execute("SELECT pg_catalog.pg_current_wal_flush_lsn()::text").fetchone()
    return SlotsOfWriter(parse_lsn(row[0]) if row else 0, _slots(connection))


def _slots(connection: psycopg.Connection) -> tuple[LogicalSlot, ...]:
    rows = connection.execute(_SLOTS).fetchall()
    return tuple(LogicalSlot(name, plugin, oid, parse_lsn(lsn), valid) for name, plugin, oid, lsn, valid in rows)


def make_anchor(connection: psycopg.Connection) -> None:
    """Create the anchor. It begins when the transactions that are running have ended."""
    connection.execute("SELECT pg_catalog.pg_create_logical_replication_slot(%s, 'pgoutput')", [ANCHOR])


def log_snapshot(connection: psycopg.Connection) -> None:
    """Let a writer log its running transactions, which a reader needs to create its anchor."""
    connection.execute("SELECT pg_catalog.pg_log_standby_snapshot()")


def advance(connection: psycopg.Connection, name: str, lsn: int) -> None:
    """Advance a slot of the session's database; a reader advances it no further than it has replayed.

    It goes in steps, because what a cancelled statement has decoded is lost.
    """
    query = "SELECT confirmed_flush_lsn::text FROM pg_catalog.pg_replication_slots WHERE slot_name = %s"
    act = "SELECT end_lsn::text FROM pg_catalog.pg_replication_slot_advance(%s, %s::pg_catalog.pg_lsn)"
    row = connection.execute(query, [name]).fetchone()
    reached_lsn = parse_lsn(row[0]) if row else lsn
    while reached_lsn < lsn:
        row = connection.execute(act, [name, format_lsn(min(lsn, reached_lsn + _STEP_BYTES))]).fetchone()
        before_lsn, reached_lsn = reached_lsn, parse_lsn(row[0]) if row else lsn
        if reached_lsn <= before_lsn:
            return


def follow(access: Access, writer: SlotsOfWriter, timeout_s: float) -> tuple[LogicalSlot, ...] | None:
    """Bring a reader's slots to the positions of the writer's, as far as it has replayed.

    Returns the slots that it had before; None if it decodes no WAL. A slot that cannot be changed now, for example because
    it is in use, is left to the next time. Raises EngineError.
    """
    with sql.session(access, statement_timeout_s=timeout_s) as connection:
        if connection.execute("SHOW wal_level").fetchone() != ("logical",):
            return None
        before = _slots(connection)
        todo = changes(writer.slots, before, writer.lsn)
        for name in todo.drop:
            _try(name, partial(connection.execute, _DROP, [name]))
        anchor = next((each for each in before if each.name == ANCHOR), None)
        if anchor is not None and not anchor.valid:
            _try(ANCHOR, partial(connection.execute, _DROP, [ANCHOR]))
        names = sql.databases(connection)
    _change(access, names, todo.copy, todo.advance, timeout_s)
    if anchor is not None and anchor.valid and todo.anchor_lsn > anchor.confirmed_lsn:
        with sql.session(access, statement_timeout_s=timeout_s) as connection:
            _try(ANCHOR, partial(advance, connection, ANCHOR, todo.anchor_lsn))
    return before


def catch_up(
    access: Access,
    connection: psycopg.Connection,
    wanted: Sequence[LogicalSlot],
    present: Sequence[LogicalSlot],
    began_lsn: int,
    timeout_s: float,
) -> None:
    """Bring the slots of a promoted reader, whose timeline began at `began_lsn`, to what the old writer had saved.

    A slot that was dropped in the old writer's last second is dropped here too: it would hold WAL. Raises EngineError.
    """
    todo = changes(wanted, present, 0)
    for slot in present:
        if slot.name in todo.drop and slot.confirmed_lsn <= began_lsn:
            _try(slot.name, partial(connection.execute, _DROP_STALE, [slot.name]))
    if todo.copy or todo.advance:
        _change(access, sql.databases(connection), todo.copy, todo.advance, timeout_s)


def _change(
    access: Access,
    databases: dict[int, str],
    copy: Sequence[LogicalSlot],
    move: Sequence[LogicalSlot],
    timeout_s: float,
) -> None:
    """Copy and advance slots, each from a session in its own database."""
    by_database = defaultdict(list)
    for slot in (*copy, *move):
        by_database[slot.database].append(slot)
    for oid, slots in by_database.items():
        if oid not in databases:
            continue
        with sql.session(access, database=databases[oid], statement_timeout_s=timeout_s) as connection:
            for slot in slots:
                _try(slot.name, partial(_move, connection, slot, create=slot in copy))


def _move(connection: psycopg.Connection, slot: LogicalSlot, *, create: bool) -> None:
    if create:
        connection.execute(
            "SELECT pg_catalog.pg_copy_logical_replication_slot(%s, %s, false, %s)", [ANCHOR, slot.name, slot.plugin]
        )
    advance(connection, slot.name, slot.confirmed_lsn)


def _try(name: str, act: Callable[[], object]) -> None:
    try:
        act()
    except psycopg.Error as error:
        log.info("the slot %s was left as it is: %s", name, str(error).strip())


def pass_over(connection: psycopg.Connection, lsn: int) -> None:
    """Write messages that mean nothing until a writer's WAL has passed `lsn`."""
    query = "SELECT pg_catalog.pg_logical_emit_message(false, 'auroractl', pg_catalog.repeat(' ', %s))::text"
    reached_lsn = 0
    while reached_lsn <= lsn:
        row = connection.execute(
            query, [min(_MESSAGE_BYTES, max(1, lsn - reached_lsn)) if reached_lsn else 1]
        ).fetchone()
        reached_lsn = parse_lsn(row[0]) if row else lsn + 1
