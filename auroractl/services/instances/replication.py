"""Start of writers and readers, and attachment of readers to the writer from any state of their data."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable

from auroractl.core.errors import AuroraError, EngineError
from auroractl.core.model import Instance
from auroractl.core.wal.lsn import parse_lsn
from auroractl.engine import sql, standby
from auroractl.engine.server import AddressTaken, Server
from auroractl.engine.server_log import last_error, said
from auroractl.runtime.managed_cluster import ManagedCluster
from auroractl.services.instances import durability, logical_slots
from auroractl.services.instances.lineage import lineage
from auroractl.system.files import exists, remove_tree
from auroractl.system.limits import Shortage
from auroractl.system.liveness import cpu_time_s, suspended
from auroractl.system.waiting import wait_until

log = logging.getLogger(__name__)

_FOLLOW_TIMEOUT_S = 5.0
_IDLE_TIMEOUT_S = 8.0
_STARTS_ON_ITS_DATA = 2
_LOOK_INTERVAL_S = 0.5
_WORK_S = 0.05
"""The CPU time that shows progress; a server that only requests missing WAL uses less within the timeout."""
_POLL_S = 0.01
_REWIND_SEES_PROMOTION = 16
"""The first version whose pg_rewind can use a server that has written no checkpoint since its promotion (release notes)."""


def start_writer(cluster: ManagedCluster, writer: Instance, recovery_timeout_s: float = 0.0) -> None:
    """Start the writer, unless it is running.

    The wait may last `recovery_timeout_s` instead of the setting `start_timeout_s` while the server makes progress.

    Raises EngineError if its data directory is gone or marked as a reader's, because its start would then create a second
    timeline.
    """
    server = cluster.installation.server(writer)
    if server.pid() is None:
        if not server.has_data():
            raise EngineError(
                f"The data directory of the writer {writer.identifier} is gone: {server.data}",
                _without_data(cluster, writer),
            )
        if exists(server.data / "standby.signal"):
            raise EngineError(
                f"The data directory of {writer.identifier} is a reader's.",
                f"Promote a reader: auroractl failover {writer.cluster}",
            )
        cluster.configure(writer, None)
        logical_slots.fit(cluster, writer, reader=False)
    patience_s = cluster.settings.start_timeout_s
    began_s, works = time.monotonic(), _works(server)

    def worth_waiting() -> bool:
        return works() or time.monotonic() - began_s < patience_s

    server.start(max(patience_s, recovery_timeout_s), worth_waiting)


def _without_data(cluster: ManagedCluster, writer: Instance) -> str:
    """Return what to do about a writer whose data is gone, or with the volume since its deletion was interrupted."""
    if exists(cluster.paths.base):
        return f"Its data is with the volume; complete its deletion: auroractl delete-instance {writer.identifier}"
    return f"Promote a reader: auroractl failover {writer.cluster}"


def start_reader(
    cluster: ManagedCluster, reader: Instance, writer: Instance, worth_waiting: Callable[[], bool] = lambda: True
) -> None:
    """Start a reader on its existing data and let it follow the writer; a running reader is only repointed.

    A reader may need WAL from the writer before it is consistent. The wait ends early if `worth_waiting` returns False or
    the server makes no progress.

    Raises EngineError if it has no data or does not start.
    """
    server = cluster.installation.server(reader)
    if not server.has_data():
        raise EngineError(f"The data directory of {reader.identifier} is gone or incomplete: {server.data}", "")
    durability.release(cluster, reader)
    running = server.pid() is not None
    cluster.configure(reader, writer)
    if running:
        server.reload()
    else:
        logical_slots.fit(cluster, reader, reader=True)
    works = _works(server)
    server.start(cluster.settings.start_timeout_s, lambda: worth_waiting() and works())


def ended_as_writer(cluster: ManagedCluster, instance: Instance) -> bool:
    """Return whether a stopped instance's data is that of a crashed writer."""
    server = cluster.installation.server(instance)
    if server.pid() is not None or not server.has_data():
        return False
    return server.control_data()["Database cluster state"] == "in production"


