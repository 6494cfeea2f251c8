"""peek: a query against the past, on a throw-away copy; the cluster goes on untouched.

The copy lives as long as the process of the person who looks, whatever ends that.
"""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from auroractl.core.lsn import format_lsn
from auroractl.core.moments import Target
from auroractl.core.timestamps import exact_timestamp
from auroractl.process.files import write_json
from auroractl.process.liveness import started_at
from auroractl.services import moments, places
from auroractl.services.context import Context
from auroractl.services.create_cluster import master_password
from auroractl.services.image_copy import ImageCopy
from auroractl.services.operations import Progress
from auroractl.storage.images import DamagedImage


@dataclass(frozen=True, slots=True)
class PeekRequest:
    """What is asked for; `client_pid` is the process for which the copy is kept."""

    target: Target
    client_pid: int
    use_earliest: bool = False


def peek(context: Context, cluster: str, request: PeekRequest, progress: Progress) -> dict[str, Any]:
    """Make a copy at a moment and tell how to read it. Raises as `places.find_place`, EngineError, TimedOut."""
    context.require_running(cluster)
    identifier = f"peek-{uuid.uuid4()}"
    with moments.in_use(context, cluster, identifier):
        pins = context.volume_memory(cluster).backtrack.pins
        copy = moments.moment(context, cluster, identifier, moments.free_address(context, cluster))
        likely = places.likely_image(context, cluster, request.target)
        begun = None
        try:
            if likely:
                # The exact place is looked up while the image is copied from which it will most likely be reached.
                pins[identifier] = likely.reached_at
                begun = moments.begin_copy(context, cluster, likely, copy)
            place = places.find_place(context, cluster, request.target, use_earliest=request.use_earliest)
            while True:
                pins[identifier] = place.image.reached_at
                if begun and begun.image.identifier != place.image.identifier:
                    begun.give_up()
                    begun = None
                begun = begun or moments.begin_copy(context, cluster, place.image, copy)
                try:
                    _reach(context, cluster, place, copy, begun, progress)
                    break
                except DamagedImage as error:
                    begun.give_up()
                    begun = None
                    other = places.from_another_image(context, cluster, place)
                    if other is None:
                        raise
                    progress.message(str(error))
                    place = other
            begun.release()
        except BaseException:
            if begun:
                begun.give_up()
            moments.remove(context, cluster, identifier)
            raise
        finally:
            pins.pop(identifier, None)
        client = {"ProcessId": request.client_pid, "StartedAt": started_at(request.client_pid)}
        write_json(copy.folder / moments.CLIENT, client)
    context.observer.watch_exit(request.client_pid)
    return {
        "ConsistentTime": exact_timestamp(place.cut.at),
        "ConsistentLsn": format_lsn(place.cut.lsn),
        **read_access(context, cluster, copy),
    }


def _reach(
    context: Context,
    cluster: str,
    place: places.Place,
    copy: moments.Moment,
    begun: ImageCopy,
    progress: Progress,
) -> None:
    """Bring a copy to its place. Raises DamagedImage where its image is damaged, whatever came of that."""
    moments.lay_out(context, cluster, place, copy, durable=False, tell=progress.message, begun=begun)
    with ThreadPoolExecutor(1) as pool:
        # Beside the recovery: a person waits, and the answer is not given before this is done.
        whole = pool.submit(begun.check)
        try:
            moments.recover(context, cluster, place, copy, progress.message)
        finally:
            whole.result()


def read_access(context: Context, cluster: str, copy: moments.Moment) -> dict[str, Any]:
    """How to connect to a copy as the master user."""
    row = context.cluster(cluster)
    binaries = context.installation.binaries
    return {
        "DBClusterIdentifier": cluster,
        "Host": copy.server.address.host,
        "Port": copy.server.address.port,
        "User": row.master_username,
        "Password": master_password(context, cluster),
        "Database": row.database_name,
        "PsqlPath": binaries.program("psql"),
        "PgDumpPath": binaries.program("pg_dump"),
    }
