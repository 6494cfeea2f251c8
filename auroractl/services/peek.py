"""peek: a query against the past, on a throw-away copy; the cluster goes on untouched.

The copy lives as long as the process of the person who looks, whatever ends that.
"""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import Any

from auroractl.core.backtrack import PageImage
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
        copy = moments.moment(context, cluster, identifier, moments.free_address(context, cluster))
        try:
            place = _bring(context, cluster, request, copy, progress)
        except BaseException:
            moments.remove(context, cluster, identifier)
            raise
        finally:
            context.volume_memory(cluster).backtrack.pins.pop(identifier, None)
        client = {"ProcessId": request.client_pid, "StartedAt": started_at(request.client_pid)}
        write_json(copy.folder / moments.CLIENT, client)
    context.observer.watch_exit(request.client_pid)
    return {
        "ConsistentTime": exact_timestamp(place.cut.at),
        "ConsistentLsn": format_lsn(place.cut.lsn),
        **read_access(context, cluster, copy),
    }


def _bring(
    context: Context, cluster: str, request: PeekRequest, copy: moments.Moment, progress: Progress
) -> places.Place:
    """Bring a copy to the moment, from another image where one is damaged; the place that it stands at."""
    pins = context.volume_memory(cluster).backtrack.pins
    with ExitStack() as copies:

        def begin(image: PageImage) -> ImageCopy:
            pins[copy.identifier] = image.reached_at
            return copies.enter_context(closing(moments.begin_copy(context, cluster, image, copy)))

        # The exact place is looked up while the image is prepared from which it will most likely be reached.
        likely = places.likely_image(context, cluster, request.target)
        begun = begin(likely) if likely else None
        place = places.find_place(context, cluster, request.target, use_earliest=request.use_earliest)
        while True:
            if begun is None or begun.image.identifier != place.image.identifier:
                if begun:
                    begun.close()
                begun = begin(place.image)
            try:
                _reach(context, cluster, place, copy, begun, progress)
            except DamagedImage as error:
                begun.close()
                begun = None
                other = places.from_another_image(context, cluster, place)
                if other is None:
                    raise
                progress.message(str(error))
                place = other
            else:
                return place


def _reach(
    context: Context,
    cluster: str,
    place: places.Place,
    copy: moments.Moment,
    begun: ImageCopy,
    progress: Progress,
) -> None:
    """Bring a copy to its place. Raises DamagedImage where its image is damaged, whatever came of that."""
    moments.lay_out(context, cluster, place, copy, begun, durable=False, tell=progress.message)
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