def has_diverged(cluster: ManagedCluster, reader: Instance, writer: Instance) -> bool:
    """Return whether a reader has WAL that is not in the writer's lineage; False if the reader does not answer.

    A diverged reader streams briefly at each attempt, but makes no progress.
    """
    server = cluster.installation.server(reader)
    if not server.has_data():
        return False
    control = server.control_data()
    names = ("Latest checkpoint's TimeLineID", "Min recovery ending loc's timeline")
    own = max(int(control[name]) for name in names)
    has_lsn = max(
        parse_lsn(control[name]) for name in ("Latest checkpoint location", "Minimum recovery ending location")
    )
    if server.is_ready():
        with contextlib.suppress(AuroraError), sql.session(cluster.installation.access(reader)) as connection:
            has_lsn = max(has_lsn, sql.received_lsn(connection))
    timeline, forks = lineage(cluster, writer)
    left = next((fork.lsn for fork in forks if fork.timeline == own), None)
    return has_lsn > left if left is not None else own != timeline


def rejoin(cluster: ManagedCluster, reader: Instance, writer: Instance, *, diverged: bool = False) -> str:
    """Attach an instance to the writer as a reader by the cheapest method that works; return the method in words.

    The methods are its existing data (skipped if it is known to have `diverged`), pg_rewind and a new copy. Raises the
    error of the last one if none works.
    """
    server = cluster.installation.server(reader)
    durability.release(cluster, reader)
    diverged = diverged or has_diverged(cluster, reader, writer)
    if diverged:
        server.abort()
    ways = (("on its data", _as_it_is), ("rewound", _rewound), ("copied again", _copied))
    for words, way in ways[diverged:]:
        try:
            way(cluster, reader, writer)
            wait_following(cluster, reader, writer, _FOLLOW_TIMEOUT_S)
        except (AddressTaken, Shortage):
            # A new copy would not help.
            raise
        except AuroraError as error:
            if way is _copied:
                raise
            log.info("%s cannot follow %s (%s): %s", reader.identifier, writer.identifier, words, error)
            server.abort()
        else:
            return words
    raise AssertionError("unreachable: the last way returns or raises")


def _as_it_is(cluster: ManagedCluster, reader: Instance, writer: Instance) -> None:
    start_reader(cluster, reader, writer, _lives(cluster, writer))


def _lives(cluster: ManagedCluster, writer: Instance) -> Callable[[], bool]:
    """Return a function that tells whether the writer can still send WAL, because it is neither gone nor frozen."""

    def lives() -> bool:
        pid = cluster.installation.server(writer).pid()
        return pid is not None and not suspended(pid)

    return lives


def _works(server: Server) -> Callable[[], bool]:
    """Return a function that tells whether a starting server makes progress, by its CPU time."""
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


def _rewound(cluster: ManagedCluster, reader: Instance, writer: Instance) -> None:
    server = cluster.installation.server(reader)
    if not server.has_data():
        raise EngineError(f"The data directory of {reader.identifier} is gone or incomplete: {server.data}", "")
    _require_older_timeline(cluster, reader, writer)
    if server.binaries.major < _REWIND_SEES_PROMOTION:
        with sql.session(cluster.installation.access(writer)) as connection:
            connection.execute("CHECKPOINT")
    standby.rewind_to(cluster.installation.access(writer), server, cluster.installation.secrets)
    logical_slots.copy_from_writer(cluster, reader, writer)
    with sql.session(cluster.installation.access(writer)) as connection:
        # The rewound data is consistent once it has the writer's next WAL record, which an idle writer may write
        # only after 15 seconds.
        sql.write_something(connection)
    start_reader(cluster, reader, writer, _lives(cluster, writer))


