"""Starting writers and readers, and making a reader follow the writer whatever state its data is in."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable

from auroractl.core.errors import AuroraError, EngineError, TimedOut
from auroractl.core.lsn import parse_lsn
from auroractl.core.model import Address, Instance
from auroractl.engine import sql, standby
from auroractl.engine.server import Server
from auroractl.process.liveness import cpu_time_s, suspended
from auroractl.services import storage_nodes
from auroractl.services.context import Context

log = logging.getLogger(__name__)

_FOLLOW_TIMEOUT_S = 5.0
_IDLE_TIMEOUT_S = 8.0
_LOOK_INTERVAL_S = 0.5
_WORK_S = 0.05
"""CPU time; a server that only asks for log in vain uses less within the timeout."""
_POLL_S = 0.01


def start_writer(context: Context, writer: Instance) -> None:
    """Start the writer in place; one that runs is left as it is.

    Raises EngineError where its data directory is gone or marked as a reader's, because starting it would then make
    a second history.
    """
    server = context.installation.server(writer)
    if server.pid() is None:
        if not server.has_data():
            raise EngineError(
                f"The data directory of the writer {writer.identifier} is gone: {server.data}",
                f"Promote a reader: auroractl failover {writer.cluster}",
            )
        if (server.data / "standby.signal").exists():
            raise EngineError(
                f"The data directory of {writer.identifier} is a reader's.",
                f"Promote a reader: auroractl failover {writer.cluster}",
            )
        context.configure(writer, None)
    server.start(context.settings.start_timeout_s)


def start_reader(
    context: Context, reader: Instance, writer: Instance, worth_waiting: Callable[[], bool] = lambda: True
) -> None:
    """Start a reader on the data it has and have it follow the writer; a running one is pointed at the writer.

    A reader may have to get log before it is consistent; `worth_waiting` tells whether it still can. One that does
    nothing is not waited for.

    Raises EngineError where it has no data or does not start.
    """
    server = context.installation.server(reader)
    if not server.has_data():
        raise EngineError(f"The data directory of {reader.identifier} is gone or incomplete: {server.data}", "")
    running = server.pid() is not None
    context.configure(reader, writer.address)
    if running:
        server.reload()
    works = _works(server)
    server.start(context.settings.start_timeout_s, lambda: worth_waiting() and works())


def ended_as_writer(context: Context, instance: Instance) -> bool:
    """Whether a stopped instance's data is that of a writer that crashed; one that was shut down cleanly is not."""
    server = context.installation.server(instance)
    if server.pid() is not None or not server.has_data():
        return False
    return server.control_data()["Database cluster state"] == "in production"


def has_diverged(context: Context, reader: Instance, writer: Instance) -> bool:
    """Whether a reader has log that is not in the writer's history; one that cannot be asked is not said to.

    Such a one streams for a moment whenever it asks, and never gets anywhere.
    """
    server = context.installation.server(reader)
    if not server.has_data():
        return False
    control = server.control_data()
    names = ("Latest checkpoint's TimeLineID", "Min recovery ending loc's timeline")
    own = max(int(control[name]) for name in names)
    has_lsn = max(
        parse_lsn(control[name]) for name in ("Latest checkpoint location", "Minimum recovery ending location")
    )
    if server.is_ready():
        with contextlib.suppress(AuroraError), sql.session(reader.address, _password(context)) as connection:
            has_lsn = max(has_lsn, sql.received_lsn(connection))
    timeline, forks = storage_nodes.lineage(context, writer)
    left = next((fork.lsn for fork in forks if fork.timeline == own), None)
    return has_lsn > left if left is not None else own != timeline


def _password(context: Context) -> str:
    return context.installation.secrets.admin


def rejoin(context: Context, reader: Instance, writer: Instance, *, diverged: bool = False) -> str:
    """Make an instance a reader of the writer by the cheapest way that works and return that way in words.

    Its data as it is (left out where it is known to have `diverged`), else rewound to where it left the writer's
    history (pg_rewind), else a new copy. Raises the error of the last way where none works.
    """
    server = context.installation.server(reader)
    diverged = diverged or has_diverged(context, reader, writer)
    if diverged:
        server.abort()
    ways = (("as it was", _as_it_is), ("rewound", _rewound), ("copied anew", _copied))
    for words, way in ways[diverged:]:
        try:
            way(context, reader, writer)
            wait_following(context, reader, writer, _FOLLOW_TIMEOUT_S)
        except AuroraError as error:
            if way is _copied:
                raise
            log.info("%s cannot follow %s (%s): %s", reader.identifier, writer.identifier, words, error)
            server.abort()
        else:
            return words
    raise AssertionError("unreachable: the last way returns or raises")