def _require_older_timeline(cluster: ManagedCluster, reader: Instance, writer: Instance) -> None:
    """Refuse to rewind on equal timelines: pg_rewind compares only numbers, which two promotions may share."""
    own = int(cluster.installation.server(reader).control_data()["Latest checkpoint's TimeLineID"])
    with sql.session(cluster.installation.access(writer)) as connection:
        newest = sql.timeline(connection)
    if own >= newest:
        raise EngineError(f"{reader.identifier} is on timeline {own} and the writer on {newest}.", "")


def _copied(cluster: ManagedCluster, reader: Instance, writer: Instance) -> None:
    copy_from_writer(cluster, reader, writer)
    start_reader(cluster, reader, writer, _lives(cluster, writer))


def copy_from_writer(cluster: ManagedCluster, reader: Instance, writer: Instance) -> None:
    """Replace a stopped reader's data with a new copy of the writer's, configured to follow it.

    Raises EngineError if the writer does not answer. The reader's data is then kept, because it may be the only copy.
    """
    with sql.session(cluster.installation.access(writer)) as connection:
        if sql.in_recovery(connection):
            raise EngineError(f"The server of {writer.identifier} is not the writer.", "")
    durability.release(cluster, reader)
    cluster.installation.make_instance_folder(reader)
    remove_tree(cluster.paths.instance(reader.identifier).unverified)
    standby.copy_from(
        cluster.installation.access(writer), cluster.installation.server(reader), cluster.installation.secrets
    )
    logical_slots.copy_from_writer(cluster, reader, writer)
    cluster.configure(reader, writer)


def wait_following(cluster: ManagedCluster, reader: Instance, writer: Instance, timeout_s: float) -> None:
    """Wait until the reader streams from the writer. Raises TimedOut, or EngineError if the reader ended."""
    server = cluster.installation.server(reader)
    with sql.session(cluster.installation.access(writer)) as connection:

        def detached() -> str:
            there = reader.identifier in sql.streaming_standbys(connection)
            return "" if there else "the writer does not stream to it"

        def lives() -> None:
            if server.pid() is None:
                raise EngineError(
                    f"The server of {reader.identifier} ended{said(server.log)}", f"Its log is {server.log}"
                )

        what = f"{reader.identifier} did not begin to follow"
        wait_until(what, detached, timeout_s, _POLL_S, lives, lambda: last_error(server.log))


def recover_reader(cluster: ManagedCluster, reader: Instance) -> None:
    """Start a reader on its data, or on a new copy if the data is gone or fails twice.

    A single failure may have been a kill during the start, which says nothing about the data. An instance that ended as
    the writer has diverged and is rewound first.
    """
    writer = cluster.writer()
    if ended_as_writer(cluster, reader):
        rejoin(cluster, reader, writer, diverged=True)
        return
    for _ in range(_STARTS_ON_ITS_DATA):
        try:
            start_reader(cluster, reader, writer)
        except (AddressTaken, Shortage):
            # A new copy would not help.
            raise
        except AuroraError as error:
            log.info("%s does not start on its data: %s", reader.identifier, error)
            cluster.installation.server(reader).abort()
        else:
            return
    log.info("%s is copied again", reader.identifier)
    copy_from_writer(cluster, reader, writer)
    start_reader(cluster, reader, writer)


def remove_stopped(cluster: ManagedCluster, instance: Instance) -> None:
    """Remove the folders and the row of an instance whose server has ended. May be repeated."""
    durability.abandon(cluster, instance)
    cluster.installation.remove_socket_folder(cluster.installation.server(instance))
    remove_tree(cluster.paths.instance(instance.identifier).folder)
    cluster.repository.delete_instance(instance.identifier)
    # Another instance may be given its name.
    cluster.memory.failed.pop(instance.identifier, None)
    cluster.memory.parameters.pop(instance.identifier, None)
    cluster.memory.uncounted.add(instance.identifier)