def _as_it_is(context: Context, reader: Instance, writer: Instance) -> None:
    start_reader(context, reader, writer, _lives(context, writer))


def _lives(context: Context, writer: Instance) -> Callable[[], bool]:
    """Whether a writer can still send its log: one that is gone or frozen meanwhile would be waited for in vain."""

    def lives() -> bool:
        pid = context.installation.server(writer).pid()
        return pid is not None and not suspended(pid)

    return lives


def _works(server: Server) -> Callable[[], bool]:
    """Whether a starting server does anything: one that asks again and again for log that nobody has does not."""
    looked_s = worked_s = time.monotonic()
    used_s = 0.0

    def works() -> bool:
        nonlocal looked_s, worked_s, used_s
        now_s, pid = time.monotonic(), server.pid()
        if now_s - looked_s < _LOOK_INTERVAL_S or pid is None:
            return True
        looked_s, now_used_s = now_s, cpu_time_s(pid)
        if now_used_s - used_s > _WORK_S:
            worked_s, used_s = now_s, now_used_s
        return now_s - worked_s < _IDLE_TIMEOUT_S

    return works


def _rewound(context: Context, reader: Instance, writer: Instance) -> None:
    server = context.installation.server(reader)
    if not server.has_data():
        raise EngineError(f"The data directory of {reader.identifier} is gone or incomplete: {server.data}", "")
    _require_older_timeline(context, reader, writer)
    standby.rewind_to(writer.address, server, context.installation.secrets)
    with sql.session(writer.address, context.installation.secrets.admin) as connection:
        # What was rewound is consistent once it has the log up to where the writer would have written next, which
        # an idle writer may take a quarter of a minute to write.
        sql.write_something(connection)
    start_reader(context, reader, writer, _lives(context, writer))


def _require_older_timeline(context: Context, reader: Instance, writer: Instance) -> None:
    """pg_rewind takes equal timelines for equal histories, but two promotions from one place may bear one number."""
    own = int(context.installation.server(reader).control_data()["Latest checkpoint's TimeLineID"])
    with sql.session(writer.address, context.installation.secrets.admin) as connection:
        newest = sql.timeline(connection)
    if own >= newest:
        raise EngineError(f"{reader.identifier} is on timeline {own} and the writer on {newest}.", "")


def _copied(context: Context, reader: Instance, writer: Instance) -> None:
    copy_from_writer(context, reader, writer.address)
    start_reader(context, reader, writer, _lives(context, writer))


def copy_from_writer(context: Context, reader: Instance, source: Address) -> None:
    """Give a stopped reader a new copy of the writer's data, configured to follow it.

    Raises EngineError, and what the reader has stays, where the writer does not answer: it may be all that is left.
    """
    with sql.session(source, context.installation.secrets.admin) as connection:
        if sql.in_recovery(connection):
            raise EngineError(f"The server at {source} is not the writer.", "")
    context.installation.make_instance_folder(reader)
    standby.copy_from(source, context.installation.server(reader), context.installation.secrets)
    context.configure(reader, source)


def wait_following(context: Context, reader: Instance, writer: Instance, timeout_s: float) -> None:
    """Wait until the writer sees the reader streaming. Raises TimedOut, or EngineError where the reader ended."""
    server = context.installation.server(reader)
    deadline = time.monotonic() + timeout_s
    with sql.session(writer.address, context.installation.secrets.admin) as connection:
        while reader.identifier not in sql.streaming_standbys(connection):
            if server.pid() is None:
                raise EngineError(f"The server of {reader.identifier} ended.", f"Its log is {server.log}")
            if time.monotonic() > deadline:
                raise TimedOut(f"{reader.identifier} did not begin to follow within {timeout_s:g} s.", "")
            time.sleep(_POLL_S)
